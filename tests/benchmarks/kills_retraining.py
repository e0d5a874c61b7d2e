"""Kill a scheduled retraining before each of its writes, also those that `make test` spares.

    python -m tests.benchmarks.kills_retraining

Exit code 0 if the next call completed each of them. Takes a few minutes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


def main() -> int:
    """Run the tests of `tests/test_retrain_killed.py` at all points."""
    os.environ["MLOPS_TEST_KILLS"] = "all"
    tests = Path(__file__).parents[1] / "test_retrain_killed.py"
    return int(pytest.main(["-q", "-n0", "--durations=3", str(tests), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())

"""The whole chain, run again from nothing, shows the same text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_helpers.places import PHASES, notebooks_folder
from tests.notebooks.comparing import differences

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def second_run(tmp_path_factory, project) -> Path:
    """Run the course into an empty folder and return it."""
    outputs = tmp_path_factory.mktemp("second") / "outputs"
    done = subprocess.run(
        [sys.executable, "-m", "mlops_helpers", "run", "--outputs", str(outputs)],
        capture_output=True,
        text=True,
        cwd=project,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    return outputs


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_from_empty_shows_what_is_stored(phase: str, second_run: Path):
    """The text outputs of a run that starts with nothing are those stored in the notebook."""
    name = f"{phase}.ipynb"
    assert differences(notebooks_folder() / name, second_run / name) == []


@pytest.mark.parametrize("phase", PHASES)
def test_two_runs_from_empty_show_the_same(phase: str, second_run: Path):
    """Two runs, each from an empty folder, show the same text in every cell.

    The first is the one that `make test` begins with.
    """
    first = Path(os.environ["MLOPS_ROOT"]) / "outputs" / f"{phase}.ipynb"
    if not first.exists():
        pytest.skip("`make test` runs the course first; this is pytest alone")
    assert differences(first, second_run / first.name) == []

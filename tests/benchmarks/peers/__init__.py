"""Other packages for drift, installed apart from the course and asked in a process of their own.

Their environment is made once, from `requirements.lock`, in `.bench/` at the root of the project;
a changed lock makes another one. evidently does not import with the pandas of the course.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["ask", "environment"]

_HERE = Path(__file__).resolve().parent
_CACHE = _HERE.parents[2] / ".bench"
_SILENT = {  # neither of them tells anybody that it was run
    "DO_NOT_TRACK": "1",
    "NML_DISABLE_USAGE_LOGGING": "1",
    "NML_DISABLE_USER_ANALYTICS": "1",
}


def environment() -> Path:
    """The Python of the peers' environment; installs it if it is not there (minutes, network)."""
    lock = _HERE / "requirements.lock"
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = _CACHE / f"peers-{key}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():  # made last, so an installation that was interrupted starts anew
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", folder])
        # The lock is the whole of it: --no-deps, since pip asks for hashes of extras as well.
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--require-hashes", "--requirement", lock])
        done.touch()
    return python


def ask(peer: str, folder: Path, *, times: int) -> dict[str, Any]:
    """What `measure.py` prints of `peer` for the rows in `folder`: its version and its ways."""
    script = _HERE / "measure.py"
    said = _run([environment(), "-W", "ignore", script, peer, folder, times], cwd=folder)
    return json.loads(said.splitlines()[-1])


def _run(command: list[object], cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    own = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONWARNINGS")}
    done = subprocess.run(words, cwd=cwd, env=own | _SILENT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(words)} failed with {done.returncode}: {done.stderr[-2000:]}"
        )
    return done.stdout

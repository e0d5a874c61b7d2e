"""Is what a notebook wrote still true? Fingerprints of all that its result depends on.

A notebook's fingerprint covers its cells (without outputs), the package's sources, the lock, the
Python version, the parameters, the loans, and the token of the finished phase before it: when that
phase runs again it gets a new token, so everything after it is out of date.
"""

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mlops_helpers.places import project_root, write_atomically

RUNS_FILE = "runs.json"
CHANGES = {
    "parameters": "its parameters changed",
    "loans": "the loans changed",
    "notebook": "the notebook changed",
    "package": "the package changed",
    "before": "a phase before it ran again",
}
"""The parts of a fingerprint, and what is said when one is another than last time."""

Status = Literal["passed", "failed"]


@dataclass(frozen=True)
class Failure:
    """Where a notebook stopped: the cell's number as shown, its first line, the exception."""

    cell: int | None
    source: str
    exception: str
    message: str

    def __str__(self) -> str:
        """One line for a terminal."""
        where = f"cell [{self.cell}]" if self.cell else "no particular cell"
        return f"{where}: {self.exception}: {self.message}"


@dataclass(frozen=True)
class Run:
    """What is remembered of the last run of a notebook."""

    notebook: str
    status: Status
    fingerprint: str
    token: str | None
    seconds: float
    finished_at: str
    parameters: dict[str, Any] = field(default_factory=dict)
    headlines: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None
    parts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What the report says of the loans."""

    source: str
    rows_read: int
    left_out: dict[str, int]
    simulated: bool


@dataclass(frozen=True)
class Memory:
    """The content of ``runs.json``: the last run of each notebook, the facts of each data set."""

    runs: dict[str, Run] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)

    def with_run(self, run: Run) -> "Memory":
        """This memory with `run` in the place of what it knew of that notebook."""
        return Memory({**self.runs, run.notebook: run}, self.facts)


def read_memory(outputs: Path) -> Memory:
    """What is remembered in `outputs`; nothing if the file is absent or unreadable."""
    try:
        stored = json.loads((outputs / RUNS_FILE).read_text(encoding="utf-8"))
        runs = {}
        for name, run in stored["runs"].items():
            failure = Failure(**run.pop("failure")) if run["failure"] else run.pop("failure")
            runs[name] = Run(**run, failure=failure)
        return Memory(runs, {key: Facts(**facts) for key, facts in stored["facts"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Memory()  # worth nothing more than running again


def write_memory(outputs: Path, memory: Memory) -> None:
    """Store `memory` in `outputs`."""
    write_atomically(outputs / RUNS_FILE, json.dumps(asdict(memory), indent=1))


def digest(*parts: Any) -> str:  # noqa: ANN401 - anything that JSON can write
    """SHA-256 (hex) of the parts, as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Digest of the package's sources, the lock and the Python version."""
    package = Path(__file__).parent
    sources = sorted(path for path in package.rglob("*.py"))
    parts = [(str(path.relative_to(package)), path.read_text("utf-8")) for path in sources]
    lock = project_root() / "requirements.lock"
    return digest(parts, lock.read_text("utf-8") if lock.exists() else "", sys.version)


def notebook_digest(path: Path) -> str:
    """Digest of a notebook's cells: type, source and tags, without outputs and counts."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return digest(
        [
            (cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", []))
            for cell in cells
        ]
    )


def parts(
    path: Path, *, parameters: dict[str, Any], data: str, before: str | None
) -> dict[str, str]:
    """All that a run depends on, each as a digest: `data` is the loans', `before` a token."""
    return {
        "parameters": digest(parameters),
        "loans": digest(data),
        "notebook": notebook_digest(path),
        "package": code_digest(),
        "before": digest(before),
    }


def what_changed(old: dict[str, str], new: dict[str, str]) -> str | None:
    """In a phrase, the first of the parts that differs; None if none does."""
    return next((CHANGES[name] for name in CHANGES if old.get(name) != new.get(name)), None)

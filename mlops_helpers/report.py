"""The report of a run: ``outputs/index.html``, one page that asks for nothing from the network."""

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock

from mlops_helpers import retrainings
from mlops_helpers.fingerprints import Facts, Run
from mlops_helpers.places import write_atomically

if TYPE_CHECKING:
    from jinja2 import Template

State = Literal["passed", "up to date", "failed", "out of date", "not run"]
MARKS: dict[State, str] = {
    "passed": "✓",
    "up to date": "✓",
    "failed": "✗",
    "out of date": "…",
    "not run": "–",
}
PACKAGES = (
    "mlflow",
    "scikit-learn",
    "pandas",
    "numpy",
    "sqlalchemy",
    "matplotlib",
    "papermill",
    "nbconvert",
)
PATIENCE = 30.0
"""Seconds to wait for another process, which needs well under one to write the page."""
# Between them lie the scheduled retrainings. What others wrote is escaped and cannot hold them.
BEGINS, ENDS = "<!-- retrainings begin -->", "<!-- retrainings end -->"


@dataclass(frozen=True)
class Row:
    """A notebook in the report: its file, how it stands, its last run, whether that was now."""

    path: Path
    state: State
    run: Run | None
    now: bool = False

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem

    @property
    def mark(self) -> str:
        """A sign beside the word, so that colour is never the only carrier."""
        return MARKS[self.state]

    @property
    def title(self) -> str:
        """The notebook's own title: its first heading."""
        cells = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
        return next((line[2:].strip() for line in lines if line.startswith("# ")), self.name)


def summary(rows: list[Row]) -> str:
    """One sentence: how the course stands."""
    counts: dict[State, int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + 1
    parts = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{len(rows)} notebook{'s' if len(rows) != 1 else ''}: {parts}."


def versions() -> dict[str, str]:
    """Versions of Python, the system and the main packages."""
    found = {"Python": platform.python_version(), "System": platform.platform(terse=True)}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def render(rows: list[Row], facts: Facts, *, outputs: Path, when: datetime) -> str:
    """The page as text; links only to files that are there."""
    from markupsafe import Markup

    return _template("report.html").render(
        rows=rows,
        facts=facts,
        summary=summary(rows),
        failed=[row for row in rows if row.state == "failed"],
        files={path.name for path in outputs.iterdir()},
        versions=versions(),
        when=when.strftime("%Y-%m-%d %H:%M UTC"),
        begins=Markup(BEGINS),
        retrained=Markup(_retrained(outputs)),  # itself made by a template that escapes
        ends=Markup(ENDS),
    )


def write_report(outputs: Path, rows: list[Row], facts: Facts) -> Path:
    """Write the report into `outputs` in one step; its path comes back."""
    path = outputs / "index.html"
    with _one_writer(outputs):
        write_atomically(path, render(rows, facts, outputs=outputs, when=datetime.now(UTC)))
    return path


def renew_retrainings(outputs: Path) -> Path | None:
    """Bring the scheduled retrainings on a report that is there up to date; its path comes back.

    Nothing else on the page changes, byte for byte. None, and nothing is written, where there is no
    report or one from before it showed them: the next run of the course writes it. Raises `OSError`
    if it cannot be read or written.
    """
    path = outputs / "index.html"
    if not path.is_file():
        return None
    with _one_writer(outputs):
        before, begins, rest = path.read_bytes().partition(BEGINS.encode())
        _, ends, after = rest.partition(ENDS.encode())
        if not ends:
            return None
        retrained = f"\n{_retrained(outputs)}\n".encode()
        write_atomically(path, before + begins + retrained + ends + after)
    return path


def _one_writer(outputs: Path) -> FileLock:
    """The lock of the page: the course and a retraining write it, each what it has read before."""
    return FileLock(outputs / "report.lock", timeout=PATIENCE)


def _retrained(outputs: Path) -> str:
    found = retrainings.read(outputs)
    return (
        _template("report_retrainings.html")
        .render(retrainings=found, newest=retrainings.NEWEST)
        .strip("\n")
    )


def _template(name: str) -> "Template":
    """A template of the package's, which escapes all that it is given."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(Path(__file__).with_name(name).read_text(encoding="utf-8"))

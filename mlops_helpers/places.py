"""Where things lie: the project, its notebooks, outputs, the loans, and the state of a run.

Environment: ``MLOPS_ROOT`` (where a relative ``outputs`` lies; else the project),
``MLOPS_NOTEBOOKS`` (the folder of the notebooks), ``MLFLOW_TRACKING_URI`` and
``MLOPS_DATABASE_URL`` (servers of your own).
"""

import difflib
import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path

PHASES = (
    "01_experiment_tracking",
    "02_model_registry",
    "03_monitoring",
    "04_retraining",
    "05_ab_testing",
    "06_dashboard",
)
SIMULATED = "simulated"
SEEDS = 2**32  # scikit-learn takes a seed below this
PICTURE = "dashboard.png"
"""What the last phase leaves in its folder for the report and the README."""


class WorkspaceError(Exception):
    """A workspace cannot begin or finish; the message says why and what to do."""


def project_root() -> Path:
    """The folder that holds `notebooks/`, `outputs/` and this package."""
    return Path(__file__).resolve().parent.parent


def notebooks_folder() -> Path:
    """The folder of the notebooks: ``MLOPS_NOTEBOOKS``, else the project's own."""
    return Path(os.environ.get("MLOPS_NOTEBOOKS") or project_root() / "notebooks").resolve()


def find_notebook(phase: str) -> Path:
    """The file of a phase's notebook; raises `WorkspaceError` if there is none."""
    path = notebooks_folder() / f"{phase}.ipynb"
    if not path.is_file():
        raise WorkspaceError(f"The notebook {path.name} is missing from {path.parent}.")
    return path


def outputs_folder(outputs: str | Path) -> Path:
    """Absolute path of `outputs`; a relative one lies in ``MLOPS_ROOT``, else in the project."""
    root = Path(os.environ.get("MLOPS_ROOT") or project_root())
    return (root / Path(outputs).expanduser()).resolve()


def find_applications(applications: str) -> str:
    """``"simulated"``, or the absolute path of the file; looked for here, then in the project.

    Raises `WorkspaceError` if nothing is there, or something that is no plain file.
    """
    if applications == SIMULATED:
        return applications
    way_out = f'Give the path of a CSV or Parquet file, or "{SIMULATED}".'
    if not applications.strip():
        raise WorkspaceError(f"applications == {applications!r} is empty. {way_out}")
    try:
        given = Path(applications).expanduser()
    except RuntimeError as error:  # ~somebody who has no home here
        raise WorkspaceError(f"applications == {applications!r}: {error} {way_out}") from error
    for candidate in (Path.cwd() / given, project_root() / given):
        problem = _not_a_file(candidate)
        if problem is None:
            return str(candidate.resolve())
        if problem:
            raise WorkspaceError(f"applications == {applications!r} {problem}. {way_out}")
    places = " or ".join(dict.fromkeys([str(Path.cwd()), str(project_root())]))
    raise WorkspaceError(f"applications == {applications!r}: no such file in {places}. {way_out}")


def _not_a_file(path: Path) -> str | None:
    """Why `path` is no plain file: "" if nothing is there, None if it is one. Opens nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "is a link to a file that is missing" if path.is_symlink() else ""
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.ELOOP:
            return "is a link that leads back to itself"
        return f"cannot be looked at: {getattr(error, 'strerror', None) or error}"
    if stat.S_ISREG(mode):
        return None
    kinds = {
        stat.S_IFDIR: "is a folder; name one file in it",
        stat.S_IFIFO: "is a pipe, which can be read only once; save it as a file",
        stat.S_IFSOCK: "is a socket, not a file",
    }
    return kinds.get(stat.S_IFMT(mode), "is a device, not a file")


def applications_digest(applications: str) -> str:
    """``"simulated"``, or the SHA-256 of the file's bytes (hex); `WorkspaceError` as above."""
    found = find_applications(applications)
    if found == SIMULATED:
        return SIMULATED
    try:
        with Path(found).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WorkspaceError(
            f"applications == {found!r} cannot be read: {error.strerror or error}. "
            "Check its permissions, or copy it to where you may read it."
        ) from error


def check_seed(seed: int) -> int:
    """`seed` itself; raises `WorkspaceError` if the generators of random numbers do not take it."""
    if not 0 <= int(seed) < SEEDS:
        raise WorkspaceError(f"seed == {seed}, must be a whole number from 0 to {SEEDS - 1}.")
    return int(seed)


def external(variable: str) -> str | None:
    """The server set in `variable`, or None.

    MLflow writes its own address into the environment: one that lies in a phase's folder, or in
    the standing one (`retrain_place`), is ours.
    """
    value = os.environ.get(variable) or None
    if value and value.startswith("sqlite:///"):
        folder = Path(value.removeprefix("sqlite:///")).parent
        ours = folder.name == "standing" or folder.name.rpartition("-")[0] in PHASES
        if ours and folder.parent.parent.name == "state":
            return None
    return value


def state_folder(applications: str, seed: int, outputs: str | Path) -> Path:
    """Folder of the state for these loans (by content), this seed and these servers.

    The absolute place of `outputs` counts too: stored artifacts are known by absolute addresses,
    so a folder that was moved starts over instead of pointing at files that are gone.
    """
    place = outputs_folder(outputs)
    parts = [applications_digest(applications), str(check_seed(seed)), str(place)]
    parts += [external(name) or "" for name in ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL")]
    return place / "state" / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def phase_position(phase: str) -> int:
    """Position of `phase` in the course; raises `WorkspaceError` with the nearest known name."""
    if phase in PHASES:
        return PHASES.index(phase)
    near = difflib.get_close_matches(phase, PHASES, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise WorkspaceError(f"phase == {phase!r} is unknown: {hint}Known: {', '.join(PHASES)}.")


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write `text` beside `path` and swap it in, so that a reader sees the old or the new whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as file:
            file.write(text.encode("utf-8") if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

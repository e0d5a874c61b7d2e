"""Is this machine ready for the course? Each finding is a fact, or a problem with its mend."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlops_helpers.places import outputs_folder, project_root

PYTHON = (3, 11)
FREE_BYTES = 2 * 10**9
INSTALL = "`pip install --require-hashes -r requirements.lock`, or delete .venv and `make run`"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: whether it is in order, what was found, and what to do if it is not."""

    subject: str
    ok: bool
    found: str
    mend: str = ""

    def __str__(self) -> str:
        """One line for a terminal; a second one with the mend."""
        head = f"{'ok      ' if self.ok else 'problem '} {self.subject}: {self.found}"
        return head if self.ok else f"{head}\n         mend: {self.mend}"


def examine(outputs: str = "outputs") -> list[Finding]:
    """Everything that is looked at, in order; nothing raises and nothing is left behind."""
    return [
        check_python(),
        check_packages(),
        check_kernel(),
        check_port(),
        check_writing(outputs_folder(outputs)),
        check_disk(outputs_folder(outputs)),
    ]


def check_python(current: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Python is new enough."""
    found = ".".join(str(part) for part in current)
    wanted = ".".join(str(part) for part in PYTHON)
    return Finding(
        "Python",
        tuple(current[:2]) >= PYTHON,
        f"{found} ({sys.executable})",
        f"install Python {wanted} or newer, then `make run PYTHON=python{wanted}`",
    )


def check_packages(lock: Path | None = None, installed: Callable[[str], str] = version) -> Finding:
    """Each package of the lock that this system needs is there in that version."""
    path = lock or project_root() / "requirements.lock"
    if not path.is_file():
        return Finding("Packages", False, f"{path} is missing", "`git checkout requirements.lock`")
    wrong: list[str] = []
    pins = list(read_lock(path.read_text(encoding="utf-8")))
    for name, pinned in pins:
        try:
            have = installed(name)
        except PackageNotFoundError:
            wrong.append(f"{name} {pinned} is missing")
            continue
        if have != pinned:
            wrong.append(f"{name} is {have}, not {pinned}")
    if wrong or not pins:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        found = "; ".join(wrong[:5]) + more
        return Finding("Packages", False, found or "the lock is empty", INSTALL)
    return Finding("Packages", True, f"{len(pins)} as in {path.name}")


def read_lock(text: str) -> Iterable[tuple[str, str]]:
    """Name and version of each pin in `text` that applies to this Python and system."""
    from packaging.markers import Marker

    for line in text.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)\s*(?:;\s*([^\\]+))?", line)
        if match and (not match[3] or Marker(match[3].strip()).evaluate()):
            yield match[1], match[2]


def check_kernel(name: str = "python3") -> Finding:
    """The kernel that the notebooks ask for runs in this environment."""
    mend = f"`{sys.executable} -m ipykernel install --sys-prefix`"
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        return Finding("Kernel", False, f"{error}", INSTALL)
    try:
        spec = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        return Finding("Kernel", False, f"{name} is not installed", mend)
    program = spec.argv[0]
    here = Path(program).name == program or Path(program).parent == Path(sys.executable).parent
    return Finding("Kernel", here, f"{name} runs {program}", mend)


def check_port(host: str = "127.0.0.1") -> Finding:
    """A port of this machine can be opened: kernels and JupyterLab talk through some."""
    try:
        with socket.socket() as probe:
            probe.bind((host, 0))
            return Finding("Port", True, f"{host}:{probe.getsockname()[1]} is free")
    except OSError as error:
        return Finding(
            "Port", False, f"{host}: {error}", "allow local connections in the firewall or sandbox"
        )


def check_writing(outputs: Path) -> Finding:
    """Files can be made in `outputs`, or in the folder in which it would be made."""
    folder = _existing(outputs)
    probe = folder / f".doctor-{os.getpid()}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            "Outputs", False, f"{folder}: {error}", "choose another folder: `make run OUTPUTS=...`"
        )
    return Finding("Outputs", True, f"{outputs} can be written")


def check_disk(outputs: Path, *, needed: int = FREE_BYTES) -> Finding:
    """Enough room is free where `outputs` lies."""
    free = shutil.disk_usage(_existing(outputs)).free
    return Finding(
        "Disk",
        free >= needed,
        f"{free / 1e9:.1f} GB free, {needed / 1e9:.0f} GB wanted",
        "free some room, or choose another disk: `make run OUTPUTS=...`",
    )


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())

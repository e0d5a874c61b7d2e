"""The doctor finds what is missing and names the mend."""

import socket
import sys
from collections import namedtuple
from importlib.metadata import PackageNotFoundError

import pytest

from mlops_helpers import doctor
from mlops_helpers.doctor import Finding, examine

LOCK = """\
click==8.1.0 \\
    --hash=sha256:00
psycopg[binary]==3.2.0 ; sys_platform != 'nowhere' \\
    --hash=sha256:00
colorama==0.4.6 ; sys_platform == 'nowhere' \\
    --hash=sha256:00
    # via click==9
"""


def test_a_healthy_machine_has_no_problem(tmp_path):
    """Where the tests run, the course runs; and looking leaves nothing behind."""
    findings = examine(str(tmp_path / "not" / "yet"))
    assert [finding for finding in findings if not finding.ok] == []
    assert len(findings) == 6
    assert list(tmp_path.iterdir()) == []


def test_a_finding_reads_as_a_line_and_its_mend():
    """A problem says what to do; what is in order says nothing more."""
    assert str(Finding("Disk", True, "9 GB free")) == "ok       Disk: 9 GB free"
    text = str(Finding("Disk", False, "1 GB free", "free some room"))
    assert text.splitlines()[0] == "problem  Disk: 1 GB free"
    assert "mend: free some room" in text


def test_an_old_python_is_a_problem():
    """3.10 is too old, 3.11 and 4.0 are not."""
    assert not doctor.check_python((3, 10, 9)).ok
    assert doctor.check_python((3, 11, 0)).ok
    assert doctor.check_python((4, 0, 0)).ok


def test_the_lock_is_read_with_its_markers():
    """Pins for other systems are left out; comments and hashes are no pins."""
    assert list(doctor.read_lock(LOCK)) == [("click", "8.1.0"), ("psycopg", "3.2.0")]


def test_missing_and_other_versions_are_named(tmp_path):
    """Each wrong package appears with what is there and what should be."""
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)

    def installed(name: str) -> str:
        if name == "psycopg":
            raise PackageNotFoundError(name)
        return "8.0.0"

    finding = doctor.check_packages(lock, installed)
    assert not finding.ok
    assert finding.found == "click is 8.0.0, not 8.1.0; psycopg 3.2.0 is missing"
    assert "--require-hashes" in finding.mend
    assert doctor.check_packages(lock, {"click": "8.1.0", "psycopg": "3.2.0"}.__getitem__).ok


def test_a_lock_that_says_nothing_is_a_problem(tmp_path):
    """An empty or missing lock proves nothing."""
    lock = tmp_path / "requirements.lock"
    assert not doctor.check_packages(lock).ok
    lock.write_text("")
    assert not doctor.check_packages(lock).ok


def test_a_kernel_of_another_python_is_a_problem(tmp_path, monkeypatch):
    """A kernel named python3 that starts another Python would lack the packages."""
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["/elsewhere/python"], "display_name": "x"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    finding = doctor.check_kernel()
    assert not finding.ok
    assert "/elsewhere/python" in finding.found
    assert sys.executable in finding.mend
    assert not doctor.check_kernel("no-such-kernel").ok


def test_a_machine_without_local_ports_is_a_problem(monkeypatch):
    """Kernels talk through ports: a sandbox that forbids them is named."""

    def refuse(*_):
        raise PermissionError("not permitted")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    finding = doctor.check_port()
    assert not finding.ok
    assert "not permitted" in finding.found


def test_a_full_disk_is_a_problem(tmp_path, monkeypatch):
    """Below what a run needs, the free room is told and another folder is suggested."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(9, 9, 10**9))
    finding = doctor.check_disk(tmp_path)
    assert not finding.ok
    assert finding.found == "1.0 GB free, 2 GB wanted"


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path, monkeypatch):
    """Write access is tried, not guessed from permissions."""

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(doctor.Path, "touch", refuse)
    finding = doctor.check_writing(tmp_path / "outputs")
    assert not finding.ok
    assert "OUTPUTS=" in finding.mend


@pytest.mark.parametrize("name", ["Python", "Packages", "Kernel", "Port", "Outputs", "Disk"])
def test_everything_is_looked_at(name, tmp_path):
    """The list of subjects is complete."""
    assert name in [finding.subject for finding in examine(str(tmp_path))]

"""`.ci/run` installs what is missing if it may, and is otherwise `make test`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
TOOLS = ("bash", "dirname", "env")
MAKE = """#!/usr/bin/env bash
echo "make $* with CI=$CI in $PWD"
echo "== 3 failed in 1 s =="
exit 3
"""


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Return a folder of commands that holds a made-up `make` and little else."""
    for name in TOOLS:
        (tmp_path / name).symlink_to(shutil.which(name))
    add_command(tmp_path, "make", MAKE)
    return tmp_path


def add_command(folder: Path, name: str, script: str = "#!/bin/sh\n") -> None:
    """Write an executable script."""
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


def ci_run(commands: Path) -> subprocess.CompletedProcess[str]:
    """Run the script with these commands and no others."""
    return subprocess.run(
        [shutil.which("bash"), PROJECT / ".ci" / "run"],
        capture_output=True,
        text=True,
        cwd=commands,
        env={"PATH": str(commands)},
        check=False,
    )


def test_it_is_make_test(commands: Path):
    """With browser and database there it runs `make test`: its exit code, its last line."""
    add_command(commands, "chromium")
    add_command(commands, "initdb")
    done = ci_run(commands)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        f"make test with CI=true in {PROJECT}",
        "== 3 failed in 1 s ==",
    ]
    assert done.stderr == ""


def test_it_says_what_it_cannot_install(commands: Path):
    """Without a package manager it names what is missing, and goes on to the tests."""
    add_command(commands, "initdb")
    done = ci_run(commands)
    assert "Missing: chromium." in done.stderr
    assert done.returncode == 3


def test_it_installs_what_is_missing(commands: Path):
    """As root on Debian it installs what is missing, and only that."""
    add_command(commands, "initdb")
    add_command(commands, "sudo", '#!/bin/sh\nshift; exec "$@"\n')
    add_command(commands, "apt-get", '#!/bin/sh\necho "apt-get $*" >> "$0.log"\n')
    assert ci_run(commands).returncode == 3
    update, install = (commands / "apt-get.log").read_text().splitlines()
    assert update.startswith("apt-get update")
    assert install.startswith("apt-get install -y")
    assert install.endswith("--no-install-recommends chromium")


def test_github_runs_the_same():
    """The workflow runs `.ci/run`, on the oldest Python of the course and on a newer one."""
    path = PROJECT / ".github" / "workflows" / "ci.yml"
    job = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]["test"]
    assert {"run": ".ci/run"} in job["steps"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]

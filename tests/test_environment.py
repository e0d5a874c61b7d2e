"""pyproject.toml, requirements.lock and environment.yml say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools.environment import environment, read_lock

PROJECT = Path(__file__).resolve().parents[1]
LOCK = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
PROJECT_FILE = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
DIRECT = [
    Requirement(stated)
    for stated in [
        *PROJECT_FILE["project"]["dependencies"],
        *PROJECT_FILE["dependency-groups"]["dev"],
    ]
]


@pytest.mark.parametrize("direct", DIRECT, ids=lambda direct: direct.name)
def test_every_direct_dependency_is_locked_within_its_bounds(direct: Requirement):
    """What pyproject.toml asks for is in the lock, in every version the lock holds of it."""
    name = canonicalize_name(direct.name)
    pins = [pin for pin in read_lock(LOCK) if canonicalize_name(pin.name) == name]
    assert pins, f"{direct} is not in requirements.lock"
    for pin in pins:
        (version,) = (specifier.version for specifier in pin.specifier)
        assert direct.specifier.contains(version), f"{pin} is locked, {direct} is asked for"


def test_direct_dependencies_are_bounded_above():
    """No new major version of a package reaches the course unseen."""
    operators = {
        direct.name: {specifier.operator for specifier in direct.specifier} for direct in DIRECT
    }
    assert not [name for name, found in operators.items() if "<" not in found]


def test_the_lock_holds_hashes_and_no_address():
    """The lock can be installed with --require-hashes from any index, and names none."""
    lines = LOCK.replace("\\\n", " ").splitlines()
    pins = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(pins) == len(read_lock(LOCK))
    assert not [pin for pin in pins if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", pin)]
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)|\bfile:|@ ", LOCK)


def test_environment_yml_holds_the_pins_of_the_lock():
    """Conda and Binder users get the same packages: each pin once, the project itself, no more."""
    stated = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    assert stated["name"] == "mlops-course"
    assert stated["channels"] == ["conda-forge"]
    python, pip, pins = stated["dependencies"]
    assert pip == "pip"
    supported = SpecifierSet(PROJECT_FILE["project"]["requires-python"])
    assert supported.contains(python.removeprefix("python="))
    assert pins["pip"][-1] == "-e ."
    assert [Requirement(pin) for pin in pins["pip"][:-1]] == read_lock(LOCK)


def test_environment_yml_is_up_to_date():
    """The file is what the tool writes from the lock as it is now."""
    written = (PROJECT / "environment.yml").read_text(encoding="utf-8")
    assert written == environment(LOCK), "run: python tools/environment.py"


@pytest.mark.parametrize(
    "line",
    ["numpy>=2", "--find-links wheels", "numpy @ https://example.org/n.whl"],
)
def test_what_is_no_pin_is_refused(line: str):
    """A range, an option or an address in the lock is an error that shows the line."""
    with pytest.raises(ValueError, match=re.escape(line[:9])):
        read_lock(f"click==8.1.0 \\\n    --hash=sha256:{'0' * 64}\n    # via x\n{line}\n")


def test_markers_survive():
    """A pin for one system keeps its marker in environment.yml, and stays valid YAML."""
    lock = "appnope==1.0 ; sys_platform == 'darwin' \\\n    --hash=sha256:00\n    # via ipykernel\n"
    pins = yaml.safe_load(environment(lock))["dependencies"][2]["pip"]
    assert pins == ['appnope==1.0; sys_platform == "darwin"', "-e ."]

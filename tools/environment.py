"""Write environment.yml from requirements.lock: the same pins for conda and Binder users.

    python tools/environment.py          # after every change of the lock

pip's hash mode refuses an editable package in the same call, so the pins are copied without their
hashes and stand beside `-e .`; `tests/test_environment.py` keeps both files equal.
"""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
HEAD = f"""\
# The course for conda and Binder. Written by tools/environment.py from requirements.lock.
#
#   conda env create -f environment.yml && conda activate mlops-course
#   jupyter lab notebooks
name: mlops-course
channels:
  - conda-forge
dependencies:
  - python={PYTHON}
  - pip
  - pip:
"""


def read_lock(text: str) -> list[Requirement]:
    """Return the pins of a lock, in its order, with their markers and without their hashes.

    Raises ``ValueError`` for a line that is not one pin: an option, an address, a range.
    """
    pins = []
    for line in text.replace("\\\n", " ").splitlines():
        stated = line.partition(" #")[0].partition("--hash")[0].strip()
        if not stated or stated.startswith("#"):
            continue
        if stated.startswith("-"):
            raise ValueError(f"requirements.lock holds the option {stated!r}, must hold pins only")
        pin = Requirement(stated)
        exact = [specifier.operator for specifier in pin.specifier] == ["=="]
        if pin.url or not exact:
            raise ValueError(f"requirements.lock holds {stated!r}, must be name==version")
        pins.append(pin)
    return pins


def environment(lock: str) -> str:
    """Return the text of environment.yml for the text of a lock."""
    lines = [_quoted(str(pin)) for pin in read_lock(lock)]
    return HEAD + "".join(f"      - {line}\n" for line in [*lines, "-e ."])


def _quoted(pin: str) -> str:
    """Return a pin as YAML: one with a marker holds quotes and blanks of its own."""
    return f"'{pin.replace(chr(39), chr(39) * 2)}'" if ";" in pin else pin


if __name__ == "__main__":
    (PROJECT / "environment.yml").write_text(
        environment((PROJECT / "requirements.lock").read_text(encoding="utf-8")), encoding="utf-8"
    )

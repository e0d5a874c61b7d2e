"""The README promises only what is there."""

import json
import re
import subprocess

import pytest

from mlops_helpers.places import PHASES
from tests.exercises.battery import NOTEBOOKS

PROJECT = NOTEBOOKS.parent
README = (PROJECT / "README.md").read_text(encoding="utf-8")
ROWS = {
    name: int(minutes)
    for name, minutes in re.findall(r"\]\(notebooks/(\w+)\.ipynb\) \|.*\| (\d+) \|$", README, re.M)
}


def test_links_lead_to_tracked_files():
    """Each relative link is a file that a clone has."""
    links = {link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link}
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert links - set(tracked) == set()
    assert len(links) > len(PHASES)


def test_each_make_target_is_in_the_makefile():
    """A command that the README shows exists."""
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.M))
    assert named >= {"run", "test", "lab", "notebooks", "lint"}
    assert named - targets == set()


@pytest.mark.parametrize("phase", PHASES)
def test_the_minutes_are_those_of_the_notebook(phase):
    """The map of the course and the notebook's own table agree."""
    cells = json.loads((NOTEBOOKS / f"{phase}.ipynb").read_text(encoding="utf-8"))["cells"]
    opening = "\n".join("".join(cell["source"]) for cell in cells[:4])
    row = re.search(r"^\|[^|\n]*prerequisites.*\n\|[-| :]+\n\|[^|]*\| *(\d+)", opening, re.M | re.I)
    assert row, f"{phase} has no table of prerequisites and minutes in its first cells"
    assert ROWS[phase] == int(row[1])

"""The battery itself refuses what it is there to refuse."""

from __future__ import annotations

import importlib
import sys

import nbformat
import pytest

from mlops_helpers import exercises
from mlops_helpers.exercises import engine
from tests.exercises import battery
from tests.exercises.battery import Proof, Wrongly
from tests.notebooks.samples import code, notebook_of

CHECKS = """
from mlops_helpers.exercises.engine import Wrong, exercise, number

@exercise("98.1", title="Doubling")
def doubling(answer, *, of):
    value = number(answer(of), "the double")
    if value < 0:
        raise Wrong("too small")
    if value != 2 * of:
        raise Wrong(f"{value:g} is not twice {of}")
"""
STUB = "def double(x: float) -> float: ...\n\ncheck('98.1', double, of=base)"
SOLUTION = "def solution(x):\n    return x + x\n\ncheck('98.1', solution, of=base)"
WRONG = {"negates": lambda x: -x, "keeps": lambda x: x}


def given() -> dict[str, object]:
    """Return what the made-up notebook holds when the exercise begins."""
    return {"base": 3}


@pytest.fixture(autouse=True)
def _made_up_checks(tmp_path, monkeypatch):
    """Put a notebook 98 beside the real ones, and forget it afterwards."""
    (tmp_path / "e98_made_up.py").write_text(CHECKS)
    monkeypatch.setattr(exercises, "__path__", [*exercises.__path__, str(tmp_path)])
    monkeypatch.setattr(engine, "_registry", dict(engine._registry))
    importlib.invalidate_caches()
    yield
    sys.modules.pop(f"{exercises.__name__}.e98_made_up", None)


def stored(folder, *, stub: str = STUB, solution: str = SOLUTION):
    """Write the made-up notebook and return its folder."""
    notebook = notebook_of(
        code("stub", stub, tags=("exercise",)), code("solution", solution, tags=("solution",))
    )
    nbformat.write(notebook, folder / "98_made_up.ipynb")
    battery.read.cache_clear()
    return folder


def test_a_good_exercise_passes(tmp_path):
    """A solution that is right, an untouched stub and two refusals pass."""
    folder, proof = stored(tmp_path), Proof("98.1", given, wrong=WRONG)
    battery.assert_solution_right(proof, folder)
    battery.assert_blank_not_attempted(proof, folder)
    battery.assert_wrong_refused(proof, folder)


def test_a_wrong_solution_fails(tmp_path):
    """A solution that its own check refuses fails, with the check's words."""
    folder = stored(tmp_path, solution=SOLUTION.replace("x + x", "x * x"))
    with pytest.raises(AssertionError, match="9 is not twice 3"):
        battery.assert_solution_right(Proof("98.1", given), folder)


def test_a_filled_stub_fails(tmp_path):
    """A stub that gives the answer away, or is wrong before anybody touched it, fails."""
    folder = stored(tmp_path, stub=SOLUTION)
    with pytest.raises(AssertionError, match=r"the notebook's stub: 98\.1 right"):
        battery.assert_blank_not_attempted(Proof("98.1", given), folder)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"keeps": WRONG["keeps"]}, "has 1 wrong answers"),
        ({**WRONG, "doubles": lambda x: 2 * x}, r"doubles: 98\.1 right"),
        ({**WRONG, "is blank": ...}, "is blank: 98.1 not attempted"),
        ({**WRONG, "negates more": lambda x: -2 * x}, "the same words"),
        ({**WRONG, "is a number": 7}, "let the check foresee it"),
        ({**WRONG, "elsewhere": Wrongly(lambda x: 2 * x, {"of": 5})}, r"elsewhere: 98\.1 right"),
        (lambda names: {"three": lambda x: names["base"]}, "has 1 wrong answers"),
    ],
)
def test_unconvincing_wrong_answers_fail(wrong, says, tmp_path):
    """Too few, one that is right, one blank, twice the same words, one unforeseen: all fail."""
    with pytest.raises(AssertionError, match=says):
        battery.assert_wrong_refused(Proof("98.1", given, wrong=wrong), stored(tmp_path))


def test_a_missing_cell_fails(tmp_path):
    """An exercise without its stub, and one without its notebook, are named."""
    folder = stored(tmp_path, stub="check('98.2', ...)")
    with pytest.raises(AssertionError, match=r"0 cells tagged 'exercise' that check 98\.1"):
        battery.assert_blank_not_attempted(Proof("98.1", given), folder)
    with pytest.raises(AssertionError, match="0 notebooks"):
        battery.assert_solution_right(Proof("97.1", given), folder)

"""Every exercise of the course is in one notebook, stored as a learner finds it, and proved."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from mlops_helpers.exercises.engine import Exercise, registered
from tests.exercises.battery import NOTEBOOKS, Proof, checked_ids, notebook_of, read

EXERCISES = registered()
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
FEWEST = 2  # exercises in a notebook
DEEPENED = {
    "01_experiment_tracking": 4,
    "02_model_registry": 4,
    "03_monitoring": 6,
    "04_retraining": 6,
    "05_ab_testing": 6,
}  # in these


def cells_with(path: Path, tag: str) -> list[NotebookNode]:
    """Return the code cells of a notebook with a tag."""
    return [
        cell
        for cell in read(path).cells
        if cell.cell_type == "code" and tag in cell.metadata.get("tags", [])
    ]


def ids_in(path: Path, tag: str) -> list[str]:
    """Return the exercise ids that the cells with a tag check, in order."""
    return [found for cell in cells_with(path, tag) for found in checked_ids(cell.source)]


def printed(cell: NotebookNode) -> str:
    """Return what a cell's stored outputs print."""
    return "".join(output.get("text", "") for output in cell.outputs)


def proved() -> dict[str, Proof]:
    """Return the proofs that the files test_eNN*.py hand to `prove`, by exercise."""
    proofs = {}
    for path in sorted(Path(__file__).parent.glob("test_e[0-9][0-9]*.py")):
        module = importlib.import_module(f"tests.exercises.{path.stem}")
        for value in vars(module).values():
            for proof in getattr(value, "proofs", ()):
                proofs[proof.id] = proof
    return proofs


@pytest.mark.parametrize("tag", ["exercise", "solution"])
@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_exercise_is_in_its_notebook_once(exercise: Exercise, tag: str):
    """A registered exercise has one stub and one solution, in the notebook of its number only."""
    found = [path.stem for path in PATHS for key in ids_in(path, tag) if key == exercise.id]
    assert found == [notebook_of(exercise.id).stem]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_has_its_exercises(path: Path):
    """Two exercises or more, each registered, stub and solution in the same order."""
    stubs, solutions = ids_in(path, "exercise"), ids_in(path, "solution")
    fewest = DEEPENED.get(path.stem, FEWEST)
    assert len(stubs) >= fewest, f"{path.stem} has {len(stubs)} exercises, must have {fewest}"
    assert stubs == solutions
    assert set(stubs) <= set(EXERCISES), f"not registered: {set(stubs) - set(EXERCISES)}"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_stored_verdicts(path: Path):
    """As stored, each stub says "not attempted yet" and each solution "right".

    A solution that is a function is told apart from an answer; a value has no name to tell it by.
    """
    for tag, verdict in (("exercise", "not attempted yet"), ("solution", "right")):
        for cell in cells_with(path, tag):
            for key in checked_ids(cell.source):
                said = printed(cell)
                assert f"{key} {verdict}" in said, f"{tag} cell of {key}: {said}"
                named = re.search(r"def \w*solution", cell.source) is not None
                assert ("given solution" in said) == named, f"{key}: {said}"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_exercise_is_proved(exercise: Exercise):
    """A registered exercise has a battery: solution, stub and wrong answers."""
    place = f"tests/exercises/test_e{int(exercise.id.split('.')[0]):02d}*.py"
    assert exercise.id in proved(), f"{exercise.id} has no Proof in {place}"


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
def test_an_exercise_has_title_and_hints(exercise: Exercise):
    """A learner who is stuck gets at least one hint, and no two of them are the same."""
    assert exercise.title.strip()
    assert exercise.hints
    assert len(set(exercise.hints)) == len(exercise.hints)


def test_the_course_has_a_find_the_fault():
    """At least one exercise of the course is a *find the fault*."""
    assert [exercise.id for exercise in EXERCISES.values() if exercise.fault]

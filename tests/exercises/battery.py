"""Proves an exercise three ways, from the notebook's own cells.

An author writes `tests/exercises/test_e03.py`::

    from tests.exercises.battery import Proof, prove

    def given() -> dict[str, object]:
        "What stub and solution find in the notebook's kernel: small stand-ins will do."
        return {"np": np, "current": small_frame()}

    PROOFS = (
        Proof("3.1", given, wrong={"counts, not shares": counts, "forgets the floor": unfloored}),
        Proof("3.2", given, wrong=lambda names: {"the mean": names["current"].mean(), ...}),
    )
    test_solution, test_blank, test_wrong_answers = prove(*PROOFS)

The text of stub and solution is never repeated: the battery executes the notebook's cells (tags
`exercise` and `solution`) among the names that `given` returns, with `check` listening. Each wrong
answer is checked with the context that the solution's cell passed, so `wrong` holds answers only;
`Wrongly` gives an answer another context. `wrong` may be a function of the given names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest

from mlops_helpers.exercises.engine import Verdict, judge

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

Names = dict[str, object]


@dataclass(frozen=True)
class Wrongly:
    """A wrong answer that is checked with a context of its own."""

    answer: object
    context: Mapping[str, object]


@dataclass(frozen=True)
class Proof:
    """One exercise: what its cells find in the kernel, and plausible answers that must be refused.

    ``wrong`` names each mistake; it is a mapping, or a function from the given names to a mapping.
    ``said`` holds, for mistakes that matter, words that must be among those they are refused with.
    """

    id: str
    given: Callable[[], Names] = dict
    wrong: Mapping[str, object] | Callable[[Names], Mapping[str, object]] = field(
        default_factory=dict
    )
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What a cell handed to `check`, and the verdict."""

    answer: object
    context: Mapping[str, object]
    verdict: Verdict


def prove(*proofs: Proof) -> tuple[Callable[..., None], ...]:
    """Return three tests: the solution is right, the stub is a stub, wrong answers are refused."""
    each = pytest.mark.parametrize("proof", proofs, ids=[proof.id for proof in proofs])

    @each
    def test_solution(proof: Proof) -> None:
        """The notebook's own solution is right."""
        assert_solution_right(proof)

    @each
    def test_blank(proof: Proof) -> None:
        """The untouched stub is "not attempted yet", not "wrong"."""
        assert_blank_not_attempted(proof)

    @each
    def test_wrong_answers(proof: Proof) -> None:
        """At least two plausible wrong answers are refused, each with words of its own."""
        assert_wrong_refused(proof)

    test_solution.proofs = proofs  # the meta-test reads which exercises have a proof
    return test_solution, test_blank, test_wrong_answers


def assert_solution_right(proof: Proof, folder: Path = NOTEBOOKS) -> None:
    """Fail unless the solution's cell is found right."""
    checked = run_cell(proof, "solution", folder)
    assert checked.verdict.status == "right", f"the notebook's solution: {checked.verdict}"


def assert_blank_not_attempted(proof: Proof, folder: Path = NOTEBOOKS) -> None:
    """Fail unless the stub's cell counts as not attempted."""
    checked = run_cell(proof, "exercise", folder)
    assert checked.verdict.status == "not attempted yet", f"the notebook's stub: {checked.verdict}"


def assert_wrong_refused(proof: Proof, folder: Path = NOTEBOOKS) -> None:
    """Fail unless each wrong answer is refused, for a foreseen reason and in its own words."""
    context = run_cell(proof, "solution", folder).context
    wrong = proof.wrong(proof.given()) if callable(proof.wrong) else proof.wrong
    assert len(wrong) >= 2, f"{proof.id} has {len(wrong)} wrong answers, must have 2 or more"
    strange = set(proof.said) - set(wrong)
    assert not strange, f"{proof.id} says words for {sorted(strange)}, which are no wrong answers"
    mistakes: dict[str, str] = {}
    for name, answer in wrong.items():
        if not isinstance(answer, Wrongly):
            answer = Wrongly(answer, context)
        verdict = judge(proof.id, answer.answer, **answer.context)
        assert verdict.status == "wrong", f"{name}: {verdict}"
        assert verdict.message, f"{name}: refused without a word"
        assert proof.said.get(name, "") in verdict.message, f"{name}: {verdict.message}"
        assert verdict.unforeseen is None, f"{name}: {verdict}; let the check foresee it"
        assert verdict.message not in mistakes, (
            f"{name} and {mistakes[verdict.message]} are refused with the same words: {verdict}"
        )
        mistakes[verdict.message] = name


def run_cell(proof: Proof, tag: str, folder: Path = NOTEBOOKS) -> Checked:
    """Execute the one cell with this tag that checks the exercise; return what it handed over."""
    heard: list[Checked] = []

    def check(exercise_id: str, answer: object, **context: object) -> None:
        heard.append(Checked(answer, context, judge(exercise_id, answer, **context)))

    path = notebook_of(proof.id, folder)
    source = cell_of(path, proof.id, tag)
    names = {"__name__": "__main__", **proof.given(), "check": check, "hint": _say_nothing}
    exec(compile(source, f"{path.name}, {tag} cell of {proof.id}", "exec"), names)
    assert len(heard) == 1, (
        f"the {tag} cell of {proof.id} calls check {len(heard)} times, must be 1"
    )
    return heard[0]


def _say_nothing(exercise_id: str) -> None:
    """Stand in for `hint`."""


def notebook_of(exercise_id: str, folder: Path = NOTEBOOKS) -> Path:
    """Return the notebook that an exercise belongs to."""
    found = sorted(folder.glob(f"{int(exercise_id.split('.')[0]):02d}_*.ipynb"))
    assert len(found) == 1, f"{exercise_id}: {len(found)} notebooks in {folder} have its number"
    return found[0]


def cell_of(path: Path, exercise_id: str, tag: str) -> str:
    """Return the source of the one cell of a notebook with this tag that checks this exercise."""
    found = [
        cell.source
        for cell in read(path).cells
        if cell.cell_type == "code"
        and tag in cell.metadata.get("tags", [])
        and exercise_id in checked_ids(cell.source)
    ]
    assert len(found) == 1, (
        f"{path.name} has {len(found)} cells tagged {tag!r} that check {exercise_id}, must be 1"
    )
    return found[0]


def checked_ids(source: str) -> list[str]:
    """Return the exercise ids that a cell hands to `check`, in order."""
    return [
        node.args[0].value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "check"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


@lru_cache(maxsize=32)
def read(path: Path) -> nbformat.NotebookNode:
    """Return a notebook; a file is read once in a test session."""
    return nbformat.read(path, as_version=4)

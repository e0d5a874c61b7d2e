"""The engine: three verdicts, hints in order, and nothing that stops Run All."""

import functools
import importlib
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlops_helpers import exercises
from mlops_helpers.exercises import check, engine, hint
from mlops_helpers.exercises.engine import (
    NotAttempted,
    UnknownExercise,
    Wrong,
    judge,
    kind,
    number,
    registered,
)

CHECKS = """
from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise, number

@exercise("99.1", title="Doubling", hints=("What is 2 + 2?", "Add x to itself."))
def doubling(answer, *, of=3):
    value = number(answer(of), "the double of 3")
    if value < 0:
        raise Wrong("a double of a positive number\\n  is positive")
    if value != 2 * of:
        raise Wrong("that is not twice as much")

@exercise("99.2", title="A pair", fault=True)
def pair(answer):
    if answer == ("your", "answer"):
        raise NotAttempted
    first, second = answer
    if first >= second:
        raise Wrong("the first must be the smaller")
    return "and in order"

@exercise("99.10", title="Anything")
def anything(answer):
    return None
"""


@pytest.fixture(autouse=True)
def _a_file_of_checks(tmp_path, monkeypatch):
    """Put a notebook 99 beside the real ones, and forget it afterwards."""
    (tmp_path / "e99_made_up.py").write_text(CHECKS)
    monkeypatch.setattr(exercises, "__path__", [*exercises.__path__, str(tmp_path)])
    monkeypatch.setattr(engine, "_registry", dict(engine._registry))
    monkeypatch.setattr(engine, "_hints_given", {})
    importlib.invalidate_caches()
    yield
    sys.modules.pop(f"{exercises.__name__}.e99_made_up", None)


def stub(x: float) -> float:
    """Nobody has touched this."""
    ...


def printed(capsys) -> str:
    """Return what was printed, which must be one line."""
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    assert out.endswith("\n")
    return out.rstrip("\n")


def test_right_is_one_line(capsys):
    """A right answer is told so, with the check's praise if it has any."""
    check("99.1", lambda x: 2 * x)
    assert printed(capsys) == "99.1 right"
    check("99.2", (1, 2))
    assert printed(capsys) == "99.2 right: and in order"


def test_the_given_solution_is_told_apart_from_an_answer(capsys):
    """Under an untouched stub, the folded solution's "right" cannot pass for the learner's own."""

    def solution_991(x):
        return 2 * x

    check("99.1", solution_991)
    assert printed(capsys) == "99.1 right (that was the given solution, not your answer)"


def test_wrong_says_why_on_one_line(capsys):
    """A wrong answer is told what is off, on one line even if the check wrote two."""
    check("99.1", lambda x: -x)
    assert printed(capsys) == "99.1 wrong: a double of a positive number is positive"


@pytest.mark.parametrize(
    "answer", [..., None, stub, lambda x: None, functools.partial(stub), lambda of: (..., ...)]
)
def test_a_stub_is_not_attempted(answer, capsys):
    """Ellipsis, None, and functions that return them are not attempted, and a hint is offered."""
    check("99.1", answer)
    assert printed(capsys) == '99.1 not attempted yet – for a hint, run hint("99.1")'


@pytest.mark.parametrize(
    "answer",
    [
        print,
        lambda x: print(2 * x),
        lambda x: None if x else 1,
        functools.partial(lambda x: [].clear()),
    ],
)
def test_an_answer_that_returns_nothing_is_wrong(answer, capsys):
    """Printing is no answer, and neither is a forgotten branch: it is told, not "not attempted"."""
    verdict = judge("99.1", answer)
    assert (verdict.status, verdict.unforeseen) == ("wrong", None)
    assert verdict.message == "it returned nothing: is a `return` missing?"


def test_a_stub_may_have_words_and_surroundings():
    """A docstring, `pass` and a variable of the surroundings leave a stub a stub."""

    def described(x):
        """Say what is asked for."""

    def passed(x):
        pass

    def dots_kept(x):
        doubled = ...  # your line
        return doubled

    for answer in (described, passed, dots_kept):
        assert judge("99.1", answer).status == "not attempted yet"


@pytest.mark.parametrize(
    ("value", "said"), [(3, "an int"), ("3", "a str"), (np.arange(2), "an ndarray"), ({}, "a dict")]
)
def test_a_kind_has_its_article(value, said):
    """A message names a value's type as one would say it."""
    assert kind(value) == said


@pytest.mark.parametrize("answer", [(..., ...), [...], {"a": ...}, ("your", "answer")])
def test_a_container_of_blanks_is_not_attempted(answer, capsys):
    """Blanks to fill in count as a stub; so does a placeholder that the check names itself."""
    check("99.2", answer)
    assert printed(capsys) == "99.2 not attempted yet"


@pytest.mark.parametrize(("answer", "which"), [((1, ...), "2"), ({"a": 1, "b": ...}, "b")])
def test_a_half_filled_container_says_what_is_missing(answer, which):
    """An answer with blanks left names them."""
    verdict = judge("99.2", answer)
    assert (verdict.status, verdict.message) == ("wrong", f"still to fill in: {which}")


def test_a_function_that_raises_is_wrong(capsys):
    """The learner's own exception is named, shortened, on one line; the run goes on."""

    def broken(x: float) -> float:
        raise ValueError("no such\n   column")

    check("99.1", broken)
    assert printed(capsys) == "99.1 wrong: it raised ValueError: no such column"

    def long_winded(x: float) -> float:
        raise ValueError("x" * 10_000)

    check("99.1", long_winded)
    assert len(printed(capsys)) < 300


@pytest.mark.parametrize("answer", [3, "text", object(), float, {"a": 1}, np.arange(3)])
def test_an_answer_of_an_odd_kind_never_raises(answer, capsys):
    """Whatever is handed in gets a verdict; a check's own stumbling is kept for tests."""
    check("99.1", answer)
    assert printed(capsys).startswith("99.1 wrong: ")
    verdict = judge("99.2", 7)
    assert verdict.status == "wrong"
    assert isinstance(verdict.unforeseen, TypeError)


def test_foreseen_refusals_are_not_unforeseen():
    """A refusal that the check meant, and an exception of the learner's, are both foreseen."""
    assert judge("99.1", lambda x: -x).unforeseen is None
    assert judge("99.1", lambda x: 1 / 0).unforeseen is None


@pytest.mark.parametrize("empty", [np.array([]), [], {}, 0, "", False])
def test_an_empty_value_is_an_answer(empty):
    """Nothing is an answer when it is the learner's: only None and the dots are blank."""
    assert judge("99.10", empty).status == "right"


def test_context_reaches_the_check():
    """What a notebook hands over by name is used."""
    assert judge("99.1", lambda x: 10, of=5).status == "right"


def test_wrong_context_is_the_authors_mistake():
    """Context that the check does not take stops the run, naming check and context."""
    with pytest.raises(TypeError, match=r"'99\.1', context \['off'\].*doubling"):
        check("99.1", lambda x: 2 * x, off=5)


def test_an_unknown_id_names_the_nearest():
    """A misspelt id is the author's mistake: it raises and suggests."""
    with pytest.raises(UnknownExercise, match=r"'99\.3' does not exist; did you mean '99\.\d+'\?"):
        check("99.3", 1)
    with pytest.raises(UnknownExercise, match="99"):
        hint("99.4")


@pytest.mark.parametrize("malformed", ["3", "3.x", "03.1", "3.1.2", "", "3,1", "3.0"])
def test_a_malformed_id_says_how_to_write_it(malformed):
    """An id is <notebook>.<number>, without leading zeros."""
    with pytest.raises(ValueError, match=r"must read <notebook>\.<number>"):
        check(malformed, 1)


def test_hints_come_one_after_the_other(capsys):
    """Each call gives the next hint, then the last again."""
    for expected in (
        "99.1 hint 1 of 2: What is 2 + 2?",
        "99.1 hint 2 of 2: Add x to itself.",
        "99.1 hint 2 of 2: Add x to itself.",
    ):
        hint("99.1")
        assert printed(capsys) == expected


def test_without_hints_it_says_where_the_solution_is(capsys):
    """An exercise without hints says so."""
    hint("99.2")
    assert printed(capsys).startswith("99.2 has no hints; the solution is in the folded cell")


def test_registration_refuses_a_second_owner_and_a_foreign_file():
    """One id, one check, in the file of its notebook."""
    judge("99.1", 1)

    def intruder(answer):
        return None

    intruder.__module__ = f"{exercises.__name__}.e99_made_up"
    with pytest.raises(ValueError, match="registered twice"):
        engine.exercise("99.1", title="again")(intruder)
    with pytest.raises(ValueError, match=r"its place is e98_\*\.py"):
        engine.exercise("98.1", title="elsewhere")(intruder)


def test_registered_lists_all_in_order():
    """All files are read and ids are ordered as numbers: 99.10 after 99.2."""
    made_up = [key for key in registered() if key.startswith("99.")]
    assert made_up == ["99.1", "99.2", "99.10"]
    assert [registered()[key].fault for key in made_up] == [False, True, False]


@pytest.mark.parametrize("good", [1, 1.5, np.float64(2.0), np.float32(0.5), np.int64(3)])
def test_number_takes_real_numbers(good):
    """Python's and numpy's real numbers are numbers."""
    assert number(good) == float(good)


@pytest.mark.parametrize(
    "bad", ["1", True, None, [1.0], np.array([1.0, 2.0]), 1j, math.nan, -math.inf]
)
def test_number_refuses_the_rest_by_name(bad):
    """What is no finite number is refused, naming what it should have been."""
    with pytest.raises(Wrong, match="the share is"):
        number(bad, "the share")


def test_verdicts_are_not_errors_of_the_program():
    """`Wrong` and `NotAttempted` derive from Exception alone: none is caught by accident."""
    assert Wrong.__bases__ == NotAttempted.__bases__ == (Exception,)


def test_the_engine_loads_only_the_standard_library():
    """Importing check and hint costs nothing."""
    code = (
        "import sys; before = set(sys.modules); from mlops_helpers.exercises import check, hint; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - sys.stdlib_module_names - {'mlops_helpers'}))"
    )
    root = Path(engine.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"

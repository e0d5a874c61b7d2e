"""The engine behind `check` and `hint`; one file per notebook holds the checks themselves.

The checks of notebook 3 are in ``e03_<anything>.py`` beside this file, which is imported the first
time an exercise ``"3.…"`` is asked for::

    from mlops_helpers.exercises.engine import Wrong, exercise, number

    @exercise("3.2", title="A share, by hand", hints=("What is counted?", "Divide by all rows."))
    def share(answer: Callable[[list[int]], float]) -> str | None:
        value = number(answer([1, 0, 0, 0]), "the share of [1, 0, 0, 0]")
        if value > 1:
            raise Wrong(f"a share cannot be {value:g}; did you count instead of divide?")
        ...
        return "and it holds for an empty list as well"  # praise, or nothing

A check raises `Wrong` with what is off (never the answer itself), or returns. It need not care
about stubs or accidents: an answer of ``...`` or ``None``, a function that returns ``...`` and an
untouched stub are "not attempted yet"; a function that raises or returns nothing is "wrong: …".
"""

from __future__ import annotations

import difflib
import dis
import functools
import importlib
import inspect
import numbers
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from mlops_helpers import exercises as _package

__all__ = [
    "Exercise",
    "NotAttempted",
    "UnknownExercise",
    "Verdict",
    "Wrong",
    "check",
    "exercise",
    "hint",
    "judge",
    "kind",
    "number",
    "registered",
]

Status = Literal["right", "wrong", "not attempted yet"]
CheckFunction = TypeVar("CheckFunction", bound=Callable[..., str | None])

_LONGEST_FOREIGN_TEXT = 200  # characters shown of a learner's own exception


class Wrong(Exception):
    """Raised by a check: the text says what is off, without giving the answer."""


class NotAttempted(Exception):
    """Raised for an untouched stub; a check may raise it for a placeholder of its own."""


class _ReturnedNothing(NotAttempted):
    """Raised for ``None`` from a function that is no stub."""


class UnknownExercise(LookupError):
    """No exercise has this id: a mistake of the notebook's author, so it does stop the run."""


@dataclass(frozen=True)
class Exercise:
    """One registered exercise; ``fault`` marks a *find the fault*."""

    id: str
    title: str
    hints: tuple[str, ...]
    fault: bool
    function: Callable[..., str | None]


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    ``unforeseen`` holds the exception when the check itself stumbled over an answer of a kind that
    its author had not thought of; the learner reads "wrong", the author's battery fails.
    """

    id: str
    status: Status
    message: str = ""
    unforeseen: Exception | None = None

    def __str__(self) -> str:
        """Return the one line that the learner reads."""
        return f"{self.id} {self.status}" + (f": {self.message}" if self.message else "")


_registry: dict[str, Exercise] = {}
_hints_given: dict[str, int] = {}


def exercise(
    exercise_id: str, *, title: str, hints: tuple[str, ...] = (), fault: bool = False
) -> Callable[[CheckFunction], CheckFunction]:
    """Register the decorated ``(answer, **context)`` function as the check of one exercise.

    Args:
        exercise_id: ``"<notebook>.<number>"``, for instance ``"3.2"``.
        title: what the exercise asks for, in a few words.
        hints: from gentle to telling; `hint` gives one after the other.
        fault: True for a *find the fault*.

    Raises ``ValueError`` for an id that is malformed, taken, or belongs to another file.
    """
    home = _module_prefix(exercise_id)

    def register(function: CheckFunction) -> CheckFunction:
        module = function.__module__
        if not module.rpartition(".")[2].startswith(home):
            raise ValueError(
                f"exercise {exercise_id!r} is registered in {module}; its place is {home}*.py"
            )
        taken = _registry.get(exercise_id)
        if taken is not None and taken.function.__qualname__ != function.__qualname__:
            raise ValueError(
                f"exercise {exercise_id!r} is registered twice in {module}: by "
                f"{taken.function.__qualname__} and {function.__qualname__}; renumber one of them"
            )
        _registry[exercise_id] = Exercise(exercise_id, title, tuple(hints), fault, function)
        return function

    return register


def check(exercise_id: str, answer: object, **context: object) -> None:
    """Print one line: right, wrong and what is off, or not attempted yet.

    Args:
        exercise_id: as in the exercise's heading.
        answer: a value or a function; ``...`` and ``None`` count as not attempted. A function with
            "solution" in its name is taken for the notebook's own, and the line says so.
        context: what the check needs from the notebook, by name.

    Raises `UnknownExercise` for an id that does not exist; no answer of a learner raises.
    """
    verdict = judge(exercise_id, answer, **context)
    more = ""
    if verdict.status == "not attempted yet" and _find(exercise_id).hints:
        more = f' – for a hint, run hint("{exercise_id}")'
    if "solution" in getattr(answer, "__name__", ""):
        # Run All checks the folded solution too; its "right" must not read as the learner's own.
        more = " (that was the given solution, not your answer)"
    print(f"{verdict}{more}")


def hint(exercise_id: str) -> None:
    """Print the next hint, and after the last the last again; a new kernel starts anew."""
    hints = _find(exercise_id).hints
    if not hints:
        print(f"{exercise_id} has no hints; the solution is in the folded cell below the exercise")
        return
    _hints_given[exercise_id] = given = min(_hints_given.get(exercise_id, 0) + 1, len(hints))
    print(f"{exercise_id} hint {given} of {len(hints)}: {hints[given - 1]}")


def judge(exercise_id: str, answer: object, **context: object) -> Verdict:
    """Return the `Verdict` that `check` prints.

    Raises `UnknownExercise` for an id that does not exist and ``TypeError`` for context that the
    check does not take or misses: both are mistakes of the notebook's author.
    """
    function = _find(exercise_id).function
    try:
        inspect.signature(function).bind(answer, **context)
    except TypeError as error:
        raise TypeError(
            f"exercise {exercise_id!r}, context {sorted(context)}: {error}; "
            f"the check is {function.__qualname__}{inspect.signature(function)}"
        ) from error
    try:
        praise = function(_guarded(answer), **context)
    except _ReturnedNothing:
        return Verdict(exercise_id, "wrong", "it returned nothing: is a `return` missing?")
    except NotAttempted:
        return Verdict(exercise_id, "not attempted yet")
    except Wrong as wrong:
        return Verdict(exercise_id, "wrong", _one_line(str(wrong)))
    except Exception as error:  # noqa: BLE001 – an odd answer is shown and kept, Run All goes on
        message = f"this kind of answer cannot be checked ({_told(error)})"
        return Verdict(exercise_id, "wrong", message, unforeseen=error)
    return Verdict(exercise_id, "right", _one_line(praise or ""))


def number(value: object, what: str = "your answer") -> float:
    """Return ``value`` as a finite float, or raise `Wrong` naming ``what`` it was to be."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise Wrong(f"{what} is {kind(value)}, must be one number")
    if not abs(float(value)) < float("inf"):
        raise Wrong(f"{what} is {float(value)}, must be a finite number")
    return float(value)


def kind(value: object) -> str:
    """Return the name of the value's type with its article: "an int", "a DataFrame"."""
    name = type(value).__name__
    return f"{'an' if re.match('(?i)[aeio]|nd', name) else 'a'} {name}"


def registered() -> dict[str, Exercise]:
    """Return every exercise by id, in order; imports all the files of checks."""
    for name in _modules():
        importlib.import_module(f"{_package.__name__}.{name}")
    return {key: _registry[key] for key in sorted(_registry, key=_order)}


def _guarded(answer: object) -> object:
    """Return the answer as a check may use it; raises `NotAttempted` or `Wrong` for blanks."""
    _refuse_blank(answer)
    if not (inspect.isroutine(answer) or isinstance(answer, functools.partial)):
        return answer

    @functools.wraps(answer)
    def guarded(*args: object, **kwargs: object) -> object:
        try:
            result = answer(*args, **kwargs)
        except Exception as error:
            raise Wrong(f"it raised {_told(error)}") from error
        if result is None and not _is_stub(answer):
            raise _ReturnedNothing
        _refuse_blank(result)
        return result

    return guarded


def _refuse_blank(value: object) -> None:
    """Raise `NotAttempted` for a blank value, `Wrong` for a container that is blank in places."""
    if value is None or value is ...:
        raise NotAttempted
    if not isinstance(value, Mapping | tuple | list):
        return
    named = dict(value if isinstance(value, Mapping) else enumerate(value, start=1))
    blank = [str(name) for name, item in named.items() if item is ...]
    if blank and len(blank) == len(named):
        raise NotAttempted
    if blank:
        raise Wrong(f"still to fill in: {', '.join(blank)}")


def _is_stub(function: object) -> bool:
    """Whether a function does nothing: its body is ``...``, ``pass`` or a docstring."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    idle = {"RESUME", "NOP", "COPY_FREE_VARS", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return code is not None and {step.opname for step in dis.get_instructions(code)} <= idle


def _find(exercise_id: str) -> Exercise:
    """Return one exercise, importing its file first, or raise with the nearest id."""
    prefix = _module_prefix(exercise_id)
    for name in _modules():
        if name.startswith(prefix):
            importlib.import_module(f"{_package.__name__}.{name}")
    if exercise_id not in _registry:
        near = difflib.get_close_matches(exercise_id, registered(), n=1, cutoff=0)
        way_out = f"did you mean {near[0]!r}?" if near else "no exercise is registered yet"
        raise UnknownExercise(f"exercise {exercise_id!r} does not exist; {way_out}")
    return _registry[exercise_id]


def _modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(_package.__path__))
    return sorted(name for name in found if re.match(r"e\d\d_", name))


def _module_prefix(exercise_id: str) -> str:
    match = re.fullmatch(r"([1-9]\d?)\.([1-9]\d?)", exercise_id)
    if match is None:
        raise ValueError(f"exercise id {exercise_id!r} must read <notebook>.<number>, like '3.2'")
    return f"e{int(match[1]):02d}_"


def _order(exercise_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in exercise_id.split("."))


def _told(error: Exception) -> str:
    """Return type and text of an exception on one line, shortened."""
    text = _one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    return text if len(text) <= _LONGEST_FOREIGN_TEXT else text[: _LONGEST_FOREIGN_TEXT - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""Checks of notebook 05, continued: look often, stop early, cry wolf in 5 % of the tests at most.

The answer is a rule. It lives through simulated tests of skewed dollars: some whose arms are equal,
where every stop is a false alarm, and some whose arms differ, where it should stop, and soon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_helpers.exercises.engine import Wrong, exercise, kind

Rule = Callable[[NDArray[np.float64], NDArray[np.float64], int, int], Any]

ALPHA = 0.05
_TESTS = {"equal": 1200, "planned": 100, "large": 30}
_AT_FIRST = 300  # of the equal ones; the rest where these leave a doubt
_IN_DOUBT = 0.04
_MANY, _FEW = 10, 4  # looks; many of them tell sound rules from others
_PER_LOOK = 100  # applications of one arm between two looks
_PLANNED = 3.24  # true effect in standard errors at the last look: power 90 % with one look
_LARGE = 6.5
_LEAST_POWER = 0.6
_SURELY = 2.5  # standard deviations of chance that are forgiven


@dataclass(frozen=True)
class _Lived:
    """What became of many tests: at which look each stopped (0: never)."""

    stopped: NDArray[np.int64]
    looks: int

    @property
    def share(self) -> float:
        """The share that stopped at all."""
        return float((self.stopped > 0).mean())


@exercise(
    "5.5",
    title="Stop early, and cry wolf in 5 % of the tests at most",
    hints=(
        "With `looks` looks there are so many chances to be wrong. What must they cost together?",
        "Share the 5 % among the looks: if the limits of all looks add up to 0.05, the chance of "
        "any false alarm is 5 % at most, however the looks hang together.",
        "Equal parts are sound and waste power. Parts that grow with the look, such as those by "
        "which (look / looks) ** 3 grows from one look to the next, keep most of it for the end.",
    ),
)
def stopping(answer: Rule) -> str:
    """`answer(control, treatment, look, looks)` is True to stop and call the arms different."""
    _kinds(answer)
    tests = 2 * (_AT_FIRST + _TESTS["planned"] + _TESTS["large"]) + _TESTS["large"]
    print(f"5.5 tries it on about {tests:,} simulated tests; that may take some seconds ...")
    noticed = {}
    for looks in (_MANY, _FEW):
        equal = _live(answer, "equal", looks, tests=_AT_FIRST)
        if looks == _MANY and _IN_DOUBT < equal.share < 2 * ALPHA:
            equal = _live(answer, "equal", looks)
        if equal.share > ALPHA + _SURELY * np.sqrt(ALPHA * (1 - ALPHA) / equal.stopped.size):
            raise Wrong(
                f"of {equal.stopped.size:,} tests whose arms are equal it stops {equal.share:.1%}, "
                f"with {looks} looks each; 5 % is the limit for *all looks of a test together*"
            )
    for looks in (_MANY, _FEW):
        planned, large = _live(answer, "planned", looks), _live(answer, "large", looks)
        noticed[looks] = planned.share
        if planned.share < _LEAST_POWER:
            if _live(answer, "planned", looks, turned=True).share >= _LEAST_POWER:
                raise Wrong("it notices a treatment that loses, and never one that gains")
            raise Wrong(
                f"of {_TESTS['planned']} tests whose arms differ as planned it notices "
                f"{planned.share:.0%}, with {looks} looks each. One look at the end notices 90 %; "
                f"{_LEAST_POWER:.0%} is little enough to pay for looking"
            )
        early = float(((large.stopped > 0) & (large.stopped <= 0.75 * looks)).mean())
        if early < 0.75:
            raise Wrong(
                f"with an effect twice as large as planned only {early:.0%} of the tests with "
                f"{looks} looks end before three quarters of them: what is the looking good for?"
            )
    _both_ways(answer)
    return (
        "5 % for all looks together. Of the tests that differ as planned it notices "
        f"{noticed[_FEW]:.0%} with {_FEW} looks and {noticed[_MANY]:.0%} with {_MANY}, where one "
        "look at the end notices 90 %: that is what looking costs with this rule"
    )


def _kinds(answer: Rule) -> None:
    """`Wrong` for what is no decision, depends on a coin or on units, or changes its figures."""
    values = _drawn("planned", 10)[0]
    for look in (1, 5, 10):
        control, treatment = (side[: look * _PER_LOOK].copy() for side in values)
        first = _decision(answer, control, treatment, look, 10)
        if any(
            not np.array_equal(side[: look * _PER_LOOK], handed)
            for side, handed in zip(values, (control, treatment), strict=True)
        ):
            raise Wrong("it changed the dollars that it was given")
        if any(_decision(answer, control, treatment, look, 10) != first for _ in range(5)):
            raise Wrong("the same figures at the same look, and another decision")
        if _decision(answer, control / 100, treatment / 100, look, 10) != first:
            raise Wrong("with dollars in hundreds it decides otherwise; evidence has no unit")
    same = values[0][:_PER_LOOK]
    if _decision(answer, same.copy(), same.copy(), 1, 10):
        raise Wrong("both arms hold the same dollars, and it calls them different")


def _both_ways(answer: Rule) -> None:
    """`Wrong` unless a treatment that loses is noticed like one that gains."""
    worse = _live(answer, "large", 10, turned=True)
    if worse.share < 0.75:
        raise Wrong(
            f"a treatment that loses much is stopped in {worse.share:.0%} of the tests only; a "
            "test must be able to say that the new model is worse"
        )


def _decision(
    answer: Rule, control: NDArray[np.float64], treatment: NDArray[np.float64], k: int, looks: int
) -> bool:
    said = answer(control, treatment, k, looks)
    if not isinstance(said, bool | np.bool_):
        raise Wrong(f"it returned {kind(said)} at look {k}, must be True (stop) or False (go on)")
    return bool(said)


def _live(
    answer: Rule, world: str, looks: int, *, turned: bool = False, tests: int | None = None
) -> _Lived:
    """Live through the (first) tests of a world, look by look, until the rule stops or the end."""
    lived = _drawn(world, looks)[:tests]
    stopped = np.zeros(len(lived), dtype=np.int64)
    for place, (a, b) in enumerate(lived):
        control, treatment = (b, a) if turned else (a, b)
        for look in range(1, looks + 1):
            seen = look * _PER_LOOK
            if _decision(answer, control[:seen], treatment[:seen], look, looks):
                stopped[place] = look
                break
    return _Lived(stopped, looks)


@lru_cache(maxsize=8)
def _drawn(world: str, looks: int) -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """Dollars of both arms of each test, not to be written to; skewed as dollars of loans are."""
    rng = np.random.default_rng([55, looks, len(world)])
    size = looks * _PER_LOOK
    shift = {"equal": 0.0, "planned": _PLANNED, "large": _LARGE}[world] * np.sqrt(2 / size)
    tests = []
    for _ in range(_TESTS[world]):
        both = []
        for gain in (0.0, shift):
            amount = np.exp(rng.normal(0, 0.5, size=size))
            lost = rng.random(size) < 0.1
            dollars = amount * np.where(lost, -0.55, 0.12)
            both.append(2000 * (dollars / _SD + gain))
            both[-1].setflags(write=False)
        tests.append(tuple(both))
    return tuple(tests)


_SD = float(np.sqrt(np.exp(0.5) * (0.1 * 0.55**2 + 0.9 * 0.12**2) - (np.exp(0.125) * 0.053) ** 2))
"""Standard deviation of the dollars of `_drawn` before they are scaled, from their moments."""

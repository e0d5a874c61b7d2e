"""Checks of notebook 4, continued: a rule that promotes better models and hardly ever equal ones.

Both models read the true risk through one common error and an error of their own, so that equals
are equal by construction: their two scores could change places. A better challenger makes less of
the common error. The rule is asked about hundreds of such samples, the same for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mlops_helpers.exercises.engine import Wrong, exercise, kind

FloatArray = NDArray[np.float64]
Rule = Callable[[FloatArray, FloatArray, FloatArray], bool]

MOST_FALSE, LEAST_POWER, LEAST_OF_A_CLASS = 0.05, 0.60, 20
GAIN = 0.02
"""By how much the AUC of the better challenger is higher, on 1,500 loans, up to rounding."""

_COMMON = 0.8
_DRAWS, _BETTER_DRAWS = 200, 60
MOST_IN_ONE_SIZE, MOST_IN_BOTH = (
    MOST_FALSE + 3 * (MOST_FALSE * (1 - MOST_FALSE) / draws) ** 0.5
    for draws in (_DRAWS, 2 * _DRAWS)
)
"""Counted shares that chance still gives a rule whose true share is 5 %: three standard errors."""

_SECONDS_AT_ONCE, SECONDS_PER_CALL = 3.0, 0.02  # for imports at the first call, and for each call


class _Timed:
    """A rule that is refused as soon as it has taken more of the processor than it may.

    The time is the processor's, not the clock's, so that a busy machine refuses nobody.
    """

    def __init__(self, rule: Rule) -> None:
        self._rule, self._calls, self._seconds = rule, 0, 0.0

    def __call__(self, outcome: FloatArray, champion: FloatArray, challenger: FloatArray) -> bool:
        start = time.process_time()
        said = self._rule(outcome, champion, challenger)
        self._seconds += time.process_time() - start
        self._calls += 1
        if self._seconds > _SECONDS_AT_ONCE + SECONDS_PER_CALL * self._calls:
            raise Wrong(
                f"too slow: {self._seconds:.0f} seconds for the first {self._calls} of about "
                f"{2 * (_DRAWS + _BETTER_DRAWS) + 10} samples; {1000 * SECONDS_PER_CALL:.0f} "
                "milliseconds for each are enough. What is a resampling made for, and is there a "
                "formula for it?"
            )
        return said


class Loans(NamedTuple):
    """Outcomes, and the probabilities of default that both models gave."""

    outcome: FloatArray
    champion: FloatArray
    challenger: FloatArray


def two_models(*, seed: int, rows: int, own: float, less: float = 0.0) -> Loans:
    """One sample of loans with both models' probabilities.

    own: size of the error that each model makes by itself; the smaller, the more alike they are.
    less: share of the common error that the challenger does not make; 0 makes them equal.
    """
    rng = np.random.default_rng(seed)
    risk, common = rng.normal(size=(2, rows))
    outcome = (rng.random(rows) < special.expit(1.2 * risk - 2)).astype(float)
    champion, challenger = (
        special.expit(0.8 * (risk + _COMMON * part * common + own * rng.normal(size=rows)) - 2)
        for part in (1.0, 1.0 - less)
    )
    return Loans(outcome, champion, challenger)


@exercise(
    "4.4",
    title="A promotion rule worth its name",
    hints=(
        "By how much would the difference of the two AUCs vary if the same two models met on other "
        "loans? A rule without an answer to this cannot know what chance is able to do.",
        "Both models are judged on the same loans, and most of what is luck for one is luck for "
        "the other. An interval for each of them forgets that; an interval of the difference does "
        "not.",
        "`auc_difference(outcome, champion, challenger)` has `value`, `low` and `high`, in the "
        "order challenger minus champion. First refuse what is missing and what is too little.",
    ),
)
def promotion_rule(answer: Rule) -> str:
    """`answer(outcome, champion, challenger)` says whether the challenger is promoted."""
    rule = _Timed(answer)
    _asked(rule, _samples("better")[0])
    by_chance = {size: _share(rule, size) for size in ("equal, small", "equal")}
    better, worse = _share(rule, "better"), _share(rule, "worse")
    if max(*by_chance.values(), better, worse) == 0:
        _promotes_nobody(rule)
    _verdict(by_chance, better, worse)
    _same_ranking(rule)
    _fails_closed(rule)
    return (
        f"two equal models: promoted in {np.mean(list(by_chance.values())):.1%} of the samples (up "
        f"to {MOST_IN_BOTH:.1%} may be chance); a challenger with an AUC {GAIN:g} higher: in "
        f"{better:.0%}"
    )


def _promotes_nobody(answer: Rule) -> None:
    """Tell a rule that never promotes from one that asks for what nobody could overlook."""
    risk = two_models(seed=4_000, rows=1_500, own=0.3)
    if _asked(answer, risk._replace(champion=risk.champion[::-1])):
        raise Wrong(
            f"a champion that guesses is replaced, but no challenger whose AUC is {GAIN:g} higher "
            "is ever promoted: does the rule know that both were judged on the same loans?"
        )
    raise Wrong(
        "it promotes nobody, not even a challenger that is surely better: never to promote is "
        "never wrong, and the old model serves for ever"
    )


def _verdict(by_chance: dict[str, float], better: float, worse: float) -> None:
    """Raise what the four shares say, the most telling first."""
    false = float(np.mean(list(by_chance.values())))
    told = f"of two equal models it promotes the challenger in {false:.1%} of the samples"
    found = f"a challenger whose AUC is {GAIN:g} higher is promoted in {better:.0%}"
    if worse > better + 0.2:
        raise Wrong(
            f"a worse challenger is promoted in {worse:.0%} of the samples and a better one in "
            f"{better:.0%}: which is subtracted from which, and what is a high probability here?"
        )
    if false > 0.9:
        raise Wrong(
            f"{told}: not to be surely worse is enough for it. A change needs a reason, and equal "
            "models are none"
        )
    if false > 0.4:
        raise Wrong(f"{told}: the toss of a coin, since one of two equals is always ahead")
    if worse > 0.1:
        raise Wrong(
            f"a challenger that is surely worse is promoted in {worse:.0%} of the samples: surely "
            "different is not surely better"
        )
    for size, share in by_chance.items():
        if share > MOST_IN_ONE_SIZE:
            here, there = "1,500 loans", "400"
            if size == "equal, small":
                here, there = "400 loans", "1,500"
            other = by_chance["equal" if size == "equal, small" else "equal, small"]
            raise Wrong(
                f"of two equal models it promotes the challenger in {share:.1%} of the samples of "
                f"{here} (of {there}: {other:.1%}); {MOST_FALSE:.0%} are allowed, and more than "
                f"{MOST_IN_ONE_SIZE:.1%} is not chance. How large may a difference by chance be, "
                "on as many loans as there are?"
            )
    if false > MOST_IN_BOTH:
        raise Wrong(
            f"{told}; {MOST_FALSE:.0%} are allowed, and more than {MOST_IN_BOTH:.1%} is not chance"
        )
    if better < LEAST_POWER:
        if better < false + 0.05:
            why = (
                f"hardly more often than an equal one, and a worse one in {worse:.1%}; does it "
                "look at the same thing in both models?"
            )
        elif better < 0.3:
            why = "does it know that both were judged on the same loans?"
        else:
            why = "it asks for more than certainty"
        raise Wrong(f"{told}, but {found}; {LEAST_POWER:.0%} are asked for: {why}")


def _same_ranking(answer: Rule) -> None:
    """Scores in the same order have the same AUC, whatever their level."""
    loans = _samples("better")[1]
    if _asked(answer, loans._replace(challenger=loans.champion)):
        raise Wrong(
            "the challenger gives each loan the champion's own probability, and is promoted: a "
            "difference that is exactly 0, without any width, is not above 0"
        )
    boasting = loans._replace(champion=loans.champion**0.3, challenger=loans.champion)
    if _asked(answer, boasting):
        raise Wrong(
            "the challenger puts all loans in the champion's order, only its probabilities are "
            "lower by one formula, and it is promoted; the AUC, which was to be judged, is equal"
        )


def _fails_closed(answer: Rule) -> None:
    """What cannot be judged is not promoted, and stops nothing."""
    loans = _samples("better")[1]
    holes = loans.challenger.copy()
    holes[::50] = np.nan
    unknown = loans.outcome.copy()
    unknown[:40] = np.nan
    ahead = Loans(loans.outcome, 1 - loans.outcome * 0.5, 0.2 + loans.outcome * 0.5)
    rare = np.r_[np.flatnonzero(loans.outcome == 1)[:12], np.flatnonzero(loans.outcome == 0)]
    cases = {
        "2 % of the challenger's probabilities are missing": loans._replace(challenger=holes),
        "forty outcomes are missing": loans._replace(outcome=unknown),
        "nobody has defaulted": loans._replace(outcome=np.zeros_like(loans.outcome)),
        "twelve loans have defaulted": Loans(*(column[rare] for column in ahead)),
        "there are no loans at all": Loans(*(column[:0] for column in loans)),
    }
    for told, case in cases.items():
        try:
            promoted = _asked(answer, case)
        except Wrong as wrong:
            if not str(wrong).startswith("it raised"):
                raise
            raise Wrong(
                f"{told}, and the rule stops with an exception ({wrong}); what cannot be judged "
                "is not promoted"
            ) from wrong
        if promoted:
            raise Wrong(f"{told}, and the challenger is promoted")


def _asked(answer: Rule, loans: Loans) -> bool:
    """One verdict, or `Wrong` for what is none."""
    said = answer(*(column.copy() for column in loans))
    if not isinstance(said, bool | np.bool_):
        raise Wrong(f"it returned {kind(said)}, must be True or False")
    return bool(said)


def _share(answer: Rule, kind: str) -> float:
    """The share of samples of a kind in which the challenger is promoted."""
    return float(np.mean([_asked(answer, loans) for loans in _samples(kind)]))


@lru_cache(maxsize=8)
def _samples(kind: str) -> tuple[Loans, ...]:
    """The samples of a kind; the worse challengers are the champions of the better ones."""
    if kind == "worse":
        return tuple(
            Loans(outcome, challenger, champion)
            for outcome, champion, challenger in _samples("better")
        )
    first, draws, asked = {
        "equal": (1_000, _DRAWS, {"rows": 1_500, "own": 1.0}),
        "equal, small": (2_000, _DRAWS, {"rows": 400, "own": 0.3}),
        "better": (3_000, _BETTER_DRAWS, {"rows": 1_500, "own": 0.3, "less": 0.28}),
    }[kind]
    return tuple(two_models(seed=first + draw, **asked) for draw in range(draws))

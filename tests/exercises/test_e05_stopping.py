"""Exercise 5.5: a rule may look often and stop early, at 5 % false alarms and with real power."""

import itertools
import math
import re
import warnings
from functools import cache

import numpy as np
import pytest
from scipy import stats

from mlops_helpers.confidence_sequences import Moments, difference
from mlops_helpers.exercises.e05_stopping import _drawn, _kinds
from mlops_helpers.exercises.engine import judge
from mlops_helpers.spending import boundaries
from tests.exercises.battery import Names, Proof, prove

COINS = itertools.count()


def given() -> Names:
    """What stub and solution find in the kernel."""
    return {"np": np, "stats": stats}


def p_of(control, treatment):
    """Welch's test in its normal form, for arms of one size; quick, as it is asked often."""
    n, gap = len(control), 0.0
    square = 0.0
    for side, sign in ((control, -1), (treatment, 1)):
        mean = float(side.sum()) / n
        gap += sign * mean
        square += (float(side @ side) / n - mean**2) / (n - 1)
    return math.erfc(abs(gap) / math.sqrt(2 * square)) if square > 1e-9 else 1.0


def limit(of):
    """A rule that stops below a limit made of look and looks."""
    return lambda control, treatment, look, looks: p_of(control, treatment) < of(look, looks)


def cubic(look, looks):
    """Parts that keep most of the 5 % for the end."""
    return 0.05 * ((look / looks) ** 3 - ((look - 1) / looks) ** 3)


def right(control, treatment, look, looks):
    """The 5 % are shared by the looks."""
    return p_of(control, treatment) < cubic(look, looks)


def one_sided(control, treatment, look, looks):
    """Only a gain counts."""
    return right(control, treatment, look, looks) and treatment.mean() > control.mean()


def only_losses(control, treatment, look, looks):
    """Only a loss counts."""
    return right(control, treatment, look, looks) and treatment.mean() < control.mean()


def half_sided(control, treatment, look, looks):
    """One-sided p-values at 5 %, in both directions, at half of the looks."""
    return bool(look % 2) and p_of(control, treatment) / 2 < 0.05


def paired(control, treatment, look, looks):
    """Calls the same application's row a pair, and a difference of zero none."""
    gap = treatment - control
    z = gap.mean() / (gap.std(ddof=1) / np.sqrt(len(gap)))
    return bool(abs(z) > 1.96)


def dollars(control, treatment, look, looks):
    """Stops at a hundred and fifty dollars, whatever is behind them."""
    return bool(abs(treatment.mean() - control.mean()) > 360)


def recent(control, treatment, look, looks):
    """Looks at the newest hundred of each arm, with a share of the 5 % each time."""
    return p_of(control[-100:], treatment[-100:]) < 0.05 / looks


def twice(control, treatment, look, looks):
    """Stops when two looks in a row are below 5 %."""
    before = len(control) * (look - 1) // look
    earlier = p_of(control[:before], treatment[:before]) if before > 1 else 1.0
    return p_of(control, treatment) < 0.05 and earlier < 0.05


def coin(control, treatment, look, looks):
    """Stops now and then."""
    return next(COINS) % 3 == 0


def in_place(control, treatment, look, looks):
    """Sorts what it was given."""
    control.sort()
    return right(control, treatment, look, looks)


def upside_down(control, treatment, look, looks):
    """Stops when the p-value is close to one."""
    return p_of(control, treatment) > 1 - cubic(look, looks)


PROOFS = (
    Proof(
        "5.5",
        given,
        wrong={
            "5 % at each look": limit(lambda k, n: 0.05),
            "2.5 % at each look": limit(lambda k, n: 0.025),
            "10 % at each look": limit(lambda k, n: 0.1),
            "1.96 over the root": limit(lambda k, n: math.erfc(1.96 / math.sqrt(2 * k / n))),
            "the share, squared": limit(lambda k, n: 0.05 * (k / n) ** 2),
            "all at the start": limit(lambda k, n: 0.05 if k == 1 else 0.03),
            "one-sided at 5 %": half_sided,
            "twice in a row": twice,
            "at the end only": limit(lambda k, n: 0.05 if k == n else 0.0),
            "0.1 %": limit(lambda k, n: 0.001),
            "one in a million": limit(lambda k, n: 1e-6),
            "never": lambda control, treatment, look, looks: False,
            "at the end, always": lambda control, treatment, look, looks: look == looks,
            "gains only": one_sided,
            "losses only": only_losses,
            "dollars": dollars,
            "the newest": recent,
            "paired": paired,
            "a coin": coin,
            "upside down": upside_down,
            "changes the dollars": in_place,
            "a p-value": lambda control, treatment, look, looks: p_of(control, treatment),
            "in words": lambda control, treatment, look, looks: "stop",
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_rules_are_right():
    """Equal parts, spending functions, and a confidence sequence."""

    def sequence(control, treatment, look, looks):
        sides = [Moments(len(x), x.mean(), x.var(ddof=1)) for x in (control, treatment)]
        told = difference(*sides, alpha=0.05, tuned_for=2 * len(control) * looks / look)
        return told.known and not told.low <= 0 <= told.high

    @cache
    def spent(looks, power):
        shares = tuple(look / looks for look in range(1, looks + 1))
        return boundaries(shares, error=0.025, power=power)

    def spends(power):
        return limit(lambda look, looks: math.erfc(spent(looks, power)[look - 1] / math.sqrt(2)))

    rules = (
        spends(3.0),
        limit(lambda k, n: 0.05 / n),
        sequence,
    )
    for rule in rules:
        verdict = judge("5.5", rule)
        assert verdict.status == "right", verdict


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (limit(lambda k, n: 0.05), "all looks of a test together"),
        (limit(lambda k, n: 0.05 if k == n else 0.0), "what is the looking good for"),
        (limit(lambda k, n: 0.0), "little enough to pay"),
        (one_sided, "a test must be able to say that the new model is worse"),
        (dollars, "evidence has no unit"),
        (coin, "another decision"),
        (upside_down, "both arms hold the same dollars"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Peeking, waiting, weakness, one side, units, chance, no difference: told apart."""
    assert said in judge("5.5", answer).message


def test_the_checks_own_figures_cause_no_warning():
    """SciPy's test has nothing to warn of in what the check hands over, equal arms included."""

    def scipys(control, treatment, look, looks):
        return stats.ttest_ind(control, treatment).pvalue < cubic(look, looks)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _kinds(scipys)


def test_it_says_what_is_tried_and_what_the_rule_reached(capsys):
    """Before the long part a line; and equal parts notice less than parts that grow."""
    noticed = []
    for rule in (right, limit(lambda k, n: 0.05 / n)):
        said = judge("5.5", rule).message
        noticed.append([int(part) for part in re.findall(r"(\d+)% with", said)])
        assert "simulated tests" in capsys.readouterr().out
    assert noticed[0][0] > noticed[1][0]
    assert noticed[0][1] > noticed[1][1]
    judge("5.5", lambda control, treatment, look, looks: ...)
    assert capsys.readouterr().out == ""  # an untouched stub is tried on nothing


def test_the_worlds_are_as_they_are_called():
    """Equal arms are equal, planned ones are noticed by nine in ten single looks, large by all."""
    for looks in (4, 10):
        found = {
            world: np.mean([p_of(*both) < 0.05 for both in _drawn(world, looks)])
            for world in ("equal", "planned", "large")
        }
        assert 0.025 < found["equal"] < 0.08
        assert 0.85 < found["planned"] < 0.96
        assert found["large"] > 0.97

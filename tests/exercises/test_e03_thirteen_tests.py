"""Exercise 3.4: the solution passes, the stub is a stub, and each wrong correction is named."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


def unadjusted(p, alpha):
    """The colleague's monitor."""
    return list(p.index[p < alpha])


def bonferroni(p, alpha):
    """A right answer."""
    return list(p.index[p < alpha / max(p.notna().sum(), 1)])


def holm(p, alpha):
    """A right answer: step down, stop at the first that fails."""
    known = p.dropna().sort_values()
    passed = (known <= alpha / np.arange(len(known), 0, -1)).cummin()
    return set(known.index[passed])


def sidak(p, alpha):
    """Right for p-values that are independent or go together, not for any."""
    return tuple(p.index[p < 1 - (1 - alpha) ** (1 / max(p.notna().sum(), 1))])


def hochberg(p, alpha):
    """Steps from the largest p-value down: right where the inequality of Simes holds."""
    known = p.dropna().sort_values(kind="stable")
    passed = known <= alpha / np.arange(len(known), 0, -1)
    return list(known.index[passed[::-1].cummax()[::-1]])


def simes(p, alpha):
    """Hommel's method by its definition in closed tests: stronger than Hochberg's, same promise."""
    known = p.dropna().sort_values(kind="stable")
    n = len(known)
    sizes = [
        j
        for j in range(1, n + 1)
        if all(known.iloc[n - j + k - 1] > k * alpha / j for k in range(1, j + 1))
    ]
    return list(known.index[known <= alpha / max(sizes)] if sizes else known.index)


def weighted(p, alpha):
    """A right answer: the first features get twice the part of the last ones."""
    weights = pd.Series(np.where(np.arange(len(p)) < len(p) // 2, 2.0, 1.0), index=p.index)
    weights = weights.where(p.notna(), 0.0)
    return list(p.index[p < alpha * weights / max(weights.sum(), 1)])


def stricter(p, alpha):
    """Valid, and stricter than it need be: three quarters of the level."""
    return p.index[p < 0.75 * alpha / max(p.notna().sum(), 1)]


def with_missing_counted(p, alpha):
    """A feature without data takes its part of the level."""
    return list(p.index[p < alpha / max(len(p), 1)])


def share_of_false(p, alpha):
    """Benjamini and Hochberg: another promise."""
    known = p.dropna()
    return list(known.index[stats.false_discovery_control(known) < alpha]) if len(known) else []


def gatekeeper(p, alpha):
    """Adjusts the question whether anything moved, and then believes every small p."""
    return unadjusted(p, alpha) if bonferroni(p, alpha) else []


def at_least_two(p, alpha):
    """Waits for company."""
    found = unadjusted(p, alpha)
    return found if len(found) > 1 else []


def combined(p, alpha):
    """Fisher's combination: right only for independent features."""
    known = p.dropna()
    if not len(known) or stats.combine_pvalues(known).pvalue >= alpha:
        return []
    return list(known.index[known <= max(known.min(), 1e-6)])


def step_without_stop(p, alpha):
    """Holm's bounds, but a step that fails does not stop the later ones."""
    known = p.dropna().sort_values(kind="stable")
    return list(known.index[known <= alpha / np.arange(len(known), 0, -1)])


def names_of_other_order(p, alpha):
    """Adjusts the sorted values and forgets to bring them back."""
    known = p.dropna()
    return list(known.index[np.sort(known) < alpha / max(len(known), 1)])


def in_place(p, alpha):
    """Fills the holes of the caller's series."""
    p *= len(p)
    return list(p.index[p < alpha])


def missing_alarm(p, alpha):
    """Not above the bound is not the same as below it, when p is NaN."""
    return list(p.index[~(p >= alpha / max(p.notna().sum(), 1))])


def one_too_few(p, alpha):
    """Divides by one less than the number of tests."""
    return list(p.index[p < alpha / max(p.notna().sum() - 1, 1)])


def nothing_for_none(p, alpha):
    """Forgets to return when nothing rings."""
    return bonferroni(p, alpha) or None


PROOFS = (
    Proof(
        "3.4",
        given,
        wrong={
            "the colleague's own": unadjusted,
            "never rings": lambda p, alpha: [],
            "rings for everything": lambda p, alpha: list(p.index) if p.min() < 2 else [],
            "always the smallest": lambda p, alpha: [p.idxmin()],
            "only the smallest": lambda p, alpha: bonferroni(p, alpha)[:1],
            "missing ones counted": with_missing_counted,
            "missing ones ring": missing_alarm,
            "share of false alarms": share_of_false,
            "gatekeeper": gatekeeper,
            "waits for company": at_least_two,
            "combined p-values": combined,
            "steps that do not stop": step_without_stop,
            "another order": names_of_other_order,
            "one too few": one_too_few,
            "thirteen for ever": lambda p, alpha: list(p.index[p < alpha / 13]),
            "alpha not used": lambda p, alpha: bonferroni(p, 0.05),
            "alpha never looser": lambda p, alpha: bonferroni(p, min(alpha, 0.05)),
            "divided twice": lambda p, alpha: bonferroni(p, alpha / 13),
            "half as bad": lambda p, alpha: bonferroni(p, 3 * alpha),
            "marks, not names": lambda p, alpha: p < alpha / 13,
            "a number": lambda p, alpha: len(bonferroni(p, alpha)),
            "a dict": lambda p, alpha: p[bonferroni(p, alpha)].to_dict(),
            "independence": sidak,
            "from above": hochberg,
            "twice": lambda p, alpha: bonferroni(p, alpha) * 2,
            "changes its input": in_place,
            "nothing for none": nothing_for_none,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


@pytest.mark.parametrize("answer", [bonferroni, holm, stricter, weighted])
def test_every_valid_correction_is_right(answer):
    """Not the given solution alone: whatever keeps the promise, in any container of names."""
    assert judge("3.4", answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (unadjusted, "all thirteen together do not"),
        (lambda p, alpha: [], "never rings"),
        (at_least_two, "waiting for"),
        (share_of_false, "*share* of false alarms"),
        (gatekeeper, "one true alarm does not make the others"),
        (sidak, "take turns"),
        (hochberg, "Hochberg"),
        (simes, "Hommel"),
        (with_missing_counted, "a test that was not made"),
        (with_missing_counted, "counts what was planned before the data were seen"),
        (missing_alarm, "a feature without data (p is NaN)"),
        (combined, "when they go together"),
        (step_without_stop, "once a step fails"),
        (lambda p, alpha: bonferroni(p, 0.05), "as if it had been asked for 0.05"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Who bounds another rate, or counts a test that was not made, is told which."""
    assert said in judge("3.4", answer).message


def test_no_message_gives_the_answer():
    """What a learner reads of a wrong answer names no correction and no formula."""
    for answer in PROOFS[0].wrong.values():
        message = judge("3.4", answer).message.lower()
        assert not any(word in message for word in ("bonferroni", "holm", "divide", "alpha /"))


@pytest.mark.parametrize(("answer", "most"), [(bonferroni, 0.05), (holm, 0.05)])
def test_what_is_accepted_holds_where_the_features_take_turns(answer, most):
    """The months that refuse Hochberg's method are quiet ones: Bonferroni's and Holm's hold."""
    cells = dict(enumerate([2, 1, 0, *range(3, 40)]))
    assert sorted(cells) == sorted(cells.values())  # each p-value is uniform over the cells
    depth = np.random.default_rng(7).random((40, 25))
    alarms = {method: [] for method in (answer, hochberg)}
    for first, second in cells.items():
        for d in depth[first]:
            month = pd.Series({"one": (first + d) / 40, "other": (second + d) / 40})
            for method, found in alarms.items():
                found.append(bool(len(list(method(month, 0.05)))))
    assert np.mean(alarms[answer]) <= most < 0.07 < np.mean(alarms[hochberg])


def test_the_bound_of_independence_is_a_hair_too_high():
    """Thirteen features that take turns are below Šidák's bound in more than 5 % of the months."""
    bound = 1 - 0.95 ** (1 / 13)
    assert 0.05 < 13 * 0.0039 < 13 * bound

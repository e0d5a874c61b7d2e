"""Exercise 5.4: whoever is missing is found; a ramp, a new channel and chance are no loss."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.exercises.e05_who_is_missing import _RAMP, _cases
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Names, Proof, prove

ARMS = ["control", "treatment"]


def given() -> Names:
    """What stub and solution find in the kernel."""
    return {"np": np, "pd": pd, "stats": stats}


def stage_share(log, ramp):
    """The planned share of the treatment on each row's day."""
    place = np.searchsorted(ramp["since"], log["scored_at"], side="right") - 1
    return ramp["treatment"].to_numpy()[place]


def score(
    log,
    ramp,
    traits,
    *,
    share=stage_share,
    limit=0.001,
    many=True,
    clean=True,
    once=True,
    size=lambda z, n: abs(z),
    arms=ARMS,
):
    """The group furthest off, with each step open to a mistake."""
    if clean:
        log = log[log["variant"].isin(ARMS)]
    if once:
        log = log.drop_duplicates("application_id")
    planned, treated = share(log, ramp), (log["variant"] == "treatment").to_numpy()
    found = []
    for trait in traits:
        for value in log[trait].unique():
            mine = (log[trait] == value).to_numpy()
            gap = (treated - planned)[mine].sum()
            z = gap / np.sqrt((planned * (1 - planned))[mine].sum())
            arm = "treatment" if z < 0 else "control"
            if arm in arms:
                found.append((size(z, mine.sum()), abs(z), arm, trait, value))
    _, far, *who = max(found)
    p_value = 2 * stats.norm.sf(far) * (len(found) if many else 1)
    return tuple(who) if p_value < limit else ()


def constant(of):
    """One planned share for all rows, made of log and ramp."""
    return lambda log, ramp: np.full(len(log), of(log, ramp))


def observed(log, ramp):
    """The share that the log shows."""
    return (log["variant"] == "treatment").mean()


def wrongly(**how):
    """An answer with one mistake."""
    return lambda log, ramp, traits: score(log, ramp, traits, **how)


def other_arm(log, ramp, traits):
    """Takes the arm that has more for the one that lost."""
    found = score(log, ramp, traits)
    return (ARMS[found[0] == "control"], *found[1:]) if found else ()


def by_decision(log, ramp, traits):
    """Looks at what was decided as well."""
    return score(log, ramp, [*traits, "decision"])


def by_everything(log, ramp, traits):
    """Looks at all columns that are texts."""
    return score(log, ramp, ["variant"])


def full_stage(log, ramp, traits):
    """Looks at the last stage only."""
    return score(log[log["scored_at"] >= ramp["since"].iloc[-1]], ramp, traits)


def rarest(log, ramp, traits):
    """Whoever is rare has been lost."""
    value = log["loan_purpose"].value_counts().index[-1]
    return "treatment", "loan_purpose", value


def by_label(log, ramp, traits):
    """Joins shares and rows by label."""
    log = log[log["variant"].isin(ARMS)].drop_duplicates("application_id")
    share = pd.Series(stage_share(log, ramp), index=np.arange(len(log)))
    found = score(log, ramp, traits)
    return found if log.index.is_unique and len(share) else ()


def in_place(log, ramp, traits):
    """Drops what is sent twice from the log itself."""
    log.drop(index=log.index[:10], inplace=True)
    return score(log, ramp, traits)


def of(part):
    """The right answer in another shape."""

    def shaped(log, ramp, traits):
        found = score(log, ramp, traits)
        return part(found) if found else found

    return shaped


PROOFS = (
    Proof(
        "5.4",
        given,
        wrong={
            "half and half": wrongly(share=constant(lambda log, ramp: 0.5)),
            "first share": wrongly(share=constant(lambda log, ramp: ramp["treatment"].iloc[0])),
            "observed share": wrongly(share=constant(observed)),
            "5 % for each": wrongly(limit=0.05, many=False),
            "1 % for each": wrongly(limit=0.01, many=False, size=lambda z, n: round(abs(z), 1)),
            "largest count": wrongly(size=lambda z, n: abs(z) * np.sqrt(n)),
            "rare first": wrongly(size=lambda z, n: abs(z) / n),
            "holdout is control": wrongly(clean=False),
            "twice is two": wrongly(once=False),
            "only the treatment": wrongly(arms=["treatment"]),
            "only control": wrongly(arms=["control"]),
            "the other arm": other_arm,
            "by decision": by_decision,
            "full stage": full_stage,
            "rarest": rarest,
            "by label": by_label,
            "by variant": by_everything,
            "changes the log": in_place,
            "a p-value": lambda log, ramp, traits: 0.0001,
            "the value alone": of(lambda found: found[2:]),
            "another order": of(lambda found: found[::-1]),
            "a count": of(lambda found: (*found[:2], "12")),
            "a trait of its own": of(lambda found: (found[0], "purpose", "car")),
            "in words": of(lambda found: " ".join(found)),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """Stage by stage with chi-square, and the normal figure."""

    def chi_squares(log, ramp, traits):
        log = log[log["variant"].isin(ARMS)].drop_duplicates("application_id")
        log = log.assign(share=stage_share(log, ramp), treated=log["variant"] == "treatment")
        found = []
        for trait in traits:
            for value, group in log.groupby(trait):
                stages = group.groupby("share")["treated"].agg(["sum", "count"])
                due = stages["count"] * stages.index
                gaps = (stages["sum"] - due) ** 2 / (due * (1 - stages.index))
                arm = ARMS[int((stages["sum"] - due).sum() < 0)]
                found.append((stats.chi2.sf(gaps.sum(), len(stages)), arm, trait, value))
        p, *who = min(found)
        return who if p * len(found) < 0.001 else []

    for answer in (score, chi_squares):
        verdict = judge("5.4", answer)
        assert verdict.status == "right", verdict


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (wrongly(share=constant(lambda log, ramp: 0.5)), "began with 10 %"),
        (by_decision, "The arms decide differently"),
        (other_arm, "the arm is not"),
        (wrongly(clean=False), "a holdout"),
        (wrongly(once=False), "sent twice"),
        (full_stage, "somebody mended it"),
        (wrongly(limit=0.01, many=False), "one is always the furthest off"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """The ramp, the decision, the arm, the holdout, the retries, chance: told apart."""
    assert said in judge("5.4", answer).message


def test_whole_logs_are_whole_and_damaged_ones_damaged():
    """Of the arms' whole logs no row is lost; the losses are as large as they are told."""
    cases = _cases()
    assert len(cases["whole"].log) == 12_000
    early = cases["whole"].log["scored_at"] < pd.Timestamp("2024-04-15", tz="UTC")
    treated = cases["whole"].log["variant"] == "treatment"
    assert abs(treated[early].mean() - _RAMP[0][1]) < 0.015
    assert abs(treated[~early].mean() - _RAMP[1][1]) < 0.02
    for case in cases.values():
        assert set(case.log["variant"]) <= {*ARMS, "holdout"}
        assert (len(case.log) < 12_000) or not case.expected

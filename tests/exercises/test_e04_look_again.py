"""Exercise 4.6: the solution passes, the stub is a stub, whoever is overlooked is named."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.exercises.e04_look_again import PROMOTED, ROLLED_BACK, _log
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Proof, prove


def given():
    """What the cells of the exercise find in the notebook's kernel."""
    return {"np": np, "pd": pd}


KEY = ["application_id", "model_version", "variant"]


def newest(rows):
    """The last answer for each application."""
    return rows.sort_values("scored_at").drop_duplicates("application_id", keep="last")


def shadow_of(log, version):
    """What a version said in the shadow, by application."""
    rows = newest(log[(log["variant"] == "shadow") & (log["model_version"] == version)])
    return rows.set_index("application_id")["decision"]


def live_of(log, version):
    """What a version decided."""
    return newest(log[(log["variant"] != "shadow") & (log["model_version"] == version)])


def grouped(live, other, *, unknown=None):
    """The three lists of live rows and the other version's decisions."""
    said = live["application_id"].map(other)
    if unknown is not None:
        said = said.fillna(unknown)
    ids = live["application_id"]
    differ = said.notna() & (said != live["decision"])
    return {
        "lent": list(ids[differ & (live["decision"] == "approve")]),
        "turned away": list(ids[differ & (live["decision"] == "decline")]),
        "not known": list(ids[said.isna()]),
    }


def right(log, bad, before):
    """By version and variant, compared by decision."""
    return grouped(live_of(log, bad), shadow_of(log, before))


def by_clock(log, bad, before):
    """Everything that was decided between promotion and rollback."""
    inside = (log["scored_at"] >= PROMOTED) & (log["scored_at"] < ROLLED_BACK)
    live = newest(log[inside & (log["variant"] != "shadow")])
    return grouped(live, shadow_of(log, before))


def clock_and_version(log, bad, before):
    """Forgets the server that was late."""
    return right(log[log["scored_at"] < ROLLED_BACK], bad, before)


def with_shadows(log, bad, before):
    """Takes what the version said in the shadow for decisions."""
    rows = newest(log[log["model_version"] == bad])
    other = newest(log[log["model_version"] == before])
    return grouped(rows, other.set_index("application_id")["decision"])


def any_row_of_before(log, bad, before):
    """Forgets the shadow for the version before: its newest row counts, whatever it was."""
    other = newest(log[log["model_version"] == before])
    return grouped(live_of(log, bad), other.set_index("application_id")["decision"])


def first_row_of_before(log, bad, before):
    """Forgets the shadow for the version before: its oldest row counts."""
    rows = log[log["model_version"] == before].sort_values("scored_at")
    other = rows.drop_duplicates("application_id").set_index("application_id")["decision"]
    return grouped(live_of(log, bad), other)


def first_answers(log, bad, before):
    """Of two answers the first counts."""
    return right(log.sort_values("scored_at").drop_duplicates(KEY), bad, before)


def as_they_come(log, bad, before):
    """Of two answers the one that the log happens to have last counts."""
    last = log.drop_duplicates(KEY, keep="last")
    return right(last.assign(decision=last["decision"]), bad, before)


def without_variants(log, bad, before):
    """Live is where there is no variant."""
    live = live_of(log, bad)
    return grouped(live[live["variant"].isna()], shadow_of(log, before))


def any_shadow(log, bad, before):
    """Whatever was said in the shadow, by whomever: the last word counts."""
    rows = log[log["variant"] == "shadow"].drop_duplicates("application_id", keep="last")
    return grouped(live_of(log, bad), rows.set_index("application_id")["decision"])


def shadow_first(log, bad, before):
    """Whatever was said in the shadow first, by whomever."""
    rows = log[log["variant"] == "shadow"].drop_duplicates("application_id")
    return grouped(live_of(log, bad), rows.set_index("application_id")["decision"])


def one_cutoff(log, bad, before):
    """Decides anew by one cut-off for both."""
    again = log.assign(decision=np.where(log["probability"] < 0.18, "approve", "decline"))
    return right(again, bad, before)


def far_apart(log, bad, before):
    """Compares probabilities, not decisions."""
    rows = log[(log["variant"] == "shadow") & (log["model_version"] == before)]
    other = rows.drop_duplicates("application_id").set_index("application_id")["probability"]
    live = live_of(log, bad)
    gap = (live["probability"] - live["application_id"].map(other)).abs()
    return right(
        log[log["application_id"].isin(live["application_id"][~(gap < 0.05)])], bad, before
    )


def only_defaults(log, bad, before):
    """Looks at what went wrong."""
    found, live = right(log, bad, before), live_of(log, bad).set_index("application_id")
    return found | {"lent": [i for i in found["lent"] if live.loc[i, "default"] == 1]}


def only_labelled(log, bad, before):
    """Waits for outcomes."""
    return grouped(live_of(log, bad).dropna(subset="default"), shadow_of(log, before))


def everybody(log, bad, before):
    """Every decision of the version."""
    live = live_of(log, bad)
    ids = live["application_id"]
    return {
        "lent": list(ids[live["decision"] == "approve"]),
        "turned away": list(ids[live["decision"] == "decline"]),
        "not known": [],
    }


def lent_only(log, bad, before):
    """Money is what matters."""
    return right(log, bad, before) | {"turned away": []}


def twice(log, bad, before):
    """A retried request is two rows."""
    live = log[(log["variant"] != "shadow") & (log["model_version"] == bad)]
    return grouped(live, shadow_of(log, before))


def turned(log, bad, before):
    """The two groups changed places."""
    found = right(log, bad, before)
    return found | {"lent": found["turned away"], "turned away": found["lent"]}


def prediction_ids(log, bad, before):
    """Rows, not people."""
    ids = log.drop_duplicates("application_id").set_index("application_id")["prediction_id"]
    return {name: list(ids[part]) for name, part in right(log, bad, before).items()}


def by_place(log, bad, before):
    """Compares the rows in the order in which they come."""
    live, shadow = live_of(log, bad), shadow_of(log, before)
    pairs = list(zip(live["application_id"], live["decision"], shadow, strict=False))
    return {
        "lent": [i for i, a, b in pairs if a != b and a == "approve"],
        "turned away": [i for i, a, b in pairs if a != b and a == "decline"],
        "not known": list(live["application_id"][len(pairs) :]),
    }


def in_place(log, bad, before):
    """Corrects the log."""
    log["decision"] = log["decision"].replace("approve", "decline")
    return right(log, bad, before)


PROOFS = (
    Proof(
        "4.6",
        given,
        wrong={
            "by the clock": by_clock,
            "the clock and the version": clock_and_version,
            "shadows decide": with_shadows,
            "any row of before": any_row_of_before,
            "first row of before": first_row_of_before,
            "first answers": first_answers,
            "as they come": as_they_come,
            "no variants": without_variants,
            "any shadow": any_shadow,
            "first shadow": shadow_first,
            "one cut-off": one_cutoff,
            "far apart": far_apart,
            "only defaults": only_defaults,
            "only labelled": only_labelled,
            "everybody": everybody,
            "lent only": lent_only,
            "twice": twice,
            "turned": turned,
            "unknown agree": lambda log, bad, before: right(log, bad, before) | {"not known": []},
            "unknown decline": lambda log, bad, before: grouped(
                live_of(log, bad), shadow_of(log, before), unknown="decline"
            ),
            "versions 7 and 6": lambda log, bad, before: right(log, 7, 6),
            "prediction ids": prediction_ids,
            "by place": by_place,
            "a frame": lambda log, bad, before: live_of(log, bad),
            "other names": lambda log, bad, before: {"approved": [], "declined": []},
            "counts": lambda log, b, o: {k: len(v) for k, v in right(log, b, o).items()},
            "pairs": lambda log, b, o: {k: [[i] for i in v] for k, v in right(log, b, o).items()},
            "changes the log": in_place,
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """A merge instead of a map, sets instead of lists."""

    def merged(log, bad, before):
        shadow = log["variant"].eq("shadow")
        last = log.groupby(["application_id", "model_version", shadow])["scored_at"]
        log = log[log["scored_at"] == last.transform("max")]
        shadow = log["variant"].eq("shadow")
        live = log[~shadow & log["model_version"].eq(bad)][["application_id", "decision"]]
        other = log[shadow & log["model_version"].eq(before)][["application_id", "decision"]]
        both = live.merge(other, on="application_id", how="left", suffixes=("", "_before"))
        key = both["decision"] + " " + both["decision_before"].fillna("?")
        ids = both["application_id"]
        return {
            "lent": set(ids[key == "approve decline"]),
            "turned away": set(ids[key == "decline approve"]),
            "not known": set(ids[key.str.endswith("?")]),
        }

    for answer in (right, merged):
        assert judge("4.6", answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (by_clock, "decided them itself"),
        (clock_and_version, "had not heard of the rollback"),
        (with_shadows, "decided nobody"),
        (any_row_of_before, "that says nothing of the first"),
        (first_row_of_before, "its shadow speaks"),
        (first_answers, "The newest answer is the one that they live with"),
        (as_they_come, "in another order"),
        (without_variants, "a variant is not a shadow"),
        (any_shadow, "not the one that serves again"),
        (one_cutoff, "a cut-off of its own"),
        (only_defaults, "luck does not make a decision right"),
        (only_labelled, "who waits for labels"),
        (everybody, "both versions decided alike"),
        (twice, "names one applicant twice"),
        (in_place, "stays as it was decided"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """By the clock, by the outcome, by the wrong shadow: each is told apart."""
    assert said in judge("4.6", answer).message


def test_the_log_is_one_that_the_course_could_hold():
    """Ids are unique, one live decision each but for those asked about again, times are UTC."""
    log = _log(bad=7, before=6)
    assert log["prediction_id"].is_unique
    live = log[log["variant"] != "shadow"]
    counted = live["application_id"].value_counts()
    assert set(counted[counted > 1].index.str.rsplit("-", n=1).str[0]) == {
        "retried",
        "corrected",
        "moved",
        "back",
    }
    assert str(log["scored_at"].dt.tz) == "UTC"
    assert log["default"][log["variant"] == "shadow"].isna().all()

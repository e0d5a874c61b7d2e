"""What judging on approved loans does to a verdict, and what repairs it, with the truth known."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.business import CostModel
from mlops_helpers.features import build_pipeline
from mlops_helpers.selection import JUDGED_ON, judged_on_selected, selected_scores
from mlops_helpers.weighted_auc import weighted_auc_difference
from mlops_helpers.worlds import draw_world

SHARP = ["approved only", "approved, weighted by band", "approved and 10 %, unweighted"]
FAIR = ["approved and a random 10 %", "a random 10 % alone", "approved, weighted"]


@pytest.fixture(scope="module")
def scores():
    """Equal challengers, judged 120 times in each world and way."""
    return selected_scores(repeats=120, seed=7, gains=(0.0,)).set_index(["world", "judged_on"])


def test_all_applicants_and_known_chances_have_no_bias(scores):
    """Whoever has, or can stand for, all applicants measures the truth within chance."""
    for world in ("quiet", "recession", "policy change"):
        for way in ("all applicants", *FAIR):
            row = scores.loc[(world, way)]
            error = row["spread"] / 120**0.5
            assert abs(row["bias"]) < 3.5 * error, (world, way, row["bias"], error)
            assert row["wrong_low"] < 0.05 + 1e-9, (world, way)


def test_approved_loans_lean_towards_the_challenger(scores):
    """Surely in a recession and after a policy change; there by so much that verdicts go wrong."""
    lean = scores.xs("approved only", level="judged_on")
    assert lean.loc["recession", "low"] > 0
    assert lean.loc["policy change", "low"] > 0
    assert lean.loc["policy change", "bias"] > 3 * lean.loc["quiet", "bias"]
    assert lean.loc["policy change", "bias"] > 0.03
    assert lean.loc["policy change", "wrong_low"] > 0.2
    assert lean.loc["policy change", "called_better"] > 0.2


def test_what_needs_an_assumption_repairs_little_or_nothing(scores):
    """Bands of the challenger's score, or a tenth thrown in without weights, stay biased."""
    for way in SHARP:
        assert scores.loc[("policy change", way), "low"] > 0.02
    assert (
        scores.loc[("recession", "approved, weighted by band"), "bias"]
        > scores.loc[("recession", "approved only"), "bias"]
    )


def test_what_a_repair_costs(scores):
    """Fairness is paid for in dollars and in spread; the tenth alone has the widest spread."""
    quiet = scores.loc["quiet"]
    assert (quiet.loc[["approved only", "approved, weighted by band"], "dollars"] == 0).all()
    assert (quiet.loc[FAIR, "dollars"] < -5).all()
    assert quiet.loc["all applicants", "dollars"] < 5 * quiet.loc[FAIR, "dollars"].min()
    spread = quiet["spread"]
    assert spread["all applicants"] < spread["approved and a random 10 %"]
    assert spread["approved and a random 10 %"] < 0.8 * spread["a random 10 % alone"]


def test_a_worse_challenger_can_be_called_better():
    """Where the world changed, a model worse by 0.02 looks better on approved loans, not else."""
    found = selected_scores(repeats=60, seed=3, worlds=("policy change",), gains=(-0.02,))
    by_way = found.set_index("judged_on")
    assert by_way.loc["approved only", "low"] > 0
    assert by_way.loc["all applicants", "high"] < 0
    assert by_way.loc["approved and a random 10 %", "high"] < 0
    assert by_way.loc["approved only", "called_better"] > by_way.loc[FAIR, "called_better"].max()


def test_real_models_lean_the_same_way():
    """Not the made scores alone: a refit on changed loans gains more on approved applicants."""
    quiet, changed = (draw_world(w, 6000, seed=4) for w in ("quiet", "policy change"))
    models = [
        build_pipeline(kind).fit(rows, rows["default"])
        for kind, rows in (
            (LogisticRegression(max_iter=1000), quiet),
            (HistGradientBoostingClassifier(max_iter=60, random_state=0), changed),
        )
    ]
    later = draw_world("policy change", 60_000, seed=9)
    old, new = (model.predict_proba(later)[:, 1] for model in models)
    below, label = old < CostModel().break_even, later["default"].to_numpy()
    everybody, approved = (
        weighted_auc_difference(label[rows], old[rows], new[rows], np.ones(rows.sum()))
        for rows in (below | True, below)
    )
    assert approved.low > everybody.high


def test_a_frame_of_known_outcomes_is_judged_in_every_way():
    """One row a way, the same again with the same seed, and as the parts say by themselves."""
    rng = np.random.default_rng(1)
    old, new = rng.uniform(0.02, 0.5, (2, 3000))
    label = (rng.random(3000) < (old + new) / 2).astype(int)
    found = judged_on_selected(label, old, new, cutoff=0.2, seed=5)
    again = judged_on_selected(label, old, new, cutoff=0.2, seed=5)
    assert found.equals(again)
    assert tuple(found["judged_on"]) == JUDGED_ON
    below = old < 0.2
    said = weighted_auc_difference(label[below], old[below], new[below], np.ones(below.sum()))
    row = found.set_index("judged_on").loc["approved only"]
    assert (row["value"], row["low"], row["rows"]) == (said.value, said.low, below.sum())


def test_equal_arguments_equal_scores():
    """Chance is an argument; a world's figures do not depend on the ones before it."""
    asked = {"repeats": 2, "rows": 800, "seed": 2, "gains": (0.0,)}
    first = selected_scores(worlds=("quiet", "recession"), **asked)
    assert first.equals(selected_scores(worlds=("quiet", "recession"), **asked))
    other = selected_scores(worlds=("recession",), **asked)
    assert other.equals(first[first["world"] == "recession"].reset_index(drop=True))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"repeats": 1}, "repeats is 1"),
        ({"gains": (0.4,)}, "gain == 0.4"),
        ({"worlds": ("nowhere",)}, "nowhere"),
        ({"worlds": ("broken feed",)}, "broken feed"),
    ],
)
def test_impossible_questions_are_named(asked, said):
    """A gain beyond the truth, an unknown world, one repeat."""
    with pytest.raises(ValueError, match=said):
        selected_scores(**({"seed": 1, "repeats": 2} | asked))

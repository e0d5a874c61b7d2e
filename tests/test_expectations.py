"""A promise is refuted as often as stated when it is right, and nearly always when it is not."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from mlops_helpers.expectations import expected_and_realised
from mlops_helpers.performance import METRICS, by_window
from mlops_helpers.performance_windows import COUNTS, RESERVED
from mlops_helpers.simulation import (
    LABEL_DELAY,
    simulate_applications,
    true_default_probability,
)

LATE = pd.Timestamp("2060-01-01", tz="UTC")


@cache
def world(scenario, seed, months, a_month=1000):
    """A log of some loans a month, with the true probabilities of quiet times as the model's."""
    loans = simulate_applications(
        a_month * months, seed=seed, start="2000-01-01", months=months, scenario=scenario
    )
    return pd.DataFrame(
        {
            "scored_at": loans["applied_at"],
            "probability": true_default_probability(loans),
            "default": loans["default"].astype(float),
            "outcome_at": loans["outcome_at"],
        }
    )


def compare(log, **kwargs):
    """The table with labels half a year late, all in unless said otherwise."""
    given = {"as_of": LATE, "label_delay": LABEL_DELAY, "seed": 1, "n_sim": 199} | kwargs
    return expected_and_realised(log, **given)


def disagreement(table):
    """The share of windows that each metric refutes."""
    return 1 - table.groupby("metric")["agrees"].mean().astype(float)


def test_a_right_promise_is_refuted_as_often_as_stated():
    """In 300 calibrated windows each metric disagrees in 5 %, within three standard errors."""
    table = compare(world("quiet", 21, 300, a_month=300))
    assert table["agrees"].notna().all()
    refuted = disagreement(table)
    error = np.sqrt(0.05 * 0.95 / 300)
    assert set(refuted.index) == set(METRICS)
    assert ((refuted - 0.05).abs() <= 3 * error).all(), refuted


def test_intervals_that_overlap_are_no_test():
    """Asking whether the two intervals overlap refutes almost nothing, right or wrong."""
    wrong = world("quiet", 9, 30).assign(probability=lambda log: 0.8 * log["probability"])
    table = compare(wrong)
    rate = table[table["metric"] == "default_rate"]
    overlap = (rate["low"] <= rate["expected_high"]) & (rate["high"] >= rate["expected_low"])
    assert (~overlap).mean() < 0.2
    assert disagreement(table)["default_rate"] > 0.5


def test_a_changed_world_is_refuted_by_ranking_and_slope():
    """Concept drift: AUC and slope fail nearly always, and the default rate hardly tells."""
    refuted = disagreement(compare(world("policy change", 7, 30)))
    assert refuted["auc"] >= 0.95
    assert refuted["calibration_slope"] >= 0.9
    assert refuted["log_loss"] >= 0.75
    assert refuted["default_rate"] <= 0.4


def test_other_applicants_do_not_break_the_promise():
    """A recession among those who apply moves promise and outcome together: still about 5 %."""
    recession, quiet = world("recession", 8, 40), world("quiet", 9, 30)
    assert recession["default"].mean() > 1.2 * quiet["default"].mean()
    refuted = disagreement(compare(recession))
    assert (refuted <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 40)).all(), refuted


@pytest.mark.parametrize(
    ("fault", "seen_by", "blind"),
    [
        (lambda p: 0.8 * p, "default_rate", "auc"),
        (lambda p: expit(1.5 * logit(p) + 1), "calibration_slope", None),
    ],
)
def test_a_model_that_is_not_calibrated_is_refuted(fault, seen_by, blind):
    """Probabilities a fifth too low fail on the rate and not on the AUC; too bold ones on slope."""
    log = world("quiet", 9, 30)
    refuted = disagreement(compare(log.assign(probability=fault(log["probability"]))))
    assert refuted[seen_by] >= (0.5 if blind else 0.9)
    assert blind is None or refuted[blind] <= 0.15


def test_windows_that_are_not_complete_get_a_promise_and_no_verdict():
    """Young: promised, nothing realised. Half due: realised so far, still no verdict."""
    log = world("quiet", 3, 3)
    as_of = pd.Timestamp("2000-02-15", tz="UTC") + LABEL_DELAY
    table = compare(log, as_of=as_of).set_index("metric")
    rate = table.loc["default_rate"]
    assert rate["complete"].tolist() == [True, False, False]
    assert rate["agrees"].isna().tolist() == [False, True, True]
    assert rate["realised"].isna().tolist() == [False, False, True]
    assert rate["expected"].notna().all()
    assert (rate["overdue"] == 0).all()
    assert 0 < rate["due"].iloc[1] < rate["predictions"].iloc[1]


def test_what_was_realised_is_the_figure_of_by_window():
    """One way of doing a thing: value and limits are `by_window`'s, counts too."""
    log = world("quiet", 3, 3)
    given = {"as_of": pd.Timestamp("2000-09-01", tz="UTC"), "label_delay": LABEL_DELAY}
    table = expected_and_realised(log, seed=1, n_sim=39, **given)
    figures = by_window(log, seed=1, n_boot=0, by=(), **given)
    figures = figures[figures["metric"].isin(METRICS)].reset_index(drop=True)
    same = ["window_start", "window_end", "metric", "low", "high", *COUNTS]
    pd.testing.assert_frame_equal(table[same], figures[same])
    pd.testing.assert_series_equal(table["realised"], figures["value"], check_names=False)


def test_a_window_is_not_changed_by_later_ones():
    """Its draws come from the seed and its start: the same with or without what follows."""
    log = world("quiet", 3, 3)
    alone = log[log["scored_at"] < "2000-02-01"]
    both = compare(log)
    pd.testing.assert_frame_equal(compare(alone), both.head(len(METRICS)))
    pd.testing.assert_frame_equal(both, compare(log))
    other = compare(alone, seed=2)
    assert (other["expected_low"] != compare(alone)["expected_low"]).sum() >= len(METRICS) - 2


def test_promise_and_outcome_are_about_the_same_loans():
    """Awaiting the approved alone, the declined enter neither side; else no window would agree."""
    log = world("quiet", 3, 3)
    approved = log["probability"] < 0.1
    log = log.assign(
        decision=np.where(approved, "approve", "decline"),
        default=log["default"].where(approved),
        outcome_at=log["outcome_at"].where(approved),
    )
    assert not compare(log)["complete"].any()
    table = compare(log, awaits="approved")
    assert table["complete"].all()
    rate = table[table["metric"] == "default_rate"]
    assert (rate["expected"] < 0.1).all()
    assert rate["agrees"].all()
    alone = compare(log[approved])
    pd.testing.assert_frame_equal(
        table.drop(columns="predictions"), alone.drop(columns="predictions")
    )


def test_groups_are_judged_apart():
    """Only the version whose probabilities are too low is refuted."""
    log = world("quiet", 3, 3)
    even = np.arange(len(log)) % 2 == 0
    log = log.assign(
        model_version=np.where(even, 1, 2),
        probability=log["probability"].where(even, 0.5 * log["probability"]),
    )
    table = compare(log, by=("model_version",))
    rate = table[table["metric"] == "default_rate"].groupby("model_version")["agrees"].mean()
    assert rate[1] > 0.6
    assert rate[2] == 0


def test_few_defaults_have_a_rate_and_no_verdict_on_the_slope():
    """Where nothing bounds the promise nothing is said: missing, neither right nor wrong."""
    table = compare(world("quiet", 3, 3).head(60), freq="YS").set_index("metric")
    assert table.loc["default_rate", "agrees"] in (True, False)
    assert pd.isna(table.loc["calibration_slope", "agrees"])


def test_no_defaults_leave_the_ranking_without_a_verdict():
    """One class only: no AUC came, so none is judged; the rate is."""
    log = world("quiet", 3, 3).assign(default=0.0)
    table = compare(log, freq="QS").set_index("metric")
    assert pd.isna(table.loc["auc", "agrees"])
    assert not table.loc["default_rate", "agrees"]


def test_an_empty_log_gives_an_empty_table_and_a_bad_one_its_column():
    """The columns are there without rows; what is missing is named."""
    log = world("quiet", 3, 3)
    assert set(compare(log).columns) <= RESERVED  # so no group can bear one of its names
    empty = compare(log.head(0))
    assert empty.empty
    assert empty.columns.tolist() == compare(log).columns.tolist()
    with pytest.raises(ValueError, match="'default'"):
        compare(log.drop(columns="default"))
    with pytest.raises(ValueError, match="as_of is 2000-09-01"):
        compare(log, as_of=pd.Timestamp("2000-09-01"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n_sim": 38}, r"n_sim is 38, must be at least 39 for bounds of 0\.95"),
        ({"n_sim": 39, "level": 0.99}, "must be at least 199"),
        ({"level": 95}, "level is 95, must lie between 0 and 1"),
    ],
)
def test_bounds_that_too_few_draws_cannot_give_are_refused(arguments, said):
    """Below 39 draws the outermost are no bounds of 95 %: they would refute too often."""
    with pytest.raises(ValueError, match=said):
        compare(world("quiet", 3, 3), **arguments)

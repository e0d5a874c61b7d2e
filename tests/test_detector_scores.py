"""Detectors are scored where the truth is known: false alarms, power, and the wait for an alarm."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import detector_scores
from mlops_helpers.alerts import Rule, evaluate_rules
from mlops_helpers.contracts import FEATURES
from mlops_helpers.detector_scores import (
    DETECTORS,
    PATIENT,
    WITH_CLASSIFIER,
    alarms,
    detected,
    false_alarms,
    months_to_detection,
    power,
)
from mlops_helpers.drift import Reference
from mlops_helpers.worlds import draw_world

NOMINAL = 0.05


@pytest.fixture(scope="module")
def quiet():
    """What a thousand quiet months of a thousand applications raise."""
    return false_alarms(seed=2026, months=1000, rows=1000, references=20).set_index("detector")


@pytest.fixture(scope="module")
def noticed():
    """Power in some worlds, whose names stand for what can and what cannot be seen."""
    worlds = ["incomes -5 %", "incomes -20 %", "recession", "policy change", "incomes of others"]
    table = power(worlds=worlds, rows=1000, repeats=30, references=5, seed=5)
    return table.pivot(index="world", columns="detector", values="power")


@pytest.mark.parametrize("detector", ["Holm", "report", "report twice"])
def test_a_thousand_quiet_months_keep_the_nominal_level(quiet, detector):
    """Any alarm in at most 5 % of quiet months, within Monte Carlo error."""
    assert quiet.loc[detector, "low"] <= NOMINAL
    assert quiet.loc[detector, "share"] <= 0.07


def test_the_report_is_calmer_than_its_tests(quiet):
    """Asking for an effect besides evidence leaves fewer alarms than evidence alone."""
    assert quiet.loc["report", "share"] <= quiet.loc["Holm", "share"]
    assert quiet.loc["report", "high"] <= NOMINAL


def test_many_tests_at_five_per_cent_cry_wolf(quiet):
    """Unadjusted tests alarm in about a third of quiet months, and waiting a month is no cure."""
    assert quiet.loc["any test at 5 %", "low"] > 4 * NOMINAL
    assert quiet.loc["any test twice", "low"] > NOMINAL


def test_the_rule_of_thumb_depends_on_the_rows():
    """PSI above 0.1 is silent in quiet months of 1,000 rows and always there in those of 80."""
    small = false_alarms(seed=3, months=40, rows=80, references=4).set_index("detector")
    assert small.loc["PSI above 0.1", "share"] > 0.9
    large = false_alarms(seed=3, months=40, rows=1000, references=4).set_index("detector")
    assert large.loc["PSI above 0.1", "share"] == 0


def test_scores_have_limits_around_them(quiet):
    """Each detector has its share between its limits, and none is left out."""
    assert quiet.index.tolist() == list(DETECTORS)
    assert (quiet["low"] <= quiet["share"]).all()
    assert (quiet["share"] <= quiet["high"]).all()
    assert (quiet["high"] > 0).all()


def test_detectors_say_what_their_table_says():
    """Each alarm is the condition of its name on the table of the comparison."""
    quiet = draw_world("quiet", 5000, seed=1)[list(FEATURES)]
    reference = Reference.fit(quiet)
    for world in ("quiet", "incomes -5 %", "recession"):
        month = draw_world(world, 700, seed=2)
        table, found = reference.compare(month).table, alarms(reference, month)
        assert found["any test at 5 %"] == (table["p_value"].min() < 0.05)
        assert found["Holm"] == (table["p_adjusted"].min() < 0.05)
        assert found["PSI above 0.1"] == (table["psi"].max() > 0.1)
        assert found["PSI above 0.25"] == (table["psi"].max() > 0.25)
        assert found["report"] == table["drifted"].any()
        assert found["any test at 5 %"] or not found["Benjamini–Hochberg"]
        assert found["Benjamini–Hochberg"] or not found["Holm"]
        assert found["Holm"] or not found["report"]


def test_patience_is_that_of_an_alert_rule():
    """A patient detector alarms in the months in which a rule with patience 2 is open."""
    found = detected(["incomes -5 %"], seed=9, rows=1000, references=1, months=12)
    start = pd.date_range("2024-01-01", periods=13, freq="MS", tz="UTC")
    of = PATIENT["any test twice"]
    rule = Rule("drift", "alarm", 0.5, "above", "medium", patience=2)
    rows = pd.DataFrame(
        {
            "metric": "alarm",
            "subject": "",
            "model_version": 1,
            "window_start": start[:-1],
            "window_end": start[1:],
            "value": found[of].astype(float).to_numpy(),
            "reference": np.nan,
        }
    )
    known, opened = None, []
    for end in rows["window_end"]:
        changed = evaluate_rules([rule], rows, when=end, open_alerts=known)
        if len(changed):
            kept = known if known is not None else changed.iloc[:0]
            kept = kept[~kept["alert_id"].isin(changed["alert_id"])]
            known = changed if kept.empty else pd.concat([kept, changed], ignore_index=True)
        opened.append(known is not None and (known["status"] == "open").any())
    assert found["any test twice"].tolist() == opened
    assert 0 < sum(opened) < 12


def test_drifts_are_noticed_by_their_size(noticed):
    """A large drift is noticed by all that look at p-values, a small one by few."""
    assert (noticed.loc["recession", ["Holm", "report", "report twice"]] == 1).all()
    assert noticed.loc["incomes -20 %", "report"] > 0.9
    assert noticed.loc["incomes -5 %", "report"] < noticed.loc["incomes -20 %", "report"]


def test_what_leaves_each_column_alone_is_not_noticed(noticed):
    """A changed world and shuffled rows keep every column's distribution: no test of one sees."""
    for world in ("policy change", "incomes of others"):
        assert noticed.loc[world, "report"] <= 0.1
        assert noticed.loc[world, "Holm"] <= 0.2


def test_a_classifier_sees_what_no_column_shows():
    """Shuffled rows are noticed by telling the samples apart, alone and as part of the report."""
    table = power(
        worlds=["incomes of others"], rows=1000, repeats=10, references=2, seed=11, classifier=True
    ).set_index("detector")
    assert table.index.tolist() == [*DETECTORS, *WITH_CLASSIFIER]
    assert (table.loc[list(WITH_CLASSIFIER), "power"] == 1).all()
    assert table.loc["report", "power"] <= 0.1


def test_a_classifier_keeps_its_level_in_quiet_months():
    """Telling quiet from quiet succeeds in at most 5 % of 120 months, within Monte Carlo error."""
    table = false_alarms(seed=12, months=120, rows=1000, references=12, classifier=True)
    table = table.set_index("detector")
    assert table.loc["classifier", "low"] <= NOMINAL
    assert table.loc["report and classifier", "low"] <= NOMINAL
    assert table.loc["report and classifier", "share"] <= 0.075


def test_power_grows_with_the_rows():
    """The same drift is noticed more often in larger months."""
    table = power(worlds=["incomes -10 %"], rows=[200, 3000], repeats=20, references=4, seed=6)
    of_holm = table[table["detector"] == "Holm"].set_index("rows")["power"]
    assert of_holm[3000] > of_holm[200] + 0.3
    assert table.columns.tolist() == ["world", "rows", "detector", "power", "low", "high"]


def test_months_to_detection_say_never():
    """What breaks all rows is noticed in its first month, what leaves columns alone hardly ever."""
    table = months_to_detection(
        worlds=["all in per cent", "policy change"], rows=500, sequences=8, seed=7
    ).set_index(["world", "detector"])
    broken = table.loc[("all in per cent", "report")]
    unseen = table.loc[("policy change", "report twice")]
    assert (broken["months"], broken["never"]) == (1.0, 0.0)
    assert table.loc[("all in per cent", "report twice"), "months"] == 2.0
    assert unseen["never"] >= 0.75
    assert np.isnan(unseen["months"])
    assert unseen["never_low"] < unseen["never"] <= unseen["never_high"]


def test_scores_are_the_same_again():
    """Equal arguments give equal frames, and a world's months do not depend on the others."""
    small = {"seed": 4, "rows": 200, "references": 2, "months": 3}
    both = detected(["quiet", "recession"], **small)
    pd.testing.assert_frame_equal(both, detected(["quiet", "recession"], **small))
    alone = detected(["recession"], **small)
    same = both[both["world"] == "recession"].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, alone)


def test_limits_cover_months_that_share_a_reference():
    """Where references differ, the 95 % limits hold the true share in about 95 % of 400 draws."""
    rng, held = np.random.default_rng(8), 0
    for _ in range(400):
        own = rng.beta(2, 8, size=20)  # 0.2 on average
        shares = pd.Series(rng.binomial(50, own) / 50)
        _, low, high = detector_scores._clustered(shares, 1000)
        held += low <= 0.2 <= high
    assert 0.91 <= held / 400 <= 0.99


def test_limits_of_none_and_all():
    """No alarm in n months still leaves room for some; alarms in all leave room for none."""
    share, low, high = detector_scores._clustered(pd.Series([0.0] * 5), 100)
    assert (share, low) == (0.0, 0.0)
    assert 0.03 < high < 0.05
    share, low, high = detector_scores._clustered(pd.Series([1.0] * 5), 100)
    assert (share, high) == (1.0, 1.0)
    assert 0.95 < low < 0.97


def test_waits_of_known_lives():
    """The median, its limits by ranks and the share that never alarms, by hand."""
    waits = np.array([1.0] * 6 + [2.0] * 6 + [np.inf] * 3)
    months, low, high, never, *_ = detector_scores._wait(waits)
    assert (months, low, high, never) == (2.0, 1.0, 2.0, 0.2)
    months, low, high, never, *_ = detector_scores._wait(np.array([1.0, *[np.inf] * 9]))
    assert np.isnan([months, low, high]).all()
    assert never == 0.9


@pytest.mark.parametrize(("months", "references"), [(10, 3), (10, 1), (2, 4)])
def test_months_are_shared_evenly(months, references):
    """A number of months that references cannot share is refused with the way out."""
    with pytest.raises(ValueError, match=f"months == {months} and references == {references}"):
        false_alarms(seed=1, months=months, rows=100, references=references)

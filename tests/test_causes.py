"""Signals move by what happened, are unknown where nobody can know, and are read accordingly."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.calibration import recalibration
from mlops_helpers.causes import (
    AFTER_LABELS,
    BEFORE_LABELS,
    CANNOT_TELL,
    FEED,
    HOLDOUT,
    LIMITS,
    NOTHING,
    SIGNAL_COLUMNS,
    WHAT_TO_DO,
    read,
    signals,
)
from mlops_helpers.contracts import FEATURES, TARGET
from mlops_helpers.delong import auc_interval
from mlops_helpers.drift import Reference
from mlops_helpers.simulation import true_default_probability
from mlops_helpers.worlds import CAUSES, draw_world

SEEN = list(FEATURES)


def scored(world, n, seed):
    """A window of a world, scored by the true model of quiet times (nothing was learnt)."""
    frame = draw_world(world, n, seed=seed)
    probability = true_default_probability(frame).fillna(0.12).clip(1e-6, 1 - 1e-6)
    return frame.assign(probability=probability)


@pytest.fixture(scope="module")
def holdout():
    """Quiet rows."""
    return scored("quiet", 3000, 1)


@pytest.fixture(scope="module")
def reference(holdout):
    """What quiet rows and quiet scores look like."""
    quiet = draw_world("quiet", 10_000, seed=2)
    return Reference.fit(quiet[SEEN]).extended(holdout[["probability"]])


def moved(table):
    """The names of the signals that moved."""
    return set(table.loc[table["moved"].fillna(False), "signal"])


def test_the_table_has_a_row_for_each_signal(reference, holdout):
    """Signals come in the order of their limits, with all columns, moved being True or False."""
    table = signals(reference, holdout, scored("quiet", 3000, 3))
    assert tuple(table.columns) == SIGNAL_COLUMNS
    assert table["signal"].tolist() == [*BEFORE_LABELS, *AFTER_LABELS] == list(LIMITS)
    assert table["moved"].notna().all()
    intervals = table.dropna(subset=["low"])
    assert (intervals["low"] <= intervals["value"]).all()
    assert (intervals["value"] <= intervals["high"]).all()


def test_figures_are_those_of_the_rows(reference, holdout):
    """Rates, ratios and their intervals are what a pencil gives."""
    window = scored("recession", 2500, 4)
    table = signals(reference, holdout, window).set_index("signal")
    expected, observed = window["probability"].mean(), window[TARGET].mean()
    row = table.loc["observed / expected"]
    assert row["now"] == pytest.approx(observed / expected)
    assert row["before"] == pytest.approx(holdout[TARGET].mean() / holdout["probability"].mean())
    row = table.loc["expected default rate"]
    assert row["now"] == pytest.approx(expected)
    assert row["value"] == pytest.approx(expected / holdout["probability"].mean())
    row = table.loc["AUC"]
    assert row["value"] == pytest.approx(row["now"] - row["before"])
    row = table.loc["calibration slope"]
    assert row["value"] == pytest.approx(row["now"] / row["before"])
    slope = recalibration(window[TARGET], window["probability"]).slope.value
    assert row["now"] == pytest.approx(slope)
    for name, of_holdout in (
        ("holdout O/E", holdout[TARGET].mean() / holdout["probability"].mean()),
        ("holdout slope", recalibration(holdout[TARGET], holdout["probability"]).slope.value),
    ):
        assert table.loc[name, "value"] == pytest.approx(of_holdout)


def test_intervals_hold_their_level():
    """Over 200 quiet pairs the 90 % intervals of each signal hold "no change" about as often."""
    inside = []
    quiet = scored("quiet", 200 * 1000, 5)
    reference = Reference.fit(quiet[["probability"]].iloc[:3000])
    for start in range(0, len(quiet), 1000):
        before, now = quiet.iloc[start : start + 500], quiet.iloc[start + 500 : start + 1000]
        table = signals(reference, before, now, level=0.9).set_index("signal")
        same = pd.Series({name: limit.same for name, limit in LIMITS.items()})
        inside.append((table["low"] <= same) & (same <= table["high"]))
    share = pd.DataFrame(inside).mean()
    error = (0.9 * 0.1 / 200) ** 0.5
    for name in ("expected default rate", "observed default rate", "observed / expected", "AUC"):
        assert share[name] == pytest.approx(0.9, abs=3.5 * error), name
    for name in ("calibration slope", "holdout slope", "holdout O/E"):
        assert share[name] > 0.9 - 3.5 * error, name


def test_quiet_times_read_as_nothing(reference, holdout):
    """Without labels a quiet month cannot be told from a changed world; with them it can."""
    window = scored("quiet", 3000, 6)
    assert moved(signals(reference, holdout, window)) == set()
    assert read(signals(reference, holdout, window)) == NOTHING
    assert read(signals(reference, holdout, window.drop(columns=TARGET))) == CANNOT_TELL


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_read_with_labels(reference, holdout, cause):
    """The window of each cause is read as that cause once its labels are in."""
    table = signals(reference, holdout, scored(CAUSES[cause], 4000, 7))
    assert read(table) == cause


def test_changed_applicants_leave_the_model_right(reference, holdout):
    """In a recession features, scores and rates move; O/E, AUC and slope do not."""
    got = moved(signals(reference, holdout, scored("recession", 4000, 8)))
    assert {"features drifted", "scores drifted", "expected default rate"} <= got
    assert not got & {"observed / expected", "AUC", "calibration slope", "out of contract"}


def test_a_changed_world_shows_in_labels_only(reference, holdout):
    """A policy change moves nothing before labels; after them AUC and slope."""
    got = moved(signals(reference, holdout, scored("policy change", 4000, 9)))
    assert not got & set(BEFORE_LABELS)
    assert {"AUC", "calibration slope"} <= got


def test_a_doubled_label_rate_moves_the_level_only(reference, holdout):
    """Twice the defaults of the same kinds: O/E moves, the ranking and the slope do not."""
    got = moved(signals(reference, holdout, scored("defaults doubled", 4000, 10)))
    assert {"observed default rate", "observed / expected"} <= got
    assert not got & {"AUC", "calibration slope", "out of contract", "missing"}


def test_a_broken_feed_breaks_the_contract(reference, holdout):
    """Per cent and gaps move contract and missing shares, by the sizes that are known."""
    table = signals(reference, holdout, scored("broken feed", 3000, 11)).set_index("signal")
    assert table.loc["missing", "value"] == pytest.approx(0.2, abs=0.03)
    assert table.loc["out of contract", "now"] > 0.95
    assert bool(table.loc["missing", "moved"])


def test_without_all_labels_nothing_is_said_about_outcomes(reference, holdout):
    """One open loan is enough: what is known first are the quick defaults."""
    window = scored("defaults doubled", 4000, 12)
    for now in (
        window.drop(columns=TARGET),
        window.assign(default=window[TARGET].astype(float).mask(window.index == 17)),
    ):
        table = signals(reference, holdout, now).set_index("signal")
        assert (
            table.loc[list(AFTER_LABELS), ["value", "low", "high", "moved"]].isna().all(axis=None)
        )
        assert table.loc[list(BEFORE_LABELS), "moved"].notna().all()


def test_few_defaults_are_no_evidence(reference, holdout):
    """With fewer than twenty defaults the label signals are unknown, so nobody is calmed."""
    table = signals(reference, holdout, scored("quiet", 60, 13))
    assert table.loc[table["needs_labels"], "moved"].isna().all()
    assert read(table) == CANNOT_TELL


def test_an_empty_window_is_unknown(reference, holdout):
    """No applications: every signal of the window unknown, nothing read from it."""
    table = signals(reference, holdout, scored("quiet", 5, 14).iloc[:0])
    assert table.loc[~table["signal"].isin(HOLDOUT), "moved"].isna().all()
    assert read(table) == CANNOT_TELL


def test_a_small_evident_change_has_not_moved(reference, holdout):
    """Many rows make a change of five per cent certain; it stays within the limit."""
    before, now = scored("quiet", 60_000, 15), scored("incomes -5 %", 60_000, 16)
    row = signals(reference, before, now).set_index("signal").loc["expected default rate"]
    assert 1 < row["low"] < row["value"] < LIMITS["expected default rate"].high
    assert not row["moved"]


def test_a_large_uncertain_change_has_not_moved(reference, holdout):
    """A ratio beyond its limit by chance does not count while its interval holds 1."""
    now = scored("quiet", 250, 17)
    table = signals(reference, holdout, now, level=0.999).set_index("signal")
    wide = table["high"] - table["low"]
    assert wide["observed / expected"] > 0.45
    assert not table["moved"].fillna(False).any()


@pytest.mark.parametrize(
    ("names", "reading"),
    [
        ([], NOTHING),
        (["features drifted"], "applicants changed"),
        (["scores drifted"], "applicants changed"),
        (["expected default rate"], "applicants changed"),
        (["features drifted", "observed / expected"], "label rate changed"),
        (["observed default rate"], NOTHING),
        (["AUC"], "the world changed"),
        (["AUC", "observed / expected", "features drifted"], "the world changed"),
        (["missing", "AUC", "scores drifted"], "feed broke"),
        *(([name, "AUC"], "feed broke") for name in FEED),
        (list(HOLDOUT), NOTHING),
    ],
)
def test_the_graver_cause_is_read(names, reading):
    """Signals are read in the order feed, world, label rate, applicants."""
    table = pd.DataFrame({"signal": list(LIMITS)})
    table["moved"] = table["signal"].isin(names).astype("boolean")
    table["clear"] = True
    assert read(table) == reading


def test_unknown_signals_are_no_all_clear():
    """With one signal unknown and none moved, nothing can be told."""
    table = pd.DataFrame({"signal": list(LIMITS), "moved": False, "clear": True})
    table = table.astype({"moved": "boolean"})
    for place, name in enumerate(LIMITS):
        unknown = table.copy()
        unknown.loc[place, "moved"] = pd.NA
        # The holdout's own calibration is no change, so it neither alarms nor calms.
        assert read(unknown) == (NOTHING if name in HOLDOUT else CANNOT_TELL), name


def test_silence_of_a_small_window_is_no_all_clear(reference, holdout):
    """Where an interval holds a grave change, nothing moved means "cannot tell yet"."""
    small, large = scored("quiet", 400, 20), scored("quiet", 5000, 21)
    for window, reading in ((small, CANNOT_TELL), (large, NOTHING)):
        table = signals(reference, holdout, window)
        assert moved(table) == set()
        assert read(table) == reading
    labelled = table.set_index("signal").loc[list(AFTER_LABELS)]
    assert labelled["clear"].all()
    assert labelled.loc["AUC", "low"] > -0.09


def test_every_reading_says_what_to_do():
    """Each cause, quiet times and ignorance have advice; a broken feed is never learnt from."""
    assert set(WHAT_TO_DO) == {*CAUSES, NOTHING, CANNOT_TELL}
    assert "Do not retrain" in WHAT_TO_DO["feed broke"]
    assert WHAT_TO_DO["applicants changed"].startswith("First rule out the feed")
    assert "recalibrate the intercept" in WHAT_TO_DO["label rate changed"]
    assert "retrain" in WHAT_TO_DO["the world changed"]


def test_a_column_that_lacks_is_named(reference, holdout):
    """What is not there is said by name, on either side."""
    window = scored("quiet", 50, 18)
    with pytest.raises(ValueError, match="window has no column 'probability'"):
        signals(reference, holdout, window.drop(columns="probability"))
    with pytest.raises(ValueError, match="holdout has no column 'default'"):
        signals(reference, holdout.drop(columns=TARGET), window)
    with pytest.raises(ValueError, match="window has no column 'age'"):
        signals(reference, holdout, window.drop(columns="age"))


def test_recalibrating_the_level_is_right_after_a_label_shift():
    """The advice holds: one number added to the logits makes the truth of the doubled world."""
    frame = scored("defaults doubled", 2000, 19)
    truth = frame["true_probability"]
    logit = np.log(truth / (1 - truth)) - np.log(frame["probability"] / (1 - frame["probability"]))
    assert logit.std() < 1e-6
    assert logit.mean() > 0.5


def distorted(frame, intercept, slope):
    """The same rows from a model that was never calibrated: logits moved and stretched."""
    logit = np.log(frame["probability"] / (1 - frame["probability"]))
    return frame.assign(probability=1 / (1 + np.exp(-(intercept + slope * logit))))


@pytest.mark.parametrize(("intercept", "slope"), [(2.0, 1.0), (-0.6, 1.0), (0.0, 1.8), (0.0, 0.55)])
def test_a_model_that_was_never_calibrated_is_no_change(reference, holdout, intercept, slope):
    """Its holdout says so; quiet rows read as nothing, and each cause still as itself."""
    before = distorted(holdout, intercept, slope)
    scores = reference.extended(before[["probability"]])
    for world, reading in (("quiet", NOTHING), *((CAUSES[cause], cause) for cause in CAUSES)):
        now = distorted(scored(world, 4000, 22), intercept, slope)
        table = signals(scores, before, now)
        assert read(table) == reading, world
        assert moved(table) & set(HOLDOUT), world


def test_the_holdout_of_a_calibrated_model_is_right(reference, holdout):
    """The flag is down for a model that is right."""
    table = signals(reference, holdout, scored("policy change", 3000, 23))
    assert not moved(table) & set(HOLDOUT)


def test_selection_alone_is_no_changed_world(reference, holdout):
    """Only the safest apply: AUC falls by range alone, as expected of just these applicants."""
    window = scored("the safest apply", 4000, 24)
    table = signals(reference, holdout, window).set_index("signal")
    plain = auc_interval(holdout[TARGET], holdout["probability"]).value
    assert table.loc["AUC", "now"] < plain - 0.05
    assert table.loc["AUC", "before"] < plain - 0.05
    early = signals(reference, holdout, window.drop(columns=TARGET))
    assert read(early) == read(table.reset_index()) == "applicants changed"


def seen_otherwise(column, change):
    """A quiet window in which one column is seen as `change` makes it."""
    frame = draw_world("quiet", 3000, seed=25)
    frame = frame.assign(**{column: change(frame[column])})
    return frame.assign(probability=true_default_probability(frame).fillna(0.12))


@pytest.mark.parametrize(
    ("column", "change", "signal"),
    [
        ("annual_income", lambda x: x / 12, "scale"),
        ("loan_amount", lambda x: x * 100, "scale"),
        ("credit_history_length", lambda x: x * 0.0, "one value"),
        ("age", lambda x: x * 0 + 40, "one value"),
        ("loan_purpose", lambda x: x.where(x.index % 20 > 0, "holiday"), "unseen categories"),
        ("annual_income", lambda x: x.where(x.index % 50 > 0, np.inf), "out of contract"),
    ],
)
def test_a_feed_within_the_contract_is_seen(reference, holdout, column, change, signal):
    """Another unit, one value for everybody, a new code, infinity: no applicants do that."""
    window = seen_otherwise(column, change)
    table = signals(reference, holdout, window.drop(columns=TARGET))
    assert moved(table) & set(FEED) == {signal}
    assert read(table) == "feed broke"


@pytest.mark.parametrize("world", ["quiet", "recession", "incomes -20 %", "the safest apply"])
def test_real_applicants_break_no_feed(reference, holdout, world):
    """Who applies may change a lot: shares of values and scale stay far within their limits."""
    table = signals(reference, holdout, scored(world, 3000, 26)).set_index("signal")
    assert not table.loc[list(FEED), "moved"].any()
    assert table.loc["one value", "value"] < 0.2
    assert 0.6 < table.loc["scale", "value"] < 1.6


def test_swapped_names_are_not_seen_as_a_feed(reference, holdout):
    """What the docstring admits: no signal tells two known names, swapped, from other people."""
    swap = {"rent": "mortgage", "mortgage": "rent"}
    window = seen_otherwise("home_ownership", lambda x: x.replace(swap))
    table = signals(reference, holdout, window)
    assert not moved(table) & set(FEED)
    assert read(table) != "feed broke"

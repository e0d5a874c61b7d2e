"""One check for all columns: silent when nothing changed, awake to what no single column shows."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.data import FEATURES, simulate_applications
from mlops_helpers.drift import Reference
from mlops_helpers.two_sample_classifier import FEATURE, classifier_check


def frame(rows, seed, correlation=0.0):
    """Two normal columns that are correlated, one with gaps, one of words."""
    chance = np.random.default_rng(seed)
    x, y, z = chance.normal(size=(3, rows))
    y = correlation * x + np.sqrt(1 - correlation**2) * y
    z[chance.random(rows) < 0.05] = np.nan
    words = pd.Series(chance.choice(["a", "b", "c"], rows), dtype="str")
    return pd.DataFrame({"x": x, "y": y, "z": z, "words": words})


@pytest.mark.parametrize(("before", "now"), [(200, 200), (300, 60)])
def test_the_p_value_keeps_its_level(before, now):
    """In 500 quiet pairs at most 10, 5 and 1 % alarms, plus two standard errors."""
    p = np.array(
        [
            classifier_check(frame(before, s), frame(now, s + 9000), seed=s).p_value
            for s in range(500)
        ]
    )
    for level in (0.1, 0.05, 0.01):
        assert np.mean(p < level) <= level + 2 * np.sqrt(level * (1 - level) / 500)
    assert 0.4 < p.mean() < 0.6  # and it is not silent by being useless


def test_a_change_of_correlation_only_is_seen_here_and_nowhere_else():
    """Margins unchanged: no single column drifts, the classifier does and names the two columns."""
    before, now = frame(4000, 1), frame(4000, 2, correlation=0.6)
    reference = Reference.fit(before)
    assert reference.compare(now).drifted == []
    report = reference.compare(now, classifier=classifier_check(before, now, seed=3))
    assert report.drifted == [FEATURE]
    row = report.table.iloc[-1]
    assert (row["feature"], row["test"], row["severity"]) == (FEATURE, "classifier", "high")
    assert row["note"].startswith("most telling: ")
    assert set(row["note"].removeprefix("most telling: ").split(", ")) == {"x", "y"}
    assert report.share_drifted == 0  # it is no column


def test_the_severity_is_that_of_a_shift_of_one_column():
    """A shift of d standard deviations has the effect 2 Phi(d / sqrt(2)) - 1, and its severity."""
    before = frame(5000, 1)
    found = []
    for shift in (0.0, 0.22, 0.42, 0.8):
        now = frame(5000, 2).assign(x=lambda f, d=shift: f["x"] + d)
        check = classifier_check(before, now, seed=1)
        found.append(Reference.fit(before).compare(now, classifier=check).table.iloc[-1])
    assert [row["severity"] for row in found] == ["none", "low", "medium", "high"]
    assert found[-1]["statistic"] == pytest.approx(0.714, abs=0.02)


def test_a_recession_is_seen():
    """Simulated applicants of a recession are told from the others."""
    start = pd.Timestamp("2024-01-01", tz="UTC")
    before = simulate_applications(2000, seed=1, start=start)[list(FEATURES)]
    now = simulate_applications(2000, seed=2, start=start, scenario="recession")
    assert classifier_check(before, now, seed=1).p_value < 1e-6


def test_it_is_one_more_planned_test():
    """All p-values are adjusted anew when the row joins."""
    before, now = frame(500, 1), frame(500, 2).assign(x=lambda f: f["x"] + 0.3)
    alone = Reference.fit(before).compare(now)
    joined = alone.with_row(classifier_check(before, now, seed=1))
    assert joined.planned == alone.planned + 1
    ratio = joined.table["p_adjusted"].iloc[0] / alone.table["p_adjusted"].iloc[0]
    assert ratio == pytest.approx(joined.planned / alone.planned)
    window = pd.Timestamp("2024-01-01", tz="UTC")
    rows = joined.metric_rows(window_start=window, window_end=window, model_version=1)
    told = rows[rows["metric"] == "classifier_auc"]
    assert told["value"].tolist() == [joined.rows[-1].statistic]
    assert told["reference"].tolist() == [0.5]


def test_the_same_seed_gives_the_same_row_and_big_frames_are_sampled():
    """At most `rows` rows of each side are used, and the note says so."""
    before, now = frame(900, 1), frame(700, 2)
    first = classifier_check(before, now, seed=5, rows=400)
    assert first == classifier_check(before, now, seed=5, rows=400)
    assert first.note.endswith("800 of 1,600 rows, drawn")


def test_missing_values_and_words_are_seen():
    """Gaps that come and a word that comes more often are told, though there is no number."""
    before, now = frame(2000, 1), frame(2000, 2)
    gaps = now.assign(z=now["z"].where(np.arange(2000) % 5 > 0))
    assert classifier_check(before, gaps, seed=1).note.startswith("most telling: z")
    words = now.assign(words=now["words"].where(np.arange(2000) % 5 > 0, "d"))
    assert classifier_check(before, words, seed=1).note.startswith("most telling: words")


def test_odd_frames_have_an_answer():
    """Constant, infinite, huge, all missing, too few rows; columns that are gone are named."""
    values = {"one": 1.0, "inf": [np.inf, -np.inf] * 50, "huge": [10**400, 1] * 50, "gone": "a"}
    odd = pd.DataFrame(values | {"none": np.full(100, np.nan), "any": np.arange(100)})
    row = classifier_check(odd, odd.drop(columns="gone"), seed=1)
    assert row.p_value > 0.05
    assert row.note == "not used: gone"
    for frame in (odd.head(3), odd.drop(columns="any")):
        few = classifier_check(frame, frame, seed=1)
        assert np.isnan(few.p_value)
        assert few.note.startswith("fewer than 10 ")
    with pytest.raises(ValueError, match="no column of"):
        classifier_check(odd[["one"]], odd[["gone"]], seed=1)
    with pytest.raises(ValueError, match="folds == 1"):
        classifier_check(odd, odd, seed=1, folds=1)
    with pytest.raises(ValueError, match=r"\['one'\] are there more than once"):
        classifier_check(pd.concat([odd, odd["one"]], axis=1), odd, seed=1)
    bad = odd.assign(one=pd.Series([Decimal("sNaN")] * 100, dtype=object))
    with pytest.raises(ValueError, match="'one' cannot be read"):
        classifier_check(bad, odd, seed=1)


@pytest.mark.parametrize("repeated", [1.0, 0.1])
def test_repeated_rows_are_no_evidence(repeated):
    """Each row twice, or every tenth: 150 quiet pairs, at most 5 % alarms and two errors."""

    def twice(rows, seed):
        once = pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 5))).add_prefix("x")
        return pd.concat([once, once.head(int(repeated * rows))])

    checks = [classifier_check(twice(100, s), twice(100, s + 9000), seed=s) for s in range(150)]
    p = np.array([check.p_value for check in checks])
    assert np.mean(p < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)
    assert checks[0].note.endswith(f"{round(200 * repeated)} rows are repeats and weigh less")


def test_columns_of_few_values_keep_their_level_and_see_a_change():
    """Seven yes/no columns repeat their rows by nature: careful, awake, and no data if too few."""

    def bits(seed, share=0.5, columns=7):
        chance = np.random.default_rng(seed)
        return pd.DataFrame(chance.random((300, columns)) < share).add_prefix("b")

    p = np.array([classifier_check(bits(s), bits(s + 9000), seed=s).p_value for s in range(60)])
    assert np.mean(p < 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
    assert classifier_check(bits(1), bits(2, share=0.65), seed=1).p_value < 0.05
    assert np.isnan(classifier_check(bits(1, columns=2), bits(2, columns=2), seed=1).p_value)


def test_very_many_columns_are_looked_at_one_by_one():
    """Sixty columns have too many pairs; the note says that none was looked at."""
    chance = np.random.default_rng(1)
    wide = pd.DataFrame(chance.normal(size=(200, 60))).add_prefix("c")
    row = classifier_check(wide, wide.assign(c7=wide["c7"] + 2), seed=1)
    assert row.note.startswith("most telling: c7")
    assert row.note.endswith("; too many columns to look at pairs")

"""Years looked at together: the spans are whole, and the sentences say what the figures say."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.drift import Reference
from mlops_helpers.looking_back import LEAST_ROWS, spans, told_in_words, worth


def loans(first: str, last: str, *, n: int = 4000) -> pd.DataFrame:
    """Applications spread evenly over days, every fifth a default."""
    days = pd.date_range(first, last, periods=n, tz="UTC")
    return pd.DataFrame({"applied_at": days, "default": (np.arange(n) % 5 == 0).astype(int)})


def utc(text: str) -> pd.Timestamp:
    """A day's beginning in UTC."""
    return pd.Timestamp(text, tz="UTC")


def test_whole_years_before_the_limit_are_the_reference():
    """2007 and 2008 end by 2009, whatever day of 2007 was the first; later years stand alone."""
    found = spans(loans("2007-06-01", "2011-12-01"), until=utc("2009-01-01"))
    assert found.unit == "year"
    assert found.reference.name == "2007–2008"
    assert [span.name for span in found.later] == ["2009", "2010", "2011"]
    assert found.reference.end == found.later[0].start == utc("2009-01-01")


def test_a_year_that_is_not_over_is_no_reference():
    """February of 2023 is inside that year: 2022 alone is the reference, and 2023 comes later."""
    found = spans(loans("2022-01-01", "2024-12-31"), until=utc("2023-02-01"))
    assert (found.reference.name, [s.name for s in found.later]) == ("2022", ["2023", "2024"])


def test_no_loan_is_counted_twice_or_lost():
    """Reference and later spans part the loans, also where the time zone is another."""
    frame = loans("2007-06-01", "2011-12-31 23:59")
    local = frame.assign(applied_at=frame["applied_at"].dt.tz_convert("America/New_York"))
    for given in (frame, local):
        found = spans(given, until=utc("2009-01-01"))
        parts = [span.rows(given) for span in (found.reference, *found.later)]
        assert sum(map(len, parts)) == len(given)
        assert pd.concat(parts).index.is_unique


def test_a_loan_of_the_very_end_belongs_to_the_next_span():
    """LendingClub's loans all begin at 00:00 on the first of a month: each in one span alone."""
    days = pd.date_range("2007-01-01", "2010-01-01", freq="MS", tz="UTC").repeat(40)
    frame = pd.DataFrame({"applied_at": days, "default": np.arange(len(days)) % 5 == 0})
    found = spans(frame, until=utc("2009-01-01"))
    parts = [span.rows(frame) for span in (found.reference, *found.later)]
    assert [len(part) for part in parts] == [24 * 40, 12 * 40, 40]
    assert sum(map(len, parts)) == len(frame)
    assert parts[1]["applied_at"].min() == found.reference.end


@pytest.mark.parametrize(
    ("last", "until", "unit", "name", "later"),
    [
        ("2023-12-20", "2023-07-01", "quarter", "2023 Q1–2023 Q2", ["2023 Q3", "2023 Q4"]),
        ("2023-03-20", "2023-02-01", "month", "2023-01", ["2023-02", "2023-03"]),
        ("2024-11-20", "2023-07-01", "year", "2023", ["2024"]),  # the first year, though not over
    ],
)
def test_shorter_files_are_cut_more_finely(last, until, unit, name, later):
    """Without two years quarters are taken, without two quarters months."""
    found = spans(loans("2023-01-01", last), until=utc(until))
    assert (found.unit, found.reference.name) == (unit, name)
    assert [span.name for span in found.later] == later


def test_spans_that_cannot_be_had_are_refused():
    """Too few loans, a single month, one outcome only, a naive limit: a sentence says which."""
    for frame in (
        loans("2022-01-01", "2024-12-31", n=LEAST_ROWS),
        loans("2022-01-01", "2022-01-31"),
        loans("2022-01-01", "2024-12-31").assign(default=0),
    ):
        with pytest.raises(ValueError, match=r"give no reference of 500 .* bring a longer span"):
            spans(frame, until=utc("2023-02-01"))
    with pytest.raises(ValueError, match="has no time zone"):
        spans(loans("2022-01-01", "2024-12-31"), until=pd.Timestamp("2023-02-01"))


def scored(n: int, *, seed: int, level: float = 1.0, skill: float = 1.0) -> pd.DataFrame:
    """Loans whose odds are the stated ones times `level`; `skill` 0 makes the ranking noise."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 10, size=n)
    truth = np.clip(level * (skill * p + (1 - skill) * p.mean()), 0, 1)
    return pd.DataFrame({"probability": p, "default": (rng.random(n) < truth).astype(int)})


def test_worth_has_a_row_for_each_name_in_order():
    """Names keep their order, not that of their size; a name without loans has no row."""
    parts = {
        "2007": scored(300, seed=1),
        "2008": scored(900, seed=2),
        "2009": scored(9, seed=3).head(0),
    }
    table = worth(parts)
    assert table["span"].tolist() == ["2007", "2008"]
    assert table["n"].tolist() == [300, 900]
    assert table["auc"].between(0.5, 0.9).all()
    with pytest.raises(ValueError, match="scored is empty"):
        worth({})


TABLE = pd.DataFrame(
    {
        "feature": ["annual_income", "loan_amount", "age", "loan_purpose"],
        "test": ["ks", "ks", "ks", "chi-square"],
        "statistic": 0.1,
        "psi": [0.31, 0.12, np.nan, 0.004],
        "psi_null": [0.001, 0.001, np.nan, 0.001],
        "wasserstein": [0.6, 0.4, np.nan, np.nan],
        "wasserstein_null": [0.01, 0.01, np.nan, np.nan],
        "p_adjusted": [1e-9, 1e-5, np.nan, 1e-6],
        "severity": ["high", "medium", "no data", "none"],
        "drifted": [True, True, False, False],
    }
)


def rows(**changes) -> tuple[dict, dict]:
    """What `worth` says of a changed span and of unseen loans of the reference."""
    table = worth({"now": scored(20_000, seed=7, **changes), "then": scored(20_000, seed=6)})
    now, then = table.to_dict("records")
    return now, then


def test_the_sentence_names_what_drifted_by_severity():
    """Gravest first, in words; "no data" is not counted, and small but sure changes are told."""
    said = told_in_words("2010", TABLE, *rows())
    assert said.startswith(
        "2010: 2 of 3 comparisons drifted (high: annual income; medium: loan amount). "
        "1 more is beyond chance but too small to matter."
    )
    strict = told_in_words("2010", TABLE, *rows(), alpha=1e-7)
    assert "too small to matter" not in strict
    calm = TABLE.assign(drifted=False, severity="none", p_adjusted=1.0)
    assert told_in_words("2010", calm, *rows()).startswith("2010: none of 4 comparisons drifted.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["neither better nor worse beyond chance", "as it promised, within chance"]),
        ({"level": 1.5}, ["it promised too few"]),
        ({"level": 0.6}, ["it promised too many"]),
        ({"skill": 0.0}, ["worse beyond chance", "as it promised, within chance"]),
    ],
)
def test_the_sentence_says_what_it_did_to_the_model(changes, words):
    """Level and ranking are judged apart, each by its interval, on loans whose truth is known."""
    said = told_in_words("2010", TABLE, *rows(**changes))
    assert all(word in said for word in words), said
    if "skill" in changes:
        now, then = rows()
        assert " better beyond chance" in told_in_words("2010", TABLE, then | {"auc": 0.9}, now)


def test_the_error_of_a_difference_is_no_sum_of_errors():
    """Two AUC of 0.700 and 0.665, each within 0.02: apart by more than sqrt(2) * 0.02 = 0.028.

    By the sum of the widths, 0.04, they would not be; 0.675 is beyond neither.
    """
    now, then = rows()
    then |= {"auc": 0.7, "auc_low": 0.68, "auc_high": 0.72}
    for auc, verdict in (
        (0.665, ", worse beyond chance"),
        (0.735, ", better beyond chance"),
        (0.675, "neither better nor worse beyond chance"),
    ):
        now |= {"auc": auc, "auc_low": auc - 0.02, "auc_high": auc + 0.02}
        assert verdict in told_in_words("2010", TABLE, now, then)


def test_within_a_severity_the_largest_effect_comes_first():
    """By whatever measure is largest, above chance; what cannot be compared at all is first.

    What was tested and has none of these measures is last.
    """
    table = pd.DataFrame(
        {
            "feature": ["by_index", "by_distance", "by_chance", "all together", "gone", "tails"],
            "test": ["ks", "ks", "ks", "classifier", "none", "ks"],
            "statistic": [0.2, 0.2, 0.2, 0.8, np.nan, 0.2],
            "psi": [0.50, 0.26, 0.60, np.nan, np.nan, np.nan],
            "psi_null": [0.0, 0.0, 0.3, np.nan, np.nan, np.nan],
            "wasserstein": [0.5, 2.0, 0.1, np.nan, np.nan, np.nan],
            "wasserstein_null": [0.0, 0.0, 0.0, np.nan, np.nan, np.nan],
            "p_adjusted": [1e-9, 1e-9, 1e-9, 1e-9, np.nan, 1e-9],
            "severity": ["high"] * 6,
            "drifted": True,
        }
    )
    # In units of a high effect: 2.0, 4.0, 1.2, 0.6 / 0.28 = 2.1, and what no measure can say.
    said = told_in_words("2010", table, *rows())
    assert "(high: gone, by distance, all together, by index and 2 more)" in said
    few = told_in_words("2010", table.iloc[[5, 2, 0]], *rows())
    assert "(high: by index, by chance, tails)" in few


def test_what_cannot_be_said_is_not_said():
    """Few loans of a class: no verdict on the ranking, in words rather than as a number."""
    table = worth({"now": scored(8, seed=1), "then": scored(900, seed=2)})
    now, then = table.to_dict("records")
    assert "Too few loans of a class" in told_in_words("2012", TABLE, now, then)
    none = now | {"observed_to_expected": np.nan}
    assert "expected no defaults" in told_in_words("2012", TABLE, none, then)


def test_the_sentences_fit_a_real_report():
    """The table of a drift report has the columns that the sentence reads."""
    rng = np.random.default_rng(3)
    before = pd.DataFrame({"income": rng.normal(size=2000), "debt": rng.normal(size=2000)})
    now = before.assign(income=before["income"] + 1)
    table = Reference.fit(before).compare(now).table
    assert "(high: income" in told_in_words("later", table, *rows())  # its tails besides

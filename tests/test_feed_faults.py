"""A broken feed is told by its column; applicants who are merely other people are not."""

import numpy as np
import pytest

from mlops_helpers.contracts import FEATURES, LIMITS
from mlops_helpers.drift import Reference
from mlops_helpers.feed_faults import acceptable, feed_faults
from mlops_helpers.worlds import WORLDS, draw_world


@pytest.fixture(scope="module")
def before():
    """What the features looked like when the model was trained, and its holdout."""
    quiet = draw_world("quiet", 7000, seed=1)
    return Reference.fit(quiet[list(FEATURES)][:5000], limits=LIMITS), quiet[5000:]


@pytest.mark.parametrize(
    ("world", "told"),
    [
        ("broken feed", "debt_to_income_ratio breaks the contract (0.0% before"),
        ("broken feed", "debt_to_income_ratio is missing (0.0% before"),
        ("all in per cent", "debt_to_income_ratio has another scale"),
        ("5 % in per cent", "debt_to_income_ratio breaks the contract"),
        ("10 % missing", "num_credit_lines is missing"),
        ("income by the month", "annual_income has another scale"),
        ("purposes in capitals", "loan_purpose holds words never seen (0.0% before, 100.0% now"),
        ("debt all 0", "debt_to_income_ratio holds one value"),
        ("history all 0", "credit_history_length holds one value"),
    ],
)
def test_a_fault_names_its_column(before, world, told):
    """Each sentence says which rows, which column, what is wrong, the figures and the limit."""
    found = feed_faults(*before, draw_world(world, 1500, seed=2), "recent applications")
    (sentence,) = [fault for fault in found if told in fault]
    assert sentence.startswith("recent applications: ")
    assert "limit" in sentence


@pytest.mark.parametrize(
    "world", [w for w, made in WORLDS.items() if made.cause in ("nothing", "the world changed")]
)
def test_whole_feeds_have_no_fault(before, world):
    """Quiet times and new rules of default are not the feed's doing."""
    assert feed_faults(*before, draw_world(world, 1500, seed=3), "rows") == ()


def test_another_schema_is_one_fault(before):
    """A column that is gone is told, and nothing else is asked; no rows tell nothing."""
    rows = draw_world("quiet", 200, seed=4)
    (told,) = feed_faults(*before, rows.drop(columns="age"), "rows")
    assert "'age'" in told
    (told,) = feed_faults(*before, rows.assign(loan_amount="much"), "rows")
    assert "loan_amount" in told
    assert feed_faults(*before, rows[:0], "rows") == ()


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_a_handful_of_rows_can_only_break_the_contract(before, n):
    """One row holds one value of everything, which is no fault; in per cent it is."""
    assert feed_faults(*before, draw_world("quiet", n, seed=5), "rows") == ()
    (told,) = feed_faults(*before, draw_world("all in per cent", n, seed=5), "rows")
    assert "debt_to_income_ratio breaks the contract" in told


def test_what_a_person_accepts_is_no_fault(before):
    """Gaps and new words of an accepted column are passed over, those of another are not."""
    gaps = draw_world("10 % missing", 1500, seed=6)
    gaps.loc[gaps.index[:90], "age"] = float("nan")
    (first,) = feed_faults(*before, gaps, "rows")
    (second,) = feed_faults(*before, gaps, "rows", accepted=("num_credit_lines",))
    assert "num_credit_lines is missing" in first
    assert "age is missing" in second
    assert feed_faults(*before, gaps, "rows", accepted=("num_credit_lines", "age")) == ()
    words = draw_world("purposes in capitals", 1500, seed=7)
    told = "; ".join((first, second, *feed_faults(*before, words, "rows"), first))
    assert acceptable(told) == ("num_credit_lines", "age", "loan_purpose")
    some = words["loan_purpose"].where(words.index % 3 == 0, words["loan_purpose"].str.lower())
    told = feed_faults(*before, words.assign(loan_purpose=some), "rows", accepted=["loan_purpose"])
    assert told == ()


@pytest.mark.parametrize(("column", "value"), [("age", np.nan), ("loan_purpose", "BOAT")])
def test_what_is_in_most_rows_cannot_be_accepted(before, column, value):
    """Half of the rows may be so, not more; and nobody is told to accept it once more."""
    rows = draw_world("quiet", 1500, seed=9)
    few = rows[column].mask(rows.index % 10 < 4, value)
    most = rows[column].mask(rows.index % 10 < 6, value)
    signs = [
        [
            fault
            for fault in feed_faults(*before, rows.assign(**{column: part}), "rows", accepted=ok)
            if "one value" not in fault
        ]
        for part, ok in ((few, ()), (few, (column,)), (most, (column,)), (most, ()))
    ]
    assert [len(found) for found in signs] == [1, 0, 1, 1]
    assert f"{column} " in signs[2][0]
    assert "more than the 50% of the rows that can be accepted" in signs[2][0]
    assert acceptable(signs[2][0]) == ()
    assert acceptable(signs[3][0]) == (column,)


def test_nobody_can_accept_a_broken_contract(before):
    """Values that the contract forbids, and another scale, stay faults."""
    rows = draw_world("all in per cent", 1500, seed=8)
    faults = feed_faults(*before, rows, "rows", accepted=FEATURES)
    assert len(faults) == 2
    assert acceptable("; ".join(faults)) == ()

"""Every label that arrives is accounted for, however many come at once."""

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.predictions import OutcomeReceipt, PredictionLog
from tests.log_writers import labels, made_up
from tests.logged import outcomes_of, two_months


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_the_first_unknown_ids_are_named(log, rows):
    """The first ten in the order in which they came; all of them are counted."""
    log.append(rows)
    strangers = outcomes_of(rows.head(30))
    strangers["prediction_id"] = [f"stranger {number}" for number in reversed(range(30))]
    batch = pd.concat([strangers.head(3), outcomes_of(rows.head(5)), strangers.tail(27)])
    receipt = log.record_outcomes(batch)
    assert receipt == OutcomeReceipt(stored=5, repeated=0, unknown=30, contradicting=0)
    assert receipt.unknown_ids == tuple(f"stranger {number}" for number in range(29, 19, -1))
    assert log.record_outcomes(outcomes_of(rows)).unknown_ids == ()


def test_the_first_contradicting_ids_are_named(log, rows):
    """Another label or another date: the first ten in the order in which they came."""
    log.append(rows)
    log.record_outcomes(outcomes_of(rows.head(50)))
    other = outcomes_of(rows.head(30), default=1).iloc[::-1]
    moved = outcomes_of(rows.iloc[30:31])
    moved["outcome_at"] += pd.Timedelta(days=1)
    receipt = log.record_outcomes(pd.concat([moved, outcomes_of(rows.iloc[40:60]), other]))
    assert receipt == OutcomeReceipt(stored=10, repeated=10, unknown=0, contradicting=31)
    named = [*moved["prediction_id"], *other["prediction_id"]]
    assert receipt.contradicting_ids == tuple(named[:10])
    assert receipt.unknown_ids == ()
    assert log.record_outcomes(outcomes_of(rows)).contradicting_ids == ()


def test_an_unknown_outcome_is_stored_once_its_prediction_is_there(log, rows):
    """Nothing is kept of an unknown one: it is sent again after its prediction."""
    log.append(rows.head(10))
    batch = outcomes_of(rows.head(12))
    assert log.record_outcomes(batch).unknown == 2
    log.append(rows.iloc[10:12])
    assert log.record_outcomes(batch) == OutcomeReceipt(2, 10, 0, 0)


def test_of_two_labels_in_one_batch_the_first_is_stored(log, rows):
    """Whatever order the database stores them in, and the other one is a contradiction."""
    log.append(rows)
    good, bad = outcomes_of(rows, default=0), outcomes_of(rows, default=1)
    assert log.record_outcomes(pd.concat([bad, good])) == OutcomeReceipt(200, 0, 0, 200)
    assert log.window()["default"].tolist() == [1.0] * 200


def test_a_label_of_the_moment_of_the_prediction_is_allowed(log, rows):
    """Not before it, and nothing of a batch with an earlier one is stored; the first is named."""
    log.append(rows)
    same = outcomes_of(rows).assign(outcome_at=rows["scored_at"])
    early = same.copy()
    early.loc[early.index[[4, 9]], "outcome_at"] -= pd.Timedelta(microseconds=1)
    named = rows["prediction_id"].iloc[4]
    with pytest.raises(ValueError, match=f"is before scored_at in 2 rows; .*: {named}"):
        log.record_outcomes(early)
    assert log.record_outcomes(same) == OutcomeReceipt(200, 0, 0, 0)


def test_no_outcomes_are_no_fault(log, rows):
    """An empty batch stores nothing; a second batch in the same log has a table of its own."""
    assert log.record_outcomes(outcomes_of(rows.head(0))) == OutcomeReceipt(0, 0, 0, 0)
    log.append(rows)
    for stored, repeated in ((200, 0), (0, 200)):
        receipt = log.record_outcomes(outcomes_of(rows))
        assert receipt == OutcomeReceipt(stored, repeated, 0, 0)


def test_columns_that_are_missing_are_named(log):
    """The three that an outcome needs; others are ignored."""
    with pytest.raises(ValueError, match=r"outcomes lack the columns \['outcome_at'\]"):
        log.record_outcomes(pd.DataFrame({"prediction_id": ["a"], "default": [1]}))
    with pytest.raises(TypeError, match="outcomes came as list; must be a DataFrame"):
        log.record_outcomes([])


def test_many_outcomes_are_a_few_questions(log):
    """Thirty thousand labels take as many questions as three thousand; only the rows are more."""
    log.append(made_up(range(30_000)))
    asked = []
    sa.event.listen(log._engine, "after_cursor_execute", lambda *told: asked.append(told[2]))
    counts = []
    for numbers in (range(3_000), range(30_000)):
        asked.clear()
        receipt = log.record_outcomes(labels(numbers))
        assert receipt.stored + receipt.repeated == len(numbers)
        counts.append(sum("arrived_outcomes" not in s or "INSERT INTO arr" not in s for s in asked))
    assert counts[0] == counts[1] < 15

"""What mlops_helpers.exposure_checks promises."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import exposure_checks
from mlops_helpers.exposure_checks import refuse_unusable
from mlops_helpers.exposure_sums import from_rows
from tests.exposed import LATE, planned
from tests.exposed import exposed as rows_of


def total(sums):
    """How many units the cells hold."""
    return int(sums.cells["n"].sum())


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(exposure_checks, name) for name in exposure_checks.__all__)


def test_only_what_was_found_is_refused():
    """Counts of 0 are no fault; others are told with their numbers."""
    refuse_unusable({"have no time": 0})
    with pytest.raises(ValueError, match=r"analysed: 1,200 have no time\. Mend the log"):
        refuse_unusable({"have no time": 1200, "have no id": 0})


def test_one_row_for_each_unit():
    """Strangers, units in two arms and repeats are counted; of repeats the first stays."""
    frame = rows_of(100)
    other = {"control": "treatment", "treatment": "control"}
    crossed = frame.iloc[[0]].assign(variant=other[frame["variant"].iloc[0]], prediction_id="x")
    stranger = frame.iloc[[1]].assign(variant="shadow", application_id="s")
    nobody = stranger.assign(variant=None)
    first = frame.iloc[[2]].assign(loan_amount=1.0, prediction_id="a")  # sorts before "p..."
    earlier = frame.iloc[[3]].assign(
        loan_amount=2.0,
        scored_at=frame["scored_at"].iloc[3] - pd.Timedelta(seconds=1),
        prediction_id="z",
    )
    mixed = pd.concat([frame, crossed, stranger, nobody, first, earlier])
    found = from_rows(mixed.sample(frac=1, random_state=1), planned(), as_of=LATE)
    assert found.left_out == {
        "not in an arm of the experiment": 2,
        "exposed to more than one arm": 2,
        "repeated exposures": 2,
    }
    expected = frame["loan_amount"].drop(index=[0, 2, 3]).sum() + 1.0 + 2.0
    assert found.cells["amount"].sum() == pytest.approx(expected)


def test_a_unit_that_met_a_stranger_stays():
    """Rows outside the experiment's arms cross nobody out."""
    frame = rows_of(100)
    holdout = frame.assign(variant="holdout")
    assert total(from_rows(pd.concat([frame, holdout]), planned(), as_of=LATE)) == 100


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("loan_amount", np.nan, "3 have no finite loan_amount"),
        ("loan_amount", np.inf, "3 have no finite loan_amount"),
        ("score", np.nan, "3 have no finite score"),
        ("probability", np.nan, "3 have no finite probability"),
        ("default", 0.3, "3 have a default other than 0, 1 and missing"),
        ("decision", "maybe", "3 have a decision other than approve and decline"),
        ("application_id", None, "3 have no application_id"),
        ("scored_at", pd.NaT, "3 have no scored_at"),
    ],
)
def test_values_that_cannot_be_are_named(column, value, told):
    """What cannot be analysed is counted and named; in rows of no arm it does not matter."""
    frame = rows_of(60)
    frame.loc[:2, column] = value
    with pytest.raises(ValueError, match=told):
        from_rows(frame, planned(covariate="score"), as_of=LATE)
    frame.loc[:2, "variant"] = "shadow"
    assert total(from_rows(frame, planned(covariate="score"), as_of=LATE)) == 57


def test_all_faults_are_told_at_once():
    """Two broken columns make one message."""
    frame = rows_of(60).assign(loan_amount=np.nan, decision="maybe")
    with pytest.raises(ValueError, match=r"60 have a decision .*; 60 have no finite loan_amount"):
        from_rows(frame, planned(), as_of=LATE)


def test_missing_columns_are_named():
    """Without outcomes or the covariate the columns are named."""
    frame = rows_of(10).drop(columns=["default", "score"])
    with pytest.raises(ValueError, match="lack the columns default, score"):
        from_rows(frame, planned(covariate="score"), as_of=LATE)


def test_times_need_a_zone():
    """Local times and a missing instant are refused."""
    frame = rows_of(10)
    naive = frame.assign(scored_at=frame["scored_at"].dt.tz_localize(None))
    with pytest.raises(ValueError, match="scored_at has no time zone"):
        from_rows(naive, planned(), as_of=LATE)
    for as_of in (pd.NaT, LATE.tz_localize(None)):
        with pytest.raises(ValueError, match="must be an instant with a time zone"):
            from_rows(frame, planned(), as_of=as_of)


def test_what_came_later_is_not_looked_at():
    """A faulty row scored after as_of stops no earlier analysis; without a time it does."""
    frame = rows_of(100)
    later = frame.iloc[[0]].assign(
        application_id="later", loan_amount=np.nan, scored_at=LATE + pd.Timedelta(seconds=1)
    )
    assert total(from_rows(pd.concat([frame, later]), planned(), as_of=LATE)) == 100
    with pytest.raises(ValueError, match="1 have no finite loan_amount"):
        from_rows(pd.concat([frame, later.assign(scored_at=LATE)]), planned(), as_of=LATE)
    with pytest.raises(ValueError, match="1 have no scored_at"):
        from_rows(
            frame.assign(scored_at=frame["scored_at"].where(frame.index > 0)), planned(), as_of=LATE
        )


def test_ids_are_texts():
    """12 and "12" are one unit, as for the assignment."""
    frame = rows_of(2).assign(application_id=[12, "12"], variant=["control", "treatment"])
    assert from_rows(frame, planned(), as_of=LATE).left_out["exposed to more than one arm"] == 2


@pytest.mark.parametrize("as_of", [None, "2024-01-01", 5, pd.NaT, pd.Timestamp("2024-01-01")])
def test_what_is_no_instant_is_refused(as_of):
    """An aware Timestamp, nothing else."""
    with pytest.raises(ValueError, match=r"as_of is .*must be an instant with a time zone"):
        from_rows(rows_of(2), planned(), as_of=as_of)

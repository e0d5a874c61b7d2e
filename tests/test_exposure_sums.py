"""What mlops_helpers.exposure_sums promises."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mlops_helpers import exposure_sums
from mlops_helpers.delong import auc_drop
from mlops_helpers.exposure_sums import (
    AUC_COLUMNS,
    CELL_KEYS,
    ExposureSums,
    analysed,
    from_rows,
    in_full_split,
    without_outcome,
)
from tests.exposed import DELAY, LATE, RAMP, planned
from tests.exposed import exposed as rows_of

MONTH = pd.Timestamp("2024-10-01", tz="UTC")


def total(sums, which=None):
    """How many units the cells hold, or those asked for."""
    n = sums.cells["n"]
    return int(n.sum() if which is None else n[which].sum())


def test_everything_exported_exists():
    """__all__ names only what is there."""
    assert all(hasattr(exposure_sums, name) for name in exposure_sums.__all__)


def test_cells_are_the_sums_of_the_rows():
    """Grouping the rows with pandas gives the same cells, keys and sums."""
    frame = rows_of(better=0.2)
    frame.loc[frame.index[::7], "model_version"] = 9
    as_of = MONTH + DELAY
    found = from_rows(frame, planned(covariate="score"), as_of=as_of, stages=RAMP)
    keyed = frame.assign(
        stage=(frame["scored_at"] >= RAMP[1].since).astype(int),
        month=frame["scored_at"]
        .dt.tz_localize(None)
        .dt.to_period("M")
        .dt.start_time.dt.tz_localize("UTC"),
        default=frame["default"].where(frame["outcome_at"] <= as_of),
        fallback=frame["model_version"] != frame["variant"].map({"control": 1, "treatment": 2}),
        n=1,
        amount=frame["loan_amount"],
        amount2=frame["loan_amount"] ** 2,
        covariate=frame["score"],
        covariate2=frame["score"] ** 2,
        covariate_amount=frame["score"] * frame["loan_amount"],
    )
    columns = list(found.cells.columns)
    grouped = keyed.groupby(list(CELL_KEYS), dropna=False)[columns[len(CELL_KEYS) :]].sum()
    pd.testing.assert_frame_equal(
        found.cells, grouped.reset_index()[columns], check_dtype=False, rtol=1e-12
    )
    assert found.seen == (frame["scored_at"].min(), frame["scored_at"].max())
    assert found.covariate == "score"


def test_what_came_after_is_not_known_yet():
    """A later application is not there, a later outcome is none; the instant itself counts."""
    frame = rows_of(200)
    frame["scored_at"] = frame["outcome_at"] = pd.Timestamp("2024-08-05", tz="UTC")
    frame.loc[:49, "scored_at"] = pd.Timestamp("2024-08-06", tz="UTC")
    frame.loc[:99, "outcome_at"] = pd.Timestamp("2024-08-06", tz="UTC")
    before = from_rows(frame, planned(), as_of=pd.Timestamp("2024-08-05", tz="UTC"))
    assert total(before) == 150
    silent = (frame["decision"] == "approve")[50:100].sum()
    assert total(before, without_outcome(before)) == silent
    after = from_rows(frame, planned(), as_of=pd.Timestamp("2024-08-06", tz="UTC"))
    assert total(after) == 200
    assert total(after, without_outcome(after)) == 0


def test_months_are_those_of_utc():
    """An hour before October in UTC is October in Tokyo, and counts to September."""
    frame = rows_of(50).assign(scored_at=MONTH - pd.Timedelta(hours=1))
    frame["scored_at"] = frame["scored_at"].dt.tz_convert("Asia/Tokyo")
    cells = from_rows(frame, planned(), as_of=LATE).cells
    assert set(cells["month"]) == {pd.Timestamp("2024-09-01", tz="UTC")}
    assert cells["month"].dtype == "datetime64[us, UTC]"


def test_a_stage_begins_with_its_instant():
    """A unit at the instant belongs to the new stage; one before the first stage to the first."""
    frame = rows_of(3).assign(
        scored_at=[
            RAMP[0].since - pd.Timedelta(days=1),
            RAMP[1].since - pd.Timedelta(microseconds=1),
            RAMP[1].since,
        ],
        decision="decline",
        variant="control",
    )
    found = from_rows(frame, planned(), as_of=LATE, stages=RAMP)
    assert found.cells.groupby("stage")["n"].sum().to_dict() == {0: 2, 1: 1}
    assert total(found, in_full_split(found)) == 1
    assert total(found, analysed(found, planned())) == 1


def test_aucs_are_scikit_learns_with_delongs_variance():
    """For each arm the AUC of the analysed rows, and the variance of its paired sibling."""
    frame = rows_of()
    found = from_rows(frame, planned(size=4000), as_of=LATE).aucs.set_index("variant")
    granted = frame[frame["decision"] == "approve"]
    arms = [granted[granted["variant"] == arm] for arm in ("control", "treatment")]
    for arm, part in zip(("control", "treatment"), arms, strict=True):
        row = found.loc[arm]
        assert row["auc"] == pytest.approx(roc_auc_score(part["default"], part["probability"]))
        assert row["positives"] == part["default"].sum()
        assert row["positives"] + row["negatives"] == len(part)
    both = [column for part in arms for column in (part["default"], part["probability"])]
    drop = auc_drop(*both)
    error = (drop.high - drop.low) / 2 / 1.959963984540054
    assert found["variance"].sum() == pytest.approx(error**2)


def test_aucs_know_when_they_know_nothing():
    """Without probabilities no row; without a class no AUC; with few of it no variance."""
    frame = rows_of(400)
    assert from_rows(frame.drop(columns="probability"), planned(), as_of=LATE).aucs.empty
    granted = frame["decision"] == "approve"
    repaid = from_rows(frame.assign(default=np.where(granted, 0.0, np.nan)), planned(), as_of=LATE)
    assert repaid.aucs[["auc", "variance"]].isna().all(axis=None)
    one = frame["default"].where(frame["default"] != 1, 0.0)
    for arm in ("control", "treatment"):
        one.loc[frame.index[granted & (frame["variant"] == arm)][0]] = 1.0
    single = from_rows(frame.assign(default=one), planned(), as_of=LATE).aucs
    assert single["auc"].between(0, 1).all()
    assert single["variance"].isna().all()


def test_nothing_has_no_cells():
    """An empty log gives no cells, and says that nobody was seen."""
    found = from_rows(rows_of(5).iloc[:0], planned(), as_of=LATE)
    assert found.cells.empty
    assert found.seen is None
    assert tuple(found.aucs.columns) == AUC_COLUMNS


def test_frames_of_another_shape_are_refused():
    """Sums with other columns are none."""
    good = from_rows(rows_of(10), planned(), as_of=LATE)
    with pytest.raises(ValueError, match="cells has the columns"):
        ExposureSums(good.cells.drop(columns="n"), good.aucs, {}, LATE)
    with pytest.raises(ValueError, match="aucs has the columns"):
        ExposureSums(good.cells, good.cells, {}, LATE)

"""Which rows a challenger learns from, and which later ones judge it, known on a given day.

    ── training window ──┬── judge_months ──┬── label delay: no outcome yet ──> as_of

The newest labelled months judge and are never learnt from; nor do they hold a row that the
champion may have been trained on. Three windows: everything ("expanding") wins in a steady world,
the last months ("sliding") after a change, and weights that fade with age ("weighted") lie between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from mlops_helpers import label_waits
from mlops_helpers.contracts import TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.faulty_months import faulty_months, months_of
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.timeline import Split
from mlops_helpers.training_rows import checked_split

__all__ = ["LEFT_OUT", "Chosen", "TrainingWindow", "choose_rows"]

MONTH = pd.Timedelta(days=365.25 / 12)

LEFT_OUT = (
    "applied later",
    "outcome not known yet",
    "breaks the contract",
    "outcome known early",
    "repeated id",
    "month of a faulty feed",
    "older than the window",
)
"""Why a row is in neither part, in the order in which it is asked; a row counts once."""


@dataclass(frozen=True)
class TrainingWindow:
    """How far back a challenger learns.

    kind: "expanding": all rows alike; "sliding": the last `months` before the judged rows;
    "weighted": all rows, each counting half as much as one `half_life_months` younger.
    """

    kind: Literal["expanding", "sliding", "weighted"] = "expanding"
    months: int = 12
    half_life_months: float = 6.0

    def __post_init__(self) -> None:
        """Refuse windows that cannot be."""
        if self.kind not in ("expanding", "sliding", "weighted"):
            raise ValueError(
                f"kind == {self.kind!r}, must be 'expanding', 'sliding' or 'weighted'."
            )
        if isinstance(self.months, bool) or self.months != int(self.months) or self.months < 1:
            raise ValueError(f"months == {self.months!r}, must be a whole number of at least 1.")
        if not 0 < self.half_life_months < math.inf:
            raise ValueError(
                f"half_life_months == {self.half_life_months!r}, must be above 0 and finite; for "
                "rows that all count alike take kind='expanding'."
            )


@dataclass(frozen=True)
class Chosen:
    """Rows to learn from and to be judged on, in order of time.

    weights: of the training rows, on their index, with mean 1; None if all count alike.
    left_out: how many rows are in neither part, by each reason of `LEFT_OUT`.
    faulty_months: months in which a feed was at fault, such as "2023-05", and what it was; empty
    if `choose_rows` was not given a holdout to tell it by.
    """

    split: Split
    weights: pd.Series | None
    left_out: dict[str, int]
    faulty_months: dict[str, tuple[str, ...]] = field(default_factory=dict)


def choose_rows(
    frame: pd.DataFrame,
    window: TrainingWindow,
    *,
    as_of: pd.Timestamp,
    trained_until: pd.Timestamp | None,
    judge_months: int = 2,
    label_delay: pd.Timedelta | None = None,
    holdout: pd.DataFrame | None = None,
    reference: Reference | None = None,
) -> Chosen:
    """Rows known at `as_of`: `split.train` to learn from, `split.holdout` to judge both models on.

    frame: applications as `data.load_stream` gives them. trained_until: no row applied for until
    then judges, as the champion may have learnt from it; None if there is no champion.
    label_delay: only rows at least as old have their outcome whatever it is; a younger one whose
    outcome is known early is mostly a default. By default `label_waits.label_delay` of the rows
    that are known and keep the contract, which a few wrong dates do not stretch.
    holdout: labelled rows of the champion's holdout. With them, months in which a feed was at fault
    are left out whole, though it was mended since; reference as in `faulty_months`.

    Judged are the rows applied for within the last `judge_months` before the newest labelled one
    and after `trained_until`; every training row is older than every one of them. Every row of
    `frame` is in one part or counted in `left_out`. Of rows that repeat an id the first in the
    file counts that is whole and old enough. Where labels of the index repeat, rows are numbered.
    Raises ValueError for a frame of another schema, an `as_of` that is not after `trained_until` or
    the first application, no labels, no rows to judge or learn from, and one class only.
    """
    as_of = _utc("as_of", as_of)
    _check(frame, as_of, trained_until, judge_months)
    if label_delay is not None and label_delay < pd.Timedelta(0):
        raise ValueError(f"label_delay == {label_delay}, must be 0 or more.")
    if not frame.index.is_unique:
        frame = frame.reset_index(drop=True)
    left_out = dict.fromkeys(LEFT_OUT, 0)

    def keep(rows: pd.DataFrame, good: pd.Series, why: str) -> pd.DataFrame:
        left_out[why] += int((~good).sum())
        return rows[good]

    broken = broken_rows(frame)
    then = rows = keep(frame, ~(frame["applied_at"] >= as_of), "applied later")
    known = rows[TARGET].notna() & (rows["outcome_at"] <= as_of)
    rows = keep(rows, known, "outcome not known yet")
    if rows.empty:
        raise ValueError(
            f"none of {len(frame):,} applications has its outcome on {as_of:%Y-%m-%d}. Wait for "
            "labels, or choose a later as_of."
        )
    rows = keep(rows, ~broken.loc[rows.index], "breaks the contract")
    if label_delay is None:
        label_delay = label_waits.label_delay(rows, as_of)
    rows = keep(rows, rows["applied_at"] <= as_of - label_delay, "outcome known early")
    rows = keep(rows, ~rows["application_id"].duplicated(), "repeated id")
    faulty: dict[str, tuple[str, ...]] = {}
    if holdout is not None:
        due = then[then["applied_at"] <= as_of - label_delay]
        due = due.assign(**{TARGET: due[TARGET].where(due["outcome_at"] <= as_of)})
        faulty = faulty_months(holdout, due, reference=reference)
        sound = pd.Series(~np.isin(months_of(rows), list(faulty)), index=rows.index)
        rows = keep(rows, sound, "month of a faulty feed")
    if rows.empty:
        raise ValueError(
            f"no application is left to choose from on {as_of:%Y-%m-%d}: "
            f"{', '.join(f'{n:,} {why}' for why, n in left_out.items() if n)}{_told(faulty)}. Mend "
            "the file, or choose a later as_of."
        )
    # the target is float64 in a file with open loans: here all is known, and one digest whatever
    rows = rows.sort_values("applied_at", kind="stable").astype({TARGET: "int64"})
    split = _cut(rows, trained_until, judge_months, _told(faulty))
    if window.kind == "sliding":
        begin = split.holdout["applied_at"].min().floor("D") - pd.DateOffset(months=window.months)
        recent = split.train["applied_at"] >= begin
        split = split._replace(train=keep(split.train, recent, "older than the window"))
    weights = None
    if window.kind == "weighted":
        age = (split.train["applied_at"].max() - split.train["applied_at"]) / MONTH
        weights = 0.5 ** (age / window.half_life_months)
        weights = (weights / weights.mean()).rename("weight")
    return Chosen(checked_split(split), weights, left_out, faulty)


def _told(faulty: dict[str, tuple[str, ...]]) -> str:
    """The first fault of each month that was left out, for an error."""
    if not faulty:
        return ""
    return f" (left out for a faulty feed: {'; '.join(told[0] for told in faulty.values())})"


def _cut(
    rows: pd.DataFrame, trained_until: pd.Timestamp | None, judge_months: int, faulty: str
) -> Split:
    """Split at the last `judge_months` before the end of the newest labelled day."""
    newest = rows["applied_at"].max()
    end = newest.floor("D") + pd.Timedelta(days=1)
    judged = rows["applied_at"] >= end - pd.DateOffset(months=judge_months)
    if trained_until is not None:
        judged &= rows["applied_at"] > trained_until
    if not judged.any():
        raise ValueError(
            f"the newest labelled application is of {newest:%Y-%m-%d}, none is later than "
            f"trained_until == {trained_until}: no row could judge a challenger{faulty}. Wait for "
            "labels."
        )
    if judged.all():
        raise ValueError(
            f"all {len(rows):,} labelled applications are kept for judging (judge_months == "
            f"{judge_months}), none is left to learn from{faulty}. Wait, or judge on fewer months."
        )
    if rows.loc[judged, TARGET].nunique() < 2:
        raise ValueError(
            f"the {int(judged.sum()):,} rows kept for judging all have {TARGET} = "
            f"{rows.loc[judged, TARGET].iloc[0]:g}, must hold 0 and 1: no model can be ranked by "
            "them. Judge on more months, or wait."
        )
    return Split(rows[~judged], rows[judged])


def _check(
    frame: pd.DataFrame, as_of: pd.Timestamp, trained_until: pd.Timestamp | None, judge_months: int
) -> None:
    if frame.empty:
        raise ValueError("there are no applications to choose from. Give the lender's rows.")
    if judge_months < 1:
        raise ValueError(
            f"judge_months == {judge_months!r}, must be at least 1: without rows kept for judging "
            "nothing can be promoted."
        )
    if "application_id" not in frame.columns:
        raise ValueError(
            "the applications have no column 'application_id'; rows must be told apart."
        )
    if trained_until is not None and as_of <= _utc("trained_until", trained_until):
        raise ValueError(
            f"as_of == {as_of}, must be after trained_until == {trained_until}, the last "
            "application that the champion has learnt from."
        )


def _utc(name: str, when: pd.Timestamp) -> pd.Timestamp:
    stamp = pd.Timestamp(when)
    if stamp.tz is None:
        raise ValueError(f"{name} == {when} has no time zone; pass pd.Timestamp(…, tz='UTC').")
    return stamp.tz_convert("UTC")

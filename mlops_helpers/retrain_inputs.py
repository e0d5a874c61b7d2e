"""What a scheduled retraining is asked with, checked before anything is written; who knows what.

Every refusal here is a `RetrainRefused`: what was asked cannot be done, and nothing was changed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mlops_helpers.business import CostModel
from mlops_helpers.contracts import COLUMNS, FEATURES, TARGET, TIMES, missing_columns
from mlops_helpers.faulty_months import months_of
from mlops_helpers.label_waits import label_delay
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.retraining import RetrainingPolicy
from mlops_helpers.training_windows import Chosen, TrainingWindow, choose_rows

__all__ = [
    "Learnt",
    "Order",
    "RetrainRefused",
    "Rows",
    "checked_columns",
    "checked_date",
    "checked_delay",
    "checked_rows",
    "look",
]

RECENT_MONTHS = 2
"""Applications of so many months before the date speak for how things are now."""
FEWEST = 30
"""So many new labels of one class only are a fault of the labels; fewer may be chance."""


class RetrainRefused(ValueError):
    """What was asked cannot be done; the message says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Order:
    """What is asked: on which rows, as of which day, with what agreed beforehand.

    as_of: nothing that became known later is looked at. today: rows dated later are refused; None
    for a world whose dates are not ours. costs decide the cut-off, which is break-even.
    accepted: columns of which a person knows why they have gaps or words that they had not.
    """

    frame: pd.DataFrame
    as_of: pd.Timestamp
    seed: int = 42
    window: TrainingWindow = field(default_factory=TrainingWindow)
    policy: RetrainingPolicy = field(default_factory=RetrainingPolicy)
    costs: CostModel = field(default_factory=CostModel)
    today: pd.Timestamp | None = None
    accepted: tuple[str, ...] = ()

    @property
    def day(self) -> str:
        """The date in words."""
        return f"{self.as_of:%Y-%m-%d}"


@dataclass(frozen=True)
class Learnt:
    """What a version learnt from and was held out on, by its own record; when it was trained."""

    version: int
    train_from: pd.Timestamp
    train_until: pd.Timestamp
    holdout_until: pd.Timestamp
    trained_at: pd.Timestamp

    @classmethod
    def read(cls, version: int, tags: Mapping[str, str], trained_at: pd.Timestamp) -> Learnt:
        """From the tags of its run; RetrainRefused if they do not say."""
        names = ("train_from", "train_until", "holdout_until")
        if missing := [name for name in names if not tags.get(name)]:
            raise RetrainRefused(
                f"the run of version {version} has no {' and no '.join(missing)}: "
                "nobody can say which rows it has not seen. Promote a version trained with "
                "train_and_log."
            )
        return cls(version, *(pd.Timestamp(tags[name]) for name in names), trained_at)


@dataclass(frozen=True)
class Rows:
    """The applications of an order by what they say.

    train, holdout: what the champion learnt from and was held out on. recent: the last months
    before the date, without outcomes. labelled: later than its holdout and due, NaN where the
    outcome is not known. chosen: what a challenger would learn from, and the later rows that would
    judge both.
    """

    train: pd.DataFrame
    holdout: pd.DataFrame
    recent: pd.DataFrame
    labelled: pd.DataFrame
    chosen: Chosen

    def new_rows(self, trained_until: pd.Timestamp) -> int:
        """How many rows a challenger could learn from and the champion could not."""
        return int((self.chosen.split.train["applied_at"] > trained_until).sum())


def checked_date(as_of: pd.Timestamp | str, *, today: pd.Timestamp | None = None) -> pd.Timestamp:
    """The day as its first moment in UTC; RetrainRefused for what is no date, or not here yet."""
    way_out = "Give a day such as 2024-06-01."
    if isinstance(as_of, str) and not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\S| \S|\Z)", as_of):
        raise RetrainRefused(f"as_of == {as_of!r} is no date. {way_out}")  # pandas reads "June"
    try:
        day = pd.Timestamp(as_of)
    except (ValueError, TypeError) as error:
        raise RetrainRefused(f"as_of == {as_of!r} is no date: {error}. {way_out}") from error
    if pd.isna(day):
        raise RetrainRefused(f"as_of == {as_of!r} is no date. {way_out}")
    day = day.tz_localize("UTC") if day.tz is None else day.tz_convert("UTC")
    if day != day.normalize():
        raise RetrainRefused(f"as_of == {as_of} is a time of a day, must be a day. {way_out}")
    if today is not None and day > today:
        raise RetrainRefused(
            f"as_of == {day:%Y-%m-%d} has not come yet (today is {today:%Y-%m-%d}). Give a day "
            "whose applications are in."
        )
    return day


def checked_columns(accepted: Collection[str]) -> tuple[str, ...]:
    """Each column once, in order; RetrainRefused for what is no feature, with the nearest one."""
    for name in accepted:
        if name not in FEATURES:
            near = difflib.get_close_matches(str(name), FEATURES, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"Give one of {', '.join(FEATURES)}."
            raise RetrainRefused(f"accepted == {name!r} is no column that a model reads. {hint}")
    return tuple(sorted(set(accepted)))


def look(order: Order, learnt: Learnt) -> Rows:
    """The rows of an order (see `checked_rows`) by their part, or RetrainRefused.

    Only what was known on the day is looked at: outcomes that came later do not exist.
    """
    frame = order.frame
    then = frame[frame["applied_at"] < order.as_of]
    _check_day(order, learnt, then)
    recent = then[then["applied_at"] >= order.as_of - pd.DateOffset(months=RECENT_MONTHS)]
    if recent.empty:
        raise RetrainRefused(
            f"the {RECENT_MONTHS} months before {order.day} hold no application (the last before "
            f"is of {then['applied_at'].max():%Y-%m-%d}): there is nothing new to decide on. "
            "Bring the new applications, or give an earlier day."
        )
    known = then[then[TARGET].notna() & (then["outcome_at"] <= order.as_of)]
    delay = checked_delay(known, order.as_of)
    _check_labels(order, learnt, then, known, delay)
    seen = known["applied_at"] <= learnt.holdout_until
    sound = ~broken_rows(known)  # `choose_rows` leaves the others out
    learnt_from = known["applied_at"].between(learnt.train_from, learnt.train_until) & sound
    held_out = (known["applied_at"] > learnt.train_until) & seen
    try:
        chosen = choose_rows(
            *(frame, order.window),
            as_of=order.as_of,
            trained_until=learnt.train_until,
            label_delay=delay,
            holdout=known[held_out & sound] if (held_out & sound).any() else None,
        )
    except ValueError as error:
        raise RetrainRefused(f"no challenger could be trained and judged: {error}") from error
    for name, mask in {"training": learnt_from, "holdout": held_out}.items():
        if not mask.any():
            raise RetrainRefused(
                f"none of the champion's {name} rows is among these applications (version "
                f"{learnt.version} learnt from {learnt.train_from:%Y-%m-%d} to "
                f"{learnt.train_until:%Y-%m-%d}). Give the file with the lender's whole history."
            )
    for when in (learnt.train_from, learnt.train_until):
        if not (then["applied_at"] == when).any():
            raise RetrainRefused(
                f"no application was made at {when}, though the first or last one that version "
                f"{learnt.version} learnt from was: these are other loans, or not all of them. "
                "Give the file with the lender's whole history."
            )
    return Rows(
        train=known[learnt_from],
        holdout=known[held_out],
        recent=recent.drop(columns=[TARGET, "outcome_at"]),
        labelled=_labelled(order, learnt, then, delay, chosen),
        chosen=chosen,
    )


def checked_delay(frame: pd.DataFrame, as_of: pd.Timestamp) -> pd.Timedelta:
    """How long outcomes take, NaT if none is known; RetrainRefused if the dates are strange."""
    try:
        return label_delay(frame, as_of)
    except ValueError as error:
        raise RetrainRefused(str(error)) from error


def checked_rows(order: Order) -> pd.DataFrame:
    """The rows themselves: a frame of the course's schema, each application once, none from later.

    Rows that break a rule of the contract are no refusal: they are evidence about the feed.
    """
    frame = order.frame
    if frame.empty:
        raise RetrainRefused("there are no applications. Give the lender's rows.")
    if missing := [str(v) for v in missing_columns(frame.columns, COLUMNS)]:
        raise RetrainRefused(
            f"the applications have another schema: {'; '.join(missing)}. Give the course's "
            "columns; data.load_stream reads them."
        )
    for name in TIMES:
        if not isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            raise RetrainRefused(
                f"{name} of the applications is {frame[name].dtype}, must be times with a zone. "
                "Convert it with pd.to_datetime(…, utc=True)."
            )
    twice = frame["application_id"][frame["application_id"].duplicated()]
    if len(twice):
        raise RetrainRefused(
            f"{len(twice):,} rows repeat an application_id, such as {twice.iloc[0]!r}; each "
            "application must be there once. Find out which row is right."
        )
    if order.today is not None:
        ahead = frame["applied_at"] > order.today
        if ahead.any():
            raise RetrainRefused(
                f"{ahead.sum():,} applications are dated after today ({order.today:%Y-%m-%d}), the "
                f"last {frame['applied_at'].max():%Y-%m-%d}: their dates are wrong. Mend the feed."
            )
    return frame


def _check_day(order: Order, learnt: Learnt, then: pd.DataFrame) -> None:
    begun = max(learnt.trained_at, learnt.holdout_until)
    if then.empty or order.as_of <= learnt.train_until or order.as_of < begun.normalize():
        raise RetrainRefused(
            f"as_of == {order.day} lies before the champion's training (version {learnt.version}, "
            f"trained as of {begun:%Y-%m-%d}): a decision on that day would use what was not known "
            "then. Give a later day."
        )


def _labelled(
    order: Order, learnt: Learnt, then: pd.DataFrame, delay: pd.Timedelta, chosen: Chosen
) -> pd.DataFrame:
    """Rows after the champion's holdout that are due on the day; one without an outcome is NaN.

    Younger rows whose outcome is known already are mostly defaults: no fair sample. Outcomes of
    months in which a feed was at fault say nothing about the model; lost ones forbid a training.
    """
    due = (then["applied_at"] > learnt.holdout_until) & (then["applied_at"] <= order.as_of - delay)
    rows = then[due]
    outcome = rows[TARGET].astype(float).where(rows["outcome_at"] <= order.as_of)
    sound = ~np.isin(months_of(rows), list(chosen.faulty_months))
    return rows.assign(**{TARGET: outcome})[sound | outcome.isna()]


def _check_labels(
    order: Order,
    learnt: Learnt,
    then: pd.DataFrame,
    known: pd.DataFrame,
    delay: pd.Timedelta,
) -> None:
    """RetrainRefused if the labels after the champion's holdout are a fault."""
    after = then[then["applied_at"] > learnt.holdout_until]
    overdue = after["applied_at"] <= order.as_of - delay
    due = after[(after["outcome_at"] <= order.as_of) | overdue]
    new = known[known["applied_at"] > learnt.holdout_until]
    if known.empty or (len(due) and new.empty):
        raise RetrainRefused(
            f"labels are all missing: of {len(after):,} applications after the champion's holdout "
            f"({learnt.holdout_until:%Y-%m-%d}) none has an outcome on {order.day}. Bring the "
            "outcomes first."
        )
    strange = new[TARGET][~new[TARGET].isin([0, 1])]
    if len(strange):
        raise RetrainRefused(
            f"{TARGET} == {strange.iloc[0]} in {len(strange):,} rows, must be 0 or 1."
        )
    if len(new) >= FEWEST and new[TARGET].nunique() < 2:
        raise RetrainRefused(
            f"all {len(new):,} new labels are {TARGET} == {int(new[TARGET].iloc[0])}, must be 0 in "
            "some and 1 in others: nothing can be learnt or judged. Look at the feed of outcomes."
        )

"""How long an experiment takes: from an effect to applications, months and the wait for outcomes.

CUPED's gain is ``1 - correlation**2`` of the variance: A. Deng, Y. Xu, R. Kohavi and T. Walker
(2013), "Improving the Sensitivity of Online Controlled Experiments by Utilizing Pre-Experiment
Data", section 3.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mlops_helpers.sample_size import required_sample_size

__all__ = [
    "Duration",
    "adjusted_spread",
    "duration",
    "duration_table",
    "plan_sentence",
    "planned_size",
]

MONTH = pd.Timedelta(days=365.2425 / 12)
NO_WAIT = pd.Timedelta(0)


@dataclass(frozen=True)
class Duration:
    """How long it takes until every arm has its complete applications.

    months: of arriving applications, until the last arm is full.
    wait: from the end of the last application's month until the outcomes of that month are known.
    analysed_at: when the test is made, if the start was given.
    """

    months: float
    wait: pd.Timedelta
    analysed_at: pd.Timestamp | None = None


def adjusted_spread(sd: float, correlation: float) -> float:
    """The standard deviation that is left when CUPED explains a part of the metric.

    correlation: of the metric with what was known before the experiment, within an arm.
    """
    if not -1 < correlation < 1:
        raise ValueError(f"correlation is {correlation!r}, must lie between -1 and 1.")
    return sd * math.sqrt(1 - correlation**2)


def planned_size(
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    split: Sequence[float] = (0.5, 0.5),
    target: float = 0.8,
    alpha: float = 0.05,
    correlation: float = 0.0,
    width: float = 1.0,
    approval: float = 1.0,
) -> int:
    """Complete applications of the control arm at which each treatment is tested.

    The first share of `split` is the control's; with k treatments each is tested at ``alpha / k``
    and every one reaches the power `target`. `correlation` is that of CUPED (amounts only, see
    :func:`adjusted_spread`), `width` the price of an always-valid sequence at that level
    (`confidence_sequences.price`). The other arms need their share for each of the control's.
    `approval` is the share of applications that have the outcome (rates only): a default rate is
    that of approved loans, so with 70 % approved it takes 1 / 0.7 times as many applications. Give
    the smaller of the arms' shares. It is 1 for the approval rate itself.

    The power is that of arms that are planned so, even or not. The false alarms are as promised for
    even arms: with a small treatment the skew of profit adds to them (`rule_scores.uneven_rates`).
    The size with a `width` reaches the power at its end; looks on the way make it more. Measured on
    40,000 normal tests of 100 looks, planned for 80 %: 86 % see the effect, after 0.58 of the size
    on average, which is 1.10 times the size of the fixed test.
    """
    control, *treatments = _shares(split)
    if sd is None and correlation:
        raise ValueError(f"correlation is {correlation!r}: give sd, only amounts are adjusted.")
    if not 0 < approval <= 1:
        raise ValueError(f"approval is {approval!r}, must be a share above 0, at most 1, e.g. 0.7.")
    if rate is None and approval != 1:
        raise ValueError(f"approval is {approval!r}: give rate, declined ones count in amounts.")
    left = sd if sd is None else adjusted_spread(sd, correlation)
    level = alpha / len(treatments)
    outcomes = max(
        required_sample_size(
            effect,
            rate=rate,
            sd=left,
            target=target,
            alpha=level,
            ratio=share / control,
            width=width,
        )
        for share in set(treatments)
    )
    return math.ceil(outcomes / approval)


def duration(
    size: int,
    *,
    per_month: float,
    split: Sequence[float] = (0.5, 0.5),
    label_delay: pd.Timedelta = NO_WAIT,
    start: pd.Timestamp | None = None,
) -> Duration:
    """How long it takes until the control arm has `size` complete applications, others in step.

    per_month: applications that enter the experiment in a month, all arms together. A month is
    complete when `label_delay` has passed since its end; so the test is made then, for the month
    in which the last application arrives.
    """
    if not (math.isfinite(per_month) and per_month > 0):
        raise ValueError(f"per_month is {per_month!r}, must be above 0.")
    if not size >= 1:
        raise ValueError(f"size is {size!r}, must be 1 application or more.")
    if label_delay < NO_WAIT:
        raise ValueError(f"label_delay is {label_delay}, must not be negative.")
    if start is not None and start.tzinfo is None:
        raise ValueError(f"start is {start}, must be aware of its time zone, e.g. UTC.")
    # 2,500 / 0.1 of 1,000 must not be a little more than 25 months to a computer
    months = round(size / _shares(split)[0] / per_month, 9)
    if start is None:
        return Duration(months, label_delay)
    return Duration(months, label_delay, _month_end(start, months) + label_delay)


def duration_table(
    effects: Iterable[float],
    *,
    per_month: float,
    plans: Mapping[str, Mapping[str, float]] | None = None,
    rate: float | None = None,
    sd: float | None = None,
    split: Sequence[float] = (0.5, 0.5),
    target: float = 0.8,
    alpha: float = 0.05,
    approval: float = 1.0,
    label_delay: pd.Timedelta = NO_WAIT,
) -> pd.DataFrame:
    """Months for every effect and plan: columns plan, effect, n, months, wait, total.

    `n` is the control arm's size. `total` is when the test is made, in months after a start on the
    first of a month: `months` of traffic up to the end of the last one, and then `wait`, since a
    month counts when all of its outcomes can be known. `plans` names
    what differs from the arguments of :func:`planned_size`, e.g. ``{"fixed size": {}, "always
    valid": {"width": 1.4}, "adjusted": {"correlation": 0.5}}``.
    """
    wait = label_delay / MONTH
    rows = []
    for plan, own in (plans or {"fixed size": {}}).items():
        given = {"rate": rate, "sd": sd, "split": split, "target": target, "alpha": alpha}
        given |= {"approval": approval, **own}
        for effect in effects:
            n = planned_size(effect, **given)
            months = duration(n, per_month=per_month, split=given["split"]).months
            rows.append((plan, effect, n, months, wait, math.ceil(months) + wait))
    return pd.DataFrame(rows, columns=["plan", "effect", "n", "months", "wait", "total"])


def plan_sentence(
    effect: float,
    *,
    per_month: float,
    rate: float | None = None,
    sd: float | None = None,
    split: Sequence[float] = (0.5, 0.5),
    target: float = 0.8,
    alpha: float = 0.05,
    correlation: float = 0.0,
    width: float = 1.0,
    approval: float = 1.0,
    label_delay: pd.Timedelta | None = None,
) -> str:
    """What a test for `effect` would take, in words: dollars with `sd`, points with `rate`.

    Arguments as in :func:`planned_size` and :func:`duration`. It is what the notebook's slider
    shows.
    """
    size = planned_size(
        effect,
        rate=rate,
        sd=sd,
        split=split,
        target=target,
        alpha=alpha,
        correlation=correlation,
        width=width,
        approval=approval,
    )
    months = duration(size, per_month=per_month, split=split).months
    control, *treatments = split
    needed = [math.ceil(size * share / control) for share in treatments]
    told = f"{size:,} applications an arm"
    if any(n != size for n in needed):
        told = f"{size:,} applications in control and {' and '.join(f'{n:,}' for n in needed)} "
        told += "in treatment"
    what = f"{'-' if effect < 0 else ''}${abs(effect):,.0f} per application"
    if sd is None:
        what = f"{100 * effect:+.2g} percentage points on a rate of {100 * rate:g} %"
    if approval != 1:
        what += f" of the {100 * approval:g} % that are approved"
    return (
        f"To see {what} with power {100 * target:g} %: {told}, about {months:,.1f} months at "
        f"{per_month:,.0f} a month, up to the end of the last one, and then "
        f"{_waiting(label_delay)}."
    )


def _month_end(start: pd.Timestamp, months: float) -> pd.Timestamp:
    """The end of the calendar month in which the last application arrives."""
    whole, part = divmod(months, 1)
    before, after = (start + pd.DateOffset(months=int(whole) + extra) for extra in (0, 1))
    last = before + part * (after - before)
    begin = last.normalize().replace(day=1)
    return begin if begin == last else begin + pd.offsets.MonthBegin(1)


def _waiting(delay: pd.Timedelta | None) -> str:
    if delay is None:
        return "the wait for outcomes"
    return f"{delay / MONTH:,.1f} months until the last outcomes are known"


def _shares(split: Sequence[float]) -> Sequence[float]:
    """The split, if it is one: control first, then at least one treatment, all of it used."""
    if len(split) < 2 or not all(s > 0 for s in split) or not math.isclose(sum(split), 1):
        raise ValueError(
            f"split is {tuple(split)!r}, must be two or more shares above 0 that sum to 1, "
            "e.g. (0.5, 0.5)."
        )
    return split

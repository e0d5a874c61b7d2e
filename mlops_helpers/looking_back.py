"""Years of loans looked at together: which are the reference, and what later ones did to a model.

The first whole calendar years serve as the reference, each later year is compared with them. Loans
that span no two years are cut into quarters or months by the same rule. The sentences are computed
from the figures: no word of them is there because of what a particular file holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mlops_helpers.contracts import TARGET
from mlops_helpers.drift import EFFECTS
from mlops_helpers.segments import segment_table

__all__ = ["LEAST_ROWS", "Span", "Spans", "spans", "told_in_words", "worth"]

LEAST_ROWS = 500
"""Loans that a reference must hold at least: fewer say little about nine columns."""
UNITS = {"year": "Y", "quarter": "Q", "month": "M"}
_GRAVEST = ("high", "medium", "low")
_MOST_NAMED = 4


@dataclass(frozen=True)
class Span:
    """A span of calendar time [start, end) in UTC, with the name a reader gives it."""

    name: str
    start: pd.Timestamp
    end: pd.Timestamp

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The applications of this span."""
        applied = frame["applied_at"]
        return frame[(applied >= self.start) & (applied < self.end)]


class Spans(NamedTuple):
    """The reference and the spans after it, in order of time; `unit` is year, quarter or month."""

    reference: Span
    later: tuple[Span, ...]
    unit: str


def spans(frame: pd.DataFrame, *, until: pd.Timestamp) -> Spans:
    """The spans of `frame`'s applications: a reference that ends by `until`, and each later one.

    Tries calendar years, then quarters, then months, and takes the first unit that gives a
    reference of at least `LEAST_ROWS` applications with both outcomes and at least one later span
    that holds any. The reference are all whole units that end by `until` (a first unit that began
    before the first application counts as whole); if no unit does, the first one.
    Raises ValueError for a naive `until`, and if even months give no such spans.
    """
    if pd.Timestamp(until).tz is None:
        raise ValueError(f"until == {until} has no time zone; pass pd.Timestamp(until, tz='UTC').")
    applied = frame["applied_at"].dt.tz_convert("UTC").dt.tz_localize(None)
    end = pd.Timestamp(until).tz_convert("UTC").tz_localize(None)
    for unit, code in UNITS.items():
        periods = sorted(applied.dt.to_period(code).unique())
        if len(periods) < 2:
            continue
        whole = sum(period.end_time < end for period in periods) or 1
        first, rest = periods[:whole], periods[whole:]
        reference = _span(first, unit)
        outcomes = reference.rows(frame)[TARGET]
        if rest and len(outcomes) >= LEAST_ROWS and outcomes.nunique() == 2:
            return Spans(reference, tuple(_span([period], unit) for period in rest), unit)
    raise ValueError(
        f"{len(frame):,} applications from {applied.min():%Y-%m-%d} to {applied.max():%Y-%m-%d} "
        f"give no reference of {LEAST_ROWS} with both outcomes that ends by {end:%Y-%m-%d} and "
        "leaves later ones; bring a longer span of loans, or a later `until`."
    )


def worth(scored: Mapping[str, pd.DataFrame], *, confidence: float = 0.95) -> pd.DataFrame:
    """What one model was worth on the rows of each name: a row each, in the given order.

    `scored` holds frames with `default` and `probability`. Columns `span, n, defaults,
    default_rate, mean_probability, auc, auc_low, auc_high, observed_to_expected, …_low, …_high`;
    the AUC is NaN with too few rows of a class (see `segments.segment_table`).
    """
    parts = [rows[[TARGET, "probability"]].assign(span=name) for name, rows in scored.items()]
    if not parts:
        raise ValueError("scored is empty; pass at least one frame of scored applications by name.")
    table = segment_table(pd.concat(parts, ignore_index=True), by=["span"], confidence=confidence)
    ordered = table.drop(columns="segment").rename(columns={"group": "span"}).set_index("span")
    return ordered.reindex([name for name, rows in scored.items() if len(rows)]).reset_index()


def told_in_words(
    name: str,
    drift: pd.DataFrame,
    model: Mapping[Any, Any],
    unseen: Mapping[Any, Any],
    *,
    alpha: float = 0.05,
) -> str:
    """One span in words: what drifted, how much it matters, what it did to the model.

    `drift` is the table of a `DriftReport` made with this `alpha`; what drifted is named by
    severity, the largest effect first, in units of the one from which it is high. `model` is the
    row of `worth` for this span, `unseen` that for rows of the reference that the model had not
    learnt from.
    "Worse" and "better" are only said of intervals of the difference that exclude zero.
    """
    return " ".join([f"{name}:", *_moved(drift, alpha), *_ranking(model, unseen), *_level(model)])


def _span(periods: list[pd.Period], unit: str) -> Span:
    """The whole of consecutive calendar periods, with a name such as 2007–2008 or 2023 Q1."""
    ends = [_name(periods[0], unit), _name(periods[-1], unit)]
    start, end = periods[0].start_time, (periods[-1] + 1).start_time
    name = "–".join(dict.fromkeys(ends))
    return Span(name, start.tz_localize("UTC"), end.tz_localize("UTC"))


def _name(period: pd.Period, unit: str) -> str:
    if unit == "year":
        return str(period.year)
    return f"{period.year} Q{period.quarter}" if unit == "quarter" else f"{period:%Y-%m}"


def _moved(drift: pd.DataFrame, alpha: float) -> Iterator[str]:
    tested = drift[drift["severity"] != "no data"]
    moved = tested[tested["drifted"].astype(bool)]
    significant = tested[(tested["p_adjusted"] < alpha) & ~tested["drifted"].astype(bool)]
    if moved.empty:
        yield f"none of {len(tested)} comparisons drifted."
    else:
        groups = []
        for severity in _GRAVEST:
            rows = moved[moved["severity"] == severity]
            order = _effect(rows).sort_values(ascending=False, kind="stable").index
            names = rows.loc[order, "feature"].str.replace("_", " ")
            if len(names):
                more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
                groups.append(f"{severity}: {', '.join(names[:_MOST_NAMED])}{more}")
        yield f"{len(moved)} of {len(tested)} comparisons drifted ({'; '.join(groups)})."
    if len(significant):
        more = f"{len(significant)} more {'is' if len(significant) == 1 else 'are'}"
        yield f"{more} beyond chance but too small to matter."


def _effect(drift: pd.DataFrame) -> pd.Series:
    """The largest effect of each row in units of the one from which it is high.

    A column that drifted without a test cannot be compared at all: infinite.
    """
    joint = drift["test"] == "classifier"
    found = {
        "psi": drift["psi"] - drift["psi_null"],
        "wasserstein": drift["wasserstein"] - drift["wasserstein_null"],
        "auc": (2 * drift["statistic"] - 1).where(joint),
    }
    units = {name: values / EFFECTS[name][-1] for name, values in found.items()}
    worst = pd.DataFrame(units).max(axis="columns").fillna(0.0)
    return worst.mask(drift["p_adjusted"].isna(), np.inf)


def _ranking(model: Mapping[Any, Any], unseen: Mapping[Any, Any]) -> Iterator[str]:
    now, then = model["auc"], unseen["auc"]
    if not (np.isfinite(now) and np.isfinite(then)):
        yield "Too few loans of a class to say how well the model ranks."
        return
    change = now - then
    reach = 1.96 * np.hypot(_error(model), _error(unseen))
    verdict = "neither better nor worse beyond chance"
    if abs(change) > reach:
        verdict = "better beyond chance" if change > 0 else "worse beyond chance"
    yield (
        f"The model ranks with an AUC of {now:.3f} [{model['auc_low']:.3f}, "
        f"{model['auc_high']:.3f}], {verdict} than on unseen loans of its own years ({then:.3f})."
    )


def _error(row: Mapping[Any, Any]) -> float:
    """Standard error of an AUC, from the width of its 95 % interval."""
    return float(row["auc_high"] - row["auc_low"]) / (2 * 1.96)


def _level(model: Mapping[Any, Any]) -> Iterator[str]:
    ratio, low, high = (model[f"observed_to_expected{end}"] for end in ("", "_low", "_high"))
    if not np.isfinite(ratio):
        yield "It expected no defaults, so their number cannot be compared."
        return
    expected, came = model["mean_probability"], model["default_rate"]
    if low > 1:
        verdict = "it promised too few"
    elif high < 1:
        verdict = "it promised too many"
    else:
        verdict = "as it promised, within chance"
    yield (
        f"It expected {expected:.1%} to default and {came:.1%} did: {verdict} "
        f"(ratio {ratio:.2f} [{low:.2f}, {high:.2f}])."
    )

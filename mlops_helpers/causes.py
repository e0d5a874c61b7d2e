"""Which of four causes is behind a bad month, and what a person does about it.

    signals(reference, holdout, window) -> what moved, with intervals; unknown where labels lack
    read(signals) -> a cause, "nothing", or "cannot tell yet"
    WHAT_TO_DO[cause] -> what a person does about it

Each cause leaves its own trace, and some traces need labels:

==================  ==============  ===================  ==========  =============
cause               contract, gaps  features and scores  O/E         AUC or slope
==================  ==============  ===================  ==========  =============
feed broke          move            move                 moves       move
applicants changed  stay            move                 stays       stay
label rate changed  stay            move, but little     moves       stay
the world changed   stay            stay                 may move    move
==================  ==============  ===================  ==========  =============

A signal has moved if two things hold: its interval leaves out the value of no change, and the
change is beyond a limit below which nobody would act. Silence is an all-clear only if a grave
change, three times that limit, can be excluded. `cause_scores` measures how often the reading
is right. What it cannot do: tell "everybody is riskier by the same factor" from "defaults are more
frequent" by calibration (Bayes makes them one), see a feed that keeps every column's distribution,
or name two causes at once; it names the graver one.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from mlops_helpers.business import Interval
from mlops_helpers.calibration import recalibration
from mlops_helpers.contracts import FEATURES, MAY_BE_MISSING, TARGET
from mlops_helpers.contracts import LIMITS as CONTRACT
from mlops_helpers.delong import MIN_PER_CLASS, auc_drop, auc_interval
from mlops_helpers.drift import DriftReport, Reference
from mlops_helpers.two_samples import newcombe

__all__ = [
    "AFTER_LABELS",
    "BEFORE_LABELS",
    "CANNOT_TELL",
    "LIMITS",
    "NOTHING",
    "SIGNAL_COLUMNS",
    "WHAT_TO_DO",
    "read",
    "signals",
]

CANNOT_TELL = "cannot tell yet"
NOTHING = "nothing"
SIGNAL_COLUMNS = (
    "signal",
    "needs_labels",
    "before",
    "now",
    "value",
    "low",
    "high",
    "limit_low",
    "limit_high",
    "limit",
    "moved",
    "clear",
)
_GRAVE = 3.0
"""Times its limit: a change that a person who says "nothing" must be able to exclude."""


@dataclass(frozen=True)
class _Limit:
    """No change is `same`; beyond `low` or `high` somebody would act."""

    same: float
    low: float
    high: float
    needs_labels: bool = False


LIMITS = MappingProxyType(
    {
        "out of contract": _Limit(0.0, -np.inf, 0.005),
        "missing": _Limit(0.0, -np.inf, 0.01),
        "features drifted": _Limit(0.0, -np.inf, 0.0),
        "scores drifted": _Limit(0.0, -np.inf, 0.0),
        "expected default rate": _Limit(1.0, 0.9, 1.1),
        "observed default rate": _Limit(1.0, 0.85, 1.15, needs_labels=True),
        "observed / expected": _Limit(1.0, 0.8, 1.25, needs_labels=True),
        "AUC": _Limit(0.0, -0.03, np.inf, needs_labels=True),
        "calibration slope": _Limit(1.0, 0.75, 1.33, needs_labels=True),
    }
)
"""By signal. The shares and the AUC are differences from the holdout, the two rates are ratios to
it; O/E and the slope of the calibration are right at 1 by themselves. An AUC that rises harms no
one, and it does in a recession: applicants differ more from one another."""
BEFORE_LABELS = tuple(name for name, limit in LIMITS.items() if not limit.needs_labels)
AFTER_LABELS = tuple(name for name, limit in LIMITS.items() if limit.needs_labels)

WHAT_TO_DO = MappingProxyType(
    {
        "feed broke": (
            "Repair the feed. The scores of these rows are void: score them again from the "
            "repaired source, and look at every decision that was made on them. Do not retrain: "
            "a model that learns the fault will be wrong once it is mended."
        ),
        "applicants changed": (
            "The model still means what it says, so leave it; until labels are in, that is a hope. "
            "Look at who applies now, at the volume and the loss to expect, and at the cut-off. "
            "Retrain when the new kind of applicant was rare in the training rows. When labels "
            "arrive, see first whether observed / expected has moved as well."
        ),
        "label rate changed": (
            "The ranking is as good as it was and the level is wrong: recalibrate the intercept "
            "on the new outcomes, and check the cut-off, which stands for another risk now. That "
            "is one number, needs few defaults and no new model. It is right as well if everybody "
            "has become riskier by the same factor."
        ),
        "the world changed": (
            "The model ranks by rules that no longer hold. Be careful with new loans at once "
            "(a stricter cut-off, more people who look), and retrain on applications from after "
            "the change as soon as enough of them have outcomes. Recalibration alone does not mend "
            "an order that is wrong."
        ),
        NOTHING: "Nothing that matters has moved. Leave the model alone.",
        CANNOT_TELL: (
            "Nothing that can be seen without labels has moved, or too few rows are known. This is "
            "no all-clear: a change in what makes people default shows in labels only. Wait for "
            "them, or buy some early ones (a sample of loans followed closely)."
        ),
    }
)


def signals(
    reference: Reference, holdout: pd.DataFrame, window: pd.DataFrame, *, level: float = 0.99
) -> pd.DataFrame:
    """What moved from the holdout to the window: one row for each of `LIMITS`.

    reference: `Reference.fit` of the training rows' features, `extended` by the holdout's column
    "probability". holdout, window: the features and "probability"; `default` is needed in the
    holdout and is used in the window only when every row has it, because the loans whose outcome
    is known first are those that were quick to default.

    Returns a frame `SIGNAL_COLUMNS`: `before` and `now` are the figures of holdout and window,
    `value` the change with its interval at `level` (none for the two drift reports, which carry a
    family-wise level of their own), `limit` in words, `moved` True, False or missing (unknown);
    `clear` says that the interval excludes a change of three times the limit.
    Raises ValueError naming a column that is not there.
    """
    for name, frame, needed in (
        ("holdout", holdout, (*FEATURES, "probability", TARGET)),
        ("window", window, (*FEATURES, "probability")),
    ):
        lacking = [column for column in needed if column not in frame.columns]
        if lacking:
            raise ValueError(f"{name} has no column {lacking[0]!r}; signals needs {list(needed)}.")
    report = reference.compare(window)
    labelled = TARGET in window.columns and len(window) > 0 and window[TARGET].notna().all()
    found = {
        "out of contract": _contract(holdout, window, level),
        "missing": _missing(holdout, window, level),
        **_drift(report),
        "expected default rate": _ratio(holdout["probability"], window["probability"], level),
        **(_after(holdout, window, level) if labelled else {}),
    }
    unknown = (np.nan, np.nan, Interval(np.nan, np.nan, np.nan, 0), None)
    rows = [_row(name, limit, *found.get(name, unknown)) for name, limit in LIMITS.items()]
    frame = pd.DataFrame(rows, columns=list(SIGNAL_COLUMNS))
    return frame.astype({"moved": "boolean", "clear": "boolean"})


def read(found: pd.DataFrame) -> str:
    """The cause that `signals` point to: a key of `WHAT_TO_DO`.

    Before labels only a broken feed, changed applicants (a changed label rate looks the same) or
    `CANNOT_TELL`; with them all of the four, or `NOTHING`, which needs a window in which a grave
    change would have shown: with few defaults silence is no evidence. Several at once: the graver.
    """
    moved = found.set_index("signal")["moved"]

    def any_of(*names: str) -> bool:
        return bool(moved.reindex(list(names)).fillna(False).any())

    if any_of("out of contract", "missing"):
        return "feed broke"
    if any_of("AUC", "calibration slope"):
        return "the world changed"
    if any_of("observed / expected"):
        return "label rate changed"
    if any_of("features drifted", "scores drifted", "expected default rate"):
        return "applicants changed"
    clear = found.set_index("signal")["clear"].reindex(list(AFTER_LABELS)).fillna(False).all()
    known = moved.reindex(list(LIMITS)).notna().all()
    return NOTHING if known and clear else CANNOT_TELL


_Found = tuple[float, float, Interval, bool | None]  # before, now, change, moved if known already


def _row(
    name: str, limit: _Limit, before: float, now: float, change: Interval, moved: bool | None
) -> tuple[object, ...]:
    """One line of the table; without an interval nothing is known unless `moved` says so."""
    if moved is None and change.known:
        evident = not change.low <= limit.same <= change.high
        moved = bool(evident and not limit.low <= change.value <= limit.high)
    grave = [x**_GRAVE if limit.same else x * _GRAVE for x in (limit.low, limit.high)]
    clear = bool(grave[0] < change.low and change.high < grave[1]) if change.known else None
    words = f"{limit.low:g} to {limit.high:g}"
    if np.isinf([limit.low, limit.high]).any():
        words = f"at most {limit.high:g}" if np.isinf(limit.low) else f"at least {limit.low:g}"
    head = (name, limit.needs_labels, before, now)
    limits = (limit.low, limit.high, words)
    return *head, change.value, change.low, change.high, *limits, moved, clear


def _contract(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> _Found:
    before, now = (_breaks(frame) for frame in (holdout, window))
    return before.mean(), now.mean(), newcombe(before, now, 1 - level), None


def _breaks(frame: pd.DataFrame) -> pd.Series:
    """Whether a row holds a value that the contract forbids, or lacks one that it demands."""
    demanded = [name for name in FEATURES if name not in MAY_BE_MISSING]
    broken = frame[demanded].isna().any(axis=1)
    for name, (low, high) in CONTRACT.items():
        broken |= frame[name].notna() & ~frame[name].between(low, high)
    return broken


def _missing(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> _Found:
    """The column with the largest rise; the level is shared among all, as any could be it."""
    before, now = (frame[list(FEATURES)].isna().mean() for frame in (holdout, window))
    if window.empty:
        return np.nan, np.nan, Interval(np.nan, np.nan, np.nan, 0), None
    worst = str((now - before).idxmax())
    sides = holdout[worst].isna(), window[worst].isna()
    return before[worst], now[worst], newcombe(*sides, (1 - level) / len(FEATURES)), None


def _drift(report: DriftReport) -> dict[str, _Found]:
    """The report's own verdict on the values of the features and on the scores."""
    of = report.table["feature"]
    found: dict[str, _Found] = {}
    for name, rows in (
        ("features drifted", report.table[of.isin(FEATURES)]),
        ("scores drifted", report.table[of == "probability"]),
    ):
        known = rows[rows["severity"] != "no data"]
        share = float(known["drifted"].mean()) if len(known) else np.nan
        moved = bool(known["drifted"].any()) if len(known) else None
        found[name] = (0.0, share, Interval(share, np.nan, np.nan, report.n_current), moved)
    return found


def _ratio(before: pd.Series, now: pd.Series, level: float) -> _Found:
    """Ratio of two means, its interval normal on the scale of the logarithm."""
    means = float(before.mean()), float(now.mean())
    n = len(now)
    if min(len(before), n) < 2 or min(means) <= 0:
        return *means, Interval(np.nan, np.nan, np.nan, n), None
    spread = sum((x.std() / x.mean()) ** 2 / len(x) for x in (before, now))
    reach = np.exp(stats.norm.ppf((1 + level) / 2) * np.sqrt(spread))
    value = means[1] / means[0]
    return *means, Interval(value, value / reach, value * reach, n), None


def _after(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> dict[str, _Found]:
    """What labels tell; nothing with too few of a class, where intervals do not hold."""
    (y0, p0), (y1, p1) = (
        (frame[TARGET].astype(float), frame["probability"]) for frame in (holdout, window)
    )
    if min(y0.sum(), (1 - y0).sum(), y1.sum(), (1 - y1).sum()) < MIN_PER_CLASS:
        return {}
    found = {"observed default rate": _ratio(y0, y1, level)}
    ratios = [y.sum() / p.sum() for y, p in ((y0, p0), (y1, p1))]
    reach = np.exp(stats.norm.ppf((1 + level) / 2) * ((y1 - p1) ** 2).sum() ** 0.5 / y1.sum())
    change = Interval(ratios[1], ratios[1] / reach, ratios[1] * reach, len(y1))
    found["observed / expected"] = (*ratios, change, None)
    drop = auc_drop(y0, p0, y1, p1, confidence=level)
    rise = Interval(-drop.value, -drop.high, -drop.low, drop.n)
    areas = (auc_interval(y, p).value for y, p in ((y0, p0), (y1, p1)))
    found["AUC"] = (*areas, rise, None)
    slopes = [recalibration(y, p, confidence=level).slope for y, p in ((y0, p0), (y1, p1))]
    found["calibration slope"] = (slopes[0].value, slopes[1].value, slopes[1], None)
    return found

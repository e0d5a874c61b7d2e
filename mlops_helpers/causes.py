"""Which of four causes is behind a bad month, and what a person does about it.

    signals(reference, holdout, window) -> what moved, with intervals; unknown where labels lack
    read(signals) -> a cause, "nothing", or "cannot tell yet"
    WHAT_TO_DO[cause] -> what a person does about it

Each cause leaves its own trace, and some traces need labels:

==================  ==============  ===================  ==========  =============
cause               feed            features and scores  O/E         AUC or slope
==================  ==============  ===================  ==========  =============
feed broke          moves           move                 moves       move
applicants changed  stays           move                 stays       stay
label rate changed  stays           move, but little     moves       stay
the world changed   stays           stay                 may move    move
==================  ==============  ===================  ==========  =============

"feed" is any of the five of `cause_feeds`. O/E, AUC and slope are what `cause_outcomes` leaves of
them: changes from what the holdout led one to expect of *these* applicants. The plain AUC is no
such thing: it falls when applicants are more alike, and rises in a recession, by range alone.

A signal has moved if two things hold: its interval leaves out the value of no change, and the
change is beyond a limit below which nobody would act. Silence is an all-clear only if a grave
change, three times that limit, can be excluded. `cause_scores` measures how often the reading
is right. What it cannot do:

* tell "everybody is riskier by the same factor" from "defaults are more frequent" by calibration
  (Bayes makes them one), or name two causes at once; it names the graver one;
* see a feed that hands each applicant the value of another, or swaps two known categories, or
  moves numbers by less than a factor of three: they pass for changed applicants, for a changed
  world or for nothing. Conversely a campaign that brings one kind of applicant only can look like a
  column that is stuck. Only the raw rows and whoever sends them tell these apart;
* judge a kind of applicant that the holdout hardly has: the label signals are then unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.cause_feeds import feed_signals
from mlops_helpers.cause_likeness import likeness
from mlops_helpers.cause_outcomes import Found, holdout_signals, outcome_signals
from mlops_helpers.contracts import FEATURES, TARGET
from mlops_helpers.delong import MIN_PER_CLASS
from mlops_helpers.drift import DriftReport, Reference

__all__ = [
    "AFTER_LABELS",
    "BEFORE_LABELS",
    "CANNOT_TELL",
    "FEED",
    "HOLDOUT",
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
        "unseen categories": _Limit(0.0, -np.inf, 0.01),
        "one value": _Limit(0.0, -np.inf, 0.3),
        "scale": _Limit(1.0, 0.333, 3.0),
        "features drifted": _Limit(0.0, -np.inf, 0.0),
        "scores drifted": _Limit(0.0, -np.inf, 0.0),
        "expected default rate": _Limit(1.0, 0.9, 1.1),
        "holdout O/E": _Limit(1.0, 0.8, 1.25),
        "holdout slope": _Limit(1.0, 0.75, 1.33),
        "observed default rate": _Limit(1.0, 0.85, 1.15, needs_labels=True),
        "observed / expected": _Limit(1.0, 0.8, 1.25, needs_labels=True),
        "AUC": _Limit(0.0, -0.03, np.inf, needs_labels=True),
        "calibration slope": _Limit(1.0, 0.75, 1.33, needs_labels=True),
    }
)
"""By signal. Shares and the AUC are differences, the rest ratios. The two of `HOLDOUT` compare it
with 1: they say that the model was never calibrated, which is no change and so no cause; the
window's own O/E and slope are compared with the holdout's. An AUC above what was expected harms no
one."""
HOLDOUT = ("holdout O/E", "holdout slope")
FEED = ("out of contract", "missing", "unseen categories", "one value", "scale")
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
            "First rule out the feed: look at raw rows of the columns that moved, and ask whoever "
            "sends them whether a unit, a code or a default value is new; nothing here can tell "
            "swapped names or another currency from other people. If the rows are true, the model "
            "still means what it says, so leave it; until labels are in, that is a hope. "
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

    Returns a frame `SIGNAL_COLUMNS`: `before` and `now` are the figures of holdout and window
    (of the AUC, `before` is that expected of the window's applicants), `value` the change with its
    interval at `level` (none for the two drift reports, which carry a family-wise level of their
    own; O/E and slope by `cause_outcomes`), `limit` in words, `moved` True, False or missing
    (unknown); `clear` says that the interval excludes a change of three times the limit. The rows
    `HOLDOUT` compare the holdout with 1: where they moved, the model was never calibrated.
    Raises ValueError naming a column that is not there.
    """
    for name, frame, needed in (
        ("holdout", holdout, (*FEATURES, "probability", TARGET)),
        ("window", window, (*FEATURES, "probability")),
    ):
        lacking = [column for column in needed if column not in frame.columns]
        if lacking:
            raise ValueError(f"{name} has no column {lacking[0]!r}; signals needs {list(needed)}.")
    labelled = TARGET in window.columns and len(window) > 0 and window[TARGET].notna().all()
    found = {
        **feed_signals(reference, holdout, window, level),
        "expected default rate": _ratio(holdout["probability"], window["probability"], level),
        **holdout_signals(holdout, level),
    }
    unknown: Found = (np.nan, np.nan, UNKNOWN)
    drift = _drift(reference.compare(window))
    if labelled:
        # Weights cost rows, so they are taken only where the report sees other applicants.
        other = any(moved for *_, moved in drift.values())
        weight = likeness(holdout, window) if other else np.ones(len(holdout))
        found |= _after(holdout, window, level, weight)
    rows = [
        _row(name, limit, *drift[name])
        if name in drift
        else _row(name, limit, *found.get(name, unknown))
        for name, limit in LIMITS.items()
    ]
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

    if any_of(*FEED):
        return "feed broke"
    if any_of("AUC", "calibration slope"):
        return "the world changed"
    if any_of("observed / expected"):
        return "label rate changed"
    if any_of("features drifted", "scores drifted", "expected default rate"):
        return "applicants changed"
    clear = found.set_index("signal")["clear"].reindex(list(AFTER_LABELS)).fillna(False).all()
    known = moved.reindex([name for name in LIMITS if name not in HOLDOUT]).notna().all()
    return NOTHING if known and clear else CANNOT_TELL


def _row(
    name: str,
    limit: _Limit,
    before: float,
    now: float,
    change: Interval,
    moved: bool | None = None,
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


def _drift(report: DriftReport) -> dict[str, tuple[float, float, Interval, bool | None]]:
    """The report's own verdict on the values of the features and on the scores."""
    of = report.table["feature"]
    found: dict[str, tuple[float, float, Interval, bool | None]] = {}
    for name, rows in (
        ("features drifted", report.table[of.isin(FEATURES)]),
        ("scores drifted", report.table[of == "probability"]),
    ):
        known = rows[rows["severity"] != "no data"]
        share = float(known["drifted"].mean()) if len(known) else np.nan
        moved = bool(known["drifted"].any()) if len(known) else None
        found[name] = (0.0, share, Interval(share, np.nan, np.nan, report.n_current), moved)
    return found


def _ratio(before: pd.Series, now: pd.Series, level: float) -> Found:
    """Ratio of two means, its interval normal on the scale of the logarithm."""
    means = float(before.mean()), float(now.mean())
    n = len(now)
    if min(len(before), n) < 2 or min(means) <= 0:
        return *means, UNKNOWN
    spread = sum((x.std() / x.mean()) ** 2 / len(x) for x in (before, now))
    reach = np.exp(stats.norm.ppf((1 + level) / 2) * np.sqrt(spread))
    value = means[1] / means[0]
    return *means, Interval(value, value / reach, value * reach, n)


def _after(
    holdout: pd.DataFrame, window: pd.DataFrame, level: float, weight: NDArray[np.float64]
) -> dict[str, Found]:
    """What labels tell; nothing with too few of a class, where intervals do not hold."""
    sides = [frame[TARGET].astype(float) for frame in (holdout, window)]
    if min(min(y.sum(), (1 - y).sum()) for y in sides) < MIN_PER_CLASS:
        return {}
    observed = _ratio(*sides, level)
    signs = outcome_signals(holdout, window, level, weight=weight)
    return {"observed default rate": observed, **signs}

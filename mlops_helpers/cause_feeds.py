"""What a feed does to a column and real applicants do not: no labels are needed to see it.

Values that the contract forbids, gaps, categories that nobody has seen, one value for everybody,
another unit. The first two are outside what the columns may hold; the others keep to the contract
and are told from changed applicants by their size alone: see `cause_scores` for how often.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import pandas as pd
from scipy import stats

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.cause_outcomes import Found
from mlops_helpers.contracts import CATEGORICAL, FEATURES, LIMITS, MAY_BE_MISSING, NUMERIC
from mlops_helpers.drift import Reference
from mlops_helpers.two_samples import newcombe

__all__ = ["feed_signals"]

_QUARTERS = (0.25, 0.5, 0.75)


def feed_signals(
    reference: Reference, holdout: pd.DataFrame, window: pd.DataFrame, level: float
) -> dict[str, Found]:
    """Five signals of a broken feed: before, now, and the change with its interval at `level`.

    "out of contract" and "unseen categories" are shares of rows; "missing" and "one value" are of
    the column that rose most, and "scale" is of the number whose quartiles moved most by one
    factor; where any column could be it, the level is shared among all.
    """
    if window.empty:
        return {}
    broken = _breaks(holdout), _breaks(window)
    unseen = _unseen(reference, holdout, holdout), _unseen(reference, holdout, window)
    return {
        "out of contract": _shares(*broken, 1 - level),
        "missing": _missing(holdout, window, level),
        "unseen categories": _shares(*unseen, 1 - level),
        "one value": _one_value(holdout, window, level),
        "scale": _scale(holdout, window, level),
    }


def _shares(before: pd.Series, now: pd.Series, alpha: float) -> Found:
    return float(before.mean()), float(now.mean()), newcombe(before, now, alpha)


def _breaks(frame: pd.DataFrame) -> pd.Series:
    """Whether a row holds a value that the contract forbids, or lacks one that it demands."""
    demanded = [name for name in FEATURES if name not in MAY_BE_MISSING]
    broken = frame[demanded].isna().any(axis=1)
    for name, (low, high) in LIMITS.items():
        inside = frame[name].between(low, high) & ~np.isinf(frame[name].astype(float))
        broken |= frame[name].notna() & ~inside
    return broken


def _missing(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> Found:
    rise = window[list(FEATURES)].isna().mean() - holdout[list(FEATURES)].isna().mean()
    worst = str(rise.idxmax())
    return _shares(holdout[worst].isna(), window[worst].isna(), (1 - level) / len(FEATURES))


def _unseen(reference: Reference, holdout: pd.DataFrame, frame: pd.DataFrame) -> pd.Series:
    """Whether a row holds a category that the reference (or else the holdout) never had."""
    known: dict[str, Set[str]] = {name: set(holdout[name].dropna()) for name in CATEGORICAL}
    for profile in reference.profiles:
        if profile.name in known and profile.known:
            known[profile.name] = set(profile.counts.index)
    return pd.concat(
        [frame[n].notna() & ~frame[n].astype(str).isin(seen) for n, seen in known.items()], axis=1
    ).any(axis=1)


def _one_value(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> Found:
    """The share of the commonest value of a column, where it has risen most since the holdout."""
    found = (0.0, 0.0, UNKNOWN)
    for name in FEATURES:
        there = window[name].dropna()
        if there.empty or holdout[name].isna().all():
            continue
        commonest = there.mode().iloc[0]
        sides = holdout[name].dropna() == commonest, there == commonest
        shares = _shares(*sides, (1 - level) / len(FEATURES))
        if not found[2].known or shares[2].value > found[2].value:
            found = shares
    return found


def _scale(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> Found:
    """The factor that a whole column moved by: the least of its quartiles' ratios.

    Another unit multiplies every value; people who are richer or younger move the quartiles by
    different factors. Columns with a quartile at or below 0 have no such factor.
    """
    found = (np.nan, np.nan, UNKNOWN)
    for name in NUMERIC:
        before, now = (_finite(frame[name]) for frame in (holdout, window))
        if min(len(before), len(now)) == 0:
            continue
        quartiles = np.quantile(before, _QUARTERS), np.quantile(now, _QUARTERS)
        if min(part[0] for part in quartiles) <= 0:
            continue
        moves = np.log(quartiles[1] / quartiles[0])
        least = int(np.argmin(np.abs(moves)))
        if found[2].known and abs(moves[least]) <= abs(np.log(found[2].value)):
            continue
        interval = _quantile_ratio(before, now, _QUARTERS[least], (1 - level) / len(NUMERIC))
        found = float(quartiles[0][least]), float(quartiles[1][least]), interval
    return found


def _quantile_ratio(before: np.ndarray, now: np.ndarray, at: float, alpha: float) -> Interval:
    """Ratio of two quantiles; limits from their order statistics, whatever the distribution."""
    value = float(np.quantile(now, at) / np.quantile(before, at))
    ends = []
    for values in (before, now):
        rank = stats.binom.ppf([alpha / 4, 1 - alpha / 4], len(values), at).astype(int)
        if rank[0] < 1 or rank[1] >= len(values):
            return Interval(value, np.nan, np.nan, len(now))
        ordered = np.sort(values)
        ends.append((ordered[rank[0] - 1], ordered[rank[1]]))
    if ends[0][0] <= 0:
        return Interval(value, np.nan, np.nan, len(now))
    return Interval(value, ends[1][0] / ends[0][1], ends[1][1] / ends[0][0], len(now))


def _finite(column: pd.Series) -> np.ndarray:
    values = column.to_numpy(np.float64, na_value=np.nan)
    return values[np.isfinite(values)]

"""What a feed does to a column and real applicants do not: no labels are needed to see it.

Values that the contract forbids, gaps, categories that nobody has seen, one value for everybody,
another unit. The first two are outside what the columns may hold; the others keep to the contract
and are told from changed applicants by their size alone: see `cause_scores` for how often.
"""

from __future__ import annotations

from collections.abc import Collection, Set

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.business import UNKNOWN, Interval
from mlops_helpers.cause_outcomes import Found
from mlops_helpers.contracts import CATEGORICAL, FEATURES, NUMERIC
from mlops_helpers.drift import Reference
from mlops_helpers.quarantine import broken_cells
from mlops_helpers.two_samples import newcombe

__all__ = ["MOST_ACCEPTED", "feed_columns", "feed_signals"]

MOST_ACCEPTED = 0.5
"""Share of the rows up to which a person can accept gaps or new categories of a column."""

Mask = NDArray[np.bool_]

_QUARTERS = (0.25, 0.5, 0.75)
_UNKNOWN: Found = (0.0, 0.0, UNKNOWN)


def feed_signals(
    reference: Reference, holdout: pd.DataFrame, window: pd.DataFrame, level: float
) -> dict[str, Found]:
    """Five signals of a broken feed: before, now, and the change with its interval at `level`.

    "out of contract" and "unseen categories" are shares of rows; "missing" and "one value" are of
    the column that rose most, and "scale" is of the number whose quartiles moved most by one
    factor; where any column could be it, the level is shared among all.
    """
    columns = feed_columns(reference, holdout, window, level)
    return {name: found for name, (_, found) in columns.items()}


def feed_columns(
    reference: Reference,
    holdout: pd.DataFrame,
    window: pd.DataFrame,
    level: float,
    *,
    accepted: Collection[str] = (),
) -> dict[str, tuple[str, Found]]:
    """The signals of `feed_signals` by name, each with the column in which it shows most.

    In `accepted` columns gaps and new categories are as they should be while no more than
    `MOST_ACCEPTED` of the rows have them: then they are not looked at.
    """
    if window.empty or holdout.empty:
        return {}
    broken = broken_cells(holdout), broken_cells(window)
    unseen = [_unseen(reference, holdout, frame) for frame in (holdout, window)]
    for name in {*accepted} & {*CATEGORICAL}:
        if unseen[1][name].mean() <= MOST_ACCEPTED:
            unseen = [{n: mask for n, mask in side.items() if n != name} for side in unseen]
    return {
        "out of contract": _of_rows(*broken, 1 - level),
        "missing": _missing(holdout, window, level, accepted),
        "unseen categories": _of_rows(*unseen, 1 - level) if unseen[1] else ("", _UNKNOWN),
        "one value": _one_value(holdout, window, level),
        "scale": _scale(holdout, window, level),
    }


def _shares(before: Mask, now: Mask, alpha: float) -> Found:
    sides = pd.Series(before), pd.Series(now)
    return float(before.mean()), float(now.mean()), newcombe(*sides, alpha)


def _of_rows(before: dict[str, Mask], now: dict[str, Mask], alpha: float) -> tuple[str, Found]:
    """Share of the rows in which any column is so, and the column that rose most."""
    rise = {name: now[name].mean() - before[name].mean() for name in now}
    rows = (np.any(list(part.values()), axis=0) for part in (before, now))
    return max(rise, key=lambda name: rise[name]), _shares(*rows, alpha)


def _missing(
    holdout: pd.DataFrame, window: pd.DataFrame, level: float, accepted: Collection[str]
) -> tuple[str, Found]:
    watched = [n for n in FEATURES if n not in accepted or window[n].isna().mean() > MOST_ACCEPTED]
    if not watched:
        return "", _UNKNOWN
    gaps = [{n: frame[n].isna().to_numpy() for n in watched} for frame in (holdout, window)]
    worst = max(watched, key=lambda name: gaps[1][name].mean() - gaps[0][name].mean())
    return worst, _shares(gaps[0][worst], gaps[1][worst], (1 - level) / len(FEATURES))


def _unseen(reference: Reference, holdout: pd.DataFrame, frame: pd.DataFrame) -> dict[str, Mask]:
    """Which rows hold a category that the reference (or else the holdout) never had."""
    known: dict[str, Set[str]] = {
        profile.name: set(profile.counts.index)
        for profile in reference.profiles
        if profile.name in CATEGORICAL and profile.known
    }
    known = {n: known.get(n) or set(holdout[n].dropna().unique()) for n in CATEGORICAL}
    found = {}
    for name, seen in known.items():
        codes, words = pd.factorize(frame[name])
        new = np.array([str(word) not in seen for word in words] + [False])  # the last: missing
        found[name] = new[codes]
    return found


def _one_value(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> tuple[str, Found]:
    """The share of the commonest value of a column, where it has risen most since the holdout."""
    worst, rise, sides = "", -np.inf, None
    for name in FEATURES:
        now, then = window[name].dropna(), holdout[name]
        if now.empty or then.isna().all():
            continue
        codes, values = pd.factorize(now)
        counts = np.bincount(codes)
        if counts.max() / len(now) <= rise:  # not even if the holdout never had it
            continue
        commonest = min(values[counts == counts.max()])
        masks = (then.dropna() == commonest).to_numpy(), (now == commonest).to_numpy()
        if masks[1].mean() - masks[0].mean() > rise:
            worst, rise, sides = name, masks[1].mean() - masks[0].mean(), masks
    if sides is None:
        return worst, _UNKNOWN
    return worst, _shares(*sides, (1 - level) / len(FEATURES))


def _scale(holdout: pd.DataFrame, window: pd.DataFrame, level: float) -> tuple[str, Found]:
    """The factor that a whole column moved by: the least of its quartiles' ratios.

    Another unit multiplies every value; people who are richer or younger move the quartiles by
    different factors. Columns with a quartile at or below 0 have no such factor.
    """
    worst, found = "", (np.nan, np.nan, UNKNOWN)
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
        worst = name
        found = float(quartiles[0][least]), float(quartiles[1][least]), interval
    return worst, found


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

"""Outcomes that a feed lost or mixed up, in sentences that name whose and of which month.

Who defaults may change; that a group which defaulted stops doing so from one month to the next is
the doing of a feed, and so are outcomes that nobody brought. A model trained on them promises that
group no risk, so each of these sentences is a veto of `retraining.decide`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.contracts import CATEGORICAL, TARGET

__all__ = ["label_faults"]

FALLEN = 0.2
"""A share that fell to a fifth of what it was, or below, is a fault …"""
EVIDENT = 0.75
"""… if it is sure that it fell by a quarter at least."""
LOST = 0.1
"""More than a tenth of the outcomes lacking is a fault …"""
EVIDENT_LOST = 0.05
"""… if it is sure that more than a twentieth lack."""
FEWEST = 30
"""Rows of a group that say whether its outcomes lack."""

Counts = NDArray[np.float64]  # by group: rows, known outcomes, defaults


def label_faults(
    holdout: pd.DataFrame, rows: pd.DataFrame, what: str, *, level: float = 0.99
) -> tuple[str, ...]:
    """Sentences about outcomes of `rows` that cannot be so after those of `holdout`.

    rows: applications old enough for their outcome; whose is not 0 or 1 lacks it. Looked at are all
    of them, each category, each month of application and each category of each month: outcomes
    that lack, a default rate that fell to a fifth of the holdout's (of that category), and a
    share repaid that fell so; of a group it must have fallen so far below that of all others,
    where theirs fell too. Evidence is exact; the error 1 - `level` is shared, half among all rows
    and the categories, half among the groups by month.

    Measured with `share` of tests/test_label_faults.py, 1,500 loans of the holdout against 1,500 of
    three later months: an alarm in 0 of 400 quiet times, 0 of 400 recessions and 0 of 400 changes
    of who defaults (seeds 1000…1399; Wilson 0 to 1 % each). Noticed, of 40 (seeds 2000…2039): all
    tenants repaid 40 (of 500 loans of one month 40), the owed homes 40 (37), the owned ones, an
    eighth of the loans with 9 % of defaults, 28 (0; 38 of 3,000 loans of six months); a month
    repaid or without outcomes 40.

    Each sentence begins with `what` and names the months and categories that explain the rest.
    Raises KeyError for frames without the columns `default`, `applied_at` and the categories.
    """
    if rows.empty:
        return ()
    groups = list(_groups(holdout, rows))
    faults: dict[tuple[str, str], str] = {}
    for by_month in (False, True):
        family = [group for group in groups if bool(group.month) is by_month]
        alpha = (1 - level) / 2 / max(3 * len(family), 1)
        faults |= {
            (group.who, group.month): fault
            for group, fault in zip(family, _faults(family, alpha), strict=True)
            if fault
        }
    return tuple(
        f"{what}: outcomes{''.join(f' of {part}' for part in key if part)} {faults[key]}"
        for key in _told(list(faults), groups)
    )


def _told(faulty: list[tuple[str, str]], groups: list[_Group]) -> list[tuple[str, str]]:
    """Categories and months that explain the rest; all rows if it is in most of them."""
    told = []
    for kind in ("month", *CATEGORICAL):
        there = [(g.who, g.month) for g in groups if _kind(g.who, g.month) == kind]
        found = [key for key in there if key in faulty]
        if 2 * len(found) <= len(there):
            told += found
    single = [(who, month) for who, month in faulty if who and month]
    told += [k for k in single if (k[0], "") not in faulty and ("", k[1]) not in faulty]
    return told or faulty[:1]


def _kind(who: str, month: str) -> str:
    if who and month:
        return "both"
    return who.partition(" ")[0] or ("month" if month else "all")


@dataclass(frozen=True)
class _Group:
    """Whose outcomes, of which month (empty: of all), and their counts before and now.

    others: default rate and share repaid of all others now, by what they were before; at most 1.
    """

    who: str
    month: str
    before: Counts
    now: Counts
    others: tuple[float, float] = (1.0, 1.0)


def _groups(holdout: pd.DataFrame, rows: pd.DataFrame) -> Iterator[_Group]:
    begun, applied = rows["applied_at"].min(), rows["applied_at"].dt
    place = ((applied.year - begun.year) * 12 + applied.month - begun.month).to_numpy()
    names = [f"{begun + pd.DateOffset(months=int(m)):%Y-%m}" for m in range(place.max() + 1)]
    before, now = _marks(holdout), _marks(rows)
    whole = before.sum(axis=1)
    total = now.sum(axis=1)
    yield _Group("", "", whole, total)
    for month, counts in zip(names, _sums(now, place, len(names)), strict=True):
        yield _Group("", month, whole, counts, _level(whole, total - counts))
    for column in CATEGORICAL:
        codes, words = pd.factorize(pd.concat([rows[column], holdout[column]]).astype(object))
        here = codes[: len(rows)]
        then = _sums(before, codes[len(rows) :], len(words))
        cells = _sums(
            now, np.where(here < 0, -1, here * len(names) + place), len(words) * len(names)
        )
        for code, word in enumerate(words):
            who = f"{column} {word!r}"
            inner = cells[code * len(names) : (code + 1) * len(names)]
            mine = inner.sum(axis=0)
            yield _Group(who, "", then[code], mine, _level(whole - then[code], total - mine))
            for month, counts in zip(names, inner, strict=True):
                if counts[0]:
                    level = _level(whole, total - counts)
                    yield _Group(who, month, then[code], counts, level)


def _level(before: Counts, now: Counts) -> tuple[float, float]:
    """Default rate and share repaid now by those before, at most 1; 1 where nobody is known."""
    if not before[1] or not now[1]:
        return 1.0, 1.0
    rates = (now[2] / now[1], before[2] / before[1])
    pairs = (rates, (1 - rates[0], 1 - rates[1]))
    return tuple(min(a / b, 1.0) if b > 0 else 1.0 for a, b in pairs)


def _marks(frame: pd.DataFrame) -> Counts:
    """For each row: that it is there, that its outcome is known, that it is a default."""
    values = frame[TARGET].to_numpy(np.float64, na_value=np.nan)
    known = np.isin(values, (0.0, 1.0))
    return np.array([np.ones(len(values)), known, values == 1])


def _sums(marks: Counts, codes: NDArray[np.int64], size: int) -> Counts:
    """The sums of the marks by code, one row for each of `size` codes; -1 is nobody's."""
    there = codes >= 0
    return np.array([np.bincount(codes[there], row[there], size) for row in marks]).T


def _faults(groups: list[_Group], alpha: float) -> list[str]:
    """What is wrong with each group, or an empty text."""
    if not groups:
        return []
    n, known, defaults = np.array([group.now for group in groups]).T
    _, there, before = np.array([group.before for group in groups]).T
    others = np.array([group.others for group in groups])
    lost = n - known
    lacking = (n >= FEWEST) & (lost > LOST * n)
    lacking[lacking] = stats.binom.sf(lost[lacking] - 1, n[lacking], EVIDENT_LOST) < alpha
    found = [
        f"lack in {gone / of:.1%} of {of:,.0f} rows (limit {LOST:.0%})" if bad else ""
        for bad, gone, of in zip(lacking, lost, n, strict=True)
    ]
    for name, now, then in (
        ("default rate", defaults, before),
        ("share repaid", known - defaults, there - before),
    ):
        # given how many there are in both, how many of them are now if the rate is so much lower
        level = others[:, int(name != "default rate")]
        chance = EVIDENT * level * known / np.maximum(EVIDENT * level * known + there, 1)
        bad = (now * there <= FALLEN * level * then * known) & (then > 0) & (known > 0)
        bad[bad] = stats.binom.cdf(now[bad], (now + then)[bad], chance[bad]) < alpha
        for at in np.flatnonzero(bad):
            found[at] = found[at] or (
                f"have a {name} of {now[at] / known[at]:.1%} ({then[at] / there[at]:.1%} before, "
                f"limit {FALLEN:.0%} of that)"
            )
    return found

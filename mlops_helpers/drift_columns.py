"""One column of the reference against the same column now: what is remembered, what is tested.

Every column has a fixed number of planned tests, whether there is anything to show or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers import drift_numeric as numeric
from mlops_helpers.drift_categories import category_index, chi_square, in_words
from mlops_helpers.drift_reading import (
    Cells,
    Kind,
    ascending,
    category_counts,
    cells_of,
    described,
    kind_of,
    reread,
)
from mlops_helpers.drift_rows import Row
from mlops_helpers.drift_statistics import psi, psi_null

__all__ = ["Limits", "Profile", "compare_column", "profile_column"]

Limits = tuple[float, float] | tuple[str, ...]
"""What the contract allows: the least and greatest number, or the categories."""
_OTHER_TYPE = "other type, same kind of values"
_NOTHING_ALIKE = psi([1, 0], [0, 1])  # of a column that cannot be compared: the index's maximum


@dataclass(frozen=True)
class Profile:
    """What is remembered of one reference column: its values in order, or its categories.

    `outside` counts rows that break the contract or are infinite; `spread` is the standard
    deviation of the finite values and `by_chance` their `numeric.wasserstein_null`; `cells` is
    what the categories are.
    """

    name: str
    rows: int
    kind: Kind
    known: int
    limits: Limits | None = None
    outside: int = 0
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    edges: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    before: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    spread: float = 0.0
    by_chance: float = 0.0
    counts: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))
    cells: Cells = "words"

    @property
    def guarded(self) -> bool:
        """Whether a test of what is out of contract is planned: numbers may be infinite."""
        return self.kind == "numbers" or self.limits is not None

    @property
    def planned(self) -> int:
        """The number of tests that this column always counts for."""
        return 2 + self.guarded + (self.kind == "numbers")


def profile_column(name: str, column: pd.Series, bins: int, limits: Limits | None) -> Profile:
    """Remember a column. Raises `ValueError`, naming it, for times and limits that do not fit."""
    kind, n = kind_of(column), len(column)
    if kind not in ("numbers", "categories", "nothing"):
        why = ", which always move" if kind == "times" else ""
        raise ValueError(f"column {name!r} holds {kind}{why}; leave it out")
    _check_limits(name, kind, limits)
    if kind == "categories":
        counts = category_counts(column)
        outside = _outside_categories(counts, limits)
        cells, known = cells_of(column), int(counts.sum())
        return Profile(name, n, kind, known, limits, outside, counts=counts, cells=cells)
    values = ascending(column) if kind == "numbers" else np.empty(0)
    if not len(values):
        return Profile(name, n, kind, 0, limits)
    edges, finite = numeric.quantile_edges(values, bins), numeric.finite(values)
    return Profile(
        name,
        n,
        kind,
        len(values),
        limits,
        _outside_numbers(values, limits),
        values,
        edges,
        numeric.bin_counts(edges, values),
        numeric.deviation(finite),
        numeric.wasserstein_null(finite),
    )


def compare_column(profile: Profile, column: pd.Series | None) -> Iterator[Row]:
    """The rows of one column; `None` says that it is gone.

    Without rows now every test is "no data"; so are the values if a side has none, and whatever
    cannot be counted because the column is gone or holds another type.
    """
    name = profile.name
    if column is None:
        yield _broken(name, "column", "the column is gone")
        return
    if not len(column):
        yield Row(name, name, "values", "none", note="no rows now")
        return
    column, kind, as_before = _as_before(profile, column)
    was, n = profile.kind, len(column)
    if was != "nothing" and kind not in (was, "nothing"):
        known = int(column.notna().sum())
        if known:
            yield _broken(name, "type", f"{was} before, {described(kind, column)} now")
            yield _counted(profile, "missing", profile.rows - profile.known, n - known, n)
            return
    values = ascending(column) if kind == "numbers" else np.empty(0)
    counts = category_counts(column) if kind == "categories" else pd.Series(dtype="int64")
    known = len(values) or int(counts.sum())
    if not known and kind not in ("numbers", "categories"):
        known = int(column.notna().sum())
    if not profile.known or not known:
        where = {(True, True): "on both sides", (True, False): "in the reference"}
        side = where.get((not profile.known, not known), "now")
        yield Row(name, name, "values", "none", note=f"no values {side}")
    else:
        rows = _numeric(profile, values) if was == "numbers" else [_categorical(profile, counts)]
        for row in rows:
            told = as_before and row.about == "values"
            yield (
                replace(row, note="; ".join(filter(None, (_OTHER_TYPE, row.note)))) if told else row
            )
    yield _counted(profile, "missing", profile.rows - profile.known, n - known, n)
    if profile.guarded:
        outside = _outside(profile.limits, kind, values, counts)
        yield _counted(profile, "out of contract", profile.outside, outside, n)


def _as_before(profile: Profile, column: pd.Series) -> tuple[pd.Series, Kind, bool]:
    """The column and its kind, read as before where only the type is another, and whether it is."""
    kind = kind_of(column)
    if {kind, profile.kind} != {"numbers", "categories"} or not column.notna().any():
        return column, kind, False
    binary = bool(np.isin(profile.values, (0.0, 1.0)).all())
    same = reread(column, profile.kind, profile.cells, binary=binary)
    return (column, kind, False) if same is None else (same, profile.kind, True)


def _check_limits(name: str, kind: Kind, limits: Limits | None) -> None:
    if limits is None:
        return
    words = all(isinstance(limit, str) for limit in limits)
    if kind == "categories" and not words:
        raise ValueError(f"limits[{name!r}] == {limits}; categories need the names allowed")
    if kind == "nothing" and words:
        return
    if kind != "categories" and (words or len(limits) != 2 or not limits[0] <= limits[1]):
        raise ValueError(f"limits[{name!r}] == {limits}; numbers need (least, greatest)")


def _outside(
    limits: Limits | None, kind: Kind, values: NDArray[np.float64], counts: pd.Series
) -> int:
    """Rows out of contract of a column that may hold another kind than the contract allows."""
    words = limits is not None and all(isinstance(limit, str) for limit in limits)
    if kind == "numbers" and not words:
        return _outside_numbers(values, limits)
    if kind == "categories" and (words or limits is None):
        return _outside_categories(counts, limits)
    return len(values) + int(counts.sum())  # another kind: no value is one that is allowed


def _outside_numbers(values: NDArray[np.float64], limits: Limits | None) -> int:
    low, high = (float(x) for x in limits) if limits else (-np.inf, np.inf)
    low, high = max(low, -np.finfo(float).max), min(high, np.finfo(float).max)
    inside = np.searchsorted(values, high, side="right") - np.searchsorted(values, low)
    return int(len(values) - inside)


def _outside_categories(counts: pd.Series, limits: Limits | None) -> int:
    return 0 if limits is None else int(counts[~counts.index.isin(limits)].sum())


def _broken(name: str, test: str, note: str) -> Row:
    return Row(name, name, "values", test, psi=_NOTHING_ALIKE, psi_null=0.0, note=note, broken=True)


def _numeric(profile: Profile, values: NDArray[np.float64]) -> Iterator[Row]:
    """The row of the values and that of their tails, of which the first one's test sees little."""
    n, m = len(profile.values), len(values)
    now = numeric.bin_counts(profile.edges, values)
    used = (profile.before > 0) | (now > 0)
    statistic, p = numeric.kolmogorov_smirnov(profile.values, values)
    before, finite = numeric.finite(profile.values), numeric.finite(values)
    distance, by_chance = np.nan, np.nan
    if profile.spread and len(finite):
        with np.errstate(over="ignore"):  # infinitely many standard deviations
            distance = float(np.float64(numeric.wasserstein(before, finite)) / profile.spread)
            level = np.float64(profile.by_chance) / profile.spread
        by_chance = float(level * np.sqrt(1 / len(before) + 1 / len(finite)))
    infinite = (n - len(before), m - len(finite))
    name = profile.name
    yield Row(
        name,
        name,
        "values",
        "KS",
        statistic,
        p,
        psi(profile.before, now),
        psi_null(int(used.sum()), n, m),
        distance,
        by_chance,
        f"infinite: {infinite[0]:,} before, {infinite[1]:,} now" if any(infinite) else "",
    )
    if not len(before) or not len(finite):
        return
    if not profile.spread:  # any other value is infinitely many deviations away
        distance, by_chance = (np.inf if finite[0] < before[0] or finite[-1] > before[0] else 0), 0
    share, expected, p = numeric.tails(before, finite)
    yield Row(
        f"{name} tails",
        name,
        "tails",
        "tails",
        share,
        p,
        wasserstein=distance,
        wasserstein_null=by_chance,
        note=f"{share:.2%} beyond the reference's tails, {expected:.2%} by chance",
        shares=(expected, share),
        shown=False,
    )


def _categorical(profile: Profile, counts: pd.Series) -> Row:
    both = pd.DataFrame({"before": profile.counts, "now": counts}).fillna(0)
    table = both.to_numpy(np.float64)
    statistic, p = chi_square(table)
    if np.isnan(p):
        note = "nearly every value occurs once, as of an id: nothing to compare"
        return Row(profile.name, profile.name, "values", "none", note=note)
    index, null = category_index(table)
    note = in_words(both)
    return Row(
        profile.name, profile.name, "values", "chi-square", statistic, p, index, null, note=note
    )


def _counted(
    profile: Profile, what: Literal["missing", "out of contract"], before: int, now: int, n: int
) -> Row:
    """The share of rows that something is wrong with, of all rows on each side."""
    table = np.array([[before, now], [profile.rows - before, n - now]], dtype=np.float64)
    statistic, p = chi_square(table)
    shares = (before / profile.rows, now / n)
    return Row(
        f"{profile.name} {what}",
        profile.name,
        what,
        "chi-square",
        statistic,
        p,
        psi(table[:, 0], table[:, 1]),
        psi_null(2, profile.rows, n),
        note=f"{shares[0]:.1%} before, {shares[1]:.1%} now",
        shares=shares,
        shown=bool(before or now) and (before < profile.rows or now < n),
    )

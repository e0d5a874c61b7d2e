"""Has the current sample moved away from the reference, by how much, and is that more than chance?

Two numbers answer two questions and neither replaces the other. A test (Kolmogorov-Smirnov for
numbers, chi-square for categories and missing shares) says whether chance alone would do it; the
population stability index says how far the sample moved. With n rows and no drift at all the index
is about ``(bins - 1) (1/n_reference + 1/n_current)``, so a fixed limit alarms on small windows, and
with a million rows every test is "significant": severity needs both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlops_helpers.drift_statistics import adjust, chi_square, kolmogorov_smirnov, psi, psi_null

__all__ = ["COLUMNS", "DriftReport", "Reference", "Severity", "adjust", "psi", "psi_null"]

Severity = Literal["none", "low", "medium", "high", "no data"]
COLUMNS = (
    "feature",
    "test",
    "statistic",
    "p_value",
    "p_adjusted",
    "psi",
    "psi_null",
    "severity",
    "drifted",
    "note",
)
LIMITS: tuple[tuple[float, Severity], ...] = ((0.25, "high"), (0.1, "medium"), (0.02, "low"))
"""PSI above its null level from which a significant change has this severity."""
_NOTHING_ALIKE = psi([1, 0], [0, 1])  # of a column that cannot be compared: the index's maximum


@dataclass(frozen=True)
class _Row:
    """What one test of one feature found, before the p-values are adjusted."""

    feature: str
    test: str
    statistic: float = np.nan
    p_value: float = np.nan
    psi: float = np.nan
    psi_null: float = np.nan
    note: str = ""
    broken: bool = False  # the column cannot be compared at all: no test is needed


def _broken(feature: str, test: str, note: str) -> _Row:
    return _Row(feature, test, psi=_NOTHING_ALIKE, psi_null=0.0, note=note, broken=True)


@dataclass(frozen=True)
class _Profile:
    """What is remembered of one reference column: its values in order, or its categories."""

    name: str
    rows: int
    numeric: bool
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    edges: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    counts: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))

    @property
    def known(self) -> int:
        """Rows that are not missing."""
        return len(self.values) if self.numeric else int(self.counts.sum())


@dataclass(frozen=True)
class DriftReport:
    """`table` has one row for each test (`COLUMNS`); sizes are numbers of rows compared."""

    table: pd.DataFrame
    n_reference: int
    n_current: int
    alpha: float

    @property
    def drifted(self) -> list[str]:
        """The features that drifted, most moved first."""
        moved = self.table[self.table["drifted"]].sort_values("psi", ascending=False)
        return moved["feature"].tolist()

    @property
    def share_drifted(self) -> float:
        """Drifted tests among those that had data; NaN when none had."""
        tested = self.table[self.table["severity"] != "no data"]
        return float(tested["drifted"].mean()) if len(tested) else float("nan")

    def metric_rows(
        self, *, window_start: pd.Timestamp, window_end: pd.Timestamp, model_version: int
    ) -> pd.DataFrame:
        """The report for a metric store: `psi` for each feature, and `share_drifted`.

        `reference` is the null level of the index.
        """
        told = self.table[self.table["severity"] != "no data"]
        names = {"feature": "subject", "psi": "value", "psi_null": "reference"}
        rows = told.rename(columns=names)[["subject", "value", "reference", "severity"]]
        rows = rows.assign(metric="psi")
        share = {"metric": "share_drifted", "subject": "", "value": self.share_drifted}
        rows = pd.concat([rows, pd.DataFrame([share | {"severity": "none"}])], ignore_index=True)
        window = {"window_start": window_start, "window_end": window_end}
        return rows.assign(model_version=model_version, **window)


@dataclass(frozen=True)
class Reference:
    """A sample that later ones are compared with; fitted once, compared often."""

    profiles: tuple[_Profile, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, bins: int = 10) -> Reference:
        """Remember every column of `frame`: numbers by quantile bins, the rest by category.

        Raises `ValueError` for an empty frame, fewer than 2 bins, and columns of times (select the
        features first).
        """
        if frame.empty:
            raise ValueError("the reference has no rows or no columns; nothing can be compared")
        if bins < 2:
            raise ValueError(f"bins == {bins}; must be at least 2")
        return cls(tuple(_profile(frame[name], bins) for name in frame.columns))

    def extended(self, frame: pd.DataFrame, *, bins: int = 10) -> Reference:
        """This reference and the columns of `frame`, whose rows may be others.

        Scores need it: on its own training rows a model is too sure of itself, so the reference
        of its probabilities is a sample that it has not seen.
        """
        more = Reference.fit(frame, bins=bins).profiles
        names = {profile.name for profile in more}
        return Reference(tuple(p for p in self.profiles if p.name not in names) + more)

    def compare(
        self,
        frame: pd.DataFrame,
        *,
        alpha: float = 0.05,
        correction: Literal["holm", "fdr_bh", "none"] = "holm",
    ) -> DriftReport:
        """Test each remembered column against the same one of `frame`.

        A feature with missing values on either side gets a second row, "<feature> missing". Without
        values on a side a row is "no data", which is not "no drift"; a column that is gone or holds
        another type has drifted, severity high. Other columns of `frame` are not looked at.
        """
        found = [row for profile in self.profiles for row in _rows(profile, frame)]
        table = pd.DataFrame([vars(row) for row in found])
        broken = table.pop("broken")
        table["p_adjusted"] = adjust(table["p_value"], correction)
        table["severity"] = [
            "high" if gone else _severity(psi - null, p, alpha)
            for gone, psi, null, p in zip(
                broken, table["psi"], table["psi_null"], table["p_adjusted"], strict=True
            )
        ]
        table["drifted"] = table["severity"].isin(["low", "medium", "high"])
        n_reference = max(profile.rows for profile in self.profiles)
        return DriftReport(table[list(COLUMNS)], n_reference, len(frame), alpha)


def _severity(excess: float, p: float, alpha: float) -> Severity:
    if np.isnan(p):
        return "no data"
    if p >= alpha:
        return "none"
    return next((name for limit, name in LIMITS if excess >= limit), "none")


def _profile(column: pd.Series, bins: int) -> _Profile:
    name = str(column.name)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise ValueError(f"column {name!r} holds times, which always move; leave it out")
    known = column.dropna()
    if not _is_number(column):
        return _Profile(name, len(column), False, counts=known.astype("str").value_counts())
    values = np.sort(known.to_numpy(np.float64))
    if not len(values):
        return _Profile(name, len(column), True)
    inner = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    if values[0] == values[-1]:  # constant: less, the same, more
        inner = np.array([np.nextafter(values[0], -np.inf), values[0]])
    return _Profile(name, len(column), True, values=values, edges=inner)


def _is_number(column: pd.Series) -> bool:
    kind = column.dtype
    return pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)


def _rows(profile: _Profile, frame: pd.DataFrame) -> Iterator[_Row]:
    name = profile.name
    if name not in frame.columns:
        yield _broken(name, "column", "the column is gone")
        return
    column = frame[name]
    known = column.dropna()
    if len(known) and _is_number(column) != profile.numeric:
        was = "numbers" if profile.numeric else "categories"
        yield _broken(name, "type", f"{was} before, {column.dtype} now")
        return
    if not profile.known or known.empty:
        where = {(True, True): "on both sides", (True, False): "in the reference"}
        side = where.get((not profile.known, known.empty), "now")
        yield _Row(name, "none", note=f"no values {side}")
    elif profile.numeric:
        yield _numeric(profile, np.sort(known.to_numpy(np.float64)))
    else:
        yield _categorical(profile, known.astype("str").value_counts())
    missing = (profile.rows - profile.known, len(column) - len(known))
    nothing_anywhere = not profile.known and known.empty
    if any(missing) and len(column) and not nothing_anywhere:
        yield _missing(profile, *missing, len(column))


def _numeric(profile: _Profile, values: NDArray[np.float64]) -> _Row:
    bins = len(profile.edges) + 1
    before, now = (
        np.bincount(np.searchsorted(profile.edges, x, side="left"), minlength=bins)
        for x in (profile.values, values)
    )
    null = psi_null(bins, len(profile.values), len(values))
    statistic, p = kolmogorov_smirnov(profile.values, values)
    return _Row(profile.name, "KS", statistic, p, psi(before, now), null)


def _categorical(profile: _Profile, counts: pd.Series) -> _Row:
    both = pd.DataFrame({"before": profile.counts, "now": counts}).fillna(0)
    new = sorted(both.index[both["before"] == 0])
    vanished = sorted(both.index[both["now"] == 0])
    notes = [f"{what}: {', '.join(n)}" for what, n in (("new", new), ("vanished", vanished)) if n]
    statistic, p = chi_square(both.to_numpy(np.float64))
    null = psi_null(len(both), profile.known, int(counts.sum()))
    index = psi(both["before"], both["now"])
    return _Row(profile.name, "chi-square", statistic, p, index, null, "; ".join(notes))


def _missing(profile: _Profile, before: int, now: int, n: int) -> _Row:
    table = np.array([[before, now], [profile.rows - before, n - now]], dtype=np.float64)
    statistic, p = chi_square(table)
    note = f"{before / profile.rows:.1%} before, {now / n:.1%} now"
    index, null = psi(table[:, 0], table[:, 1]), psi_null(2, profile.rows, n)
    return _Row(f"{profile.name} missing", "chi-square", statistic, p, index, null, note)

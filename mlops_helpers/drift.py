"""Has the current sample moved away from the reference, by how much, and is that more than chance?

Two kinds of numbers answer two questions and neither replaces the other. A test
(Kolmogorov-Smirnov for numbers, an exact one for their tails, chi-square for categories and shares)
says whether chance alone would do it; the population stability index and the Wasserstein distance
say how far the sample moved. With n rows and no drift at all the index is about
``(bins - 1) (1/n_reference + 1/n_current)``, so a fixed limit alarms on small windows, and with a
million rows every test is "significant": severity needs evidence and effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from mlops_helpers.drift_columns import Limits, Profile, compare_column, profile_column
from mlops_helpers.drift_reading import naming
from mlops_helpers.drift_rows import EFFECTS, LEVELS, Row, Severity, improved, severity, weight
from mlops_helpers.drift_statistics import adjust, psi, psi_null

__all__ = [
    "COLUMNS",
    "EFFECTS",
    "DriftReport",
    "Reference",
    "Severity",
    "adjust",
    "psi",
    "psi_null",
]

Correction = Literal["holm", "fdr_bh", "none"]
COLUMNS = (
    "feature",
    "test",
    "statistic",
    "p_value",
    "p_adjusted",
    "psi",
    "psi_null",
    "wasserstein",
    "wasserstein_null",
    "severity",
    "drifted",
    "note",
)


@dataclass(frozen=True)
class DriftReport:
    """`table` has one row for each test that had something to show (`COLUMNS`).

    Sizes are numbers of rows compared; `new_columns` are those that the reference does not know;
    `rows` and `planned` are what was found and the number of tests that the correction counts.
    """

    table: pd.DataFrame
    n_reference: int
    n_current: int
    alpha: float
    new_columns: tuple[str, ...]
    rows: tuple[Row, ...]
    planned: int
    correction: Correction

    @property
    def drifted(self) -> list[str]:
        """The rows' features that drifted, most moved first.

        By severity, then by the largest effect in units of the one from which it is high.
        """
        levels = zip(self.rows, self._severities(), strict=True)
        moved = [(LEVELS.index(s), weight(row), row) for row, s in levels if s in LEVELS[1:]]
        return [row.feature for _, _, row in sorted(moved, key=lambda x: x[:2], reverse=True)]

    @property
    def drifted_columns(self) -> list[str]:
        """Columns of which anything drifted (values, tails, missing, out of contract), in order."""
        about = self._by_column()
        return about.index[about["drifted"]].tolist()

    @property
    def share_drifted(self) -> float:
        """Columns that drifted among those that had data; NaN when none had.

        A column counts once, however many of its rows drifted. The classifier is no column.
        """
        about = self._by_column()
        told = about[about["told"]]
        return float(told["drifted"].mean()) if len(told) else float("nan")

    def with_row(self, row: Row) -> DriftReport:
        """This report with one more planned test, as of `two_sample_classifier.classifier_check`.

        All p-values are adjusted anew.
        """
        rows, planned = (*self.rows, row), self.planned + 1
        table = _table(rows, planned, self.alpha, self.correction)
        return replace(self, table=table, rows=rows, planned=planned)

    def metric_rows(
        self, *, window_start: pd.Timestamp, window_end: pd.Timestamp, model_version: int
    ) -> pd.DataFrame:
        """The report for a metric store; subjects are columns, nothing without data is told.

        `psi` with its null level as `reference`; `tail_share` with the share by chance;
        `missing_share` and `out_of_contract_share` with the share before, all of them also where
        nothing is to be seen, so that an alert can end; `share_drifted`; and `classifier_auc`
        against 0.5 if there is one.
        """
        found = []
        for row, level in zip(self.rows, self._severities(), strict=True):
            metric, value, reference = _metric(row)
            if level != "no data":
                told = {"metric": metric, "subject": row.column, "severity": level}
                found.append(told | {"value": value, "reference": reference})
        share = {"metric": "share_drifted", "subject": "", "value": self.share_drifted}
        rows = pd.DataFrame([*found, share | {"severity": "none", "reference": np.nan}])
        window = {"window_start": window_start, "window_end": window_end}
        rows = rows[["metric", "subject", "value", "reference", "severity"]]
        return rows.assign(model_version=model_version, **window)

    def _severities(self) -> list[Severity]:
        return _severities(self.rows, self.planned, self.alpha, self.correction)

    def _by_column(self) -> pd.DataFrame:
        levels = self._severities()
        rows = pd.DataFrame({"column": [row.column for row in self.rows]})
        rows["drifted"] = [level in LEVELS[1:] for level in levels]
        rows["told"] = [
            s != "no data" and row.shown for s, row in zip(levels, self.rows, strict=True)
        ]
        rows = rows[[row.about != "all columns" for row in self.rows]]
        return rows.groupby("column", sort=False)[["drifted", "told"]].any()


@dataclass(frozen=True)
class Reference:
    """A sample that later ones are compared with; fitted once, compared often.

    Raises `ValueError` without any profile.
    """

    profiles: tuple[Profile, ...]

    def __post_init__(self) -> None:
        """Refuse a reference of nothing."""
        if not self.profiles:
            raise ValueError("profiles == (); a reference needs a column, use Reference.fit(frame)")

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, *, bins: int = 10, limits: Mapping[str, Limits] | None = None
    ) -> Reference:
        """Remember every column of `frame`: numbers by quantile bins, the rest by category.

        `limits` says what the contract allows, as `contracts.LIMITS` does: (least, greatest) of
        numbers, the names of categories. Infinite numbers are never in the contract.

        Raises `ValueError` for an empty frame, fewer than 2 bins, limits of no column, and, naming
        the column, for one that is there twice and for times, spans of time and complex numbers
        (select the features first).
        """
        if frame.empty:
            raise ValueError("the reference has no rows or no columns; nothing can be compared")
        if bins < 2:
            raise ValueError(f"bins == {bins}; must be at least 2")
        columns, limits = _columns(frame), limits or {}
        if unknown := [name for name in limits if name not in columns]:
            raise ValueError(f"limits name {unknown}, which the reference does not have; drop them")
        profiles = []
        for name, column in columns.items():
            with naming(name):
                profiles.append(profile_column(name, column, bins, limits.get(name)))
        return cls(tuple(profiles))

    def extended(
        self, frame: pd.DataFrame, *, bins: int = 10, limits: Mapping[str, Limits] | None = None
    ) -> Reference:
        """This reference and the columns of `frame`, whose rows may be others.

        Scores need it: on its own training rows a model is too sure of itself, so the reference
        of its probabilities is a sample that it has not seen.
        """
        more = Reference.fit(frame, bins=bins, limits=limits).profiles
        names = {profile.name for profile in more}
        return Reference(tuple(p for p in self.profiles if p.name not in names) + more)

    def compare(
        self,
        frame: pd.DataFrame,
        *,
        alpha: float = 0.05,
        correction: Correction = "holm",
        classifier: Row | None = None,
    ) -> DriftReport:
        """Test each remembered column against the same one of `frame`.

        Each column has up to four rows: its values; of numbers "<feature> tails" (what lies beyond
        the reference's 0.1 % and 99.9 % quantiles), shown only when it has drifted; "<feature>
        missing" and "<feature> out of contract", shown if there are any on either side. The
        correction counts all of them, shown or not, and the `classifier` if given. Without values
        on a side a row is "no data", which is not "no drift"; a column that is gone or holds values
        of another kind has drifted, severity high. Raises `ValueError` naming columns that are
        there twice, and one with cells that cannot be read.
        """
        columns = _columns(frame)
        rows: list[Row] = []
        for profile in self.profiles:
            column = columns.get(profile.name)
            if column is None and not len(frame):
                column = pd.Series(dtype=object)  # no rows are no evidence that a column is gone
            with naming(profile.name):
                rows += compare_column(profile, column)
        planned = sum(profile.planned for profile in self.profiles)
        known = {profile.name for profile in self.profiles}
        report = DriftReport(
            table=_table(tuple(rows), planned, alpha, correction),
            n_reference=max(profile.rows for profile in self.profiles),
            n_current=len(frame),
            alpha=alpha,
            new_columns=tuple(name for name in columns if name not in known),
            rows=tuple(rows),
            planned=planned,
            correction=correction,
        )
        return report if classifier is None else report.with_row(classifier)


def _columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns by their name as text. Raises `ValueError` naming those that are there twice."""
    names = pd.Index([str(name) for name in frame.columns])
    if not names.is_unique:
        twice = names[names.duplicated()].unique().tolist()
        raise ValueError(f"columns {twice} are there more than once; give each its own name")
    return {name: frame.iloc[:, place] for place, name in enumerate(names)}


def _table(
    rows: tuple[Row, ...], planned: int, alpha: float, correction: Correction
) -> pd.DataFrame:
    table = pd.DataFrame([vars(row) for row in rows])
    table["p_adjusted"] = adjust(table["p_value"], correction, planned=planned)
    table["severity"] = _severities(rows, planned, alpha, correction)
    table["drifted"] = table["severity"].isin(LEVELS[1:])
    fewer = table["drifted"] & np.array([improved(row) for row in rows])
    table.loc[fewer, "note"] += "; fewer than before"
    shown = table["shown"] | (table["drifted"] & (table["about"] == "tails"))
    return table.loc[shown, list(COLUMNS)].reset_index(drop=True)


def _severities(
    rows: tuple[Row, ...], planned: int, alpha: float, correction: Correction
) -> list[Severity]:
    adjusted = adjust([row.p_value for row in rows], correction, planned=planned)
    return [severity(row, p, alpha) for row, p in zip(rows, adjusted, strict=True)]


def _metric(row: Row) -> tuple[str, float, float]:
    if row.about == "all columns":
        return "classifier_auc", row.statistic, 0.5
    if row.about == "values":
        return "psi", row.psi, row.psi_null
    if row.about == "tails":
        return "tail_share", row.shares[1], row.shares[0]
    return f"{row.about.replace(' ', '_')}_share", row.shares[1], row.shares[0]

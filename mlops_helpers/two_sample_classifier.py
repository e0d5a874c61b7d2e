"""Can a classifier tell the reference from now? One test for all columns and how they go together.

    report = reference.compare(now, classifier=classifier_check(before, now, seed=1))

If nothing changed nobody can tell, and the AUC is 0.5 within chance. A change of correlation leaves
every column by itself as it was; here it shows, because products of columns are looked at too. The
classifier is linear in normal scores of the columns, their squares and their products, solved in
closed form: fast and reproducible. What only shows in three columns at once it does not see.

Sources: D. Lopez-Paz and M. Oquab, *Revisiting classifier two-sample tests* (ICLR 2017);
C. Nadeau and Y. Bengio, Machine Learning 52 (2003), 239-281 (folds that share their training rows
are correlated: their mean varies by 1 / folds + test / training, not by 1 / folds).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops_helpers.drift_reading import floats, kind_of
from mlops_helpers.drift_rows import Row
from mlops_helpers.threads import one_thread

__all__ = ["FEATURE", "classifier_check"]

FEATURE = "all together"
"""The name of the check's row in a report."""
_CATEGORIES = 8  # of a column that get a term of their own; the rest is one more
_PAIRS = 1_000  # products of terms; with more of them none is looked at, and the note says so
_RIDGE = 0.05  # of the training rows, in units of standardised terms
_TOLD = 3  # columns that the note names
_CREDIBLE = 0.05  # p-value from which no column is named: chance has no cause
_LEAST = 0.002  # loss of AUC without a column, below which it is not named

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class _Design:
    """Standardised terms, and for each column which terms it has a part in."""

    terms: Matrix
    parts: dict[str, NDArray[np.bool_]]
    pairs: bool


def classifier_check(
    reference_frame: pd.DataFrame,
    current_frame: pd.DataFrame,
    *,
    seed: int,
    folds: int = 5,
    rows: int = 5_000,
) -> Row:
    """The row "all together" for a report: AUC, one-sided p-value against 0.5, 2 AUC - 1.

    The mean AUC over stratified folds drawn with `seed`, from at most `rows` rows of each side. The
    note names the columns without which the classifier loses most, and columns that it could not
    use because they are gone or hold another type. "No data" with fewer than two rows a fold on a
    side. Raises `ValueError` for fewer than 2 folds and for frames without a column in common.
    """
    if folds < 2:
        raise ValueError(f"folds == {folds}; must be at least 2")
    rng = np.random.default_rng(seed)
    frames = [_drawn(frame, rows, rng) for frame in (reference_frame, current_frame)]
    if min(map(len, frames)) < 2 * folds:
        note = f"fewer than {2 * folds} rows on a side"
        return Row(FEATURE, FEATURE, "all columns", "none", note=note)
    shared, left_out = _shared(*frames)
    design = _design({name: _together(*(frame[name] for frame in frames)) for name in shared})
    now = np.repeat([False, True], [len(frame) for frame in frames])
    with one_thread():
        scores, fold = _out_of_fold(design, now, folds, rng)
    auc = _mean_auc(scores[""], now, fold)
    used = len(now), len(reference_frame) + len(current_frame)
    p = float(stats.norm.sf((auc - 0.5) / _standard_error(now, fold)))
    told = design.parts if p < _CREDIBLE else ()
    losses = {name: auc - _mean_auc(scores[name], now, fold) for name in told}
    note = _note(losses, left_out, used, pairs=design.pairs)
    return Row(FEATURE, FEATURE, "all columns", "classifier", auc, p, effect=2 * auc - 1, note=note)


def _drawn(frame: pd.DataFrame, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """At most `rows` rows of a frame, whose columns get their names as text."""
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()].unique().tolist()
        raise ValueError(f"columns {twice} are there more than once; give each its own name")
    if len(frame) <= rows:
        return frame
    return frame.iloc[np.sort(rng.choice(len(frame), rows, replace=False))]


def _shared(before: pd.DataFrame, now: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Columns that both hold as numbers or as categories, and the others of the reference."""
    shared = [name for name in before if name in now and _alike(before[name], now[name])]
    if not shared:
        raise ValueError(
            f"no column of {list(before)} is there on both sides as numbers or categories; "
            "pass the same features of both samples"
        )
    return shared, [name for name in before if name not in shared]


def _alike(before: pd.Series, now: pd.Series) -> bool:
    kinds = {kind_of(before), kind_of(now)} - {"nothing"}
    return kinds in ({"numbers"}, {"categories"})


def _together(before: pd.Series, now: pd.Series) -> pd.Series:
    """A column of both samples: floats, or the names of categories; missing ones are missing."""
    if "numbers" in (kind_of(before), kind_of(now)):
        return pd.Series(np.concatenate([floats(before), floats(now)]))
    cells = [*before.to_numpy(object), *now.to_numpy(object)]
    known = np.concatenate([before.notna().to_numpy(), now.notna().to_numpy()])
    words = [str(cell) if here else None for cell, here in zip(cells, known, strict=True)]
    return pd.Series(words, dtype=object)


def _design(columns: dict[str, pd.Series]) -> _Design:
    single = [(name, term) for name, column in columns.items() for term in _terms(column)]
    pairs = [(a, b) for a, b in combinations(single, 2) if a[0] != b[0]]
    looked = len(pairs) <= _PAIRS
    terms: list[tuple[tuple[str, ...], Matrix]] = [((name,), term) for name, term in single]
    terms += [((n,), t**2) for n, t in single if columns[n].dtype != object]
    terms += [((a, b), x * y) for (a, x), (b, y) in pairs if looked]
    terms += [((n,), c.isna().to_numpy(np.float64)) for n, c in columns.items()]
    matrix = np.column_stack([term for _, term in terms])
    matrix -= matrix.mean(axis=0)
    spread = matrix.std(axis=0)
    varies = spread > 1e-12
    matrix = matrix[:, varies] / spread[varies]
    names = [of for (of, _), kept in zip(terms, varies, strict=True) if kept]
    return _Design(matrix, {n: np.array([n in of for of in names]) for n in columns}, looked)


def _terms(column: pd.Series) -> list[Matrix]:
    """Normal scores of numbers, 0 where missing; of categories one centred 0/1 column each."""
    known = column.notna().to_numpy()
    if column.dtype != object:
        scores = np.zeros(len(column))
        ranks = stats.rankdata(column[known]) / (known.sum() + 1)
        scores[known] = stats.norm.ppf(ranks)
        return [scores]
    found = column.value_counts()
    often = sorted(found.index, key=lambda name: (-found[name], name))[:_CATEGORIES]
    cells = [(column == name).to_numpy(np.float64) for name in often]
    return [cell - cell.mean() for cell in cells]


def _out_of_fold(
    design: _Design, now: NDArray[np.bool_], folds: int, rng: np.random.Generator
) -> tuple[dict[str, Matrix], NDArray[np.int64]]:
    """Scores of rows that were not trained on, of all terms ("") and without each column's."""
    x, fold = design.terms, np.empty(len(now), dtype=np.int64)
    for side in (False, True):
        fold[now == side] = rng.permutation(int((now == side).sum())) % folds
    scores = {name: np.empty(len(now)) for name in ("", *design.parts)}
    for k in range(folds):
        test, train = x[fold == k], x[fold != k]
        label = now[fold != k] - now[fold != k].mean()
        gram = train.T @ train + _RIDGE * len(train) * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, train.T @ label)
        scores[""][fold == k] = test @ weights
        for name, part in design.parts.items():
            scores[name][fold == k] = test @ np.where(part, 0.0, weights)
    return scores, fold


def _mean_auc(scores: Matrix, now: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    return float(np.mean([_auc(scores[fold == k], now[fold == k]) for k in np.unique(fold)]))


def _auc(scores: Matrix, now: NDArray[np.bool_]) -> float:
    ranks, n = stats.rankdata(scores.round(12)), int(now.sum())
    return float((ranks[now].sum() - n * (n + 1) / 2) / (n * (len(now) - n)))


def _standard_error(now: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    """Of the mean AUC if nobody can tell: Mann and Whitney's in a fold, corrected for overlap."""
    folds = len(np.unique(fold))
    sizes = [(int(now[fold == k].sum()), int((~now[fold == k]).sum())) for k in range(folds)]
    within = np.mean([(n + m + 1) / (12 * n * m) for n, m in sizes])
    return float(np.sqrt(within * (1 / folds + 1 / (folds - 1))))


def _note(
    losses: dict[str, float], left_out: list[str], used: tuple[int, int], *, pairs: bool
) -> str:
    telling = sorted((x, name) for name, x in losses.items() if x >= _LEAST)[::-1][:_TOLD]
    parts = [f"most telling: {', '.join(name for _, name in telling)}"] if telling else []
    if left_out:
        parts.append(f"not used: {', '.join(left_out)}")
    if not pairs:
        parts.append("too many columns to look at pairs")
    if used[0] < used[1]:
        parts.append(f"{used[0]:,} of {used[1]:,} rows, drawn")
    return "; ".join(parts)

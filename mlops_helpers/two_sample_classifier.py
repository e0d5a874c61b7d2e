"""Can a classifier tell the reference from now? One test for all columns and how they go together.

    report = reference.compare(now, classifier=classifier_check(before, now, seed=1))

If nothing changed nobody can tell, and the AUC is 0.5 within chance. A change of correlation leaves
every column by itself as it was; here it shows, because products of columns are looked at too. The
classifier is linear in normal scores of the columns, their squares and their products, solved in
closed form: fast and reproducible. What only shows in three columns at once it does not see.

Rows must be independent: several of one customer look like evidence and are not. Identical rows go
to the same fold, so that none is recognised by its copy, and a sample counts for as many rows as
Kish's effective size, n squared over the sum of the squared numbers of copies: of a sample in which
each row is there twice, half. Where few rows are distinct because the columns are (a few yes/no)
that is too careful; there the columns by themselves tell, and too few distinct rows are "no data".

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

from mlops_helpers.drift_reading import floats, kind_of, naming
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
    use because they are gone or hold another type, and says how many rows are repeats. "No data"
    with an effective size (rows that count once however often they are repeated) of less than two
    a fold on a side. Raises `ValueError` for fewer than 2 folds, for frames without a column in
    common and, naming the column, for cells that cannot be read.
    """
    if folds < 2:
        raise ValueError(f"folds == {folds}; must be at least 2")
    rng = np.random.default_rng(seed)
    frames = [_drawn(frame, rows, rng) for frame in (reference_frame, current_frame)]
    if min(map(len, frames)) < 2 * folds:
        note = f"fewer than {2 * folds} rows on a side"
        return Row(FEATURE, FEATURE, "all columns", "none", note=note)
    shared, left_out = _shared(*frames)
    columns = {name: _together(name, *(frame[name] for frame in frames)) for name in shared}
    now = np.repeat([False, True], [len(frame) for frame in frames])
    copies = _copies(columns)
    effective = tuple(_effective(copies[now == side]) for side in (False, True))
    if min(effective) < 2 * folds:
        note = f"fewer than {2 * folds} distinct rows on a side, counted by their copies"
        return Row(FEATURE, FEATURE, "all columns", "none", note=note)
    fold = _folds(copies, now, folds, rng)
    design = _design(columns)
    with one_thread():
        scores = _out_of_fold(design, now, fold)
    auc = _mean_auc(scores[""], now, fold)
    sizes = [len(frame) for frame in frames]
    used = len(now), len(reference_frame) + len(current_frame)
    p = float(stats.norm.sf((auc - 0.5) / _standard_error(now, fold, effective)))
    told = design.parts if p < _CREDIBLE else ()
    losses = {name: auc - _mean_auc(scores[name], now, fold) for name in told}
    repeats = sum(n - len(np.unique(copies[now == side])) for side, n in enumerate(sizes))
    note = _note(losses, left_out, used, repeats, pairs=design.pairs)
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
    shared = [name for name in before if name in now and _alike(name, before[name], now[name])]
    if not shared:
        raise ValueError(
            f"no column of {list(before)} is there on both sides as numbers or categories; "
            "pass the same features of both samples"
        )
    return shared, [name for name in before if name not in shared]


def _alike(name: str, before: pd.Series, now: pd.Series) -> bool:
    with naming(name):
        kinds = {kind_of(before), kind_of(now)} - {"nothing"}
    return kinds in ({"numbers"}, {"categories"})


def _together(name: str, before: pd.Series, now: pd.Series) -> pd.Series:
    """A column of both samples: floats, or the names of categories; missing ones are missing."""
    with naming(name):
        if "numbers" in (kind_of(before), kind_of(now)):
            return pd.Series(np.concatenate([floats(before), floats(now)]))
        cells = [*before.to_numpy(object), *now.to_numpy(object)]
        known = np.concatenate([before.notna().to_numpy(), now.notna().to_numpy()])
        words = [str(cell) if here else None for cell, here in zip(cells, known, strict=True)]
        return pd.Series(words, dtype=object)


def _copies(columns: dict[str, pd.Series]) -> NDArray[np.int64]:
    """The same number for rows that are the same in all columns, on whichever side."""
    found = np.zeros(len(next(iter(columns.values()))), dtype=np.int64)
    for column in columns.values():
        codes, names = pd.factorize(column, use_na_sentinel=False)
        found = pd.factorize(found * len(names) + codes)[0].astype(np.int64)
    return found


def _effective(copies: NDArray[np.int64]) -> float:
    """Kish's effective number of rows: n if all are distinct, half of it if each is there twice."""
    times = np.unique(copies, return_counts=True)[1].astype(np.float64)
    return float(times.sum() ** 2 / (times**2).sum())


def _folds(
    copies: NDArray[np.int64], now: NDArray[np.bool_], folds: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The fold of each row: by chance, copies together, as many of each side everywhere.

    Rows of which there are many copies are dealt first, so that no fold gets two of them.
    """
    number = int(copies.max()) + 1
    sides = [np.bincount(copies[now == side], minlength=number) for side in (False, True)]
    times, of = sum(sides), np.empty(number, dtype=np.int64)
    there = [count > 0 for count in sides]
    for kind in (there[0] & ~there[1], there[1] & ~there[0], there[0] & there[1]):
        place = np.flatnonzero(kind)
        order = np.lexsort((rng.permutation(len(place)), -times[place]))
        of[place[order]] = np.arange(len(place)) % folds
    return of[copies]


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
    design: _Design, now: NDArray[np.bool_], fold: NDArray[np.int64]
) -> dict[str, Matrix]:
    """Scores of rows that were not trained on, of all terms ("") and without each column's."""
    x = design.terms
    scores = {name: np.empty(len(now)) for name in ("", *design.parts)}
    for k in np.unique(fold):
        test, train = x[fold == k], x[fold != k]
        label = now[fold != k] - now[fold != k].mean()
        gram = train.T @ train + _RIDGE * len(train) * np.eye(x.shape[1])
        weights = np.linalg.solve(gram, train.T @ label)
        scores[""][fold == k] = test @ weights
        for name, part in design.parts.items():
            scores[name][fold == k] = test @ np.where(part, 0.0, weights)
    return scores


def _mean_auc(scores: Matrix, now: NDArray[np.bool_], fold: NDArray[np.int64]) -> float:
    return float(np.mean([_auc(scores[fold == k], now[fold == k]) for k in np.unique(fold)]))


def _auc(scores: Matrix, now: NDArray[np.bool_]) -> float:
    ranks, n = stats.rankdata(scores.round(12)), int(now.sum())
    return float((ranks[now].sum() - n * (n + 1) / 2) / (n * (len(now) - n)))


def _standard_error(
    now: NDArray[np.bool_], fold: NDArray[np.int64], effective: tuple[float, ...]
) -> float:
    """Of the mean AUC if nobody can tell: Mann and Whitney's in a fold, corrected for overlap."""
    folds = len(np.unique(fold))
    counts = [effective[side] / (now == side).sum() for side in (False, True)]  # of each row
    inside = [fold == k for k in np.unique(fold)]
    sizes = [[counts[side] * (now[k] == side).sum() for side in (False, True)] for k in inside]
    within = np.mean([(n + m + 1) / (12 * n * m) for n, m in sizes])
    return float(np.sqrt(within * (1 / folds + 1 / (folds - 1))))


def _note(
    losses: dict[str, float],
    left_out: list[str],
    used: tuple[int, int],
    repeats: int,
    *,
    pairs: bool,
) -> str:
    telling = sorted((x, name) for name, x in losses.items() if x >= _LEAST)[::-1][:_TOLD]
    parts = [f"most telling: {', '.join(name for _, name in telling)}"] if telling else []
    if left_out:
        parts.append(f"not used: {', '.join(left_out)}")
    if not pairs:
        parts.append("too many columns to look at pairs")
    if repeats:
        parts.append(f"{repeats:,} rows are repeats and weigh less")
    if used[0] < used[1]:
        parts.append(f"{used[0]:,} of {used[1]:,} rows, drawn")
    return "; ".join(parts)

"""What a model loses without a column: permutation importance on rows it was not trained on.

Source: L. Breiman (2001), "Random forests", Machine Learning 45, 5-32, section 10. A column is
shuffled among the rows, which keeps its values and parts them from everything else, and the area
under the ROC curve is measured again. Columns that say the same cover for each other: shuffling
one of two twins costs little, which does not mean that both can go.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops_helpers.contracts import FEATURES, TARGET
from mlops_helpers.delong import auc_contrast
from mlops_helpers.features import as_features
from mlops_helpers.threads import one_thread

__all__ = ["permutation_table"]

_DIGITS = 9
"""Beyond this is rounding (1e-16 in an area, 1e-10 in a standard error), and 0 must be 0."""
_MOST_ROWS = 50_000
"""Shuffled rows that are scored at once, unless one column alone has more."""


def permutation_table(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    *,
    seed: int,
    repeats: int = 5,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """AUC lost when one raw column is shuffled: `feature, value, low, high`, the largest first.

    `value` is the AUC on `rows` (FEATURES and `default`) minus the mean AUC of `repeats` shuffles;
    negative where the model does better without. `low` and `high` are DeLong's paired interval of
    that difference: it covers other rows of the same kind, and with them the luck of the shuffles,
    but not another training of the model. NaN with fewer than `delong.MIN_PER_CLASS` loans of a
    class. Raises ValueError for missing columns or outcomes, and for outcomes of one class.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats!r}, must be at least 1: nothing would be shuffled.")
    if TARGET not in rows.columns:
        raise ValueError(
            f"the rows have no column {TARGET!r}, only {list(rows.columns)}. Importance is "
            "measured on rows whose outcome is known: add it."
        )
    features, outcome = as_features(rows), rows[TARGET].to_numpy(dtype=float, na_value=np.nan)
    whole = _default_probability(pipeline, features) if len(features) else np.empty(0)
    weights = np.r_[1.0, np.full(repeats, -1.0 / repeats)]
    seeds = dict(zip(FEATURES, np.random.SeedSequence(seed).spawn(len(FEATURES)), strict=True))
    found = []
    for names in _batches(len(features) * repeats):
        orders = {name: np.random.default_rng(seeds[name]) for name in names}
        shuffled = _without(pipeline, features, orders, repeats, whole)
        for name, scores in zip(names, shuffled, strict=True):
            lost = auc_contrast(outcome, [whole, *scores], weights, confidence=confidence)
            limits = np.round([lost.value, lost.low, lost.high], _DIGITS) + 0.0
            found.append((name, *map(float, limits)))
    table = pd.DataFrame(found, columns=["feature", "value", "low", "high"])
    return table.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def _batches(rows: int) -> list[tuple[str, ...]]:
    """Columns shuffled together, as many as `_MOST_ROWS` allow: a call costs more than its rows."""
    size = max(_MOST_ROWS // max(rows, 1), 1)
    return [FEATURES[at : at + size] for at in range(0, len(FEATURES), size)]


def _without(
    pipeline: Pipeline,
    features: pd.DataFrame,
    orders: dict[str, np.random.Generator],
    repeats: int,
    whole: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probabilities with each of the columns shuffled, shape (columns, repeats, rows)."""
    found = np.tile(whole, (len(orders), repeats, 1))
    # Every shuffle of a column of one value is the same column: ask nothing.
    varied = [at for at, n in enumerate(orders) if features[n].nunique(dropna=False) > 1]
    if not varied:
        return found
    many = pd.concat([features] * (len(varied) * repeats), ignore_index=True)
    names, rows = list(orders), repeats * len(features)
    for place, at in enumerate(varied):
        values, rng = features[names[at]], orders[names[at]]
        order = np.concatenate([rng.permutation(len(values)) for _ in range(repeats)])
        column = many[names[at]].to_numpy(copy=True)
        column[place * rows : (place + 1) * rows] = values.to_numpy()[order]
        many[names[at]] = column
    found[varied] = _default_probability(pipeline, many).reshape(len(varied), repeats, -1)
    return found


def _default_probability(pipeline: Pipeline, features: pd.DataFrame) -> NDArray[np.float64]:
    with one_thread():
        return np.asarray(pipeline.predict_proba(features), dtype=float)[:, 1]

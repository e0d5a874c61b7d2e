"""What is in a table: counts, ranges and frequent values of each column, ready for JSON.

A profile is stored beside a model, so that rows which come years later can be held against the ones
it was trained on. It holds summaries only: of a column in which every value differs (an
identifier) no value is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["Profile", "data_profile"]

Profile = dict[str, object]

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
MOST_VALUES = 20
"""Values of a column of words that are counted one by one; the rest are "others"."""


def data_profile(frame: pd.DataFrame, *, time: str = "applied_at") -> Profile:
    """Rows, span of time and a summary of each column, of str, int, float, None, list and dict.

    `rows`; `span` (`column`, `from`, `until` of the column `time`, None without one); `columns`, by
    name: `kind`, `missing`, and by kind

    * "number": `infinite` (left out of all that follows), `distinct`, `mean`, `sd`, `min`, `max`,
      `quantiles` (by level, "0.5" the median); None where it cannot be computed
    * "category": `distinct`, `counts` (the `MOST_VALUES` most frequent), `others` (rows beyond)
    * "identifier" (words that differ in every row): `distinct`
    * "time": `from`, `until`
    * "empty": nothing but missing values

    `json.dumps(profile, allow_nan=False)` works. Raises ValueError for two columns of one name.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the frame has several columns named {twice}; rename or drop them first.")
    columns = {name: _column(frame.iloc[:, place]) for place, name in enumerate(names)}
    span = columns.get(time, {})
    dated = span.get("kind") == "time"
    return {
        "rows": len(frame),
        "span": {"column": time, "from": span["from"], "until": span["until"]} if dated else None,
        "columns": columns,
    }


def _column(values: pd.Series) -> Profile:
    known = values.dropna()
    missing: Profile = {"missing": len(values) - len(known)}
    if known.empty:
        return {"kind": "empty"} | missing
    if pd.api.types.is_datetime64_any_dtype(values):
        limits = {"from": known.min().isoformat(), "until": known.max().isoformat()}
        return {"kind": "time"} | missing | limits
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return {"kind": "number"} | missing | _numbers(known.to_numpy(dtype=float))
    return missing | _words(known.astype(object).map(str))


def _numbers(values: np.ndarray) -> Mapping[str, object]:
    finite = values[np.isfinite(values)]
    found: Profile = {"infinite": int(values.size - finite.size)}
    found["distinct"] = int(np.unique(finite).size)
    if not finite.size:
        return found | dict.fromkeys(("mean", "sd", "min", "max")) | {"quantiles": None}
    with np.errstate(over="ignore", invalid="ignore"):  # sums beyond floats: None, as documented
        found["mean"] = _plain(finite.mean())
        found["sd"] = _plain(finite.std(ddof=1)) if finite.size > 1 else None
        levels = np.quantile(finite, QUANTILES)
    found |= {"min": _plain(finite.min()), "max": _plain(finite.max())}
    pairs = zip(QUANTILES, levels, strict=True)
    return found | {"quantiles": {str(level): _plain(value) for level, value in pairs}}


def _words(values: pd.Series) -> Profile:
    counts = values.value_counts()
    distinct = len(counts)
    if distinct == len(values) and distinct > MOST_VALUES:
        return {"kind": "identifier", "distinct": distinct}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    top = {name: int(n) for name, n in ordered[:MOST_VALUES]}
    others = len(values) - sum(top.values())
    return {"kind": "category", "distinct": distinct, "counts": top, "others": others}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

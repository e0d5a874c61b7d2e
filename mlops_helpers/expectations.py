"""What calibrated probabilities promised for each window, and what came true.

Before labels arrive the probabilities themselves say what to expect (`expected_performance`). Once
a window is complete, the promise is tested: *if* the probabilities are right, the figure that came
is one more draw of the same kind as those behind `expected_low` and `expected_high`, so it lies
between them with probability `level`. That is the verdict `agrees`. The chance in the outcomes and
the width of the promise are both in these bounds; to ask whether two intervals overlap would count
the chance twice, and miss most of what is wrong.

A disagreement says the probabilities are not right for these loans: the relation of features to
default has changed (concept drift), or the model was never calibrated. A change in who applies
moves promise and outcome together and is not seen. Each metric of each window is tested at
1 - `level` by itself: of twenty windows one will disagree by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlops_helpers.performance import METRICS, evaluate, expected_performance
from mlops_helpers.performance_windows import COUNTS, Awaits, windows

__all__ = ["expected_and_realised"]

_FIGURES = ["expected", "expected_low", "expected_high", "realised", "low", "high"]


def expected_and_realised(
    log: pd.DataFrame,
    freq: str = "MS",
    *,
    as_of: pd.Timestamp,
    label_delay: pd.Timedelta,
    seed: int,
    by: Sequence[str] = (),
    time: str = "scored_at",
    n_sim: int = 999,
    n_boot: int = 0,
    awaits: Awaits = "all",
    level: float = 0.95,
) -> pd.DataFrame:
    """The promise of each window's probabilities beside what its labels show, for each metric.

    `log` as for `performance.by_window`, and seen as it was at `as_of`. Returns a frame
    `window_start, window_end, *by, metric, expected, expected_low, expected_high, realised, low,
    high, agrees` and `performance_windows.COUNTS`, a row for each of `performance.METRICS`.

    `expected` is about all predictions of the window that owe a label (with `awaits="approved"`
    those approved, so that both sides are about the same loans; see `performance_windows`), from
    `n_sim` draws of their labels; what comes is one of n_sim + 1 equals, so bounds of 95 % need 39
    draws. `realised` with its limits is that of `by_window`: of the labels that are due. Where none
    is, it is NaN; where some are `overdue`, beware: they may not be like the rest. Limits of KS and
    average precision need `n_boot`. `agrees` is missing without a verdict: in a window that is not
    complete, and where either side has nothing to say. A window's draws depend on `seed` and its
    start alone, so later windows do not change it.

    Raises `ValueError` as `performance_windows.windows` does, and for too few draws.
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}, must lie between 0 and 1, e.g. 0.95.")
    least = round(2 / (1 - level)) - 1
    if n_sim < least:
        raise ValueError(f"n_sim is {n_sim}, must be at least {least} for bounds of {level:.3g}.")
    by = (by,) if isinstance(by, str) else tuple(by)
    parts = []
    asked = {"label_delay": label_delay, "as_of": as_of, "awaits": awaits}
    for window in windows(log, freq, by=by, time=time, **asked):
        own = _own_seed(seed, window.head["window_start"])
        known = window.known
        promised = expected_performance(
            window.awaited["probability"], seed=own, n_sim=n_sim, level=level
        )
        came = evaluate(
            known["default"], known["probability"], seed=own, n_boot=n_boot, level=level
        )
        promised = promised.rename(columns={"low": "expected_low", "high": "expected_high"})
        both = promised.rename(columns={"value": "expected"}).merge(
            came.rename(columns={"value": "realised"}), on="metric"
        )
        both = both[both["metric"].isin(METRICS)]
        agrees = _agrees(both) if window.complete else pd.array([pd.NA] * len(both), "boolean")
        parts.append(both.assign(**window.head, **window.counts, agrees=agrees))
    columns = ["window_start", "window_end", *by, "metric", *_FIGURES, "agrees", *COUNTS]
    if not parts:
        return pd.DataFrame(columns=columns)
    table = pd.concat(parts, ignore_index=True)[columns]
    return table.astype({"due": "Int64", "overdue": "Int64"})


def _agrees(both: pd.DataFrame) -> pd.Series:
    """Whether what came lies within the bounds; missing where one of the three is."""
    inside = both["realised"].between(both["expected_low"], both["expected_high"])
    said = both[["realised", "expected_low", "expected_high"]].notna().all(axis=1)
    return inside.astype("boolean").where(said)


def _own_seed(seed: int, start: pd.Timestamp) -> int:
    """A seed for the window that begins at `start`, unlike that of any other."""
    minutes = int(start.timestamp() // 60) % 2**32
    return int(np.random.SeedSequence([seed, minutes]).generate_state(1)[0])

"""What a method promises beside what was found: claims, intervals, which are surely broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

__all__ = ["COLUMNS", "Claim", "Promise", "judged", "table"]

Promise = Literal["about", "at most", "at least"]
Claim = tuple[str, Promise, float, str]
"""What is claimed, how the share is meant, the nominal share, and what was done to measure it."""
COLUMNS = ("claim", "promise", "nominal", "rate", "low", "high", "n", "kept", "note")


def table(found: Mapping[Claim, Sequence[bool]]) -> pd.DataFrame:
    """The frame of `judged` from what each experiment showed, by claim."""
    names = ("claim", "promise", "nominal", "note")
    frame = pd.DataFrame([dict(zip(names, claim, strict=True)) for claim in found])
    hits = [np.asarray(seen, dtype=float) for seen in found.values()]
    return judged(frame.assign(rate=[h.mean() for h in hits], n=[h.size for h in hits]))


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """`COLUMNS` of claims with claim, promise, nominal, note, rate and n; other columns go.

    low and high are Wilson's 95 % interval of the rate. kept is false where the promise is surely
    broken: beyond Wilson's interval at 5 % over all rows together (Bonferroni), since of twenty
    honest claims one leaves its own interval by chance.
    """
    counts, n = (frame["rate"] * frame["n"]).round(), frame["n"]
    low, high = proportion_confint(counts, n, alpha=0.05, method="wilson")
    wide = proportion_confint(counts, n, alpha=0.05 / len(frame), method="wilson")
    above, below = wide[1] >= frame["nominal"], wide[0] <= frame["nominal"]
    promise = frame["promise"]
    kept = (above | (promise == "at most")) & (below | (promise == "at least"))
    low, high = np.minimum(low, frame["rate"]), np.maximum(high, frame["rate"])  # rounding
    found = frame.assign(low=low, high=high, kept=kept)
    return found[list(COLUMNS)].reset_index(drop=True)

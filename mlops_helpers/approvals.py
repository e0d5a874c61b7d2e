"""Who is approved with what chance, and for how many applicants an approved one has to stand.

A weight of one over the chance makes the approved look like all applicants (D. G. Horvitz and D. J.
Thompson 1952, JASA 47, 663-685). It needs a known chance above 0 for everybody: with a sharp
cut-off the chance of the declined is 0, and no weight stands for people of whom nobody was seen.
Augmentation (D. C. Hsia 1978, Hastings Law Journal 30, 371-448) fills the hole by an assumption.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["EXPLORE", "approval_chance", "approval_weights", "approved_rows", "band_weights"]

FloatArray = NDArray[np.float64]

EXPLORE = 0.10
"""The share of those who would be declined that is approved all the same, to learn from them."""


def approved_rows(frame: pd.DataFrame, probability: ArrayLike, *, cutoff: float) -> pd.DataFrame:
    """The rows whose outcome a lender sees who approves below the cut-off, on their own index."""
    chance = _probabilities(probability)
    if chance.shape != (len(frame),):
        raise ValueError(f"{chance.size} probabilities for {len(frame)} rows. Give one per row.")
    return frame[chance < cutoff]


def approval_chance(
    probability: ArrayLike, *, cutoff: float, explore: float = EXPLORE, softness: float = 0.0
) -> FloatArray:
    """The chance with which each applicant is approved, to be stored with the decision.

    1 below the cut-off and `explore` from there on; with `softness` above 0 it falls gradually
    instead, along the log-odds: one half at the cut-off, never below `explore`.
    """
    chance = _probabilities(probability)
    if not 0 < cutoff < 1:
        raise ValueError(f"cutoff is {cutoff!r}, must be a probability between 0 and 1, not one.")
    if not 0 <= explore <= 1:
        raise ValueError(f"explore is {explore!r}, must be a share between 0 and 1, e.g. 0.1.")
    if not (softness >= 0 and np.isfinite(softness)):
        raise ValueError(f"softness is {softness!r}, must be 0 (a sharp cut-off) or more.")
    if softness == 0:
        return np.where(chance < cutoff, 1.0, explore)
    away = special.logit(cutoff) - special.logit(chance)
    return np.maximum(special.expit(away / softness), explore)


def approval_weights(chance: ArrayLike, approved: ArrayLike) -> FloatArray:
    """One over the chance of approval for each approved row, in order.

    `chance` and `approved` are about *all* applicants, the declined among them: an applicant with
    chance 0 can be represented by nobody, and one such row raises ValueError.
    """
    known, taken = np.asarray(chance, dtype=float), np.asarray(approved, dtype=bool)
    if known.shape != taken.shape:
        raise ValueError(
            f"{known.size} chances for {taken.size} decisions. Give one per applicant."
        )
    never = int((~(known > 0)).sum())
    if never:
        raise ValueError(
            f"{never} of {known.size} applicants had no known chance above 0 of being approved; no "
            "weight can stand for them. Approve a random share of those whom you would decline, "
            "and store the chance; or say aloud that the verdict is about approved applicants only."
        )
    if (known > 1).any():
        raise ValueError(f"a chance of approval is {known.max():g}, must be at most 1.")
    return 1.0 / known[taken]


def band_weights(score: ArrayLike, approved: ArrayLike, *, bands: int = 10) -> FloatArray:
    """Augmentation: each approved row stands for its share of its score band, declined included.

    It needs no chance of approval and *assumes* that within a band the declined default as often
    as the approved. A band without any approved row is represented by nobody.
    """
    value, taken = np.asarray(score, dtype=float), np.asarray(approved, dtype=bool)
    if value.shape != taken.shape:
        raise ValueError(f"{value.size} scores for {taken.size} decisions. Give one per applicant.")
    edges = np.quantile(value, np.linspace(0, 1, bands + 1)[1:-1])
    band = np.searchsorted(edges, value, side="right")
    everybody = np.bincount(band, minlength=bands)
    seen = np.bincount(band[taken], minlength=bands)
    weight = np.divide(everybody, seen, out=np.zeros(bands), where=seen > 0)
    return weight[band[taken]]


def _probabilities(given: ArrayLike) -> FloatArray:
    chance = np.asarray(given, dtype=float)
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(
            "a probability is missing or not between 0 and 1; whoever has no score was not decided "
            "by a cut-off. Leave such rows out, and count them."
        )
    return chance

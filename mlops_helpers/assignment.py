"""Who meets which model: the plan of an experiment and its sticky, keyed assignment."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Experiment", "ratio_p_value"]

_LEAST_PLANNED = 10  # units of an arm below which chi-square raises false alarms


@dataclass(frozen=True)
class Experiment:
    """The plan of an experiment; the first arm is the control.

    name: part of the hash, so two experiments split the same units independently.
    arms, split: names of the arms and their shares, which sum to 1.
    cutoff: applications below this probability of default are approved, in every arm.
    salt: changes the assignment of a repeated experiment that has to keep its name.
    """

    name: str
    arms: tuple[str, ...] = ("control", "treatment")
    split: tuple[float, ...] = (0.5, 0.5)
    cutoff: float = 0.18
    salt: str = ""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be carried out."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"name is {self.name!r}, must be a text that is not blank.")
        if len(self.arms) < 2 or len(set(self.arms)) < len(self.arms) or not all(self.arms):
            raise ValueError(f"arms is {self.arms!r}, must be two or more different names.")
        if len(self.split) != len(self.arms):
            raise ValueError(
                f"split has {len(self.split)} shares for {len(self.arms)} arms. Give one for each."
            )
        if not all(share > 0 for share in self.split) or not math.isclose(
            sum(self.split), 1.0, abs_tol=1e-9
        ):
            raise ValueError(
                f"split is {self.split!r} and sums to {sum(self.split):g}, must be shares above 0 "
                "that sum to 1, e.g. (0.5, 0.5)."
            )
        if not 0 < self.cutoff < 1:
            raise ValueError(f"cutoff is {self.cutoff!r}, must lie between 0 and 1.")

    @property
    def control(self) -> str:
        """The name of the arm that the others are compared with."""
        return self.arms[0]

    def assign(self, units: Iterable[object]) -> NDArray[np.object_]:
        """The arm of each unit: always the same for a unit, whoever asks, in whatever order.

        A unit is hashed with BLAKE2b (RFC 7693), keyed by name and salt of the experiment; the
        hash is read as a number from 0 to 1 and falls into the share of one arm.
        """
        identities = list(units)
        if any(pd.isna(unit) for unit in identities):
            raise ValueError("A unit to assign has no id. Give every application an id.")
        key = hashlib.blake2b(f"{self.name}\x00{self.salt}".encode()).digest()
        keyed = hashlib.blake2b(key=key, digest_size=8)
        digests = bytearray()
        for unit in identities:
            mine = keyed.copy()
            mine.update(str(unit).encode())
            digests += mine.digest()
        position = np.frombuffer(bytes(digests), dtype="<u8") / 2.0**64
        edges = np.cumsum(self.split)[:-1]
        return np.array(self.arms, dtype=object)[np.searchsorted(edges, position, side="right")]

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values, for storing."""
        return {**asdict(self), "arms": list(self.arms), "split": list(self.split)}


def ratio_p_value(counts: Sequence[int], split: Sequence[float]) -> float:
    """How probable counts this far from the split are by chance: chi-square.

    Two arms of which one should have fewer than 10 units get the exact binomial test.
    """
    total = sum(counts)
    planned = [share * total for share in split]
    if len(counts) == 2 and min(planned) < _LEAST_PLANNED:
        return float(stats.binomtest(counts[0], total, split[0]).pvalue)
    return float(stats.chisquare(counts, planned).pvalue)

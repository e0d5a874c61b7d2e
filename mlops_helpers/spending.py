"""A chance of error that is spent over several looks: how far out a figure must lie at each.

Whoever looks at growing data at 5 % each time is wrong far more often than in 5 % of the cases.
Here the looks share the error: at the share t of the information the share t ** power of it is
spent, so that early looks, which rest on little, need much. Sources: K. K. G. Lan and D. L. DeMets
(1983), Biometrika 70, 659-663 (spending); P. Armitage, C. K. McPherson and B. C. Rowe (1969), JRSS
A 132, 235-244 (the integral over what was not yet decided).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import integrate, optimize, stats

__all__ = ["boundaries"]

_POINTS = 801
_FAR = 8.0  # standard deviations; what lies beyond has a chance below 1e-15


@cache
def boundaries(
    information: tuple[float, ...] | Sequence[float], *, error: float, power: float = 2.0
) -> tuple[float, ...]:
    """The z-value that a figure must exceed at each look, for one side and the whole `error`.

    information: the share of all rows that is known at each look, rising, 0 to 1, as a tuple. A
    look that has no more than the one before gets infinity: there is nothing new to judge. Under
    no difference the chance of exceeding any of them is `error` * (last share) ** power.
    """
    shares = np.asarray(information, dtype=float)
    inside = shares.size and (shares >= 0).all() and (shares <= 1).all()
    if not inside or (np.diff(shares) < 0).any():
        raise ValueError(
            f"information is {list(information)}; must be shares from 0 to 1 that do not fall."
        )
    if not (0 < error < 0.5 and power > 0):
        raise ValueError(f"error is {error}, power {power}; must be within 0 to 0.5, and above 0.")
    found: list[float] = []
    before, spent = 0.0, 0.0
    places, density = np.zeros(1), np.ones(1)  # where the sum may be that was not decided yet
    for share in shares.tolist():
        if share <= before:
            found.append(np.inf)
            continue
        step, due = np.sqrt(share - before), error * share**power - spent
        limit = _limit(places, density, step, due)
        found.append(limit / np.sqrt(share))
        reached = np.linspace(-_FAR * np.sqrt(share), limit, _POINTS)
        density = _sum(places, density * stats.norm.pdf((reached[:, None] - places) / step) / step)
        places, before, spent = reached, share, spent + due
    return tuple(float(z) for z in found)


def _limit(places: np.ndarray, density: np.ndarray, step: float, due: float) -> float:
    """The sum that is exceeded with the chance `due` by those who got this far."""

    def too_many(limit: float) -> float:
        beyond = stats.norm.sf((limit - places) / step)
        return float(_sum(places, density * beyond)) - due

    far = float(np.abs(places).max()) + _FAR * step
    return float(optimize.brentq(too_many, -far, far, xtol=1e-12))


def _sum(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Integral over the places; a single one is a point of mass 1."""
    return values[..., 0] if places.size == 1 else integrate.simpson(values, x=places, axis=-1)

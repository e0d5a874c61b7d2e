"""A champion and a challenger by their probabilities alone, for tests that compare models."""

import numpy as np


def scored(n=3000, *, seed=0, noise=(1.0, 0.3)):
    """Outcomes, the probabilities of a champion and a challenger with that much noise, amounts."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    truth = 1 / (1 + np.exp(2 - z))
    label = (rng.random(n) < truth).astype(float)
    old, new = (1 / (1 + np.exp(2 - z - s * rng.normal(size=n))) for s in noise)
    return label, old, new, rng.uniform(2000, 20000, n)

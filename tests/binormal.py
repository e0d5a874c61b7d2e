"""A world of loans whose metrics are known: normal scores, shifted for those who default."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit, xlog1py, xlogy
from scipy.stats import norm


@dataclass(frozen=True)
class Binormal:
    """Scores N(0, 1) of repaid loans and N(shift, 1) of defaults, a share `rate` of all.

    The probability that is stated has `logit(stated) = too_low + extreme * logit(true)`.
    """

    auc: float
    rate: float = 0.125
    too_low: float = 0.0
    extreme: float = 1.0

    @property
    def shift(self) -> float:
        """How far apart the two kinds of loans lie, in standard deviations."""
        return float(np.sqrt(2) * norm.ppf(self.auc))

    def stated(self, score):
        """What a model of this world says about a score."""
        true = logit(self.rate) + self.shift * score - self.shift**2 / 2
        return expit(self.too_low + self.extreme * true)

    def draw(self, n, rng):
        """Outcomes and stated probabilities of n loans."""
        y = (rng.random(n) < self.rate).astype(int)
        return y, self.stated(rng.normal(size=n) + self.shift * y)

    def truth(self):
        """Each metric in the population, by integration over the score."""
        x = np.linspace(-10, 10 + self.shift, 40_001)
        of_bad, of_good = self.rate * norm.pdf(x, self.shift), (1 - self.rate) * norm.pdf(x)
        bad, good = self.rate * norm.sf(x, self.shift), (1 - self.rate) * norm.sf(x)
        p, mean = self.stated(x), lambda values: float(np.trapezoid(values, x))
        return {
            "auc": self.auc,
            "gini": 2 * self.auc - 1,
            "ks": float(2 * norm.cdf(self.shift / 2) - 1),
            "average_precision": mean(of_bad * bad / (bad + good)) / self.rate,
            "brier": mean(of_bad * (1 - p) ** 2 + of_good * p**2),
            "log_loss": -mean(xlogy(of_bad, p) + xlog1py(of_good, -p)),
            "default_rate": self.rate,
            "calibration_slope": 1 / self.extreme,
            "calibration_intercept": self._in_the_large(x, of_bad, of_good),
        }

    def _in_the_large(self, x, of_bad, of_good):
        """The shift of the stated logits that makes the mean probability the default rate."""
        low, high = -20.0, 20.0
        for _ in range(60):
            middle = (low + high) / 2
            said = np.trapezoid((of_bad + of_good) * expit(middle + logit(self.stated(x))), x)
            low, high = (middle, high) if said < self.rate else (low, middle)
        return middle

"""How often is an equal challenger promoted, and how often a better one?

Two scores are the true logit of a loan, each with noise of its own; less noise ranks better. Their
AUCs are known by integration (see `TwoScores`), so the gain of the challenger is what it is said to
be, and both state the probability of default given their score: what they say is right.

Share promoted, in per cent, of 1,000 draws each (`repeats=1000, seed=5`; the champion's AUC is
0.72, 15 % default):

=====  ====  ====  ====  ====  ====  ====  ====  ====
rows   the judge               higher AUC
-----  ----------------------  ----------------------
gain      0  0.01  0.02  0.03     0  0.01  0.02  0.03
=====  ====  ====  ====  ====  ====  ====  ====  ====
500     1.1   2.5   4.1   8.0  50.6  63.4  76.5  86.5
1,000   0.9   3.3   8.8  21.6  50.7  67.3  83.5  94.6
2,000   2.3   6.5  19.8  45.2  48.0  76.5  92.4  98.2
4,000   1.7  11.6  42.7  81.6  48.5  84.1  97.7   100
=====  ====  ====  ====  ====  ====  ====  ====  ====

The 95 % limits of 2.3 % are 1.5 and 3.4, those of 50.6 % are 47.5 and 53.7. What several checks
together cost: of 200 draws of 2,000 rows with a gain of 0.03 the AUC alone is surely better in 62 %
and the judge promotes 46 %, because the profit is not surely within its margin; with 4,000 rows it
is 91 % and 80 %. Of 150 refits (`refit_rates(pairs=150, seed=6)`: the same recipe, other rows) the
judge promotes 2.0 % [0.7, 5.7], none of them with a lower true AUC; the higher AUC promotes 47 %
[40, 55], and in 15 % of the pairs the worse one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mlops_helpers.contracts import TARGET
from mlops_helpers.delong import auc_difference
from mlops_helpers.features import build_pipeline
from mlops_helpers.judging import judge
from mlops_helpers.simulation import simulate_applications, true_default_probability
from mlops_helpers.threads import one_thread
from mlops_helpers.two_samples import wilson

__all__ = ["RULES", "TwoScores", "error_rates", "refit_rates"]

RULES = ("higher AUC", "AUC surely higher", "the judge")
"""The naive one, the judge's primary check alone, and the judge with all its checks."""
FloatArray = NDArray[np.float64]
START = "2022-01-01"
FAR = 10_000
"""Applications of known probability of default, on which a fitted model has its true AUC."""
LEAST_ROWS = 100
Z = np.linspace(-8.0, 8.0, 401)
"""Where the true score is integrated over, in standard deviations."""


@dataclass(frozen=True)
class TwoScores:
    """A world in which the AUC of a noisy score is known.

    A loan's true logit is `centre + spread * z` with z standard normal; a model sees z plus noise.
    The AUC of such a score is P(z1 + noise > z0 + noise) for z1 of a default and z0 of a repaid
    loan: an integral over the two densities of z, given the outcome, of the normal probability that
    noise does not swap the pair. Not simulated; the error of the sum is below 1e-6.
    """

    centre: float = -2.2
    spread: float = 1.2
    noise: float = 0.8
    """Standard deviation of the champion's noise, in units of z."""

    def default(self, z: ArrayLike) -> FloatArray:
        """Probability of default of loans with the true score z."""
        return special.expit(self.centre + self.spread * np.asarray(z, dtype=float))

    def auc(self, noise: float) -> float:
        """True AUC of a score with noise of that standard deviation, above 0."""
        density = stats.norm.pdf(Z)
        bad, good = density * self.default(Z), density * (1 - self.default(Z))
        in_order = special.ndtr((Z[:, None] - Z[None, :]) / (np.sqrt(2) * noise))
        return float(bad @ in_order @ good / (bad.sum() * good.sum()))

    def noise_for(self, gain: float) -> float:
        """The noise with which a challenger's true AUC is the champion's plus `gain`."""
        wanted = self.auc(self.noise) + gain
        limits = self.auc(20.0), self.auc(0.05)
        if not limits[0] < wanted < limits[1]:
            raise ValueError(
                f"gain is {gain:g}, and the AUC would be {wanted:.3f}; it must lie between "
                f"{limits[0]:.3f} and {limits[1]:.3f}. Choose a smaller gain."
            )
        if gain == 0:
            return self.noise
        return float(optimize.brentq(lambda noise: self.auc(noise) - wanted, 0.05, 20.0, xtol=1e-7))

    def stated(self, score: ArrayLike, noise: float) -> FloatArray:
        """Probability of default given a score with that noise: what a calibrated model says."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(15)
        shrunk = np.asarray(score, dtype=float) / (1 + noise**2)
        left = noise / np.sqrt(1 + noise**2)
        return self.default(shrunk[:, None] + left * nodes) @ (weights / weights.sum())

    def draw(
        self, rows: int, noises: Sequence[float], rng: np.random.Generator
    ) -> Iterator[tuple[FloatArray, FloatArray, FloatArray, FloatArray]]:
        """Outcomes, what champion and challenger say, amounts, for each noise of the challenger.

        Loans and champion are the same for all of them.
        """
        z, chance, errors = rng.normal(size=rows), rng.random(rows), rng.normal(size=(2, rows))
        outcome = (chance < self.default(z)).astype(float)
        amount = rng.uniform(2_000, 20_000, rows)
        champion = self.stated(z + self.noise * errors[0], self.noise)
        for noise in noises:
            yield outcome, champion, self.stated(z + noise * errors[1], noise), amount


def error_rates(
    *,
    rows: Sequence[int] = (500, 1000, 2000, 4000),
    gains: Sequence[float] = (0.0, 0.01, 0.02, 0.03),
    repeats: int = 50,
    seed: int,
    world: TwoScores | None = None,
) -> pd.DataFrame:
    """How often each rule promotes a challenger whose true AUC is higher by `gain`.

    Returns a frame `rule, rows, gain, promoted, low, high, n`: the share of `repeats` draws of
    that many loans, with Wilson's 95 % interval. "higher AUC" promotes whatever has the larger AUC
    on the rows; "AUC surely higher" whatever has the interval of the paired difference above 0;
    "the judge" is `judging.judge` as it is. All gains are measured on the same loans
    and the same scores of the champion.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, must be 1 or more; 400 tell 5 % within 2 points.")
    if not rows or min(rows) < LEAST_ROWS:
        raise ValueError(
            f"rows is {tuple(rows)}, must be one size or more, each {LEAST_ROWS} or more, so that "
            "both classes appear in every draw."
        )
    drawn = world or TwoScores()
    noises = [drawn.noise_for(gain) for gain in gains]
    lines = []
    for size in rows:
        said = np.empty((repeats, len(RULES), len(noises)), dtype=bool)
        for repeat in range(repeats):
            rng = np.random.default_rng([seed, size, repeat])
            said[repeat] = np.transpose([_promoted(*d) for d in drawn.draw(size, noises, rng)])
        for number, rule in enumerate(RULES):
            for place, gain in enumerate(gains):
                rate = wilson(pd.Series(said[:, number, place]), 0.05)
                lines.append((rule, size, gain, rate.value, rate.low, rate.high, repeats))
    columns = ["rule", "rows", "gain", "promoted", "low", "high", "n"]
    return pd.DataFrame(lines, columns=columns).sort_values(
        ["rule", "rows", "gain"], ignore_index=True
    )


def refit_rates(
    *,
    pairs: int = 50,
    rows: int = 1000,
    train_rows: int = 1000,
    seed: int,
    estimator: ClassifierMixin | None = None,
) -> pd.DataFrame:
    """How often each rule promotes the same recipe, fitted to other rows of the same quiet world.

    Each pair of models learns from two disjoint halves of `2 * train_rows` simulated applications
    (`estimator`, by default a logistic regression) and is judged on `rows` others. Returns a frame
    `rule, rows, promoted, low, high, wrong, wrong_low, wrong_high, n`: the share of pairs, and the
    share of pairs promoted although the true AUC is lower, each with Wilson's 95 % interval.

    Two refits are equal on average only: of each pair one is a little better by luck of its rows.
    True AUCs are those for `FAR` applications of known probability of default.
    """
    base = LogisticRegression(max_iter=500) if estimator is None else estimator
    far = simulate_applications(FAR, seed=seed, start=START)
    truth = true_default_probability(far).to_numpy()
    promoted, worse = np.empty((len(RULES), pairs), dtype=bool), np.empty(pairs, dtype=bool)
    with one_thread():
        for pair in range(pairs):
            of_pair = int(np.random.SeedSequence([seed, pair]).generate_state(1)[0])
            drawn = simulate_applications(2 * train_rows + rows, seed=of_pair, start=START)
            drawn = drawn.sample(frac=1.0, random_state=of_pair, ignore_index=True)
            halves = (drawn[:train_rows], drawn[train_rows : 2 * train_rows])
            models = [build_pipeline(clone(base)).fit(half, half[TARGET]) for half in halves]
            judged = drawn[2 * train_rows :]
            old, new = (model.predict_proba(judged)[:, 1] for model in models)
            promoted[:, pair] = _promoted(judged[TARGET], old, new, judged["loan_amount"])
            areas = [_true_auc(truth, model.predict_proba(far)[:, 1]) for model in models]
            worse[pair] = areas[1] < areas[0]
    lines = []
    for number, rule in enumerate(RULES):
        share = wilson(pd.Series(promoted[number]), 0.05)
        wrong = wilson(pd.Series(promoted[number] & worse), 0.05)
        limits = (share.value, share.low, share.high, wrong.value, wrong.low, wrong.high)
        lines.append((rule, rows, *limits, pairs))
    figures = ["promoted", "low", "high", "wrong", "wrong_low", "wrong_high"]
    return pd.DataFrame(lines, columns=["rule", "rows", *figures, "n"])


def _true_auc(truth: FloatArray, score: FloatArray) -> float:
    """AUC if each loan defaulted with its true probability and were repaid with the rest."""
    both = np.repeat([1, 0], truth.size)
    weight = np.concatenate([truth, 1 - truth])
    return float(roc_auc_score(both, np.concatenate([score, score]), sample_weight=weight))


def _promoted(
    outcome: ArrayLike, champion: ArrayLike, challenger: ArrayLike, amount: ArrayLike
) -> tuple[bool, ...]:
    """What each of RULES says."""
    auc = auc_difference(outcome, champion, challenger)
    return auc.value > 0, auc.low > 0, judge(outcome, champion, challenger, amount).promote

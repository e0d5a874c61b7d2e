"""Which retraining policy pays? The same policies over the same simulated years, again and again.

Every seed is another three years (`policy_world`); all policies live through the same ones, so
their differences are paired: the luck of the years cancels, and intervals are Student's over the
seeds. Seeds are shared out to processes; the figures are the same for any number of them.

Measured on 5 seeds, logistic regression, 1,000 a month: gain against "never" in $ an application
with its 95 % interval, by phase with its standard error, and trainings in three years.

====================  ===============  ==========  =============  ===========  =========
policy                gain             recession   policy change  feed mended  trainings
====================  ===============  ==========  =============  ===========  =========
monthly               33 [26, 40]      1.8 ± 1.6   11 ± 5         92 ± 4       35
on drift              25 [16, 33]      1.1 ± 1.2   11 ± 5         68 ± 6       11
on performance        10 [2, 17]       0.3 ± 0.3   0 ± 1          28 ± 8       2
both, with veto       22 [12, 32]      0.0 ± 0.0   3 ± 3          65 ± 10      14
both, without veto    23 [17, 28]      0.0 ± 0.0   3 ± 3          66 ± 5       16
both, not judged      24 [12, 36]      1.2 ± 1.2   11 ± 5         65 ± 10      10
monthly, quarantined  34 [26, 43]      1.8 ± 1.6   11 ± 5         95 ± 5       35
on drift, judged      24 [20, 29]      0.0 ± 0.0   3 ± 3          71 ± 5       16
oracle                40 [32, 47]      4.7 ± 1.0   21 ± 6         103 ± 5      none
====================  ===============  ==========  =============  ===========  =========

No policy's gain in quiet and recession is beyond chance; gains come after the policy change, once
outcomes of it are known. "on performance" trains about twice and misses most of them: probably
because its new champion's holdout is already a bad one, from which no further drop is seen. Veto,
judge and quarantine change the total by less than five seeds can tell.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.base import ClassifierMixin
from tqdm import tqdm

from mlops_helpers.policies import BASELINE, POLICIES, Policy, PolicyRun, run_policies
from mlops_helpers.policy_world import BEGIN, MONTHS, draw_years
from mlops_helpers.training_windows import TrainingWindow

__all__ = ["PolicyComparison", "compare_policies", "summary"]


@dataclass(frozen=True)
class PolicyComparison:
    """What the policies earned in simulated years whose truth is known.

    monthly: a row a seed, policy and month: `seed, policy, month, phase, applications, profit`
    (true expected $ an application), `trained, promoted, outcome, reason, model` as in
    `policies.PolicyRun`.
    summary: a row a policy, see `summary`.
    seconds: `fits` (sum of all fits), `wall` and `workers`; no two runs have the same.
    """

    monthly: pd.DataFrame
    summary: pd.DataFrame
    seconds: dict[str, float] = field(compare=False)


def compare_policies(
    *,
    seeds: int | Sequence[int] = 4,
    per_month: int = 500,
    workers: int = 2,
    policies: Sequence[Policy] = POLICIES,
    window: TrainingWindow | None = None,
    estimator: ClassifierMixin | None = None,
    label_delay: pd.Timedelta | None = None,
    progress: bool = True,
) -> PolicyComparison:
    """Let each policy live through the years of each seed and compare what they earned.

    `seeds`: how many (0, 1, …), or which. `workers`: processes, each with one thread; 1 works in
    this one; a seed is what they share out, so take a multiple of them. `label_delay`: see
    `policy_world.draw_years`. A script must call it under `if __name__ == "__main__":`, a notebook
    need not. `policies` must hold "never", which the others are compared with. Progress is a bar on
    stderr, none if `progress` is false or MLOPS_QUIET is set. Raises ValueError for no seeds,
    repeated seeds, fewer than one worker and policies without "never".
    """
    chosen = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(
            f"seeds == {seeds!r}, must be one or more, each once: years are not told twice."
        )
    if workers < 1:
        raise ValueError(f"workers == {workers}, must be at least 1.")
    if BASELINE not in {policy.name for policy in policies}:
        raise ValueError(f"policies must hold {BASELINE!r}: the others are compared with it.")
    begun = time.perf_counter()
    job = partial(
        _years,
        per_month=per_month,
        label_delay=label_delay,
        policies=tuple(policies),
        window=window,
        estimator=estimator,
    )
    runs = dict(_all(job, chosen, workers, progress))
    monthly = pd.concat(
        [runs[seed].monthly.assign(seed=seed) for seed in chosen], ignore_index=True
    )
    monthly = monthly[["seed", *monthly.columns.drop("seed")]]
    fits = float(sum(sum(run.fits) for run in runs.values()))
    seconds = {"fits": fits, "wall": time.perf_counter() - begun, "workers": float(workers)}
    return PolicyComparison(monthly, summary(monthly), seconds)


def summary(monthly: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """A row a policy: what it earned, and by how much more than "never", over the seeds.

    `profit` ($ an application over all months, mean over seeds) with `low, high`; `gain` against
    "never" in the same years with `gain_low, gain_high`; `trainings` and `promotions` (mean a
    seed); `worst_month` (each seed's lowest, their mean) with `worst_low, worst_high`; `seeds`.
    Limits are Student's over the seeds, NaN with a single one.
    """
    weighted = monthly.assign(dollars=monthly["profit"] * monthly["applications"])
    of = weighted.groupby(["policy", "seed"], sort=False)
    total = of[["dollars", "applications", "trained", "promoted"]].sum()
    profit = (total["dollars"] / total["applications"]).unstack("seed")
    worst = of["profit"].min().unstack("seed")
    rows = []
    for name in profit.index:
        row = {"policy": name}
        row |= _mean(profit.loc[name], ("profit", "low", "high"), confidence)
        gains = profit.loc[name] - profit.loc[BASELINE]
        row |= _mean(gains, ("gain", "gain_low", "gain_high"), confidence)
        row["trainings"] = float(total["trained"].xs(name, level="policy").mean())
        row["promotions"] = float(total["promoted"].xs(name, level="policy").mean())
        row |= _mean(worst.loc[name], ("worst_month", "worst_low", "worst_high"), confidence)
        rows.append(row | {"seeds": profit.shape[1]})
    return pd.DataFrame(rows)


def _mean(values: pd.Series, names: tuple[str, str, str], confidence: float) -> dict[str, float]:
    """The mean over seeds with Student's limits, under these names."""
    mean, n = float(values.mean()), len(values)
    reach = float("nan")
    if n > 1:
        error = float(values.std(ddof=1)) / np.sqrt(n)
        reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * error
    return dict(zip(names, (mean, mean - reach, mean + reach), strict=True))


def _years(
    seed: int, *, per_month: int, label_delay: pd.Timedelta | None, **options: object
) -> PolicyRun:
    """One seed's years, in whatever process; the rows' profits are not carried back."""
    frame = draw_years(seed=seed, per_month=per_month, label_delay=label_delay)
    run = run_policies(frame, begin=BEGIN, months=MONTHS, seed=seed, **options)
    return replace(run, profits=run.profits.iloc[:0], month=run.month[:0])


def _all(
    job: Callable[[int], PolicyRun], seeds: list[int], workers: int, progress: bool
) -> Iterator[tuple[int, PolicyRun]]:
    """Each seed with its run, as they come; the seeds of a pool begin in order."""
    quiet = not progress or bool(os.environ.get("MLOPS_QUIET"))
    with tqdm(
        total=len(seeds), desc="simulated years", unit="seed", file=sys.stderr, disable=quiet
    ) as bar:
        if workers == 1 or len(seeds) == 1:
            for seed in seeds:
                yield seed, job(seed)
                bar.update()
            return
        # spawn: a kernel has threads, and a fork of one may hold a lock for ever.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(min(workers, len(seeds)), mp_context=context)
        try:
            waiting = {pool.submit(job, seed): seed for seed in seeds}
            for done in as_completed(waiting):
                yield waiting[done], done.result()
                bar.update()
        finally:  # an interrupt or a failed seed leaves nothing behind that still computes
            pool.shutdown(cancel_futures=True)

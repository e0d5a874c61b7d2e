"""Print what retraining policies earn: python -m tests.benchmarks.scores_policies [seeds].

The policies and what they are made of over the same simulated years, by phase; the same where
outcomes are known after a month, and by the training window. The small versions of these are tests;
this one has the seeds that its figures need (about ten minutes on two idle cores with 12).
"""

from __future__ import annotations

import sys

import pandas as pd
from sklearn.linear_model import LogisticRegression

from mlops_helpers.policies import ABLATIONS, BASELINE, POLICIES
from mlops_helpers.policy_scores import PolicyComparison, compare_policies
from mlops_helpers.training_windows import TrainingWindow

SETTING = {"per_month": 1000, "workers": 2, "estimator": LogisticRegression(max_iter=1000)}
WINDOWS = ("expanding", "sliding", "weighted")
DELAYS = {"outcomes after 182 days": None, "outcomes after 30 days": pd.Timedelta(days=30)}


def show(title: str, table: pd.DataFrame) -> None:
    """Print a table under its title, all of it."""
    print(f"\n{title}", flush=True)
    print(table.round(1).to_string(), flush=True)


def by_phase(monthly: pd.DataFrame) -> pd.DataFrame:
    """Mean gain against "never" in each phase, with its standard error over the seeds."""
    wide = monthly.pivot_table(
        index=["phase", "seed"], columns="policy", values="profit", sort=False
    )
    ahead = wide.sub(wide[BASELINE], axis=0).groupby("phase", sort=False)
    names = monthly["policy"].drop_duplicates()
    mean, error = ahead.mean()[names], ahead.sem()[names]
    return (mean.round(1).astype(str) + " ± " + error.round(1).astype(str)).T


def tell(title: str, found: PolicyComparison) -> None:
    """Print the summary and the gains by phase."""
    show(f"{title}: $ an application, 95 % intervals", found.summary.set_index("policy"))
    print(f"\ngain against {BASELINE!r} by phase, ± standard error", flush=True)
    print(by_phase(found.monthly).to_string(), flush=True)


def main(seeds: int) -> None:
    """All tables."""
    print(f"{seeds} seeds, logistic regression, {SETTING['per_month']:,} a month")
    for title, delay in DELAYS.items():
        policies = (*POLICIES, *ABLATIONS)
        tell(title, compare_policies(seeds=seeds, label_delay=delay, policies=policies, **SETTING))
    parts = []
    for kind in WINDOWS:
        of_kind = compare_policies(
            seeds=max(seeds // 3, 2),
            policies=[p for p in POLICIES if p.name in (BASELINE, "monthly", "both, with veto")],
            window=TrainingWindow(kind),
            **SETTING,
        )
        parts.append(of_kind.summary.assign(window=kind).set_index(["window", "policy"]))
    show(f"by training window, {max(seeds // 3, 2)} seeds", pd.concat(parts))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)

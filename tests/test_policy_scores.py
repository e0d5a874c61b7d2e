"""Policies compared: the same figures for any number of workers, in the order that must be."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from mlops_helpers.policies import POLICIES
from mlops_helpers.policy_scores import PolicyComparison, compare_policies, summary

QUICK = {"policies": POLICIES[:2], "estimator": LogisticRegression(max_iter=500), "progress": False}


@pytest.fixture(scope="module")
def compared() -> PolicyComparison:
    """Never and monthly over six lots of years, in this process."""
    return compare_policies(seeds=6, per_month=150, workers=1, **QUICK)


def gains(compared: PolicyComparison, first: int, last: int) -> pd.Series:
    """What monthly gains against never in these months, by seed."""
    months = compared.monthly.query("@first <= month <= @last")
    wide = months.pivot_table(index="seed", columns="policy", values="profit")
    return wide["monthly"] - wide["never"]


def test_two_workers_give_the_same_figures(tmp_path):
    """Every cell of both tables, bit for bit; only the seconds differ.

    The pool works where there is no main file: a kernel has none, and `python -c` has none.
    """
    path = tmp_path / "compared.pickle"
    code = (
        "import pickle\n"
        "from pathlib import Path\n"
        "from mlops_helpers.policy_scores import compare_policies\n"
        "from tests.test_policy_scores import QUICK\n"
        "found = compare_policies(seeds=[7, 3], per_month=40, workers=2, **QUICK)\n"
        f"Path({str(path)!r}).write_bytes(pickle.dumps(found))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
    two = pickle.loads(path.read_bytes())
    one = compare_policies(seeds=[7, 3], per_month=40, workers=1, **QUICK)
    pd.testing.assert_frame_equal(one.monthly, two.monthly, check_exact=True)
    pd.testing.assert_frame_equal(one.summary, two.summary, check_exact=True)
    assert one.monthly["seed"].drop_duplicates().tolist() == [7, 3]
    assert two.seconds["workers"] == 2
    assert 0 < one.seconds["fits"] < one.seconds["wall"]


def test_retraining_pays_after_the_policy_change(compared):
    """Once outcomes of the changed world are known: the interval of the gain lies above 0."""
    found = gains(compared, 26, 36)
    assert stats.ttest_1samp(found, 0).confidence_interval(0.95).low > 0
    assert found.mean() > 50


def test_retraining_pays_little_in_quiet_and_recession(compared):
    """What made people default is as before: dozens of trainings move profit by a few dollars."""
    found = gains(compared, 1, 15)
    limits = stats.ttest_1samp(found, 0).confidence_interval(0.95)
    assert limits.high < 0.15 * gains(compared, 26, 36).mean()


def test_the_truth_and_the_oracle_are_above_all(compared):
    """In the summary as in every month."""
    table = compared.summary.set_index("policy")
    assert table["profit"].idxmax() == "the truth"
    assert table["profit"].drop("the truth").idxmax() == "oracle"
    assert table.loc["never", "trainings"] == 0
    assert table.loc["monthly", "trainings"] == 35


def test_intervals_are_paired_over_the_seeds(compared):
    """Gains by hand: the seeds' own differences of profit an application, Student's limits."""
    monthly = compared.monthly
    dollars = (monthly["profit"] * monthly["applications"]).groupby(
        [monthly["policy"], monthly["seed"]]
    )
    count = monthly.groupby(["policy", "seed"])["applications"].sum()
    profit = (dollars.sum() / count).unstack("policy")
    found = stats.ttest_1samp(profit["monthly"] - profit["never"], 0)
    limits = found.confidence_interval(0.95)
    row = compared.summary.set_index("policy").loc["monthly"]
    assert (row["gain_low"], row["gain_high"]) == pytest.approx((limits.low, limits.high))
    worst = monthly.groupby(["policy", "seed"])["profit"].min()["never"].mean()
    assert compared.summary.set_index("policy").loc["never", "worst_month"] == pytest.approx(worst)


def test_one_seed_has_no_interval(compared):
    """A mean, and limits that are not known."""
    table = summary(compared.monthly.query("seed == 0")).set_index("policy")
    assert np.isfinite(table.loc["monthly", "gain"])
    assert table[["low", "high", "gain_low", "worst_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"seeds": []}, r"seeds == \[\], must be one or more"),
        ({"seeds": [1, 1]}, r"seeds == \[1, 1\], must be one or more, each once"),
        ({"workers": 0}, "workers == 0, must be at least 1"),
        ({"policies": POLICIES[1:]}, "policies must hold 'never'"),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong, told):
    """Before anything is drawn, with the value and the rule."""
    with pytest.raises(ValueError, match=told):
        compare_policies(**{"seeds": 1, **QUICK, **wrong})


def test_progress_is_told_on_stderr_only(capfd):
    """A bar on stderr, nothing on stdout; none if it is not wanted."""
    small = {"seeds": 1, "per_month": 30, "workers": 1}
    compare_policies(**small, **(QUICK | {"progress": not os.environ.get("MLOPS_QUIET")}))
    told = capfd.readouterr()
    assert told.out == ""
    assert ("simulated years" in told.err) == (not os.environ.get("MLOPS_QUIET"))

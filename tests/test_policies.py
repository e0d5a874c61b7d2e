"""Policies do what their names say, and no policy beats what no lender can follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.business import CostModel
from mlops_helpers.policies import ABLATIONS, CEILINGS, POLICIES, PolicyRun, run_policies
from mlops_helpers.policy_world import BEGIN, MONTHS, draw_years

ESTIMATOR = LogisticRegression(max_iter=500)


@pytest.fixture(scope="module")
def run() -> PolicyRun:
    """All policies in one small world, with a quick model."""
    years = draw_years(seed=4, per_month=200)
    policies = (*POLICIES, *ABLATIONS)
    return run_policies(years, begin=BEGIN, months=MONTHS, policies=policies, estimator=ESTIMATOR)


def of(run: PolicyRun, name: str) -> pd.DataFrame:
    """The months of one policy."""
    return run.monthly[run.monthly["policy"] == name].set_index("month")


def test_each_policy_has_each_month(run):
    """A row a policy and month, ceilings included, on the same applications."""
    names = [*(p.name for p in (*POLICIES, *ABLATIONS)), *CEILINGS]
    assert run.monthly["policy"].drop_duplicates().tolist() == names
    assert (run.monthly.groupby("policy")["month"].nunique() == MONTHS).all()
    assert (run.monthly.groupby("month")["applications"].nunique() == 1).all()
    assert run.profits.columns.tolist() == names
    assert run.profits.index.is_unique


def test_never_trains_never_and_monthly_every_month(run):
    """In month 1 all serve the same champion; from then on one stays and one is replaced."""
    assert of(run, "never")["trained"].sum() == 0
    assert (of(run, "never")["model"] == 1).all()
    monthly = of(run, "monthly")
    assert (monthly["trained"] == (monthly.index > 1)).all()
    assert (monthly["model"] == monthly.index).all()
    assert run.monthly.query("month == 1 and policy not in @CEILINGS")["profit"].nunique() == 1


def test_the_oracle_is_a_ceiling_in_each_month_and_the_truth_above_it(run):
    """No policy earns more than the best of all models, and no model more than the truth."""
    profit = run.monthly.pivot(index="month", columns="policy", values="profit")
    others = profit.drop(columns=list(CEILINGS))
    assert (others.max(axis=1) <= profit["oracle"] + 1e-9).all()
    assert (profit["oracle"] <= profit["the truth"] + 1e-9).all()


def test_the_veto_forbids_while_recent_applications_are_broken(run):
    """Months 23 to 25 see a broken month before them; without a veto nothing is forbidden."""
    vetoed = of(run, "both, with veto")
    assert (vetoed.loc[23:25, "outcome"] == "vetoed").all()
    assert (vetoed.loc[23:25, "trained"] == 0).all()
    assert vetoed.loc[23:25, "reason"].str.contains("debt_to_income_ratio").all()
    vetoes = {p.name for p in (*POLICIES, *ABLATIONS) if p.veto}
    assert set(run.monthly.query("outcome == 'vetoed'")["policy"]) <= vetoes


def test_only_a_judged_policy_can_train_in_vain(run):
    """Without a judge every challenger serves; with one, a month's model serves if promoted."""
    for policy in (*POLICIES, *ABLATIONS):
        table = of(run, policy.name)
        assert (table["promoted"] <= table["trained"]).all()
        if not policy.judged:
            assert (table["promoted"] == table["trained"]).all()
        changed = table["model"].diff().fillna(0) != 0
        assert (changed == (table["promoted"] == 1)).all()
    assert (of(run, "both, without veto")["promoted"] < 1).any()


def test_a_training_says_why(run):
    """Each decision that trained has a sentence with a figure and its limit."""
    trained = run.monthly[run.monthly["trained"] == 1]
    assert trained["reason"].str.startswith("Retrain: ").all()
    assert trained["reason"].str.contains(r"limit [\d.]+").all()
    judged = trained[trained["policy"] == "both, with veto"]
    assert judged["reason"].str.contains(r"Promote:|Keep:|Not enough evidence:").all()


def test_profits_of_rows_are_the_months_means(run):
    """The table by month is made of the applications' own profits."""
    means = run.profits.groupby(run.month).mean()
    for name in run.profits:
        np.testing.assert_allclose(means[name], of(run, name)["profit"], atol=1e-9)


def test_the_future_changes_nothing_before_it(run):
    """Decisions and profits until month 12 are the same where everything later is cut off.

    Outcomes that come after the start of month 12 are turned round as well: nobody knew them.
    """
    years = draw_years(seed=4, per_month=200)
    now = BEGIN + pd.DateOffset(months=11)
    other = years[years["month"] <= 12].copy()
    late = other["outcome_at"] > now
    other.loc[late, "default"] = 1 - other.loc[late, "default"]
    assert late.sum() > 1000
    again = run_policies(other, begin=BEGIN, months=12, policies=POLICIES, estimator=ESTIMATOR)
    columns = ["profit", "trained", "promoted", "outcome", "reason", "model"]
    for policy in POLICIES:
        expected, found = (of(r, policy.name).loc[:12, columns] for r in (run, again))
        pd.testing.assert_frame_equal(found, expected)


def test_without_a_truth_profit_is_realised_and_there_is_no_oracle():
    """Loans whose truth nobody knows: outcomes count, hindsight is not offered."""
    years = draw_years(seed=6, per_month=60).drop(columns=["true_probability", "phase", "month"])
    run = run_policies(years, begin=BEGIN, months=3, policies=POLICIES[:2], estimator=ESTIMATOR)
    assert run.profits.columns.tolist() == ["never", "monthly"]
    costs = CostModel()
    rows = years.set_index("application_id").loc[run.profits.index]
    worth = costs.profit(rows["loan_amount"], rows["default"])
    approved = run.profits["never"].to_numpy() != 0
    assert 0 < approved.sum() < len(rows)
    np.testing.assert_allclose(run.profits["never"].to_numpy()[approved], worth[approved])
    assert (run.monthly["phase"] == "").all()


def test_any_classifier_will_do():
    """Also one that has a length, as forests have, and none before they are fitted."""
    years = draw_years(seed=6, per_month=40)
    forest = RandomForestClassifier(2, max_depth=2)
    run = run_policies(years, begin=BEGIN, months=2, policies=POLICIES[:1], estimator=forest)
    again = run_policies(years, begin=BEGIN, months=2, policies=POLICIES[:1], estimator=forest)
    pd.testing.assert_frame_equal(run.profits, again.profits)


def test_a_month_that_cannot_be_learnt_from_trains_nobody():
    """Thin months with rows of one class only are told, and the champion stays."""
    years = draw_years(seed=7, per_month=40, label_delay=pd.Timedelta(days=30))
    policies = [p for p in (*POLICIES, *ABLATIONS) if p.name in ("never", "monthly, quarantined")]
    lived = run_policies(
        years, begin=BEGIN, months=MONTHS, policies=policies, estimator=ESTIMATOR
    ).monthly.query("policy == 'monthly, quarantined'")
    vain = lived[(lived["outcome"] == "retrain") & (lived["trained"] == 0)]
    assert len(vain)
    assert vain["reason"].str.contains("Not trained: nothing to train on in month").all()
    assert (vain["promoted"] == 0).all()


def test_early_outcomes_say_nothing_about_a_model():
    """That defaults are known before repayments moves no trigger: young loans are not looked at."""
    years = draw_years(seed=4, per_month=200)
    years = years[years["applied_at"] < BEGIN + pd.DateOffset(months=9)]
    rng = np.random.default_rng(1)
    early = pd.to_timedelta(rng.integers(20, 182, len(years)), unit="D")
    wait = (years["outcome_at"] - years["applied_at"]).where(years["default"] == 0, early)
    policies = [p for p in POLICIES if p.name in ("never", "on performance")]
    told = [
        of(
            run_policies(frame, begin=BEGIN, months=9, policies=policies, estimator=ESTIMATOR),
            "on performance",
        )
        for frame in (years, years.assign(outcome_at=years["applied_at"] + wait))
    ]
    for column in ("outcome", "trained", "model"):
        assert told[0][column].tolist() == told[1][column].tolist()
    gaps = [part["reason"].str.extract(r"(calibration gap .*?\])")[0].dropna() for part in told]
    assert len(gaps[0])
    assert gaps[0].tolist() == gaps[1].tolist()

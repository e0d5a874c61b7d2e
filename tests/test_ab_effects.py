"""What mlops_helpers.ab_effects promises."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from mlops_helpers.ab_effects import EFFECT_COLUMNS, MIN_DEFAULTS, effects, primary_of
from mlops_helpers.ab_figures import ADJUSTED, arm_figures
from mlops_helpers.business import CostModel
from mlops_helpers.confidence_sequences import difference, p_value, rate_moments
from mlops_helpers.delong import auc_drop, auc_moments, independent_difference
from mlops_helpers.experiment_plan import Guardrail
from mlops_helpers.exposure_sums import from_rows
from mlops_helpers.two_samples import moments
from tests.exposed import LATE, RAILS, THREE, earned, exposed, planned

COSTS = CostModel()


def effects_of(frame, plan, kind="fixed"):
    """Rows by metric and arm."""
    found = effects(arm_figures(from_rows(frame, plan, as_of=LATE), plan, COSTS), plan, kind)
    assert all(tuple(row) == EFFECT_COLUMNS for row in found)
    return {(row["metric"], row["arm"]): row for row in found}


def halves(frame, column=None):
    """Control's and the treatment's rows, or a column of them."""
    parts = [frame[frame["variant"] == arm] for arm in ("control", "treatment")]
    return parts if column is None else [part[column].to_numpy(dtype=float) for part in parts]


FRAME = exposed(seed=2, better=0.3)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_profit_is_statsmodels_unequal_variance_test(alpha):
    """Interval and p-value from the sums are those of statsmodels from the rows."""
    row = effects_of(FRAME, planned(alpha=alpha))["profit_per_application", "treatment"]
    control, treatment = halves(FRAME.assign(profit=earned(FRAME, COSTS)), "profit")
    means = CompareMeans(DescrStatsW(treatment), DescrStatsW(control))
    low, high = means.tconfint_diff(alpha=alpha, usevar="unequal")
    assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-9)
    assert row["p_value"] == pytest.approx(means.ttest_ind(usevar="unequal")[1], rel=1e-8)
    assert row["effect"] == pytest.approx(treatment.mean() - control.mean())
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))


def test_rates_are_statsmodels():
    """Default rate counts approved loans, approval rate all; Newcombe, and the pooled z test."""
    found = effects_of(FRAME, planned())
    parts = halves(FRAME)
    granted = [part[part["decision"] == "approve"] for part in parts]
    counts = {
        "default_rate_approved": [(part["default"].sum(), len(part)) for part in granted],
        "approval_rate": [(len(a), len(b)) for a, b in zip(granted, parts, strict=True)],
    }
    for metric, ((yes_c, n_c), (yes_t, n_t)) in counts.items():
        row = found[metric, "treatment"]
        limits = confint_proportions_2indep(yes_t, n_t, yes_c, n_c, method="newcomb")
        ratio = confint_proportions_2indep(
            yes_t, n_t, yes_c, n_c, method="log-adjusted", compare="ratio"
        )
        assert (row["control"], row["treatment"]) == pytest.approx((yes_c / n_c, yes_t / n_t))
        assert (row["low"], row["high"]) == pytest.approx(limits)
        assert row["relative_low"] == pytest.approx(ratio[0] - 1)
        assert row["relative_high"] == pytest.approx(ratio[1] - 1)
        assert row["relative"] == pytest.approx((yes_t / n_t) / (yes_c / n_c) - 1)
        assert row["p_value"] == pytest.approx(proportions_ztest([yes_t, yes_c], [n_t, n_c])[1])
        assert (row["n_control"], row["n_treatment"]) == (n_c, n_t)


def test_the_relative_effect_has_the_bootstraps_interval():
    """Fieller's limits agree with 2,000 bootstrap samples within a tenth of the width."""
    row = effects_of(FRAME, planned())["profit_per_application", "treatment"]
    control, treatment = halves(FRAME.assign(profit=earned(FRAME, COSTS)), "profit")
    rng = np.random.default_rng(5)
    drawn = [rng.choice(arm, (2000, arm.size)).mean(axis=1) for arm in (control, treatment)]
    low, high = np.quantile(drawn[1] / drawn[0] - 1, [0.025, 0.975])
    width = row["relative_high"] - row["relative_low"]
    assert row["relative"] == pytest.approx(treatment.mean() / control.mean() - 1)
    assert row["relative_low"] == pytest.approx(low, abs=width / 10)
    assert row["relative_high"] == pytest.approx(high, abs=width / 10)


@pytest.mark.parametrize(("kind", "better"), [("fixed", 0.4), ("always valid", 0.65)])
def test_absolute_and_relative_agree_about_nothing(kind, better):
    """For profit either both intervals hold 0 or neither does, over many samples."""
    agreed = set()
    for seed in range(12):
        frame = exposed(1600, seed=seed, better=better)
        row = effects_of(frame, planned(), kind)["profit_per_application", "treatment"]
        if np.isfinite(row["relative_low"]):
            sure = (row["low"] > 0, row["relative_low"] > 0)
            assert sure[0] == sure[1]
            agreed.add(sure[0])
    assert agreed == {True, False}


def test_a_loss_has_no_share():
    """When control loses money, the effect has no percentage."""
    row = effects_of(exposed(better=-4.0).assign(variant="treatment").pipe(_swapped), planned())
    profit = row["profit_per_application", "treatment"]
    assert profit["control"] < 0
    assert np.isnan(profit["relative"])
    assert np.isfinite(profit["effect"])


def _swapped(frame):
    """Bad loans for control, the usual ones for the treatment."""
    usual = exposed(seed=9).assign(variant="treatment")
    bad = frame.assign(variant="control")
    bad["default"] = bad["default"].where(bad["default"].isna(), 1.0)
    return pd.concat([bad, usual])


def test_the_adjusted_effect_is_the_regressions():
    """CUPED's effect is the treatment's coefficient beside the covariate; its error is OLS's."""
    frame = exposed(8000, seed=3, better=0.2)
    row = effects_of(frame, planned(size=3500, covariate="score"))[ADJUSTED, "treatment"]
    treated = (frame["variant"] == "treatment").astype(float)
    design = sm.add_constant(pd.DataFrame({"treated": treated, "score": frame["score"]}))
    fit = sm.OLS(earned(frame, COSTS), design).fit(cov_type="HC2")
    assert row["effect"] == pytest.approx(fit.params["treated"], rel=1e-9)
    half = (row["high"] - row["low"]) / 2
    assert half / stats.norm.ppf(0.975) == pytest.approx(fit.bse["treated"], rel=0.01)
    plain = effects_of(frame, planned(size=3500))["profit_per_application", "treatment"]
    assert half < (plain["high"] - plain["low"]) / 2


def test_aucs_of_the_arms_are_compared_as_independent():
    """The difference and its interval are those of two samples of rows."""
    row = effects_of(FRAME, planned())["auc_approved", "treatment"]
    granted = FRAME[FRAME["decision"] == "approve"]
    columns = [part[name] for part in halves(granted) for name in ("default", "probability")]
    drop = auc_drop(*columns)
    assert row["effect"] == pytest.approx(-drop.value)
    arms = [auc_moments(*columns[:2]), auc_moments(*columns[2:])]
    limits = independent_difference(*arms)
    assert (row["low"], row["high"], row["p_value"]) == pytest.approx(limits)
    assert np.isnan(row["relative"])


def test_aucs_without_enough_defaults_have_no_limits():
    """Fewer defaults than DeLong needs, or no probability: no interval, no p-value."""
    for frame in (exposed(120), exposed().drop(columns="probability")):
        for kind in ("fixed", "always valid"):
            row = effects_of(frame, planned(), kind)["auc_approved", "treatment"]
            assert np.isnan([row["low"], row["high"], row["p_value"]]).all()


def test_always_valid_intervals_are_the_sequences():
    """From the sums come the limits of `confidence_sequences`, tuned for the planned size."""
    found = effects_of(FRAME, planned(size=1700), "always valid")
    control, treatment = halves(FRAME.assign(profit=earned(FRAME, COSTS)), "profit")
    arms = [moments(pd.Series(values)) for values in (control, treatment)]
    row = found["profit_per_application", "treatment"]
    expected = difference(*arms, alpha=0.05, tuned_for=3400)
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert row["p_value"] == pytest.approx(p_value(*arms, alpha=0.05, tuned_for=3400), rel=1e-6)
    counts = [(sum(part["decision"] == "approve"), len(part)) for part in halves(FRAME)]
    rates = difference(*(rate_moments(*c) for c in counts), alpha=0.05, tuned_for=3400)
    assert found["approval_rate", "treatment"]["low"] == pytest.approx(rates.low)


def test_always_valid_intervals_are_wider():
    """Every metric's interval contains the one of a single look."""
    plan = planned(covariate="score")
    fixed, always = effects_of(FRAME, plan), effects_of(FRAME, plan, "always valid")
    for key, row in fixed.items():
        assert always[key]["low"] < row["low"] < row["high"] < always[key]["high"]
        assert (row["interval"], always[key]["interval"]) == ("fixed", "always valid")
        assert always[key]["p_value"] > row["p_value"]


def test_each_role_has_its_level():
    """Primary and guardrails share alpha among treatments, companions are Holm's."""
    plan = planned(experiment=THREE, guardrails=RAILS[:1])
    found = effects_of(exposed(experiment=THREE, better=0.3), plan)
    roles = {metric: found[metric, "b"]["role"] for metric, arm in found if arm == "b"}
    assert roles == {
        "profit_per_application": "primary",
        "default_rate_approved": "guardrail",
        "approval_rate": "companion",
        "auc_approved": "companion",
    }
    companions = [row for row in found.values() if row["role"] == "companion"]
    holm = multipletests([row["p_value"] for row in companions], method="holm")[1]
    assert [row["p_adjusted"] for row in companions] == pytest.approx(holm.tolist())
    for arm in "bc":
        rail, primary = found["default_rate_approved", arm], found["profit_per_application", arm]
        assert rail["p_adjusted"] == pytest.approx(min(1, 2 * rail["p_value"]))
        assert primary["p_adjusted"] == pytest.approx(min(1, 2 * primary["p_value"]))
    alone = effects_of(exposed(experiment=THREE, better=0.3), planned(experiment=THREE, alpha=0.1))
    wide, narrow = found["profit_per_application", "b"], alone["profit_per_application", "b"]
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    level = planned(experiment=THREE, alpha=0.025)  # of a companion there, of the guardrail here
    rail = effects_of(exposed(experiment=THREE, better=0.3), level)["default_rate_approved", "b"]
    assert rail["low"] == found["default_rate_approved", "b"]["low"]


def test_a_fixed_profit_needs_defaults():
    """Below `MIN_DEFAULTS` in an arm its mean looks surer than it is: no limits, no p-value."""
    frame = exposed(better=0.9)
    found = effects_of(frame, planned(covariate="score"))
    counted = frame[frame["variant"] == "treatment"]["default"].sum()
    assert counted < MIN_DEFAULTS
    for metric in ("profit_per_application", ADJUSTED):
        row = found[metric, "treatment"]
        names = ["low", "high", "p_value", "relative_low"]
        assert np.isnan([row[name] for name in names]).all()
        assert np.isfinite(row["effect"])
    always = effects_of(frame, planned(), "always valid")["profit_per_application", "treatment"]
    assert np.isfinite(always["low"])


def test_the_adjusted_profit_decides_if_it_can():
    """With a covariate adjusted profit is the primary and plain profit a companion or guardrail."""
    plan = planned(covariate="score")
    assert primary_of(plan) == ADJUSTED
    found = effects_of(FRAME, plan)
    assert found[ADJUSTED, "treatment"]["role"] == "primary"
    assert found["profit_per_application", "treatment"]["role"] == "companion"
    rate = planned(
        covariate="score",
        primary="default_rate_approved",
        guardrails=(Guardrail("profit_per_application", 10.0),),
        smallest_effect=0.01,
    )
    assert primary_of(rate) == "default_rate_approved"
    rows = effects_of(FRAME, rate)
    assert rows["profit_per_application", "treatment"]["role"] == "guardrail"
    assert rows[ADJUSTED, "treatment"]["role"] == "companion"


@pytest.mark.parametrize("kind", ["fixed", "always valid"])
def test_an_arm_without_approvals_has_no_default_rate(kind):
    """Its default rate and AUC are not known; profit and approval rate are compared."""
    frame = exposed()
    frame.loc[frame["variant"] == "treatment", ["decision", "default"]] = ["decline", np.nan]
    found = effects_of(frame, planned(), kind)
    for metric in ("default_rate_approved", "auc_approved"):
        row = found[metric, "treatment"]
        assert np.isnan([row["low"], row["high"], row["relative"], row["p_value"]]).all()
    assert found["profit_per_application", "treatment"]["effect"] < 0
    assert found["approval_rate", "treatment"]["treatment"] == 0


@pytest.mark.parametrize("kind", ["fixed", "always valid"])
def test_outcomes_that_do_not_vary_raise_nothing(kind):
    """All alike: no interval for profit, an interval around 0 for the rates."""
    frame = exposed().assign(decision="approve", default=0.0, loan_amount=1000.0)
    found = effects_of(frame, planned(), kind)
    profit = found["profit_per_application", "treatment"]
    assert profit["effect"] == 0
    assert np.isnan(profit["low"])
    rate = found["default_rate_approved", "treatment"]
    assert rate["low"] < 0 < rate["high"]

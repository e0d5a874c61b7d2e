"""Severity needs evidence and effect, and each effect has its own scale; cases by hand."""

import numpy as np
import pytest

from mlops_helpers.drift_rows import EFFECTS, Row, improved, severity, weight


def values(**effects):
    """A row of a column's values."""
    return Row("x", "x", "values", "KS", p_value=0.001, **effects)


def counted(about, before, now):
    """A row of what is counted."""
    return Row(f"x {about}", "x", about, "chi-square", p_value=0.001, shares=(before, now))


def test_effects_are_counted_above_their_level_by_chance():
    """An index of 0.3 of which 0.21 is chance is low, a distance of 0.6 with 0.3 chance too."""
    assert severity(values(psi=0.3, psi_null=0.21), 0.001, 0.05) == "low"
    assert severity(values(psi=0.3, psi_null=0.0), 0.001, 0.05) == "high"
    assert severity(values(wasserstein=0.6, wasserstein_null=0.3), 0.001, 0.05) == "low"
    assert severity(values(wasserstein=0.6, wasserstein_null=0.0), 0.001, 0.05) == "high"
    assert severity(values(psi=9.0, psi_null=0.0), 0.05, 0.05) == "none"
    assert severity(values(), np.nan, 0.05) == "no data"


@pytest.mark.parametrize(
    ("about", "before", "now", "level"),
    [
        ("missing", 0.02, 0.021, "none"),
        ("missing", 0.02, 0.026, "low"),
        ("missing", 0.02, 0.041, "medium"),
        ("missing", 0.5, 0.56, "high"),
        ("missing", 0.3, 0.0, "low"),
        ("missing", 0.021, 0.02, "none"),
        ("missing", 1.0, 0.0, "high"),
        ("out of contract", 0.0, 0.0001, "low"),
        ("out of contract", 0.0, 0.005, "medium"),
        ("out of contract", 0.01, 0.031, "high"),
        ("out of contract", 1.0, 0.0, "low"),
    ],
)
def test_counted_shares_have_scales_of_their_own(about, before, now, level):
    """In points of all rows, whatever the share was; a repair is low at most."""
    row = counted(about, before, now)
    assert severity(row, 0.001, 0.05) == level
    assert improved(row) == (now < before < 1 or (about == "out of contract" and now < before))


def test_weight_is_in_units_of_what_is_high():
    """The largest effect over the one from which it is high; nothing alike outweighs all."""
    row = values(psi=0.5, psi_null=0.0, wasserstein=2.0, wasserstein_null=0.0)
    assert weight(row) == pytest.approx(2.0 / EFFECTS["wasserstein"][-1])
    assert weight(counted("missing", 0.0, 0.1)) == pytest.approx(0.1 / EFFECTS["missing"][-1])
    assert weight(Row("x", "x", "values", "type", broken=True)) == np.inf
    assert weight(values()) == 0

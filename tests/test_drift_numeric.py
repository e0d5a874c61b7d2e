"""Numbers: the figures are SciPy's, whatever the ties, the sizes and the magnitudes."""

import numpy as np
import pytest
from scipy import stats

from mlops_helpers import drift_numeric as numeric
from mlops_helpers.drift_numeric import kolmogorov_smirnov, wasserstein


def rng(seed=0):
    """Chance for one test."""
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "m", "method"), [(300, 200, "exact"), (2000, 1000, "asymp")])
def test_ks_is_that_of_scipy(n, m, method):
    """Statistic and p-value are SciPy's: exact for small samples, asymptotic for large ones."""
    a, b = rng().normal(size=n), rng(1).normal(0.1, 1, size=m)
    expected = stats.ks_2samp(a, b, method=method)
    got = kolmogorov_smirnov(a, b)
    assert got == pytest.approx((expected.statistic, expected.pvalue), rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (997, 1000), (2000, 2000), (13000, 40)])
def test_ks_has_a_p_value_at_any_size(n, m):
    """No pair of sizes ends in a warning or a missing p-value."""
    _, p = kolmogorov_smirnov(rng().normal(size=n), rng(1).normal(size=m))
    assert 0 < p <= 1

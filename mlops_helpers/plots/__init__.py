"""One function per figure: a tidy frame in, matplotlib Axes out; `show` puts it in a notebook.

============  =====================================================================
models        metric_comparison, roc, calibration, score_histogram, monthly_rate
monitoring    drift, volume, alerts_by_severity, alerts_timeline, latency
decisions     profit_curve, ab_effect, power_curve, traffic, business_impact
base          show, picture, no_data: what all of them share
============  =====================================================================

Every figure takes `(frame, ax=None, *, title=None, …)`. Its title is a finding, computed from the
frame unless it is given; colour is never the only carrier.
"""

from mlops_helpers.plots.base import Picture, no_data, picture, show
from mlops_helpers.plots.decisions import (
    ab_effect,
    business_impact,
    power_curve,
    profit_curve,
    traffic,
)
from mlops_helpers.plots.models import (
    calibration,
    metric_comparison,
    monthly_rate,
    roc,
    score_histogram,
)
from mlops_helpers.plots.monitoring import (
    alerts_by_severity,
    alerts_timeline,
    drift,
    latency,
    volume,
)

__all__ = [
    "Picture",
    "ab_effect",
    "alerts_by_severity",
    "alerts_timeline",
    "business_impact",
    "calibration",
    "drift",
    "latency",
    "metric_comparison",
    "monthly_rate",
    "no_data",
    "picture",
    "power_curve",
    "profit_curve",
    "roc",
    "score_histogram",
    "show",
    "traffic",
    "volume",
]

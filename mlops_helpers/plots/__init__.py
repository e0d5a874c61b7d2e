"""One function per figure: a tidy frame in, matplotlib Axes out; `show` puts it in a notebook.

============  =====================================================================
metrics       metric_comparison, monthly_rate
scores        roc, calibration, score_histogram
ranking       precision_recall, gain, confusion
groups        importance, segments
monitoring    drift, volume, latency
maps          detection, signal_map, drift_map: tables whose cells are words and colours
waiting       vintages, expected_and_realised
incidents     alerts_by_severity, alerts_timeline
experiments   traffic, power_curve, ab_effect
money         profit_curve, business_impact
judges        judge_power, selection_bias, watch: how often a rule is wrong
policies      policy_gains, policy_paths: what retraining policies earn
registry      registry_status
showing       show, picture: once, with alternative text; show_table
base          what all of them share
============  =====================================================================

Every figure takes `(frame, ax=None, *, title=None, …)`. Its title is a finding, computed from the
frame unless it is given; colour is never the only carrier.
"""

from mlops_helpers.plots.base import no_data
from mlops_helpers.plots.experiments import ab_effect, power_curve, traffic
from mlops_helpers.plots.groups import importance, segments
from mlops_helpers.plots.incidents import alerts_by_severity, alerts_timeline
from mlops_helpers.plots.judges import judge_power, selection_bias, watch
from mlops_helpers.plots.maps import detection, drift_map, signal_map
from mlops_helpers.plots.metrics import metric_comparison, monthly_rate
from mlops_helpers.plots.money import business_impact, profit_curve
from mlops_helpers.plots.monitoring import drift, latency, volume
from mlops_helpers.plots.policies import policy_gains, policy_paths
from mlops_helpers.plots.ranking import confusion, gain, precision_recall
from mlops_helpers.plots.registry import registry_status
from mlops_helpers.plots.scores import calibration, roc, score_histogram
from mlops_helpers.plots.showing import Picture, picture, show, show_table
from mlops_helpers.plots.waiting import expected_and_realised, vintages

__all__ = [
    "Picture",
    "ab_effect",
    "alerts_by_severity",
    "alerts_timeline",
    "business_impact",
    "calibration",
    "confusion",
    "detection",
    "drift",
    "drift_map",
    "expected_and_realised",
    "gain",
    "importance",
    "judge_power",
    "latency",
    "metric_comparison",
    "monthly_rate",
    "no_data",
    "picture",
    "policy_gains",
    "policy_paths",
    "power_curve",
    "precision_recall",
    "profit_curve",
    "registry_status",
    "roc",
    "score_histogram",
    "segments",
    "selection_bias",
    "show",
    "show_table",
    "signal_map",
    "traffic",
    "vintages",
    "volume",
    "watch",
]

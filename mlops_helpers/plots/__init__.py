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
experiments   traffic, power_curve, duration_curve: an experiment's plan
effects       ab_effects: what it found, and its guardrails
sequences     effect_path, false_alarms: looking early
promises      error_rates, ab_limits: a method scored where the truth is known
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
from mlops_helpers.plots.effects import ab_effects
from mlops_helpers.plots.experiments import duration_curve, power_curve, traffic
from mlops_helpers.plots.groups import importance, segments
from mlops_helpers.plots.incidents import alerts_by_severity, alerts_timeline
from mlops_helpers.plots.judges import judge_power, selection_bias, watch
from mlops_helpers.plots.maps import detection, drift_map, signal_map
from mlops_helpers.plots.metrics import metric_comparison, monthly_rate
from mlops_helpers.plots.money import business_impact, profit_curve
from mlops_helpers.plots.monitoring import drift, latency, volume
from mlops_helpers.plots.policies import policy_gains, policy_paths
from mlops_helpers.plots.promises import ab_limits, error_rates
from mlops_helpers.plots.ranking import confusion, gain, precision_recall
from mlops_helpers.plots.registry import registry_status
from mlops_helpers.plots.scores import calibration, roc, score_histogram
from mlops_helpers.plots.sequences import effect_path, false_alarms
from mlops_helpers.plots.showing import Picture, picture, show, show_table
from mlops_helpers.plots.waiting import expected_and_realised, vintages

__all__ = [
    "Picture",
    "ab_effects",
    "ab_limits",
    "alerts_by_severity",
    "alerts_timeline",
    "business_impact",
    "calibration",
    "confusion",
    "detection",
    "drift",
    "drift_map",
    "duration_curve",
    "effect_path",
    "error_rates",
    "expected_and_realised",
    "false_alarms",
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

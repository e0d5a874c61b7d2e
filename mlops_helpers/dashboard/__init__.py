"""The dashboard: nine questions about a model in service, answered from the stores alone.

========  ===========================================================================
collect   from the stores to one tidy frame a panel
panels    the nine panels and the 3 x 3 picture
impact    what the decisions earned, against named baselines
controls  the cut-off slider and its static twin
========  ===========================================================================
"""

from mlops_helpers.dashboard.collect import collect
from mlops_helpers.dashboard.controls import (
    CutoffControl,
    at_cutoff,
    cutoff_control,
    cutoff_sentence,
    cutoff_table,
)
from mlops_helpers.dashboard.panels import (
    LATENCY_LIMIT,
    PANELS,
    Panel,
    as_of,
    describe,
    draw,
    findings,
)

__all__ = [
    "LATENCY_LIMIT",
    "PANELS",
    "CutoffControl",
    "Panel",
    "as_of",
    "at_cutoff",
    "collect",
    "cutoff_control",
    "cutoff_sentence",
    "cutoff_table",
    "describe",
    "draw",
    "findings",
]

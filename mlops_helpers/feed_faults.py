"""What is broken in a lot of applications, in sentences that name the column.

`cause_feeds` says how much a feed signal moved and `causes.LIMITS` from when on somebody acts;
here the column behind it is named, because a person has to mend it. A model trained on such rows
learns the fault, so each of these sentences is a veto of `retraining.decide`.
"""

from __future__ import annotations

import pandas as pd

from mlops_helpers.cause_feeds import feed_signals
from mlops_helpers.causes import LIMITS
from mlops_helpers.contracts import FEATURES
from mlops_helpers.drift import Reference
from mlops_helpers.quarantine import broken_rows

__all__ = ["feed_faults"]


def feed_faults(
    holdout: pd.DataFrame, window: pd.DataFrame, what: str, *, level: float = 0.99
) -> tuple[str, ...]:
    """Sentences about what is broken in `window` and was not in `holdout`; empty if nothing is."""
    try:
        broken_rows(window.iloc[:0], labelled=False)
    except ValueError as error:
        return (f"{what}: {error}",)
    if window.empty:
        return ()
    reference = Reference.fit(holdout[list(FEATURES)])
    found = []
    for name, (before, now, change) in feed_signals(reference, holdout, window, level).items():
        limit = LIMITS[name]
        evident = change.known and not change.low <= limit.same <= change.high
        if evident and not limit.low <= change.value <= limit.high:
            found.append(f"{what}: {name} {before:.3g} before, {now:.3g} now")
    return tuple(found)

"""What is broken in a lot of applications, in sentences that name the column.

`cause_feeds` says how much a feed signal moved and `causes.LIMITS` from when on somebody acts;
here the column behind it is named, because a person has to mend it. A model trained on such rows
learns the fault, so each of these sentences is a veto of `retraining.decide`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

import pandas as pd

from mlops_helpers.business import in_words
from mlops_helpers.cause_feeds import MOST_ACCEPTED, feed_columns
from mlops_helpers.causes import LIMITS
from mlops_helpers.drift import Reference
from mlops_helpers.quarantine import schema_fault

__all__ = ["MIN_ROWS", "acceptable", "feed_faults"]

MIN_ROWS = 100
"""Applications that a sign needs which chance can make."""


def feed_faults(
    reference: Reference,
    holdout: pd.DataFrame,
    window: pd.DataFrame,
    what: str,
    *,
    level: float = 0.99,
    accepted: Collection[str] = (),
) -> tuple[str, ...]:
    """Sentences about what is broken in `window` and was not in `holdout`; empty if nothing is.

    Each begins with `what` the rows are, and names signal, column and the figures before and now.
    A frame of another schema is one fault. Fewer than `MIN_ROWS` rows can only break the contract:
    in a handful some column always lacks a value, or holds one twice.
    accepted: columns of which a person knows why they have gaps or categories that they had not,
    such as a form that asks some no longer. Their gaps and categories are no fault in up to half
    of the rows: beyond that a model would learn from a column that is not there. A value that
    breaks the contract, one value for everybody and another scale remain one in every column.
    reference: `Reference.fit` of the training rows' features, for the categories that it knows;
    holdout must be of the course's schema.
    """
    if fault := schema_fault(window, labelled=False):
        return (f"{what}: {fault.rstrip('.')}",)
    found = []
    columns = feed_columns(reference, holdout, window, level, accepted=accepted)
    for name, (column, (before, now, change)) in columns.items():
        if len(window) < MIN_ROWS and name != "out of contract":
            continue
        limit = LIMITS[name]
        evident = change.known and not change.low <= limit.same <= change.high
        if evident and not limit.low <= change.value <= limit.high:
            how = _HOW[name] + (_BEYOND if name in ACCEPTABLE and column in accepted else "")
            found.append(
                f"{what}: {column} {how} ({_figure(name, before)} before, "
                f"{_figure(name, now)} now, limit {_limit(name)})"
            )
    return tuple(found)


_HOW = {
    "out of contract": "breaks the contract",
    "missing": "is missing",
    "unseen categories": "holds words never seen",
    "one value": "holds one value",
    "scale": "has another scale",
}


ACCEPTABLE = ("missing", "unseen categories")
_BEYOND = f" in more than the {MOST_ACCEPTED:.0%} of the rows that can be accepted"


def acceptable(told: str) -> tuple[str, ...]:
    """The columns whose gaps or new categories `told`, sentences of `feed_faults`, complains of."""
    how = "|".join(_HOW[signal] for signal in ACCEPTABLE)
    return tuple(dict.fromkeys(re.findall(rf"(\w+) (?:{how}) \(", told)))


def _figure(signal: str, value: float) -> str:
    return in_words(value) if signal == "scale" else f"{value:.1%}"


def _limit(signal: str) -> str:
    limit = LIMITS[signal]
    if signal == "scale":
        return f"a factor within {limit.low:.3g} and {limit.high:.3g}"
    return f"{limit.high:.1%} more"

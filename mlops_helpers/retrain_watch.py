"""The first stage of a scheduled retraining: was the champion before the better one after all?

Both versions score the applications since the promotion, which neither has learnt from, and
`watching` compares them, loan by loan. Each planned look is taken once, at the first
retraining on or after its day, and the looks that were taken are in the log.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlops_helpers.contracts import TARGET
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.registry import Registry
from mlops_helpers.retrain_inputs import Order
from mlops_helpers.threads import one_thread
from mlops_helpers.watching import WatchPolicy, WatchVerdict, watch

__all__ = ["Look", "take_look"]

SHORTEST = 365
"""Days that a champion is watched at least; twice the label delay if that is longer."""


@dataclass(frozen=True)
class Look:
    """A look that was taken, or `told` why there was none to take.

    previous: the champion before. verdict: None if no look was due.
    """

    told: str
    previous: int | None = None
    promoted_at: pd.Timestamp | None = None
    number: int = 0
    verdict: WatchVerdict | None = None

    @property
    def roll_back(self) -> bool:
        """Is it sure enough that the champion before was better?"""
        return self.verdict is not None and self.verdict.roll_back


def take_look(registry: Registry, champion: int, order: Order, steps: pd.DataFrame) -> Look:
    """Take the look that is due at the champion, if one is; nothing is written.

    `steps` are those of other days: a look that one of them took is not taken again.
    """
    history = registry.history()
    rows = history[(history["event"] == "promoted") & (history["version"] == champion)]
    previous = registry.version_of("previous")
    if previous is None or rows.empty:
        return Look("no champion before this one to compare with")
    since = rows["when"].iloc[-1]
    policy = _policy(order)
    number = policy.look_at((order.as_of - since) / pd.Timedelta(days=1))
    taken = _looks_taken(steps, champion, since)
    if number <= taken:
        over = "the watch is over" if taken == policy.looks else f"look {taken + 1} is not due yet"
        return Look(
            f"version {champion} serves since {since:%Y-%m-%d}; {over}", previous, since, taken
        )
    verdict = _verdict(registry, (champion, previous), order, since, number, policy)
    return Look(verdict.sentence, previous, since, number, verdict)


def _verdict(
    registry: Registry,
    versions: tuple[int, int],
    order: Order,
    since: pd.Timestamp,
    number: int,
    policy: WatchPolicy,
) -> WatchVerdict:
    frame = order.frame
    seen = frame[(frame["applied_at"] >= since) & (frame["applied_at"] < order.as_of)]
    seen = seen[~broken_rows(seen)]  # what was typed wrong says nothing about a model
    due = seen["applied_at"] <= order.as_of - pd.Timedelta(days=policy.label_days)
    outcome = seen[TARGET].where(due & (seen["outcome_at"] <= order.as_of))
    with one_thread():
        new, old = (
            registry.load(version).pipeline.predict_proba(seen)[:, 1] if len(seen) else []
            for version in versions
        )
    return watch(
        outcome, new, old, seen["loan_amount"], look=number, policy=policy, costs=order.costs
    )


def _policy(order: Order) -> WatchPolicy:
    """The watch as it is planned for labels that take as long as these do."""
    known = order.frame[order.frame["outcome_at"] <= order.as_of]
    wait = (known["outcome_at"] - known["applied_at"]).max()
    days = 0 if pd.isna(wait) else int(wait.ceil("D") / pd.Timedelta(days=1))
    return WatchPolicy(days=max(SHORTEST, 2 * days), label_days=days)


def _looks_taken(steps: pd.DataFrame, champion: int, since: pd.Timestamp) -> int:
    """The last look that was taken at this champion since this promotion."""
    watched = steps[(steps["stage"] == "watch") & (steps["status"] == "done")]
    mine = [
        int(result["look"])
        for result in watched["result"]
        if result.get("champion") == champion and result.get("since") == since.isoformat()
    ]
    return max(mine, default=0)

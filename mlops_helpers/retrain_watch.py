"""The first stage of a scheduled retraining: was the champion before the better one after all?

Both versions score the applications whose outcome became known since the promotion: applied for
after all that either was trained on or held out on, so nothing of them decided the promotion. They
are there from the first month on, however long outcomes take; applications made since the promotion
would have none for half a year, and whoever promotes every month would never look. `watching`
compares both, loan by loan. Each planned look is taken once, at the first retraining on or after
its day, and the looks that were taken are in the log.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlops_helpers.contracts import TARGET
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.registry import Registry, RegistryError, StoreError, UnknownModelError
from mlops_helpers.retrain_inputs import Learnt, Order, RetrainRefused, checked_delay
from mlops_helpers.threads import one_thread
from mlops_helpers.versions import Versions
from mlops_helpers.watching import WatchPolicy, WatchVerdict, watch

__all__ = ["WATCH", "Look", "take_look", "what_it_learnt"]

WATCH = WatchPolicy(days=336, looks=12, label_days=0, error=0.04)
"""A look every 28 days, so that a scheduler that comes once a month finds one due each time.

label_days is 0 because the rows are counted by when their outcome became known, see above. error is
0.04 so that the rate itself stays at 5 %: early looks at few loans, whose differences are skewed,
are wrong a little more often than planned (at 0.05 it was 5.6 % [4.6, 6.6]).
Measured with `watching.error_rates` (policy=WATCH, applications=5,520, seeds 101 and 102), one in
seven a default: over the whole watch an equal champion goes in 3.8 % [3.0, 4.7] of 2,000 (in 14 %
if every look is believed at 5 %); one better by 0.02 of AUC in none of 300; one that loses $29 an
application (AUC -0.02) in 56 % [50, 61], $58 in 96 % [93, 97], $85 in 99.7 % [98, 100]. The first
months find only the worst: with 460 outcomes a month, AUC -0.10 is found at the first look in 6 %
[3, 10], by the second in 42 % [35, 49], by the third in 76 % [70, 81] of 200; AUC -0.06 by the
third in 35 % [28, 41]. So whoever promotes every month is saved from blunders, not from small loss.
"""


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
    number = WATCH.look_at((order.as_of - since) / pd.Timedelta(days=1))
    taken = _looks_taken(steps, champion, since)
    if number <= taken:
        over = "the watch is over" if taken == WATCH.looks else f"look {taken + 1} is not due yet"
        return Look(
            f"version {champion} serves since {since:%Y-%m-%d}; {over}", previous, since, taken
        )
    versions = champion, previous
    delay = checked_delay(order.frame, order.as_of)
    try:
        seen = [what_it_learnt(registry, version) for version in versions]
        verdict = _verdict(registry, versions, order, _fresh(order, seen, since, delay), number)
    except StoreError:
        raise
    except (RetrainRefused, RegistryError, ModelFileError) as error:
        return Look(f"cannot be compared with version {previous}: {error}", previous, since, taken)
    return Look(verdict.sentence, previous, since, number, verdict)


def what_it_learnt(registry: Registry, version: int) -> Learnt:
    """What a version learnt from and was held out on; RetrainRefused if nobody can say."""
    history = registry.history()
    mine = history[(history["event"] == "registered") & (history["version"] == version)]
    if mine.empty:
        raise RetrainRefused(
            f"the history does not say when version {version} was registered. Promote a version "
            "that Registry.register made."
        )
    try:
        run = Versions(registry.tracking_uri, registry.name).run(registry.load(version).run_id)
    except UnknownModelError as error:
        raise RetrainRefused(f"the run of version {version} is gone: {error}") from error
    return Learnt.read(version, run.data.tags, mine["when"].iloc[-1])


def _fresh(
    order: Order, seen: list[Learnt], since: pd.Timestamp, delay: pd.Timedelta
) -> pd.DataFrame:
    """The rows whose outcome was due since the promotion and that no version has seen."""
    frame = order.frame
    # whose outcome was known at the promotion, or could have been, may have decided it
    first = max([*(max(it.train_until, it.holdout_until) for it in seen), since - delay])
    fresh = frame[(frame["applied_at"] > first) & (frame["applied_at"] <= order.as_of - delay)]
    wrong = broken_rows(fresh, labelled=False)  # what was typed wrong says nothing about a model
    wrong |= fresh[TARGET].notna() & ~fresh[TARGET].isin((0, 1))
    return fresh[~wrong]


def _verdict(
    registry: Registry,
    versions: tuple[int, int],
    order: Order,
    rows: pd.DataFrame,
    number: int,
) -> WatchVerdict:
    outcome = rows[TARGET].where(rows["outcome_at"] <= order.as_of)
    with one_thread():
        new, old = (
            registry.load(version).pipeline.predict_proba(rows)[:, 1] if len(rows) else []
            for version in versions
        )
    amount = rows["loan_amount"]
    return watch(outcome, new, old, amount, look=number, policy=WATCH, costs=order.costs)


def _looks_taken(steps: pd.DataFrame, champion: int, since: pd.Timestamp) -> int:
    """The last look that was taken at this champion since this promotion."""
    watched = steps[(steps["stage"] == "watch") & (steps["status"] == "done")]
    mine = [
        int(result["look"])
        for result in watched["result"]
        if result.get("champion") == champion and result.get("since") == since.isoformat()
    ]
    return max(mine, default=0)

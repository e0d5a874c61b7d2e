"""One scheduled retraining: watch, check, train, judge, promote as one idempotent step.

    result = retrain(open_place(), stream.frame, as_of="2024-06-01")
    print(summary(result)); sys.exit(result.exit_code)

A day is retrained once: a second call tells what came of it and does nothing. A call after a kill
completes what was begun: what a stage came to is in the log, a run that was trained is used, and
the registry completes a promotion that was journalled. The champion serves throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from mlops_helpers.business import CostModel
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.retrain_flow import go_on, settings_of
from mlops_helpers.retrain_inputs import (
    Order,
    RetrainRefused,
    checked_columns,
    checked_date,
    checked_rows,
)
from mlops_helpers.retrain_place import RetrainPlace, one_at_a_time
from mlops_helpers.retrain_record import STAGES, Record, day_of, key_of
from mlops_helpers.retrain_stages import Work
from mlops_helpers.retraining import RetrainingPolicy
from mlops_helpers.training_windows import TrainingWindow

__all__ = ["EXIT_CODES", "Outcome", "Result", "retrain"]

Outcome = Literal["promoted", "kept", "vetoed", "rolled back"]
EXIT_CODES: dict[Outcome, int] = {"promoted": 0, "kept": 3, "vetoed": 4, "rolled back": 6}


@dataclass(frozen=True)
class Result:
    """What came of a retraining.

    champion: the version that serves now. stages: a row each with `stage, status, seconds,
    attempts, told`. details: what each stage came to, by its name. repeated: was it over before
    this call? differs: what of this call, then, is not what it was made with, in words.
    unpublished: why the report's file could not be written, if it could not.
    """

    key: str
    outcome: Outcome
    sentence: str
    champion: int
    stages: pd.DataFrame
    details: dict[str, dict[str, Any]]
    repeated: bool
    differs: tuple[str, ...] = ()
    unpublished: str = ""

    @property
    def exit_code(self) -> int:
        """0 promoted, 3 kept, 4 vetoed, 6 rolled back."""
        return EXIT_CODES[self.outcome]


def retrain(
    place: RetrainPlace,
    frame: pd.DataFrame,
    *,
    as_of: pd.Timestamp | str,
    seed: int = 42,
    window: TrainingWindow | None = None,
    policy: RetrainingPolicy | None = None,
    costs: CostModel | None = None,
    accepted: Collection[str] = (),
    today: pd.Timestamp | None = None,
    clock: Callable[[], pd.Timestamp] | None = None,
) -> Result:
    """Retrain the champion of `place` on `frame` (as `data.load_stream` gives it) if need be.

    Nothing that became known after `as_of` (a day) is looked at. accepted: columns whose gaps and
    new categories a person has looked at: they are no veto (see `feed_faults`). `today` refuses
    rows and days that are later; `clock` dates the stages in the log.
    Raises `RetrainRefused`, with nothing changed, for what cannot be done: rows of another schema,
    no new ones, labels that are missing or of one class, repeated ids, a day before the training
    or before a day that is over, a champion that cannot be loaded. Raises `AtWork` if another
    process retrains this model. What fails on the way (`StoreError`, `LogError`, `OSError`, …) is
    saved with its stage; the next call goes on.
    """
    now = clock or (lambda: pd.Timestamp.now(tz="UTC"))
    order = Order(
        frame,
        checked_date(as_of, today=today),
        seed,
        window or TrainingWindow(),
        policy or RetrainingPolicy(),
        costs or CostModel(),
        today,
        checked_columns(accepted),
    )
    checked_rows(order)
    key = key_of(place.name, order.as_of)
    with (
        one_at_a_time(place, what=f"as of {order.day}", now=now()),
        PredictionLog(place.database_url) as log,
    ):
        record = Record(log, key, clock=now, folder=place.folder)
        registry = Registry(place.tracking_uri, place.name)
        if record.over:
            record.publish()
            told = _result(record, registry, repeated=True)
            return replace(told, differs=_differs(record.settings, order))
        steps = log.steps()
        _refuse_earlier(order, place.name, steps)
        work = Work(key, place, registry, log, order)
        go_on(work, record, steps, now)
        return _result(record, registry, repeated=False)


def _refuse_earlier(order: Order, name: str, steps: pd.DataFrame) -> None:
    ended = steps[(steps["stage"] == STAGES[-1]) & steps["status"].isin(["done", "skipped"])]
    days = [found for key in ended["key"] if (found := day_of(key, name))]
    if days and max(days) > order.day:
        raise RetrainRefused(
            f"as_of == {order.day} lies before {max(days)}, which is over: the champion of now was "
            "chosen with what was known then. Give a later day."
        )


def _differs(made_with: Mapping[str, Any], order: Order) -> tuple[str, ...]:
    """What a retraining that is over was made with where `order` has something else, in words."""
    asked = settings_of(order, int(made_with.get("champion", 0)))
    return tuple(
        "the rows are others" if name == "rows" else f"{name} {_value(was)}, not {_value(now)}"
        for name, was, now in _others(dict(made_with), asked)
    )


def _others(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Name and both values of what is not the same, within a mapping those of its members."""
    for name, now in after.items():
        was = before.get(name)
        if isinstance(now, dict) and isinstance(was, dict):
            yield from ((f"{name}.{part}", *both) for part, *both in _others(was, now))
        elif was != now:
            yield name, was, now


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return str(value)


def _result(record: Record, registry: Registry, *, repeated: bool) -> Result:
    details = {stage: found.result for stage in STAGES if (found := record.done(stage))}
    last = record.had(STAGES[-1])
    if missing := [name for name in ("outcome", "champion") if name not in last.result]:
        raise LogError(
            f"the stage {STAGES[-1]} of {record.key} is damaged in the log: it lacks "
            f"{' and '.join(missing)}. Restore the log from a copy."
        )
    return Result(
        key=record.key,
        outcome=last.result["outcome"],
        sentence=last.told,
        # after a call that does nothing it may be another: somebody may have changed it since
        champion=registry.version_of("champion") or int(last.result["champion"]),
        stages=record.table,
        details=details,
        repeated=repeated,
        unpublished=record.unpublished,
    )

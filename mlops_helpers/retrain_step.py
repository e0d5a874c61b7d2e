"""One scheduled retraining: watch, check, train, judge, promote as one idempotent step.

    result = retrain(open_place(), stream.frame, as_of="2024-06-01")
    print(summary(result)); sys.exit(result.exit_code)

A day is retrained once: a second call tells what came of it and does nothing. A call after a kill
completes what was begun: what a stage came to is in the log, a run that was trained is used, and
the registry completes a promotion that was journalled. The champion serves throughout.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pandas as pd

from mlops_helpers.business import CostModel
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.provenance import content_digest
from mlops_helpers.registry import Registry, RegistryError, StoreError
from mlops_helpers.retrain_inputs import (
    Learnt,
    Order,
    RetrainRefused,
    Rows,
    checked_date,
    checked_rows,
    look,
)
from mlops_helpers.retrain_place import RetrainPlace, one_at_a_time
from mlops_helpers.retrain_record import STAGES, Done, Record, key_of
from mlops_helpers.retrain_stages import Work, end_lost_runs, plain, run_tags
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
    this call?
    """

    key: str
    outcome: Outcome
    sentence: str
    champion: int
    stages: pd.DataFrame
    details: dict[str, dict[str, Any]]
    repeated: bool

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
    today: pd.Timestamp | None = None,
    clock: Callable[[], pd.Timestamp] | None = None,
) -> Result:
    """Retrain the champion of `place` on `frame` (as `data.load_stream` gives it) if need be.

    Nothing that became known after `as_of` (a day) is looked at. `today` refuses rows and days
    that are later; `clock` dates the stages in the log.
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
    )
    checked_rows(order)
    key = key_of(place.name, order.as_of)
    with (
        one_at_a_time(place, what=f"as of {order.day}", now=now()),
        PredictionLog(place.database_url) as log,
    ):
        record = Record(log, key, clock=now, folder=place.folder)
        if record.over:
            return _result(record, repeated=True)
        steps = log.steps()
        _refuse_earlier(order, place.name, steps)
        work = Work(key, place, Registry(place.tracking_uri, place.name), log, order)
        _step(work, record, steps, now)
        return _result(record, repeated=False)


def _step(work: Work, record: Record, steps: pd.DataFrame, now: Callable[[], pd.Timestamp]) -> None:
    """Go through the stages that are not done yet."""
    serving = _champion(work.registry)
    if record.begun:
        end_lost_runs(work.place.tracking_uri, work.key)
        if _finish_promotion(work, record, serving):
            return
    settings = _settings(work.order, serving)
    if record.settings != settings:
        record.restart()
    learnt = _learnt(work.registry, serving)
    rows = look(work.order, learnt)
    decision = None
    if record.done("check") is None:
        decision = work.decide(learnt, rows, _last_training(learnt, work.place.name, steps))
    # From here on things are written.
    _clean_up(work, steps, serving, now)
    if record.done("watch") is None:
        with record.stage("watch", settings=settings, champion=serving) as came_to:
            came_to.told = "no champion before this one to compare with"
    if decision is not None:
        with record.stage("check") as came_to:
            came_to.told = decision.sentence
            fired = [r.name for r in decision.reasons if r.kind == "trigger" and r.holds]
            came_to.result |= {"outcome": decision.outcome, "triggers": fired}
            came_to.result |= {"reasons": plain(decision.table)}
    checked = _done(record, "check")
    if checked.result["outcome"] != "retrain":
        outcome = "vetoed" if checked.result["outcome"] == "vetoed" else "kept"
        ended = Done(checked.told, {"outcome": outcome, "champion": serving})
        record.skip(STAGES[2:], ended)
        return
    _challenge(work, record, rows, serving, checked)


def _challenge(work: Work, record: Record, rows: Rows, champion: int, checked: Done) -> None:
    """Train, judge and promote what is not done yet."""
    if record.done("train") is None:
        trigger = ", ".join(checked.result["triggers"])
        with record.stage("train", as_of=work.order.day) as came_to:
            work.train(champion, rows, checked.told, trigger, came_to)
    challenger = int(_done(record, "train").result["version"])
    if record.done("judge") is None:
        with record.stage("judge") as came_to:
            work.judge(champion, challenger, rows, came_to)
    with record.stage("promote") as came_to:
        found = work.promote(champion, challenger, rows, _done(record, "judge"))
        came_to.told, came_to.result = found.told, found.result


def _finish_promotion(work: Work, record: Record, serving: int) -> bool:
    """Was the challenger promoted before the call was killed? Then only the record is missing."""
    trained = record.done("train")
    if trained is None or trained.result.get("version") != serving:
        return False
    with record.stage("promote") as came_to:
        work.registry.register(trained.result["run_id"])  # completes what was journalled
        before = record.done("watch")
        was = before.result.get("champion") if before else None
        came_to.told = f"promoted: version {serving} serves, version {was} is its way back"
        came_to.result = {"outcome": "promoted", "champion": serving, "refused_by": []}
    return True


def _champion(registry: Registry) -> int:
    """The version that serves, which can be loaded; RetrainRefused if it cannot."""
    try:
        return registry.load("champion").version
    except StoreError:
        raise
    except (RegistryError, ModelFileError) as error:
        raise RetrainRefused(f"the champion cannot be loaded: {error}") from error


def _learnt(registry: Registry, version: int) -> Learnt:
    history = registry.history()
    mine = history[(history["event"] == "registered") & (history["version"] == version)]
    if mine.empty:
        raise RetrainRefused(
            f"the history does not say when version {version} was registered. Promote a version "
            "that Registry.register made."
        )
    return Learnt.read(version, run_tags(registry, version), mine["when"].iloc[-1])


def _last_training(learnt: Learnt, name: str, steps: pd.DataFrame) -> pd.Timestamp:
    """When a model was last trained, promoted or not."""
    mine = steps["key"].str.startswith(f"{name} ")
    trained = steps[mine & (steps["stage"] == "train") & (steps["status"] == "done")]
    days = [pd.Timestamp(result["as_of"], tz="UTC") for result in trained["result"]]
    return max([learnt.trained_at, *days])


def _settings(order: Order, champion: int) -> dict[str, Any]:
    """What a retraining depends on: if any of it changes, what was begun is begun anew."""
    then = order.frame[order.frame["applied_at"] < order.as_of]
    known = then["outcome_at"] <= order.as_of
    asked = {
        "champion": champion,
        "seed": order.seed,
        "window": asdict(order.window),
        "policy": asdict(order.policy),
        "rows": content_digest(then.assign(default=then["default"].where(known))),
    }
    return json.loads(json.dumps(asked))


def _refuse_earlier(order: Order, name: str, steps: pd.DataFrame) -> None:
    ended = steps[(steps["stage"] == STAGES[-1]) & steps["status"].isin(["done", "skipped"])]
    days = [key.removeprefix(f"{name} ") for key in ended["key"] if key.startswith(f"{name} ")]
    if days and max(days) > order.day:
        raise RetrainRefused(
            f"as_of == {order.day} lies before {max(days)}, which is over: the champion of now was "
            "chosen with what was known then. Give a later day."
        )


def _clean_up(
    work: Work, steps: pd.DataFrame, serving: int, now: Callable[[], pd.Timestamp]
) -> None:
    """End what earlier days left unfinished; nobody else is at work on them."""
    for key in steps["key"].unique():
        if key == work.key or not str(key).startswith(f"{work.place.name} "):
            continue
        left = Record(work.log, str(key), clock=now, folder=work.place.folder)
        if left.over or left.given_up:
            continue
        end_lost_runs(work.place.tracking_uri, str(key))
        if not _finish_promotion(replace(work, key=str(key)), left, serving):
            left.give_up(f"never finished; given up by the retraining as of {work.order.day}")


def _done(record: Record, stage: str) -> Done:
    found = record.done(stage)
    if found is None:
        raise LookupError(f"the stage {stage} of {record.key} is not done, though later ones are.")
    return found


def _result(record: Record, *, repeated: bool) -> Result:
    details = {stage: found.result for stage in STAGES if (found := record.done(stage))}
    last = _done(record, STAGES[-1])
    return Result(
        key=record.key,
        outcome=last.result["outcome"],
        sentence=last.told,
        champion=int(last.result["champion"]),
        stages=record.table,
        details=details,
        repeated=repeated,
    )

"""The stages in their order: what was done is not done again, what was begun is completed.

First all is looked at that needs no writing, so that whatever is refused has changed nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from mlops_helpers.contracts import OUTCOME
from mlops_helpers.feed_faults import acceptable
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.provenance import content_digest
from mlops_helpers.registry import Registry, RegistryError, StoreError
from mlops_helpers.retrain_inputs import Learnt, Order, RetrainRefused, Rows, look
from mlops_helpers.retrain_record import STAGES, Done, Record, day_of
from mlops_helpers.retrain_stages import Work, end_lost_runs, plain
from mlops_helpers.retrain_watch import Look, take_look, what_it_learnt
from mlops_helpers.retraining import Decision

__all__ = ["go_on", "settings_of"]

Clock = Callable[[], pd.Timestamp]


@dataclass(frozen=True)
class _Found:
    """What was found before anything was written; None where a stage is done already.

    rows: None if the champion must be rolled back. seconds: how long it took, by stage.
    """

    champion: int
    settings: dict[str, Any]
    rows: Rows | None
    look: Look | None
    decision: Decision | None
    seconds: dict[str, float]


def go_on(work: Work, record: Record, steps: pd.DataFrame, clock: Clock) -> None:
    """Do the stages of a retraining that are not done yet; `steps` are the log's."""
    serving = _champion(work.registry)
    if record.begun:
        end_lost_runs(work.place.tracking_uri, work.key)
        if _complete(work, record, serving):
            return
    found = _look(work, record, steps, serving)
    _clean_up(work, steps, serving, clock)
    if found.look is not None:
        if _watch(work, record, found, found.look):
            return
        if found.look.roll_back:  # refused
            found = _look(work, record, steps, serving)
    if found.decision is not None:
        _check(work, record, found, found.decision)
    checked = record.had("check")
    if checked.result["outcome"] == "retrain" and found.rows is not None:
        attempt = _attempt(work, steps, found.champion)
        _challenge(work, record, found.champion, found.rows, checked, attempt)
    else:
        outcome = "vetoed" if checked.result["outcome"] == "vetoed" else "kept"
        record.skip(STAGES[2:], Done(checked.told, {"outcome": outcome, "champion": serving}))


def _look(work: Work, record: Record, steps: pd.DataFrame, serving: int) -> _Found:
    """Look at everything; RetrainRefused if it cannot be done. Nothing is written."""
    settings = settings_of(work.order, serving)
    record.use(settings)
    learnt = what_it_learnt(work.registry, serving)
    others = _others(work, steps)
    began = time.perf_counter()
    taken = None
    if record.done("watch") is None:
        taken = take_look(work.registry, serving, work.order, others)
    watched = time.perf_counter()
    if taken and taken.roll_back:  # whatever the rows say of training: the worse one must go
        return _Found(serving, settings, None, taken, None, {"watch": watched - began})
    rows = look(work.order, learnt)
    decision = None
    if record.done("check") is None:
        decision = work.decide(learnt, rows, _last_training(learnt, others))
    seconds = {"watch": watched - began, "check": time.perf_counter() - watched}
    return _Found(serving, settings, rows, taken, decision, seconds)


def _others(work: Work, steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of this model's other days."""
    ours = steps["key"].map(lambda key: day_of(key, work.place.name) is not None).astype(bool)
    return steps[ours & (steps["key"] != work.key)]


def _watch(work: Work, record: Record, found: _Found, taken: Look) -> bool:
    """Save the look that was taken; True if the champion was rolled back."""
    since = taken.promoted_at.isoformat() if taken.promoted_at is not None else ""
    more = {"settings": found.settings, "champion": found.champion}
    more |= {"look": taken.number, "since": since}
    if taken.verdict is not None:
        more |= {"outcome": taken.verdict.outcome, "checks": plain(taken.verdict.checks)}
    if taken.roll_back:  # said before it is done: a call after a kill must know what was meant
        more |= {"restores": taken.previous, "reason": taken.told}
    with record.stage("watch", spent=found.seconds["watch"], **more) as came_to:
        came_to.told = taken.told
        if not taken.roll_back:
            return False
        try:
            came_to.result |= {"meanwhile": work.roll_back(found.champion, taken)}
        except StoreError:
            raise
        except RegistryError as error:  # the one before cannot serve: only a better one can help
            came_to.told = f"the rollback was refused: {error} It was to be for this: {taken.told}"
            came_to.result |= {"outcome": "rollback refused"}
            return False
    _skip_after_rollback(record, found.champion, int(taken.previous or 0))
    return True


def _check(work: Work, record: Record, found: _Found, decision: Decision) -> None:
    with record.stage("check", spent=found.seconds["check"]) as came_to:
        came_to.told = decision.sentence
        if decision.outcome == "vetoed" and (columns := acceptable(decision.sentence)):
            options = " ".join(f"--accept {column}" for column in columns)
            came_to.told += f" If somebody knows why: {options} on a later day."
        came_to.result |= {"accepted": list(work.order.accepted)}
        fired = [r.name for r in decision.reasons if r.kind == "trigger" and r.holds]
        came_to.result |= {"outcome": decision.outcome, "triggers": fired}
        came_to.result |= {"reasons": plain(decision.table)}


def _challenge(
    work: Work, record: Record, champion: int, rows: Rows, checked: Done, attempt: int
) -> None:
    """Train, judge and promote what is not done yet, or whose challenger is gone."""
    trained = record.done("train")
    if trained is None or not work.there(int(trained.result["version"])):
        trigger = ", ".join(checked.result["triggers"])
        with record.stage("train", as_of=work.order.day) as came_to:
            work.train(champion, rows, checked.told, trigger, came_to)
    challenger = int(record.had("train").result["version"])
    judged = record.done("judge")
    if judged is None or judged.result["challenger"] != challenger:
        with record.stage("judge", champion=champion, challenger=challenger) as came_to:
            work.judge(champion, challenger, rows, attempt, came_to)
    with record.stage("promote") as came_to:
        ended = work.promote(champion, challenger, rows, record.had("judge"))
        came_to.told, came_to.result = ended.told, ended.result


def _attempt(work: Work, steps: pd.DataFrame, champion: int) -> int:
    """The how manyth judgement against this champion is due, from 1."""
    judged = steps[(steps["stage"] == "judge") & (steps["status"] == "done")]
    against = judged["result"].map(lambda result: result.get("champion") == champion).astype(bool)
    judged = judged[against]
    own = [int(r["attempt"]) for r in judged["result"][judged["key"] == work.key]]
    return 1 + max([len(_others(work, judged)), *own])


def _complete(work: Work, record: Record, serving: int) -> bool:
    """Had the champion changed already when the call was killed? Then that is put on record."""
    begun = record.result("watch")
    before = begun.get("champion")
    if before is None or before == serving:
        return False
    if begun.get("restores") == serving:
        work.registry.restore(serving)  # completes what was journalled
        if record.done("watch") is None:
            with record.stage("watch", **begun) as came_to:
                came_to.told = begun["reason"]
                since = pd.Timestamp(begun["since"])
                came_to.result |= {"meanwhile": work.meanwhile(before, serving, since)}
        _skip_after_rollback(record, before, serving)
        return True
    trained = record.done("train")
    if trained is None or trained.result.get("version") != serving:
        return False
    with record.stage("promote") as came_to:
        work.registry.restore(serving)
        ended = Work.promoted(before, serving)
        came_to.told, came_to.result = ended.told, ended.result
    return True


def _skip_after_rollback(record: Record, before: int, serving: int) -> None:
    told = f"rolled back: version {serving} serves again, version {before} was worse"
    record.skip(STAGES[1:], Done(told, {"outcome": "rolled back", "champion": serving}))


def _champion(registry: Registry) -> int:
    """The version that serves, which can be loaded; RetrainRefused if it cannot."""
    try:
        return registry.load("champion").version
    except StoreError:
        raise
    except (RegistryError, ModelFileError) as error:
        raise RetrainRefused(f"the champion cannot be loaded: {error}") from error


def _last_training(learnt: Learnt, others: pd.DataFrame) -> pd.Timestamp:
    """When a model was last trained, promoted or not."""
    trained = others[(others["stage"] == "train") & (others["status"] == "done")]
    days = [pd.Timestamp(result["as_of"], tz="UTC") for result in trained["result"]]
    return max([learnt.trained_at, *days])


def settings_of(order: Order, champion: int) -> dict[str, Any]:
    """What a retraining depends on: if any of it changes, what was begun is begun anew."""
    then = order.frame[order.frame["applied_at"] < order.as_of]
    known = then["outcome_at"] <= order.as_of
    asked = {
        "champion": champion,
        "seed": order.seed,
        "window": asdict(order.window),
        "policy": asdict(order.policy),
        "costs": asdict(order.costs),
        "accepted": order.accepted,
        "rows": content_digest(then.assign(**{c: then[c].where(known) for c in OUTCOME})),
    }
    return dict(json.loads(json.dumps(asked)))


def _clean_up(work: Work, steps: pd.DataFrame, serving: int, clock: Clock) -> None:
    """End what earlier days left unfinished; nobody else is at work on them."""
    for key in steps["key"].unique():
        if key == work.key or day_of(key, work.place.name) is None:
            continue
        left = Record(work.log, str(key), clock=clock, folder=work.place.folder)
        if left.over or left.given_up:
            continue
        end_lost_runs(work.place.tracking_uri, str(key))
        if not _complete(replace(work, key=str(key)), left, serving):
            left.give_up(f"never finished; given up by the retraining as of {work.order.day}")

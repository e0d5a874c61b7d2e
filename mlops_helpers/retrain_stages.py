"""The stages of a scheduled retraining; each may be done again after a kill and then goes on.

watch: is the champion before better after all? check: is there reason to train? train: a
challenger, tracked and registered. judge: both on rows that neither has seen. promote: the gate.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from sklearn.base import clone

from mlops_helpers.candidates import Candidate
from mlops_helpers.contracts import CATEGORICAL, TARGET
from mlops_helpers.gate import Finding
from mlops_helpers.gathering import gather
from mlops_helpers.judging import judge
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.provenance import content_digest
from mlops_helpers.registry import Registry, RegistryError, StoreError
from mlops_helpers.retrain_inputs import Learnt, Order, Rows
from mlops_helpers.retrain_place import RetrainPlace
from mlops_helpers.retrain_record import Done
from mlops_helpers.retrain_watch import Look
from mlops_helpers.retraining import Decision, decide
from mlops_helpers.runs import EXPERIMENT, connect
from mlops_helpers.shadowing import decided_meanwhile
from mlops_helpers.store_errors import explained
from mlops_helpers.threads import one_thread
from mlops_helpers.tracking import load_logged, train_and_log

__all__ = ["BY", "STEP_TAG", "Work", "confidence_of", "end_lost_runs", "plain"]

BY = "scheduled retraining"
STEP_TAG = "retraining"
"""Tag of a run: the key of the retraining that it was trained for."""
NAMED = ", retrained "
ERROR = 0.05
"""Chance that an equal challenger is promoted against one champion, in whatever many attempts."""


@dataclass(frozen=True)
class Work:
    """What the stages of one retraining share."""

    key: str
    place: RetrainPlace
    registry: Registry
    log: PredictionLog
    order: Order

    def decide(self, learnt: Learnt, rows: Rows, last_training: pd.Timestamp) -> Decision:
        """Shall the champion be retrained? Nothing is written."""
        model = self.registry.load(learnt.version).pipeline
        evidence = gather(
            model,
            train=rows.train,
            holdout=rows.holdout,
            recent=rows.recent,
            labelled=rows.labelled,
            as_of=self.order.as_of,
            trained_at=last_training,
            new_rows=rows.new_rows(learnt.train_until),
            accepted=self.order.accepted,
            seed=self.order.seed,
        )
        return decide(evidence, self.order.policy)

    def train(self, champion: int, rows: Rows, decision: str, trigger: str, came_to: Done) -> None:
        """Train and register a challenger; a run that was trained before a kill is taken."""
        order, chosen = self.order, rows.chosen
        model = self.registry.load(champion)
        digest = content_digest(chosen.split.train.sort_values("applied_at", kind="stable"))
        run_id = self._trained_before(champion, digest)
        if run_id is None:
            name = model.name.partition(NAMED)[0] + f"{NAMED}{order.day}"
            with explained(self.place.tracking_uri):  # also what it cannot say of a run that failed
                run_id = train_and_log(
                    Candidate(name, clone(model.pipeline[-1])),
                    chosen.split,
                    weights=chosen.weights,
                    tracking_uri=self.place.tracking_uri,
                    artifact_location=self.place.artifact_location,
                    seed=order.seed,
                    costs=order.costs,
                    tags={
                        STEP_TAG: self.key,
                        "as_of": order.day,
                        "trigger": trigger,
                        "decision": decision,
                        "parent_version": str(champion),
                        "window": order.window.kind,
                        "accepted": ", ".join(order.accepted) or "nothing",
                    },
                ).run_id
        version = self.registry.register(run_id, when=order.as_of)
        self.registry.challenge(version, reason=decision[:2000], by=BY, when=order.as_of)
        learnt, judged = len(chosen.split.train), len(chosen.split.holdout)
        came_to.told = f"version {version} learnt from {learnt:,} rows; {judged:,} later ones judge"
        came_to.result |= {"version": version, "run_id": run_id, "digest": digest}
        came_to.result |= {"rows_train": learnt, "rows_judge": judged}
        came_to.result |= {"left_out": chosen.left_out, "faulty_months": chosen.faulty_months}

    def judge(
        self, champion: int, challenger: int, rows: Rows, attempt: int, came_to: Done
    ) -> None:
        """Compare both on the later rows, which neither has seen.

        `attempt`: the how manyth judgement against this champion. Who tries every month promotes an
        equal challenger sooner or later, so the attempts share the error; see `confidence_of`.
        """
        confidence = confidence_of(attempt)
        judged = rows.chosen.split.holdout
        with one_thread():
            old, new = (
                self.registry.load(version).pipeline.predict_proba(judged)[:, 1]
                for version in (champion, challenger)
            )
        verdict = judge(
            judged[TARGET],
            old,
            new,
            judged["loan_amount"],
            groups=judged[list(CATEGORICAL)],
            costs=self.order.costs,
            confidence=confidence,
        )
        came_to.told = verdict.sentence
        if attempt > 1:
            came_to.told = (
                f"{verdict.sentence.rstrip('.')} (judgement {attempt} against version {champion}, "
                f"so at a confidence of {confidence:.2%})."
            )
        came_to.result |= {"attempt": attempt, "confidence": confidence}
        came_to.result |= {"outcome": verdict.outcome, "promote": verdict.promote}
        came_to.result |= {"checks": plain(verdict.checks)}

    def promote(self, champion: int, challenger: int, rows: Rows, judged: Done) -> Done:
        """Ask the gate, with the verdict as one more check, and promote if it passes."""
        registry, when = self.registry, self.order.as_of
        if registry.version_of("champion") != challenger:
            found = Finding(bool(judged.result["promote"]), judged.told)
            extra = {"worth the change": lambda: found}
            gate = registry.gate(challenger, rows.chosen.split.holdout, extra=extra, when=when)
            refused = list(gate.refused_by)
            if not gate.passed:
                told = f"kept: version {champion} stays; the gate refused by {', '.join(refused)}"
                more = {"refused_by": refused, "checks": plain(gate.checks)}
                return Done(told, {"outcome": "kept", "champion": champion} | more)
            registry.promote(challenger, gate, reason=judged.told[:2000], by=BY, when=when)
        return self.promoted(champion, challenger)

    @staticmethod
    def promoted(before: int, serving: int) -> Done:
        """What is kept of a promotion."""
        told = f"promoted: version {serving} serves, version {before} is its way back"
        return Done(told, {"outcome": "promoted", "champion": serving, "refused_by": []})

    def roll_back(self, champion: int, taken: Look) -> list[dict[str, object]]:
        """Let the champion before serve again; what became of the predictions meanwhile."""
        reason = taken.told[:2000]
        self.registry.rollback(reason=reason, by=BY, when=self.order.as_of)
        return self.meanwhile(champion, int(taken.previous or 0), taken.promoted_at)

    def meanwhile(
        self, champion: int, restored: int, since: pd.Timestamp | None
    ) -> list[dict[str, object]]:
        """What became of the predictions of a champion that was rolled back."""
        table = decided_meanwhile(
            *(self.log, since, self.order.as_of, champion),
            previous=restored,
            as_of=self.order.as_of,
            costs=self.order.costs,
        )
        return plain(table)

    def there(self, version: int) -> bool:
        """Can a version that was trained before a kill still be judged and promoted?"""
        history = self.registry.history()
        moved = history["event"].isin(("archived", "restored")) & (history["version"] == version)
        if history["event"][moved].iloc[-1:].eq("archived").any():
            return False
        try:
            self.registry.load(version)
        except StoreError:
            raise
        except (RegistryError, ModelFileError):
            return False
        return True

    def _trained_before(self, champion: int, digest: str) -> str | None:
        """The finished run of this retraining on the same terms, if a killed call left one."""
        terms = {
            "data_digest": digest,
            "window": self.order.window.kind,
            "parent_version": str(champion),
        }
        for run in runs_of(self.place.tracking_uri, self.key):
            tags, seed = run.data.tags, run.data.params.get("seed")
            same = all(tags.get(name) == value for name, value in terms.items())
            done = run.info.status == "FINISHED" and same and seed == str(self.order.seed)
            if done and self._whole(str(run.info.run_id)):
                return str(run.info.run_id)
        return None

    def _whole(self, run_id: str) -> bool:
        """Is the model of a run there, and its version, if it has one, not archived?"""
        known = self.registry.status().set_index("run_id")["version"]
        if run_id in known.index:
            return self.there(int(known[run_id]))
        try:
            load_logged(run_id, tracking_uri=self.place.tracking_uri)
        except (LookupError, ModelFileError):
            return False
        return True


def confidence_of(attempt: int) -> float:
    """The confidence of the intervals of the attempt number `attempt` against one champion.

    Each side may be wrong in 5 % / (attempt * (attempt + 1)): 2.5 % at the first, so that it is
    judged at 95 %, and 5 % in all however many follow.
    """
    return 1 - 2 * ERROR / (attempt * (attempt + 1))


def runs_of(tracking_uri: str, key: str) -> list:  # of MLflow's runs
    """The runs that were begun for a retraining, newest first."""
    with explained(tracking_uri):
        client = connect(tracking_uri)
        where = client.get_experiment_by_name(EXPERIMENT)
        if where is None:
            return []
        wanted = f"tags.{STEP_TAG} = '{key}'"
        return list(client.search_runs([where.experiment_id], wanted))


def end_lost_runs(tracking_uri: str, key: str) -> list[str]:
    """Mark runs of a retraining that a killed call left RUNNING as KILLED; their ids come back.

    Only for who holds the lock of the retraining: then nobody is at work on them.
    """
    lost = [run.info.run_id for run in runs_of(tracking_uri, key) if run.info.status == "RUNNING"]
    with explained(tracking_uri):
        client = connect(tracking_uri)
        for run_id in lost:
            client.set_terminated(run_id, status="KILLED")
    return lost


def plain(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table as JSON holds them: what is not known is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")

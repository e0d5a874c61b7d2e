"""Who serves, why it may, and what served before: promotion and rollback over MLflow's aliases.

Aliases say who does what: `champion` serves, `challenger` waits for its chance, `previous` is
where a rollback goes. An alias points at one version at most, so two champions cannot exist, and
MLflow numbers the versions, so no number is used twice. Every change is an event of the history.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops_helpers.data import TARGET
from mlops_helpers.gate import (
    Check,
    Finding,
    GateVerdict,
    beats_baseline,
    gives_probabilities,
    not_worse,
    reproduces,
    run_checks,
    unseen_rows,
    with_extra,
)
from mlops_helpers.model_files import read_model
from mlops_helpers.runs import MODEL_FILE, SIGNATURE
from mlops_helpers.tracking import TrainedRun
from mlops_helpers.versions import HISTORY, RegistryError, UnknownModelError, Versions, moment

__all__ = [
    "ALIASES",
    "LoadedModel",
    "PromotionRefused",
    "Registry",
    "RegistryError",
    "UnknownModelError",
]

ALIASES = ("champion", "challenger", "previous")
MARGIN = 0.02
"""AUC that a new champion must surely not lose on the same rows."""
STATUS = ["version", "alias", "name", "auc", "low", "high", "gate", "created", "run_id"]


class PromotionRefused(RegistryError):
    """A version may not become champion; the message names the checks that refused it."""


@dataclass(frozen=True)
class LoadedModel:
    """A version with its fitted pipeline, ready to score, and the run it came from."""

    version: int
    pipeline: Pipeline
    name: str
    run_id: str


class Registry:
    """The model `name` in the MLflow at `tracking_uri`; it is made if it is not there.

    `when` is the time that an event is recorded with (the clock's if it is not given), `by` who
    did it, `reason` why.
    """

    def __init__(self, tracking_uri: str, name: str = "credit-risk") -> None:
        """Raises RegistryError for a name MLflow cannot hold."""
        self.name, self.tracking_uri = name, tracking_uri
        self._versions = Versions(tracking_uri, name)

    def register(self, run: TrainedRun | str, *, when: pd.Timestamp | None = None) -> int:
        """The version made from a run (or its id); the version it has already, if it has one."""
        when, run_id = moment(when), run if isinstance(run, str) else run.run_id
        for known in self._versions.all():
            if known.run_id == run_id:
                return int(known.version)
        version = self._versions.add(self._versions.run(run_id))
        self._versions.record("registered", version, when=when)
        return version

    def gate(
        self,
        version: int,
        rows: pd.DataFrame,
        *,
        margin: float = MARGIN,
        extra: Mapping[str, Check] | None = None,
        when: pd.Timestamp | None = None,
    ) -> GateVerdict:
        """Judge a version on applications with known outcomes that no model compared has seen.

        Runs the checks of `_checks` and then those of `extra` (a name and a function that returns a
        `gate.Finding`). The verdict is stored with the version and in the history, whatever it is.
        It holds until the champion changes. Raises ValueError for a margin outside [0, 0.5) and
        for an extra check that has the name of one of the gate's own.
        """
        if not 0 <= margin < 0.5:
            raise ValueError(
                f"margin is {margin!r}, must be the AUC that may be lost: from 0 to below 0.5."
            )
        when, _ = moment(when), self._versions.get(version)
        changes, champion = self._changes(), self.version_of("champion")
        own = self._checks(version, champion, rows, margin)
        findings = run_checks(with_extra(own, extra or {}))
        verdict = GateVerdict(version, champion, findings, self._address, changes)
        refused = ", ".join(verdict.refused_by)
        self._versions.tag(
            version,
            gate="passed" if verdict.passed else f"refused: {refused}",
            gate_checks=verdict.checks.to_json(orient="records"),
        )
        event = "gate passed" if verdict.passed else "gate refused"
        self._versions.record(event, version, reason=refused, when=when)
        return verdict

    def promote(
        self,
        version: int,
        verdict: GateVerdict,
        *,
        reason: str = "",
        by: str = "",
        when: pd.Timestamp | None = None,
    ) -> None:
        """Make a version the champion; the champion of before becomes `previous`.

        Raises PromotionRefused unless `verdict` is a passed one, for this version of this registry,
        and the champion has not changed since. Promoting the champion again changes nothing.
        """
        when, _ = moment(when), self._versions.get(version)
        champion = self.version_of("champion")
        if champion == version:
            return
        note = {"by": by, "when": when}
        if not isinstance(verdict, GateVerdict):
            refusal = f"a {type(verdict).__name__} is no verdict; pass what gate() returned"
        else:
            refusal = verdict.objection(version, champion, self._address, self._changes())
        if refusal:
            self._versions.record("promotion refused", version, reason=refusal, **note)
            raise PromotionRefused(f"version {version} of {self.name} stays out: {refusal}")
        if champion is not None:
            self._versions.point("previous", champion)
        self._versions.point("champion", version)
        if self.version_of("challenger") == version:
            self._versions.unpoint("challenger")
        self._versions.record("promoted", version, replaced=champion, reason=reason, **note)

    def challenge(
        self, version: int, *, reason: str = "", by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Give a version the alias `challenger`; the champion cannot challenge itself."""
        when, _ = moment(when), self._versions.get(version)
        if version == self.version_of("champion"):
            raise RegistryError(f"version {version} is the champion; it cannot be its challenger.")
        before = self.version_of("challenger")
        if before == version:
            return
        self._versions.point("challenger", version)
        self._versions.record(
            "challenger", version, replaced=before, reason=reason, by=by, when=when
        )

    def rollback(self, *, reason: str, by: str = "", when: pd.Timestamp | None = None) -> int:
        """Make the version of before champion again and return it; the alias `previous` is gone.

        The restored version is loaded first and must reproduce its stored predictions: a rollback
        that cannot serve is refused and changes nothing. Raises RegistryError if there is no
        previous version, and ValueError without a reason.
        """
        if not reason.strip():
            raise ValueError("reason is empty; say why you roll back: others will read it.")
        note = {"by": by, "when": moment(when)}
        champion, restored = self.version_of("champion"), self.version_of("previous")
        if restored is None:
            raise RegistryError(
                f"{self.name} has no previous version to roll back to (champion: {champion}). "
                "Pass another version through the gate and promote it."
            )
        ((_, found),) = run_checks({"reproduces": lambda: self._replay(restored)})
        if not found.passed:
            words = f"version {restored} cannot serve: {found.evidence}"
            self._versions.record("rollback refused", restored, reason=words, **note)
            raise RegistryError(f"{words}. The champion stays version {champion}.")
        self._versions.point("champion", restored)
        self._versions.unpoint("previous")
        self._versions.record("rolled back", restored, replaced=champion, reason=reason, **note)
        return restored

    def load(self, which: str | int = "champion") -> LoadedModel:
        """The model behind an alias, or a version, read with reviewed types only."""
        version = self.version_of(which) if isinstance(which, str) else int(which)
        if version is None:
            held = self._versions.aliases()
            raise UnknownModelError(
                f"no version of {self.name} is {which!r} now; aliases in use: {held or 'none'}. "
                "Promote a version first."
            )
        run = self._versions.run_of(version)
        with self._versions.folder(version) as folder:
            pipeline = read_model(folder / MODEL_FILE)
        return LoadedModel(version, pipeline, run.info.run_name, run.info.run_id)

    def version_of(self, alias: str) -> int | None:
        """The version that holds an alias now, or None; UnknownModelError if it is no alias."""
        if alias not in ALIASES:
            near = difflib.get_close_matches(alias, ALIASES, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownModelError(f"alias == {alias!r}, must be one of {list(ALIASES)}.{hint}")
        return self._versions.aliases().get(alias)

    def history(self) -> pd.DataFrame:
        """The audit trail, oldest first: `event, version, replaced, when, by, reason`."""
        frame = pd.DataFrame(self._versions.events(), columns=HISTORY)
        frame["when"] = pd.to_datetime(frame["when"], utc=True, format="ISO8601").dt.as_unit("us")
        return frame.astype({"version": "Int64", "replaced": "Int64"})

    def status(self) -> pd.DataFrame:
        """A row a version, oldest first: its alias, run name, holdout AUC with interval, gate."""
        held = sorted(self._versions.aliases().items())
        rows = []
        for found in self._versions.all():
            run, number = self._versions.run(found.run_id), int(found.version)
            auc = {end: run.data.metrics.get(f"holdout_auc{end}") for end in ("", "_low", "_high")}
            rows.append(
                {
                    "version": number,
                    "alias": ", ".join(alias for alias, version in held if version == number),
                    "name": run.info.run_name,
                    "auc": auc[""],
                    "low": auc["_low"],
                    "high": auc["_high"],
                    "gate": found.tags.get("gate", "not judged"),
                    "created": pd.Timestamp(found.creation_timestamp, unit="ms", tz="UTC"),
                    "run_id": found.run_id,
                }
            )
        kinds = dict.fromkeys(["auc", "low", "high"], float)
        return pd.DataFrame(rows, columns=STATUS).astype(kinds)

    def _checks(
        self, version: int, champion: int | None, rows: pd.DataFrame, margin: float
    ) -> dict[str, Check]:
        """The checks by name. Each asks for what it needs itself, so each fails by itself."""

        @cache  # for this gate only; an exception is not kept, so every check meets it itself
        def scores(number: int) -> NDArray[np.float64]:
            return self.load(number).pipeline.predict_proba(rows)[:, 1]

        def unseen() -> Finding:
            compared = {f"version {n}": n for n in (version, champion) if n is not None}
            return unseen_rows(rows, {name: self._trained_until(n) for name, n in compared.items()})

        def against_champion() -> Finding:
            if champion is None:
                return Finding(True, "no champion yet: nothing to be worse than")
            return not_worse(rows[TARGET], scores(champion), scores(version), margin=margin)

        return {
            "reproduces its predictions": lambda: self._replay(version),
            "keeps the contract": lambda: self._contract(version),
            "gives probabilities": lambda: gives_probabilities(self.load(version).pipeline, rows),
            "judged on unseen rows": unseen,
            "beats the baseline": lambda: beats_baseline(rows[TARGET], scores(version)),
            "not worse than the champion": against_champion,
        }

    def _replay(self, version: int) -> Finding:
        return reproduces(self.load(version).pipeline, *self._versions.sample(version))

    def _contract(self, version: int) -> Finding:
        signature = self._versions.signature(version)
        if signature == SIGNATURE:
            features = len(SIGNATURE.inputs.input_names())
            return Finding(True, f"{features} features in, two probabilities out")
        if signature is None or signature.inputs is None:
            return Finding(False, "the model has no signature")
        expected, found = (set(s.inputs.input_names()) for s in (SIGNATURE, signature))
        missing, more = sorted(expected - found), sorted(found - expected)
        return Finding(False, f"signature differs: missing {missing}, not known {more}, or a type")

    def _trained_until(self, version: int) -> pd.Timestamp:
        return pd.Timestamp(self._versions.run_of(version).data.tags["train_until"])

    @property
    def _address(self) -> tuple[str, str]:
        return self.name, self.tracking_uri

    def _changes(self) -> int:
        """How often the champion has changed. A rollback counts: it brings back an old number."""
        events = (entry["event"] for entry in self._versions.events())
        return sum(event in ("promoted", "rolled back") for event in events)

"""Versions of the model, who serves, why it may, and what served before (MLflow's registry).

Aliases say who does what: `champion` serves, `challenger` waits for its chance, `previous` is
where a rollback goes. An alias points at one version at most, so two champions cannot exist. The
audit trail is a list of events stored beside the model, one tag an event, only ever added to.
"""

from __future__ import annotations

import difflib
import json
import re
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import mlflow.artifacts
import pandas as pd
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model
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
)
from mlops_helpers.model_files import read_model
from mlops_helpers.tracking import SAMPLE_FILE, SIGNATURE, TrainedRun, connect

__all__ = [
    "ALIASES",
    "LoadedModel",
    "PromotionRefused",
    "Registry",
    "RegistryError",
    "UnknownModelError",
]

Alias = Literal["champion", "challenger", "previous"]
ALIASES: tuple[Alias, ...] = ("champion", "challenger", "previous")
MARGIN = 0.02
"""AUC that a new champion may surely not lose on the same rows."""
MODEL_FILE = "model.skops"
HISTORY = ["event", "version", "replaced", "when", "by", "reason"]
STATUS = ["version", "alias", "name", "auc", "low", "high", "gate", "created", "run_id"]


class RegistryError(Exception):
    """The registry cannot do what was asked; it is as it was before."""


class UnknownModelError(RegistryError, LookupError):
    """No such version, alias or run; the message names the nearest that exist."""


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
    """The versions of one model `name` in the MLflow at `tracking_uri`; made if it is not there.

    `when` is the time an event is recorded with; the clock's if it is not given.
    """

    def __init__(self, tracking_uri: str, name: str = "credit-risk") -> None:
        """Raises RegistryError for a name MLflow cannot hold (slashes, quotes, too long)."""
        if not re.fullmatch(r"[\w][\w .()-]{0,249}", name):
            raise RegistryError(
                f"name == {name!r}: must be 1 to 250 letters, digits, spaces or ._()-, and begin "
                "with a letter or digit. Choose another name."
            )
        self.name, self.tracking_uri = name, tracking_uri
        self._client = connect(tracking_uri)
        try:
            self._model()
        except UnknownModelError:
            self._create()

    def register(self, run: TrainedRun | str, *, when: pd.Timestamp | None = None) -> int:
        """The version made from a run (or its id); the version it has already, if it has one."""
        when, run_id = _moment(when), run if isinstance(run, str) else run.run_id
        for known in self._versions():
            if known.run_id == run_id:
                return int(known.version)
        found = self._run(run_id)
        outputs = found.outputs.model_outputs if found.outputs else []
        if not outputs:
            raise RegistryError(f"run {run_id} logged no model. Train it with train_and_log.")
        logged = self._client.get_logged_model(outputs[-1].model_id)
        made = self._client.create_model_version(
            self.name, logged.artifact_location, run_id=run_id, model_id=logged.model_id
        )
        self._record("registered", int(made.version), when=when)
        return int(made.version)

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

        Runs the checks below and then those of `extra` (a name and a function that returns a
        `gate.Finding`). The verdict is stored with the version and in the history, whatever it is.
        """
        when, _ = _moment(when), self._version(version)
        champion = self.version_of("champion")
        checks = self._checks(version, champion, rows, margin) | dict(extra or {})
        verdict = GateVerdict(version, champion, run_checks(checks))
        words = "passed" if verdict.passed else f"refused: {', '.join(verdict.refused_by)}"
        self._client.set_model_version_tag(self.name, str(version), "gate", words)
        table = verdict.checks.to_json(orient="records")
        self._client.set_model_version_tag(self.name, str(version), "gate.checks", table)
        event = "gate passed" if verdict.passed else "gate refused"
        self._record(event, version, reason=", ".join(verdict.refused_by), when=when)
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

        Raises PromotionRefused unless `verdict` is a passed one, for this version, reached against
        the present champion. Promoting the champion again changes nothing.
        """
        when, _ = _moment(when), self._version(version)
        champion = self.version_of("champion")
        if champion == version:
            return
        if refusal := _refusal(version, champion, verdict):
            self._record("promotion refused", version, reason=refusal, by=by, when=when)
            raise PromotionRefused(f"version {version} of {self.name} stays out: {refusal}")
        if champion is not None:
            self._point("previous", champion)
        self._point("champion", version)
        if self.version_of("challenger") == version:
            self._client.delete_registered_model_alias(self.name, "challenger")
        self._record("promoted", version, replaced=champion, reason=reason, by=by, when=when)

    def challenge(
        self, version: int, *, reason: str = "", by: str = "", when: pd.Timestamp | None = None
    ) -> None:
        """Give a version the alias `challenger`; the champion cannot challenge itself."""
        when, _ = _moment(when), self._version(version)
        if version == self.version_of("champion"):
            raise RegistryError(f"version {version} is the champion; it cannot be its challenger.")
        before = self.version_of("challenger")
        if before == version:
            return
        self._point("challenger", version)
        self._record("challenger", version, replaced=before, reason=reason, by=by, when=when)

    def rollback(self, *, reason: str, by: str = "", when: pd.Timestamp | None = None) -> int:
        """Make the version of before champion again and return it; the alias `previous` is gone.

        The restored version is loaded first and must reproduce its stored predictions: a rollback
        that cannot serve is refused and changes nothing. Raises RegistryError if there is no
        previous version, and ValueError without a reason.
        """
        if not reason.strip():
            raise ValueError("reason is empty; say why you roll back: others will read it.")
        when = _moment(when)
        champion, restored = self.version_of("champion"), self.version_of("previous")
        if restored is None:
            raise RegistryError(
                f"{self.name} has no previous version to roll back to (champion: {champion}). "
                "Pass another version through the gate and promote it."
            )
        found = run_checks({"reproduces its predictions": lambda: self._replay(restored)})
        if not found["passed"].all():
            words = f"version {restored} cannot serve: {found['evidence'].iloc[0]}"
            self._record("rollback refused", restored, reason=words, by=by, when=when)
            raise RegistryError(f"{words}. The champion stays version {champion}.")
        self._point("champion", restored)
        self._client.delete_registered_model_alias(self.name, "previous")
        self._record("rolled back", restored, replaced=champion, reason=reason, by=by, when=when)
        return restored

    def load(self, which: str | int = "champion") -> LoadedModel:
        """The model behind an alias, or a version, read with reviewed types only."""
        version = which if isinstance(which, int) else self.version_of(which)
        if version is None:
            held = {a: v for a, v in self._model().aliases.items() if a in ALIASES}
            raise UnknownModelError(
                f"no version of {self.name} is {which!r} now; aliases in use: {held or 'none'}. "
                "Promote a version first."
            )
        found = self._version(version)
        with self._folder(version) as folder:
            pipeline = read_model(folder / MODEL_FILE)
        run = self._run(found.run_id)
        return LoadedModel(version, pipeline, run.info.run_name, found.run_id)

    def version_of(self, alias: str) -> int | None:
        """The version that holds an alias now, or None; UnknownModelError if it is no alias."""
        if alias not in ALIASES:
            near = difflib.get_close_matches(alias, ALIASES, n=1, cutoff=0.4)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UnknownModelError(f"alias == {alias!r}, must be one of {list(ALIASES)}.{hint}")
        held = self._model().aliases.get(alias)
        return None if held is None else int(held)

    def history(self) -> pd.DataFrame:
        """The audit trail, oldest first: `event, version, replaced, when, by, reason`."""
        events = [json.loads(value) for _, value in sorted(self._events().items())]
        frame = pd.DataFrame(events, columns=HISTORY)
        frame["when"] = pd.to_datetime(frame["when"], utc=True, format="ISO8601").dt.as_unit("us")
        return frame.astype({"version": "Int64", "replaced": "Int64"})

    def status(self) -> pd.DataFrame:
        """A row a version, oldest first: its alias, run name, holdout AUC with interval, gate."""
        aliases: dict[int, list[str]] = {}
        for alias, version in self._model().aliases.items():
            aliases.setdefault(int(version), []).append(alias)
        rows = []
        for found in self._versions():
            run, number = self._run(found.run_id), int(found.version)
            auc = {end: run.data.metrics.get(f"holdout_auc{end}") for end in ("", "_low", "_high")}
            rows.append(
                {
                    "version": number,
                    "alias": ", ".join(sorted(aliases.get(number, []))),
                    "name": run.info.run_name,
                    "auc": auc[""],
                    "low": auc["_low"],
                    "high": auc["_high"],
                    "gate": found.tags.get("gate", "not judged"),
                    "created": pd.Timestamp(found.creation_timestamp, unit="ms", tz="UTC"),
                    "run_id": found.run_id,
                }
            )
        return pd.DataFrame(rows, columns=STATUS).astype(
            dict.fromkeys(["auc", "low", "high"], float)
        )

    def _checks(
        self, version: int, champion: int | None, rows: pd.DataFrame, margin: float
    ) -> dict[str, Check]:
        """The checks by name. Each loads what it needs itself, so each fails by itself."""

        @cache  # of this gate alone; an exception is not kept, so each check meets it itself
        def scores(number: int) -> pd.Series:
            model = self.load(number).pipeline
            return pd.Series(model.predict_proba(rows)[:, 1], index=rows.index)

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
        run_id = self._version(version).run_id
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(run_id, SAMPLE_FILE, folder)
            sample = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = pd.DataFrame(sample["features"])
        return reproduces(self.load(version).pipeline, rows, sample["probability"])

    def _contract(self, version: int) -> Finding:
        with self._folder(version) as folder:
            signature = Model.load(str(folder)).signature
        if signature is None:
            return Finding(False, "the model has no signature")
        expected, found = SIGNATURE.inputs.input_names(), signature.inputs.input_names()
        if signature == SIGNATURE:
            return Finding(True, f"{len(expected)} features in, two probabilities out")
        missing, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
        return Finding(False, f"signature differs: missing {missing}, not known {more}, or a type")

    def _trained_until(self, version: int) -> pd.Timestamp:
        return pd.Timestamp(self._run(self._version(version).run_id).data.tags["train_until"])

    @contextmanager
    def _folder(self, version: int) -> Iterator[Path]:
        """The files of a version: where they lie, or a copy of them if they are on a server."""
        address = self._client.get_model_version_download_uri(self.name, str(version))
        with tempfile.TemporaryDirectory() as copies:
            yield Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=address,
                    dst_path=None if _is_local(address) else copies,
                    tracking_uri=self.tracking_uri,
                )
            )

    def _model(self) -> RegisteredModel:
        with _explained(f"no model is registered as {self.name!r}"):
            return self._client.get_registered_model(self.name)

    def _create(self) -> None:
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster: fine
                raise

    def _versions(self) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{self.name}'", max_results=1000)
        return sorted(found, key=lambda version: int(version.version))

    def _version(self, version: int) -> ModelVersion:
        for found in self._versions():
            if int(found.version) == version:
                return found
        known = [int(found.version) for found in self._versions()]
        near = f" The nearest is {min(known, key=lambda v: abs(v - version))}." if known else ""
        raise UnknownModelError(
            f"version == {version!r} of {self.name} does not exist; there are {known}.{near}"
        )

    def _run(self, run_id: str) -> Run:
        with _explained(f"run_id == {run_id!r} does not exist; compare_runs() lists the runs"):
            return self._client.get_run(run_id)

    def _point(self, alias: Alias, version: int) -> None:
        self._client.set_registered_model_alias(self.name, alias, str(version))

    def _events(self) -> dict[str, str]:
        return {key: v for key, v in self._model().tags.items() if key.startswith("event.")}

    def _record(
        self,
        event: str,
        version: int,
        *,
        replaced: int | None = None,
        reason: str = "",
        by: str = "",
        when: pd.Timestamp,
    ) -> None:
        """Add an event under a key of its own: two processes never overwrite each other's."""
        key = f"event.{len(self._events()) + 1:06d}.{secrets.token_hex(4)}"
        entry = dict(
            zip(HISTORY, (event, version, replaced, when.isoformat(), by, reason), strict=True)
        )
        self._client.set_registered_model_tag(self.name, key, json.dumps(entry))


def _moment(when: pd.Timestamp | None) -> pd.Timestamp:
    """The time to record: as given, which must carry a zone, or the clock's."""
    at = pd.Timestamp.now("UTC") if when is None else pd.Timestamp(when)
    if at.tzinfo is None:
        raise ValueError(f"when == {at}, must carry a time zone; use tz='UTC'.")
    return at.tz_convert("UTC")


def _refusal(version: int, champion: int | None, verdict: GateVerdict) -> str:
    """Why this verdict does not allow the promotion, or nothing."""
    if not isinstance(verdict, GateVerdict):
        return f"a {type(verdict).__name__} is no verdict; pass what gate() returned"
    if verdict.version != version:
        return f"the verdict is about version {verdict.version}"
    if not verdict.passed:
        told = verdict.checks.set_index("check")["evidence"]
        return "; ".join(f"{name} ({told[name]})" for name in verdict.refused_by) or "no checks"
    if verdict.compared_with != champion:
        return (
            f"judged against champion {verdict.compared_with}, but it is {champion} now; "
            "run the gate again"
        )
    return ""


def _is_local(address: str) -> bool:
    return address.startswith(("file:", "/")) or re.match(r"[A-Za-z]:[\\/]", address) is not None


@contextmanager
def _explained(message: str) -> Iterator[None]:
    """MLflow's "does not exist" as ours; any other error of the server stays what it is."""
    try:
        yield
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise UnknownModelError(f"{message}.") from error
        raise

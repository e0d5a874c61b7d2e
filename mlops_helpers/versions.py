"""What MLflow's registry holds about one model, read and written without any judgement.

`registry` decides who may serve; this module knows where MLflow keeps versions, aliases, files and
the list of events: one tag an event, each under a key of its own, only ever added to.
"""

from __future__ import annotations

import json
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature

from mlops_helpers.runs import SAMPLE_FILE, artifact_folder, connect

__all__ = ["HISTORY", "RegistryError", "UnknownModelError", "Versions", "moment"]

HISTORY = ["event", "version", "replaced", "when", "by", "reason"]


class RegistryError(Exception):
    """The registry cannot do what was asked; it is as it was before."""


class UnknownModelError(RegistryError, LookupError):
    """No such version, alias or run; the message names the nearest that exist."""


class Versions:
    """The versions, aliases, files and events of the registered model `name`; made if missing."""

    def __init__(self, tracking_uri: str, name: str) -> None:
        """Raises RegistryError for a name MLflow cannot hold (slashes, quotes, too long)."""
        if not re.fullmatch(r"\w[\w .()-]{0,249}", name):
            raise RegistryError(
                f"name == {name!r}: must be 1 to 250 letters, digits, spaces or ._()-, and begin "
                "with a letter or digit. Choose another name."
            )
        self.name, self.tracking_uri = name, tracking_uri
        self.client = connect(tracking_uri)
        try:
            self.model()
        except UnknownModelError:
            self._create()

    def model(self) -> RegisteredModel:
        """The registered model with its tags and aliases."""
        with _explained(f"no model is registered as {self.name!r}"):
            return self.client.get_registered_model(self.name)

    def all(self) -> list[ModelVersion]:
        """Every version, oldest first."""
        found = self.client.search_model_versions(f"name = '{self.name}'", max_results=1000)
        return sorted(found, key=lambda version: int(version.version))

    def get(self, version: int) -> ModelVersion:
        """One version; UnknownModelError names the nearest one if it does not exist."""
        known = {int(found.version): found for found in self.all()}
        if version not in known:
            near = f" The nearest is {min(known, key=lambda v: abs(v - version))}." if known else ""
            raise UnknownModelError(
                f"version == {version!r} of {self.name} does not exist; there are {list(known)}."
                f"{near}"
            )
        return known[version]

    def run(self, run_id: str) -> Run:
        """A training run by its id."""
        with _explained(f"run_id == {run_id!r} does not exist; compare_runs() lists the runs"):
            return self.client.get_run(run_id)

    def run_of(self, version: int) -> Run:
        """The training run that a version was made from."""
        return self.run(self.get(version).run_id)

    def add(self, run: Run) -> int:
        """A new version from the model that a run logged; MLflow numbers it, nobody else."""
        outputs = run.outputs.model_outputs if run.outputs else []
        if not outputs:
            raise RegistryError(
                f"run {run.info.run_id} logged no model. Train it with train_and_log."
            )
        logged = self.client.get_logged_model(outputs[-1].model_id)
        made = self.client.create_model_version(
            self.name,
            logged.artifact_location,
            run_id=run.info.run_id,
            model_id=logged.model_id,
        )
        return int(made.version)

    def tag(self, version: int, **tags: str) -> None:
        """Set tags on a version."""
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, str(version), key, value)

    def aliases(self) -> dict[str, int]:
        """Which version each alias points at now."""
        return {alias: int(version) for alias, version in self.model().aliases.items()}

    def point(self, alias: str, version: int) -> None:
        """Let an alias point at a version, wherever it pointed before."""
        self.client.set_registered_model_alias(self.name, alias, str(version))

    def unpoint(self, alias: str) -> None:
        """Let an alias point nowhere."""
        self.client.delete_registered_model_alias(self.name, alias)

    @contextmanager
    def folder(self, version: int) -> Iterator[Path]:
        """The files of a version: where they lie, or a copy of them if they are on a server."""
        address = self.client.get_model_version_download_uri(self.name, str(version))
        with artifact_folder(address, tracking_uri=self.tracking_uri) as folder:
            yield folder

    def sample(self, version: int) -> tuple[pd.DataFrame, list[float]]:
        """The stored sample rows of a version and the probabilities they got at training time."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.client.download_artifacts(self.get(version).run_id, SAMPLE_FILE, folder)
            stored = json.loads(Path(path).read_text(encoding="utf-8"))
        return pd.DataFrame(stored["features"]), stored["probability"]

    def signature(self, version: int) -> ModelSignature | None:
        """The signature that was logged with a version."""
        with self.folder(version) as folder:
            return Model.load(str(folder)).signature

    def events(self) -> list[dict[str, Any]]:
        """Every event, oldest first, with the keys of HISTORY."""
        return [json.loads(value) for _, value in sorted(self._event_tags().items())]

    def record(
        self,
        event: str,
        version: int,
        *,
        when: pd.Timestamp,
        replaced: int | None = None,
        by: str = "",
        reason: str = "",
    ) -> None:
        """Add an event; the key ends in chance letters, so two processes never share one."""
        entry = (event, version, replaced, when.isoformat(), by, reason)
        key = f"event.{len(self._event_tags()) + 1:06d}.{secrets.token_hex(4)}"
        stored = json.dumps(dict(zip(HISTORY, entry, strict=True)))
        self.client.set_registered_model_tag(self.name, key, stored)

    def _event_tags(self) -> dict[str, str]:
        return {key: v for key, v in self.model().tags.items() if key.startswith("event.")}

    def _create(self) -> None:
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster: fine
                raise


def moment(when: pd.Timestamp | None) -> pd.Timestamp:
    """The time to record: as given, which must carry a zone, or the clock's; in UTC."""
    at = pd.Timestamp.now("UTC") if when is None else pd.Timestamp(when)
    if at.tzinfo is None:
        raise ValueError(f"when == {at}, must carry a time zone; use tz='UTC'.")
    return at.tz_convert("UTC")


@contextmanager
def _explained(message: str) -> Iterator[None]:
    """MLflow's "does not exist" as ours; any other error of the server stays what it is."""
    try:
        yield
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise UnknownModelError(f"{message}.") from error
        raise

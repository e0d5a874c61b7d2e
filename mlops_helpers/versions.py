"""What MLflow's registry holds about one model, read without any judgement.

`registry` decides who may serve, `changing` writes; this module knows where MLflow keeps versions,
aliases, files, digests and events (see `journal`), and what its limits are.
"""

from __future__ import annotations

import difflib
import json
import operator
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
from mlflow.entities import LoggedModel, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature

from mlops_helpers.addresses import checked_address, checked_name
from mlops_helpers.journal import ALIASES, HISTORY, Event, events_in, moment, roles_after
from mlops_helpers.model_files import ModelFileError, check_digest
from mlops_helpers.probing import reach
from mlops_helpers.runs import MODEL_FILES, SAMPLE_FILE, artifact_folder, connect
from mlops_helpers.sqlite_files import Stamp, changed_stamp, database_path, no_stray_folders
from mlops_helpers.state import State
from mlops_helpers.store_errors import (
    Guarded,
    RegistryError,
    UnknownModelError,
    check_file,
    explained,
    gone,
)

__all__ = [
    "HISTORY",
    "RECORDED",
    "RegistryError",
    "State",
    "UnknownModelError",
    "Versions",
    "moment",
]

TOO_MANY = 2**31
"""A version's number is below it: databases keep it in 32 bits."""
RECORDED = ("model_sha256", MODEL_FILES, "sample_sha256", "train_until")
"""Tags of a run that the version made from it gets: what counts is what they were then.

SHA-256 (hex) of the model file, of all files of the model, and of the sample; and when the last
application that it was trained on was made.
"""


class Versions:
    """The versions, aliases, files and events of the registered model `name`; made if missing."""

    def __init__(self, tracking_uri: str, name: str) -> None:
        """RegistryError for a name or address that is none, StoreError for a store that fails."""
        name, tracking_uri = checked_name(name), checked_address(tracking_uri)
        self.name, self.tracking_uri = name, tracking_uri
        self.database: Path | None = database_path(tracking_uri)
        self._known: tuple[Stamp, State] | None = None
        check_file(tracking_uri)
        with no_stray_folders(tracking_uri):
            with explained(tracking_uri):
                reach(tracking_uri)
                self.client = Guarded(connect(tracking_uri), tracking_uri)
            try:
                self.model()
            except UnknownModelError:
                self._create()

    def model(self) -> RegisteredModel:
        """The registered model with its tags and aliases."""
        with _explained(f"no model is registered as {self.name!r}"):
            return self.client.get_registered_model(self.name)

    def all(self) -> list[ModelVersion]:
        """Every version that is not deleted, oldest first."""
        found, token = [], None
        while True:
            page = self.client.search_model_versions(
                f"name = '{self.name}'", max_results=1000, page_token=token
            )
            found, token = [*found, *page], page.token
            if not token:
                return sorted(found, key=lambda version: int(version.version))

    def state(self) -> State:
        """Everything there is, in two calls; in none if nothing was written since the last time."""
        stamp = self.stamp()
        if not stamp or not self._known or self._known[0] != stamp:
            model, versions = self.model(), {int(found.version): found for found in self.all()}
            tags = [(None, model.tags), *((n, found.tags) for n, found in versions.items())]
            state = State(versions, _numbers(model), events_in(tags))
            if not stamp or self.stamp() != stamp:  # somebody wrote while we asked
                return state
            self._known = stamp, state
        known = self._known[1]
        return State(dict(known.versions), dict(known.aliases), list(known.events))

    def stamp(self) -> Stamp | None:
        """As long as it stays the same nothing was written to the store; None: not known."""
        return changed_stamp(self.database) if self.database else None

    def roles(self) -> dict[str, int]:
        """Who has which alias; one call."""
        model = self.model()
        return roles_after(_numbers(model), events_in([(None, model.tags)]))

    def aliases(self) -> dict[str, int]:
        """Which version each alias points at in MLflow now."""
        return _numbers(self.model())

    def get(self, version: int) -> ModelVersion:
        """One version; UnknownModelError names the nearest one if it does not exist."""
        number = checked_number(version)
        if 0 < number < TOO_MANY:
            try:
                return self.client.get_model_version(self.name, str(number))
            except MlflowException as error:
                if not gone(error):
                    raise
        raise self.unknown(number, [int(found.version) for found in self.all()])

    def unknown(self, version: int, known: list[int]) -> UnknownModelError:
        """The error for a version that is not there."""
        near = f" The nearest is {min(known, key=lambda v: abs(v - version))}." if known else ""
        return UnknownModelError(
            f"version == {version!r} of {self.name} does not exist; there are {known}.{near}"
        )

    def run(self, run_id: str) -> Run:
        """A training run by its id; UnknownModelError suggests the run that may be meant."""
        try:
            with _explained(f"run_id == {run_id!r} does not exist"):
                return self.client.get_run(run_id)
        except UnknownModelError as error:
            raise UnknownModelError(f"{error}{self._near_run(run_id)}") from error

    def run_of(self, version: ModelVersion) -> Run | None:
        """The training run that a version was made from; None if it was deleted for good."""
        try:
            return self.client.get_run(version.run_id) if version.run_id else None
        except MlflowException as error:
            if not gone(error):
                raise
            return None

    def logged_by(self, run: Run) -> LoggedModel:
        """The model that a run logged last."""
        outputs = run.outputs.model_outputs if run.outputs else []
        if not outputs:
            raise RegistryError(
                f"run {run.info.run_id} logged no model. Train it with train_and_log."
            )
        try:
            return self.client.get_logged_model(outputs[-1].model_id)
        except MlflowException as error:
            if not gone(error):
                raise
            raise RegistryError(
                f"the model {outputs[-1].model_id}, which run {run.info.run_id} logged, was "
                "deleted. Train it again with train_and_log."
            ) from error

    def recorded(self, version: ModelVersion, which: str = "model_sha256") -> str:
        """One of RECORDED, as the version was registered with it; RegistryError if it was not."""
        if found := version.tags.get(which):
            return found
        raise RegistryError(
            f"version {version.version} of {self.name} has no {which}: it was not made by this "
            "version of Registry.register, so nobody knows what is meant. Register its run, and if "
            "that has none either, train and log it again."
        )

    @contextmanager
    def files(self, address: str) -> Iterator[Path]:
        """What lies at an artifact address, or a copy if it is on a server."""
        with ExitStack() as opened:
            try:
                with explained(self.tracking_uri):
                    folder = artifact_folder(address, tracking_uri=self.tracking_uri)
                    path = opened.enter_context(folder)
            except (OSError, MlflowException) as error:
                raise ModelFileError(
                    f"there is nothing at {address}: the files were moved or deleted. Restore "
                    "them, or train and register the model again."
                ) from error
            yield path

    @contextmanager
    def folder(self, version: int) -> Iterator[Path]:
        """The files of a version: where they lie, or a copy of them if they are on a server."""
        self.get(version)
        address = self.client.get_model_version_download_uri(self.name, str(version))
        with self.files(address) as folder:
            yield folder

    def sample_bytes(self, run: Run) -> bytes:
        """The stored sample of a run as it lies there."""
        with self.files(f"{run.info.artifact_uri}/{SAMPLE_FILE}") as path:
            return path.read_bytes()

    def sample(self, version: int) -> tuple[pd.DataFrame, list[float]]:
        """The stored sample rows of a version and the probabilities they got at training time.

        Raises ModelFileError if they are not those that the version was registered with.
        """
        found = self.get(version)
        data = self.sample_bytes(self.run(found.run_id))
        check_digest(data, SAMPLE_FILE, self.recorded(found, "sample_sha256"))
        stored = json.loads(data)
        return pd.DataFrame(stored["features"]), stored["probability"]

    def signature(self, version: int) -> ModelSignature | None:
        """The signature that was logged with a version."""
        with self.folder(version) as folder:
            return Model.load(str(folder)).signature

    def events(self) -> list[Event]:
        """Every event, oldest first."""
        return self.state().events

    def _near_run(self, run_id: str) -> str:
        """What to try instead: the id that looks like it, or the newest run of that name."""
        where = [found.experiment_id for found in self.client.search_experiments()]
        runs = self.client.search_runs(where, order_by=["attributes.start_time DESC"])
        by_word = {run.info.run_name: run for run in reversed(runs)}
        by_word |= {run.info.run_id: run for run in runs}
        near = difflib.get_close_matches(str(run_id), by_word, n=1, cutoff=0.5)
        if not near:
            return " compare_runs() lists the runs."
        run = by_word[near[0]]
        return f" Did you mean {run.info.run_id} ({run.info.run_name})?"

    def _create(self) -> None:
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster: fine
                raise


def checked_number(version: int) -> int:
    """A version's number; UnknownModelError for what is no whole number."""
    try:
        if isinstance(version, bool):
            raise TypeError
        return operator.index(version)
    except TypeError:
        raise UnknownModelError(
            f"version == {version!r} is a {type(version).__name__}, must be a whole number such as "
            f"register() returned, or an alias, one of {list(ALIASES)}, where load() is asked."
        ) from None


def _numbers(model: RegisteredModel) -> dict[str, int]:
    return {alias: int(version) for alias, version in model.aliases.items()}


@contextmanager
def _explained(message: str) -> Iterator[None]:
    """MLflow's "does not exist" as ours; any other error of the server stays what it is."""
    try:
        yield
    except MlflowException as error:
        if gone(error):
            raise UnknownModelError(f"{message}.") from error
        raise

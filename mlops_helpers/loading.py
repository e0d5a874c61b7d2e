"""A version's model, read with its digest checked; the last few are kept for the whole process.

Reading a model means one file, its digest, its types, its objects; asking who is champion means a
query. A service that answers thousands of applications does the first once and the second each
time. For a store in an SQLite file even the query is left out as long as nobody has written to the
file (see `sqlite_files`).
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from sklearn.pipeline import Pipeline

from mlops_helpers.freezing import frozen
from mlops_helpers.model_files import (
    DigestError,
    ModelFileError,
    check_digest,
    digests_of,
    read_model,
)
from mlops_helpers.runs import MODEL_FILE, MODEL_FILES, SAMPLE_FILE
from mlops_helpers.versions import RECORDED, RegistryError, Versions

__all__ = [
    "KEPT",
    "LoadedModel",
    "Newest",
    "as_logged",
    "changed_files",
    "loaded",
    "read_pipeline",
    "recorded_files",
]

KEPT = 4
"""Models that a process keeps: champion, challenger, previous and one to look at."""
V = TypeVar("V")


@dataclass(frozen=True)
class LoadedModel:
    """A version with its fitted pipeline, ready to score, and the run it came from.

    The pipeline is shared by all who loaded this version in this process. Ask it, from any thread,
    but do not change it: no `fit`, no `set_params`. Copy it first (`copy.deepcopy`) if you must.
    Its arrays are read-only (see `freezing` for those that are not).
    `name` is the run's, empty if the run was deleted since.
    """

    version: int
    pipeline: Pipeline
    name: str
    run_id: str


class Newest(Generic[V]):
    """A mapping that keeps the `size` entries used last; safe to use from several threads."""

    def __init__(self, size: int) -> None:
        """Empty."""
        self._size, self._entries, self._lock = size, OrderedDict[Hashable, V](), threading.Lock()

    def get(self, key: Hashable) -> V | None:
        """The entry, which is the newest now; None if it is not there."""
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key]

    def put(self, key: Hashable, entry: V) -> V:
        """Keep an entry; the one that was there first stays, and comes back."""
        with self._lock:
            kept = self._entries.setdefault(key, entry)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
            return kept

    def drop(self, key: Hashable) -> None:
        """Forget an entry."""
        with self._lock:
            self._entries.pop(key, None)


_MODELS: Newest[LoadedModel] = Newest(KEPT)


def loaded(versions: Versions, found: ModelVersion) -> LoadedModel:
    """The model of a version: from memory if this digest was read before, else from its file."""
    digest = versions.recorded(found)
    key = (versions.tracking_uri, versions.name, found.version, found.run_id, digest)
    return _MODELS.get(key) or _MODELS.put(key, _read(versions, found))


def read_pipeline(versions: Versions, version: int) -> Pipeline:
    """The pipeline of a version, read from its file now.

    Raises ModelFileError if the file is not the one that was registered, or not to be trusted.
    """
    digest = versions.recorded(versions.get(version))
    with versions.folder(version) as folder:
        return read_model(folder / MODEL_FILE, sha256=digest)


def as_logged(versions: Versions, run: Run, address: str) -> dict[str, str]:
    """What a run recorded (RECORDED), once the model's files (at `address`) and the sample agree.

    RegistryError if it did not record all of it, or says otherwise elsewhere; ModelFileError if a
    file is another one now.
    """
    tags, run_id = run.data.tags, run.info.run_id
    if missing := [name for name in RECORDED if not tags.get(name)]:
        raise RegistryError(
            f"run {run_id} has no {' and no '.join(missing)}, so nobody can say whether "
            "its files are what was logged. Train it again with train_and_log."
        )
    with versions.files(address) as folder:
        if not (folder / MODEL_FILE).is_file():
            raise ModelFileError(f"run {run_id} has no {MODEL_FILE}. Train it again.")
        data = (folder / MODEL_FILE).read_bytes()
        check_digest(data, MODEL_FILE, tags["model_sha256"], was="logged")
        if words := _difference(_parsed(tags[MODEL_FILES]), digests_of(folder)):
            raise DigestError(f"the model of run {run_id} is not as it was logged: {words}")
    check_digest(versions.sample_bytes(run), SAMPLE_FILE, tags["sample_sha256"], was="logged")
    _check_training_rows(run)
    return {name: tags[name] for name in RECORDED}


def changed_files(versions: Versions, found: ModelVersion) -> str:
    """How the files of a version differ from those it was registered with, or nothing."""
    try:
        with versions.files(found.source) as folder:
            return _difference(_recorded(versions, found), digests_of(folder))
    except ModelFileError as error:
        return str(error)


def recorded_files(versions: Versions, version: int) -> dict[str, str]:
    """The digests of its files that a version was registered with; RegistryError if none were."""
    return _recorded(versions, versions.get(version))


def _recorded(versions: Versions, found: ModelVersion) -> dict[str, str]:
    files = _parsed(versions.recorded(found, MODEL_FILES))
    return files | {MODEL_FILE: versions.recorded(found)}


def _difference(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    names = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    return f"{', '.join(names)} changed, or came or went. Restore the files." if names else ""


def _parsed(text: str) -> dict[str, str]:
    """Names and digests in a tag; RegistryError if it holds something else."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise RegistryError(
            f"the tag {MODEL_FILES} holds {text[:40]!r}, must be digests by file name, as JSON. "
            "Train and log the model again."
        )
    return found


def _check_training_rows(run: Run) -> None:
    """The tag `train_until` must say what the run's record of its data says, which stays."""
    told = run.data.tags["train_until"]
    inputs = run.inputs.dataset_inputs if run.inputs else []
    for part in inputs:
        if any((tag.key, tag.value) == ("mlflow.data.context", "train") for tag in part.tags):
            until = json.loads(part.dataset.profile).get("applied_until")
            if until != told:
                raise RegistryError(
                    f"run {run.info.run_id} says train_until == {told!r}, but the rows it logged "
                    f"reach to {until}. Somebody changed the tag: train it again."
                )


def _read(versions: Versions, found: ModelVersion) -> LoadedModel:
    number, run = int(found.version), versions.run_of(found)
    name = run.info.run_name if run else ""
    return LoadedModel(number, frozen(read_pipeline(versions, number)), name, found.run_id)

"""A version's model, read with its digest checked; the last few are kept for the whole process.

Reading a model means one file, its digest, its types, its objects; asking who is champion means a
query. A service that answers thousands of applications does the first once and the second each
time. For a store in an SQLite file even the query is left out as long as nobody has written to the
file (see `sqlite_files`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from sklearn.pipeline import Pipeline

from mlops_helpers.model_files import ModelFileError, check_digest, read_model
from mlops_helpers.runs import MODEL_FILE, SAMPLE_FILE
from mlops_helpers.versions import DIGESTS, RegistryError, Versions

__all__ = ["KEPT", "LoadedModel", "Newest", "loaded", "logged_digests", "read_pipeline"]

KEPT = 4
"""Models that a process keeps: champion, challenger, previous and one to look at."""
V = TypeVar("V")


@dataclass(frozen=True)
class LoadedModel:
    """A version with its fitted pipeline, ready to score, and the run it came from.

    The pipeline is shared by all who loaded this version in this process. Ask it, from any thread,
    but do not change it: no `fit`, no `set_params`. Copy it first (`copy.deepcopy`) if you must.
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
    digest = versions.digest(found)
    key = (versions.tracking_uri, versions.name, found.version, found.run_id, digest)
    return _MODELS.get(key) or _MODELS.put(key, _read(versions, found))


def read_pipeline(versions: Versions, version: int) -> Pipeline:
    """The pipeline of a version, read from its file now.

    Raises ModelFileError if the file is not the one that was registered, or not to be trusted.
    """
    digest = versions.digest(versions.get(version))
    with versions.folder(version) as folder:
        return read_model(folder / MODEL_FILE, sha256=digest)


def logged_digests(versions: Versions, run: Run, address: str) -> dict[str, str]:
    """The digests of model file (at `address`) and sample that a run recorded, compared with both.

    RegistryError if it recorded none, DigestError if a file is another one now.
    """
    tags = run.data.tags
    if missing := [name for name in DIGESTS if not tags.get(name)]:
        raise RegistryError(
            f"run {run.info.run_id} has no {' and no '.join(missing)}, so nobody can say whether "
            "its files are what was logged. Train it again with train_and_log."
        )
    with versions.files(address) as folder:
        if not (folder / MODEL_FILE).is_file():
            raise ModelFileError(f"run {run.info.run_id} has no {MODEL_FILE}. Train it again.")
        check_digest((folder / MODEL_FILE).read_bytes(), MODEL_FILE, tags["model_sha256"])
    check_digest(versions.sample_bytes(run), SAMPLE_FILE, tags["sample_sha256"])
    return {name: tags[name] for name in DIGESTS}


def _read(versions: Versions, found: ModelVersion) -> LoadedModel:
    number, run = int(found.version), versions.run(found.run_id)
    return LoadedModel(number, read_pipeline(versions, number), run.info.run_name, run.info.run_id)

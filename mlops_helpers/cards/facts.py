"""What the stores hold about one version, gathered for its card; nothing is judged or worded here.

A store may lack anything: a run of an older package has no digest of its code, a file may have been
cleaned away. What is missing is None (or empty), what is there and cannot be read is named in
`unreadable`, and only a version that does not exist is an error.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from mlops_helpers.changing import GATE_EVENTS, gate_words
from mlops_helpers.model_files import ModelFileError
from mlops_helpers.registry import Registry, RegistryError, UnknownModelError
from mlops_helpers.tracking import PROFILE_FILE
from mlops_helpers.versions import HISTORY, Versions

__all__ = ["CardFacts", "read_facts"]

SEGMENTS_FILE = "tables/segments.csv"
SEGMENT_COLUMNS = ("segment", "group", "n", "defaults", "default_rate", "mean_probability")
SEGMENT_COLUMNS += ("auc", "auc_low", "auc_high")
SEGMENT_COLUMNS += tuple(f"observed_to_expected{end}" for end in ("", "_low", "_high"))

T = TypeVar("T")


@dataclass(frozen=True)
class CardFacts:
    """What is recorded about a version.

    `parts` has an entry for `train` and `holdout` (rows, defaults, first and last application,
    digest). `gate` is what the gate said last, `checks` has a row for each of its checks, `history`
    the events of this version, `created` when it was registered (by the history; by the server's
    clock if that is silent). `segments` leaves out a column in which all applicants are alike.
    `profile` is that of the training rows; `version_tags` belong to the
    version, `tags` to its run.
    """

    model: str
    version: int
    created: pd.Timestamp
    aliases: tuple[str, ...]
    archived: bool
    gate: str | None
    version_tags: Mapping[str, str]
    history: pd.DataFrame
    run_id: str | None = None
    name: str | None = None
    algorithm: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checks: pd.DataFrame | None = None
    segments: pd.DataFrame | None = None
    profile: Mapping[str, Any] | None = None
    unreadable: tuple[str, ...] = ()


def read_facts(registry: Registry, version: int) -> CardFacts:
    """Everything the stores hold about `version`; raises UnknownModelError if there is none."""
    versions = Versions(registry.tracking_uri, registry.name)
    found, state, reader = versions.get(version), versions.state(), _Reader()
    known: dict[str, Any] = {}
    run = _run(versions, found.run_id, reader)
    if run is not None:
        known = _of_run(run, versions.client, reader)
        known["algorithm"] = _algorithm(registry, version, reader)
    number = int(found.version)
    verdict = state.last(number, *GATE_EVENTS)
    checks = json.dumps(verdict.checks) if verdict and verdict.checks else None
    history = _history(registry, number)
    return CardFacts(
        model=registry.name,
        version=number,
        created=_registered(history, number)
        or pd.Timestamp(found.creation_timestamp, unit="ms", tz="UTC"),
        aliases=tuple(sorted(alias for alias, n in state.roles.items() if n == number)),
        archived=state.archived(number),
        gate=gate_words(verdict) if verdict else None,
        version_tags=dict(found.tags),
        history=history,
        checks=reader.parse("the gate's checks", checks or found.tags.get("gate_checks"), _checks),
        unreadable=tuple(reader.unreadable),
        **known,
    )


def _run(versions: Versions, run_id: str | None, reader: _Reader) -> Run | None:
    """The run of a version; None, and a word about it, if there was none or it is gone."""
    if not run_id:  # made by hand, in MLflow's page for instance
        reader.unreadable.append("the run, because this version was made without a run")
        return None
    try:
        return versions.run(run_id)
    except UnknownModelError:
        reader.unreadable.append(f"run {run_id}, which this version was made from")
        return None


class _Reader:
    """Parses texts of the stores and remembers the names of those that could not be parsed."""

    def __init__(self) -> None:
        self.unreadable: list[str] = []

    def parse(self, what: str, text: str | None, how: Callable[[str], T]) -> T | None:
        """The parsed text; None if there is none, or if it is broken."""
        if text is None:
            return None
        try:
            return how(text)
        except (ValueError, KeyError, TypeError) as error:  # broken JSON, CSV or columns
            self.unreadable.append(f"{what} ({type(error).__name__})")
            return None


def _of_run(run: Run, client: MlflowClient, reader: _Reader) -> dict[str, Any]:
    def artifact(path: str, how: Callable[[str], T]) -> T | None:
        return reader.parse(path, _text(client, run.info.run_id, path), how)

    parts = {}
    for item in run.inputs.dataset_inputs if run.inputs else []:
        context = next((t.value for t in item.tags if t.key == "mlflow.data.context"), None)
        profile = reader.parse(f"the profile of the {context} rows", item.dataset.profile, _object)
        source = reader.parse(f"the source of the {context} rows", item.dataset.source, _object)
        if context:
            digest = (source or {}).get("digest", item.dataset.digest)
            parts[context] = {**(profile or {}), "digest": digest}
    return {
        "run_id": run.info.run_id,
        "name": run.info.run_name,
        "settings": dict(sorted(run.data.params.items())),
        "tags": dict(run.data.tags),
        "metrics": dict(run.data.metrics),
        "parts": parts,
        "segments": artifact(SEGMENTS_FILE, _segments),
        "profile": artifact(PROFILE_FILE, _profile),
    }


def _algorithm(registry: Registry, version: int, reader: _Reader) -> str | None:
    """The class of the pipeline's last step, from the model's file, which is checked and read."""
    try:
        return type(registry.load(version).pipeline[-1]).__name__
    except (ModelFileError, RegistryError) as error:
        reader.unreadable.append(f"the model's file ({type(error).__name__}: {error})")
        return None


def _text(client: MlflowClient, run_id: str, path: str) -> str | None:
    """The text of an artifact, or None if the run has no such file."""
    folder = path.rpartition("/")[0]
    if path not in {entry.path for entry in client.list_artifacts(run_id, folder)}:
        return None
    with tempfile.TemporaryDirectory() as copies:
        return Path(client.download_artifacts(run_id, path, copies)).read_text(encoding="utf-8")


def _history(registry: Registry, version: int) -> pd.DataFrame:
    events = registry.history()
    about = events["version"].eq(version) | events["replaced"].eq(version).fillna(value=False)
    return events.loc[about, HISTORY].reset_index(drop=True)


def _registered(history: pd.DataFrame, version: int) -> pd.Timestamp | None:
    """When the version was registered, in the calendar that the history is kept in."""
    mine = history["event"].eq("registered") & history["version"].eq(version)
    return history.loc[mine, "when"].min() if mine.any() else None


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(f"a {type(found).__name__}, must be an object")
    return found


def _profile(text: str) -> dict[str, Any]:
    """The profile of the training rows."""
    return _object(text)["train"]


def _checks(text: str) -> pd.DataFrame:
    return pd.DataFrame(json.loads(text))[["check", "passed", "evidence"]]


def _segments(text: str) -> pd.DataFrame:
    """Groups as text ("NA" is a group's name), everything else as numbers, empty ones NaN."""
    table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    numbers = table.columns.difference(["segment", "group"])
    table[numbers] = table[numbers].apply(pd.to_numeric)
    table = table[table["segment"].duplicated(keep=False)]  # one group of all divides nobody
    return table.reindex(columns=list(dict.fromkeys([*SEGMENT_COLUMNS, *table.columns])))

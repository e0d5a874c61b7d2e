"""What the registry can show the gate about a version: its model, its sample, its files.

Everything is fetched when a check asks for it, and read from the files at that moment: a gate that
asked the models in memory would not see that a file has changed.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mlops_helpers.gate import Finding
from mlops_helpers.gate_subject import FileFacts, Subject
from mlops_helpers.loading import read_pipeline
from mlops_helpers.model_files import sha256_of, unknown_types
from mlops_helpers.runs import MODEL_FILE, SIGNATURE
from mlops_helpers.versions import Versions

__all__ = ["subject_of"]


def subject_of(versions: Versions, version: int) -> Subject:
    """The version as the gate sees it; nothing is read before a check asks."""
    return Subject(
        version=version,
        name=f"version {version}",
        pipeline=lambda: read_pipeline(versions, version),
        sample=lambda: versions.sample(version),
        contract=lambda: _contract(versions, version),
        files=lambda: _files(versions, version),
        trained_until=lambda: _trained_until(versions, version),
    )


def _contract(versions: Versions, version: int) -> Finding:
    signature = versions.signature(version)
    if signature == SIGNATURE:
        features = len(SIGNATURE.inputs.input_names())
        return Finding(True, f"{features} features in, two probabilities out")
    if signature is None or signature.inputs is None:
        return Finding(False, "the model has no signature")
    expected, found = (set(s.inputs.input_names()) for s in (SIGNATURE, signature))
    missing, more = sorted(expected - found), sorted(found - expected)
    return Finding(False, f"signature differs: missing {missing}, not known {more}, or a type")


def _files(versions: Versions, version: int) -> FileFacts:
    expected = versions.get(version).tags.get("model_sha256", "")
    with versions.folder(version) as folder:
        names = tuple(sorted(_names(folder)))
        data = (folder / MODEL_FILE).read_bytes() if MODEL_FILE in names else b""
    found = sha256_of(data) if data else ""
    # Only of the registered file: another one's types are nothing to look into.
    unknown = tuple(unknown_types(data, MODEL_FILE)) if data and found == expected else ()
    return FileFacts(expected, found, len(data), names, unknown)


def _names(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return [path.relative_to(folder).as_posix() for path in found]


def _trained_until(versions: Versions, version: int) -> pd.Timestamp:
    return pd.Timestamp(versions.run_of(version).data.tags["train_until"])

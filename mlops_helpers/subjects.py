"""What the registry can show the gate about a version: its model, its sample, its files.

Everything is fetched when a check asks for it, and read from the files at that moment: a gate that
asked the models in memory would not see that a file has changed.
"""

from __future__ import annotations

import pandas as pd

from mlops_helpers.gate import Finding
from mlops_helpers.gate_model import reproduces
from mlops_helpers.gate_subject import FileFacts, Subject
from mlops_helpers.loading import read_pipeline, recorded_files
from mlops_helpers.model_files import digests_of, sha256_of, unknown_types
from mlops_helpers.runs import MODEL_FILE, SIGNATURE
from mlops_helpers.versions import Versions

__all__ = ["replays", "subject_of"]


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


def replays(versions: Versions, version: int) -> Finding:
    """Can a version be read now, and does it give the probabilities that were stored with it?"""
    subject = subject_of(versions, version)
    return reproduces(subject.pipeline(), *subject.sample())


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
    expected = recorded_files(versions, version)
    with versions.folder(version) as folder:
        found = digests_of(folder)
        data = (folder / MODEL_FILE).read_bytes() if found.get(MODEL_FILE) else b""
    # Only of the registered file: another one's types are nothing to look into.
    known = bool(data) and sha256_of(data) == expected[MODEL_FILE]
    unknown = tuple(unknown_types(data, MODEL_FILE)) if known else ()
    return FileFacts(expected, found, len(data), unknown)


def _trained_until(versions: Versions, version: int) -> pd.Timestamp:
    """As it was registered: what the run says now may have been changed since."""
    return pd.Timestamp(versions.recorded(versions.get(version), "train_until"))

"""Where a run comes from: the rows, the code, the packages and every setting, as short texts.

Nothing here knows MLflow; `runs` writes what comes back. Lengths are MLflow's all the same, because
a setting that the store refuses in the middle of a run would cost the run.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from mlops_helpers import __version__
from mlops_helpers.data import FEATURES
from mlops_helpers.places import project_root

__all__ = [
    "CODE",
    "PACKAGES",
    "checked_tags",
    "code_commit",
    "content_digest",
    "flat_parameters",
    "flat_settings",
    "lock_digest",
    "origin_tags",
    "told_weights",
]

PACKAGES = ("scikit-learn", "skops", "numpy", "pandas", "scipy")
"""What a model needs beside this package: a server's list, and a run's when there is no lock."""
CODE = ("mlops_helpers", "requirements.lock", "pyproject.toml")
"""What must be as committed for a commit to name the code of a run."""
LONGEST_KEY = 250  # MLflow's limit for the name of a parameter or a tag
LONGEST_VALUE = 6000  # and for the value of a parameter
LONGEST_TAG = 8000  # and for that of a tag
_KEPT = 5900
_REFUSED = re.compile(r"[^\w.\- /]")


def content_digest(frame: pd.DataFrame) -> str:
    """SHA-256 (hex) of the rows' values, in order; the index does not count."""
    digest = hashlib.sha256(json.dumps([str(c) for c in frame.columns]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def flat_parameters(pipeline: Pipeline) -> dict[str, str]:
    """Every plain setting of every step, as `step__setting`; the steps themselves are left out."""
    plain = (str, int, float, bool, type(None))
    return {n: _short(v) for n, v in pipeline.get_params().items() if isinstance(v, plain)}


def flat_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as text under dotted names: `{"cv": {"folds": [3, 5]}}` -> `cv.folds.0`, ….

    An empty mapping or list keeps its name, as `{}` or `[]`. A value longer than a store takes is
    cut and ends with its length and SHA-256, so that two long values stay distinguishable. Raises
    ValueError for a name that is empty, too long, given twice or holds other characters than
    letters, digits, spaces and `_-./`.
    """
    flat: dict[str, str] = {}
    for name, value in _leaves("", settings):
        if not name or len(name) > LONGEST_KEY or _REFUSED.search(name):
            raise ValueError(
                f"the setting {name[:80]!r} ({len(name)} characters): its dotted name must have 1 "
                f"to {LONGEST_KEY} letters, digits, spaces or _-./ . Rename it."
            )
        _check_path(name, "setting")
        if name in flat:
            raise ValueError(
                f"the setting {name!r} is given twice, once nested and once with a dot in its "
                "name. Leave one out."
            )
        flat[name] = _short(value)
    return flat


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags as they can be stored whole, or TypeError or ValueError for the first that cannot.

    Nothing is cut: a tag that lost its end would say something else.
    """
    for name, value in tags.items():
        if not (isinstance(name, str) and isinstance(value, str)):
            raise TypeError(f"the tag {name!r} is {value!r:.80}: both must be text. Use str().")
        if not 0 < len(name) <= LONGEST_KEY or _REFUSED.search(name):
            raise ValueError(
                f"the tag {name[:80]!r} ({len(name)} characters): its name must have 1 to "
                f"{LONGEST_KEY} letters, digits, spaces or _-./ . Rename it."
            )
        _check_path(name, "tag")
        if len(value) > LONGEST_TAG:
            raise ValueError(
                f"the tag {name!r} has {len(value)} characters, must have at most {LONGEST_TAG}. "
                "Shorten it, or pass it in settings."
            )
        if not _encodable(value):
            raise ValueError(
                f"the tag {name!r} holds half a character (a lone surrogate), must be text that "
                "can be written. Leave it out."
            )
    return dict(tags)


def code_commit(root: Path | None = None) -> str:
    """The commit of the code, with `-dirty` if CODE differs from it; `unknown` without Git."""
    root = root or project_root()
    if not (root / ".git").exists():  # an installed copy, perhaps inside somebody else's repository
        return "unknown"
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", *CODE)
    if commit is None or changed is None:
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def lock_digest(root: Path | None = None) -> dict[str, str]:
    """Tags `lock_digest` (SHA-256, hex) and `lock_source`, which says of what.

    Of the bytes of `requirements.lock` where there is one, as in a clone; else of the installed
    versions of PACKAGES.
    """
    lock = (root or project_root()) / "requirements.lock"
    if lock.is_file():
        content, source = lock.read_bytes(), lock.name
    else:
        installed = [f"{name}=={version(name)}" for name in PACKAGES]
        content, source = "\n".join(installed).encode(), ", ".join(installed)
    return {"lock_digest": hashlib.sha256(content).hexdigest(), "lock_source": source}


def origin_tags(parts: Mapping[str, pd.DataFrame], digest: str) -> dict[str, str]:
    """Tags of a run: span of each part, digest of the training rows, features, code, packages.

    `parts` are the rows by what they were for, such as "train" and "holdout".
    """
    spans = {}
    for name, rows in parts.items():
        spans[f"{name}_from"] = rows["applied_at"].min().isoformat()
        spans[f"{name}_until"] = rows["applied_at"].max().isoformat()
    code = {"mlops_helpers": __version__, "code_commit": code_commit()}
    return spans | {"data_digest": digest, "features": ", ".join(FEATURES)} | code | lock_digest()


def told_weights(weights: pd.Series | None) -> tuple[dict[str, str], dict[str, str]]:
    """Parameters `weights.…` and the tag `weights_digest` of a run's weights; empty without any.

    `weights.effective_rows` is ``(sum w)^2 / sum w^2``: as many rows that all count alike would
    give a mean as precise (L. Kish 1965, *Survey Sampling*).
    """
    if weights is None:
        return {}, {}
    effective = weights.sum() ** 2 / (weights**2).sum()
    told = {"min": weights.min(), "max": weights.max(), "effective_rows": round(effective)}
    digest = content_digest(weights.rename("weight").to_frame())
    return flat_settings({"weights": told}), {"weights_digest": digest}


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any setting
    """The plain values below a setting, each with its dotted name."""
    if isinstance(value, Mapping) and value:
        inner = [(str(key), below) for key, below in value.items()]
    elif isinstance(value, (list, tuple)) and value:
        inner = [(str(place), below) for place, below in enumerate(value)]
    else:
        return [(name, value)] if name or value else []
    head = f"{name}." if name else ""
    return [leaf for key, below in inner for leaf in _leaves(head + key, below)]


def _check_path(name: str, what: str) -> None:
    """A name may become a file: it must not mean another one."""
    plain = posixpath.normpath(name)
    if plain != name or name.startswith(("/", "..")) or name == ".":
        raise ValueError(
            f"the {what} {name!r} reads like a path that leads elsewhere; must not begin or end "
            "with a slash, nor hold two in a row, '.' or '..' as a part. Rename it."
        )


def _encodable(text: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def _short(value: Any) -> str:  # noqa: ANN401 - any setting
    text = str(value).encode(errors="backslashreplace").decode()  # half a character is no text
    if len(text) <= LONGEST_VALUE:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[:_KEPT]}… ({len(text)} characters, sha256 {digest})"


def _git(root: Path, *arguments: str) -> str | None:
    """What Git says, or None if it cannot; a GIT_DIR set by a hook must not point elsewhere."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, text=True, check=True, env=environment, timeout=20,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

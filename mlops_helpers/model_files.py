"""Reading a model's file: only types that were reviewed, and the list of them is ours.

A pickle runs whatever its author put in, the moment it is opened. skops stores a model as data plus
the names of the classes to build, and refuses names it does not know unless the caller vouches for
them. MLflow keeps such a list of trusted names inside the model's own folder: whoever can change
the model can change that list too, so it is no trust boundary. The list that counts is
`REVIEWED_TYPES`, in this file, under version control; what a model says about itself is ignored.

A digest says that a file is the one that was registered, byte for byte. File, digest and types are
checked on one copy in memory and the model is built from that same copy, so that nobody can change
the file between the check and the reading.

What this does not do: it does not say that a model is any good (see `gate`), and whoever can change
both the file and the registry's tags can change the digest with it.
"""

from __future__ import annotations

import hashlib
import hmac
import zipfile
import zlib
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline
from skops.io.exceptions import UnsupportedTypeException

__all__ = [
    "REVIEWED_TYPES",
    "DigestError",
    "ModelFileError",
    "UntrustedTypeError",
    "check_digest",
    "digests_of",
    "read_model",
    "sha256_of",
    "types_to_vouch",
    "unknown_types",
]

REVIEWED_TYPES: frozenset[str] = frozenset(
    {
        "mlops_helpers.features.LoanFeatures",  # our own step: no state but column names
        "numpy.dtype",  # the type of an array's elements
        "sklearn.calibration._CalibratedClassifier",  # parts of CalibratedClassifierCV
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # arrays of one tree
        "sklearn.tree._tree.Tree",  # arrays of one tree
    }
)


UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, UnsupportedTypeException, OSError, RecursionError),
    *(KeyError, ValueError, TypeError, AttributeError, ImportError, NotImplementedError, EOFError),
)
"""What skops and the modules it reads with raise for bytes that are no model."""


class ModelFileError(ValueError):
    """A model file cannot be read: missing, cut short, or no skops file."""


class DigestError(ModelFileError):
    """A file is not the one that was registered; nothing of it was loaded."""


class UntrustedTypeError(ModelFileError):
    """A model contains types that nobody reviewed; `types` names them."""

    def __init__(self, where: str, types: set[str]) -> None:
        """Builds the message from the place and the names of the types."""
        self.types = sorted(types)
        super().__init__(
            f"{where} contains types that are not reviewed: {', '.join(self.types)}. Nothing of it "
            "was loaded. If you know and trust them, add them to "
            "mlops_helpers.model_files.REVIEWED_TYPES, with a reason."
        )


def types_to_vouch(pipeline: Pipeline) -> list[str]:
    """The reviewed types that `pipeline` needs beyond those skops knows, sorted.

    Raises UntrustedTypeError naming every type that is not on the list.
    """
    needed = set(skops.io.get_untrusted_types(data=skops.io.dumps(pipeline)))
    if unknown := needed - REVIEWED_TYPES:
        raise UntrustedTypeError("the pipeline", unknown)
    return sorted(needed)


def sha256_of(data: bytes) -> str:
    """The digest of a file's content, in hex."""
    return hashlib.sha256(data).hexdigest()


def digests_of(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) of every file below `folder`, by its path there with "/", sorted.

    A link that leads to no file is there as well, with an empty digest.
    """
    found = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    pairs = ((path.relative_to(folder).as_posix(), path) for path in found)
    return {
        name: sha256_of(path.read_bytes()) if path.is_file() else "" for name, path in sorted(pairs)
    }


def check_digest(data: bytes, name: str, sha256: str, *, was: str = "registered") -> None:
    """DigestError unless the SHA-256 (hex) of `data`, the content of file `name`, is `sha256`.

    `was` is what was done with the file when the digest was taken.
    """
    found = sha256_of(data)
    if not hmac.compare_digest(found, sha256.lower()):
        raise DigestError(
            f"{name} is not the file that was {was}: its SHA-256 is {found[:12]}…, must be "
            f"{sha256[:12]}…. Nothing of it was loaded. Find out who changed it, and restore it "
            "from a copy."
        )


def unknown_types(data: bytes, name: str = "the file") -> list[str]:
    """Types in a skops file that nobody reviewed, sorted, found without building anything."""
    try:
        return sorted(set(skops.io.get_untrusted_types(data=data)) - REVIEWED_TYPES)
    except UNREADABLE as error:
        raise _no_skops(name, error) from error


def read_model(path: Path, *, sha256: str | None = None) -> Pipeline:
    """The pipeline stored in the skops file at `path`, which is read once.

    Checks the digest first, then the types, and only then builds anything. Raises DigestError if
    the file's SHA-256 (hex) is not `sha256` (None: not known, not compared), UntrustedTypeError if
    it asks for a type outside REVIEWED_TYPES, and ModelFileError if it is missing, cut short, or
    holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"no model file {path.name}: was the model logged with skops?")
    data = path.read_bytes()
    if sha256 is not None:
        check_digest(data, path.name, sha256)
    if unknown := unknown_types(data, path.name):
        raise UntrustedTypeError(path.name, set(unknown))
    try:
        model = skops.io.loads(data, trusted=sorted(REVIEWED_TYPES))
    except UNREADABLE as error:
        raise _no_skops(path.name, error) from error
    if not isinstance(model, Pipeline):
        raise ModelFileError(
            f"{path.name} holds a {type(model).__name__}, must be a Pipeline: features and "
            "encoders belong in the stored object. Use features.build_pipeline."
        )
    return model


def _no_skops(name: str, error: Exception) -> ModelFileError:
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return ModelFileError(
        f"{name} is no readable skops file ({words[:300]}). Log the model again, or restore the "
        "file from a copy."
    )

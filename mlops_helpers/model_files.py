"""Reading a model's file: only types that were reviewed, and the list of them is ours.

A pickle runs whatever its author put in, the moment it is opened. skops stores a model as data plus
the names of the classes to build, and refuses names it does not know unless the caller vouches for
them. MLflow keeps such a list of trusted names inside the model's own folder: whoever can change
the model can change that list too, so it is no trust boundary. The list that counts is
`REVIEWED_TYPES`, in this file, under version control; what a model says about itself is ignored.

What this does not do: it does not say that a model is any good (see the gate in `registry`), nor
that it is the model you registered.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline

__all__ = ["REVIEWED_TYPES", "ModelFileError", "UntrustedTypeError", "read_model", "types_to_vouch"]

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


class ModelFileError(ValueError):
    """A model file cannot be read: missing, cut short, or no skops file."""


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


def read_model(path: Path) -> Pipeline:
    """The pipeline stored in the skops file at `path`.

    Raises UntrustedTypeError before anything is built if the file asks for a type outside
    REVIEWED_TYPES, and ModelFileError if it is missing, cut short, or holds something else.
    """
    if not path.is_file():
        raise ModelFileError(f"no model file {path.name}: was the model logged with skops?")
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - REVIEWED_TYPES
        if unknown:
            raise UntrustedTypeError(path.name, unknown)
        model = skops.io.load(path, trusted=sorted(REVIEWED_TYPES))
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ModelFileError(
            f"{path.name} is no readable skops file ({type(error).__name__}: {error}). "
            "Log the model again, or restore the file from a copy."
        ) from error
    if not isinstance(model, Pipeline):
        raise ModelFileError(
            f"{path.name} holds a {type(model).__name__}, must be a Pipeline: features and "
            "encoders belong in the stored object. Use features.build_pipeline."
        )
    return model

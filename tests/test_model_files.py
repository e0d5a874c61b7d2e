"""A stored model is read only if every type in it was reviewed, whatever it says about itself."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from mlops_helpers.features import build_pipeline
from mlops_helpers.model_files import (
    REVIEWED_TYPES,
    DigestError,
    ModelFileError,
    UntrustedTypeError,
    read_model,
    sha256_of,
    types_to_vouch,
)
from tests.loans_on_record import small_split


@pytest.mark.parametrize(
    "estimator",
    [
        DummyClassifier(strategy="prior"),
        LogisticRegression(max_iter=500),
        RandomForestClassifier(10, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_the_courses_models_come_back_with_the_same_probabilities(tmp_path, estimator):
    """Each kind of model of the course needs reviewed types only and survives the round trip."""
    rows = small_split().train
    model = build_pipeline(estimator).fit(rows, rows["default"])
    assert set(types_to_vouch(model)) <= REVIEWED_TYPES
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    again = read_model(path).predict_proba(rows)
    np.testing.assert_array_equal(again, model.predict_proba(rows))


def test_a_file_that_asks_for_another_type_is_refused_by_name(tmp_path):
    """A stored os.system is named in the error; loading it would have left a file behind."""
    trap = tmp_path / "sprung"
    model = Pipeline([("trap", FunctionTransformer(os.system)), ("model", DummyClassifier())])
    path = tmp_path / "model.skops"
    skops.io.dump(model, path)
    with pytest.raises(UntrustedTypeError, match=r"posix\.system|nt\.system|os\.system"):
        read_model(path).transform(f"touch {trap}")
    assert not trap.exists()


def test_a_pipeline_with_an_unreviewed_type_is_refused_before_it_is_stored():
    """types_to_vouch raises and lists the types; nothing is vouched for in passing."""
    model = Pipeline(
        [("home-made", FunctionTransformer(small_split)), ("model", DummyClassifier())]
    )
    with pytest.raises(UntrustedTypeError) as refused:
        types_to_vouch(model)
    assert refused.value.types == ["tests.loans_on_record.small_split"]


class Trap:
    """Writes a file the moment a pickle of it is opened."""

    def __init__(self, witness):
        """`witness` is the file to write."""
        self.witness = witness

    def __reduce__(self):
        """What a pickle does when it is opened."""
        return (os.system, (f"touch {self.witness}",))


class SelfMadeTrap:
    """A type that nobody reviewed: building it from a skops file writes a file."""

    def __init__(self, witness):
        """`witness` is the file to write."""
        self.witness = witness

    def __setstate__(self, state):
        """What skops calls to build it."""
        self.__dict__.update(state)
        Path(self.witness).touch()


def stored(path):
    """A harmless model file, and its digest."""
    rows = small_split().train
    skops.io.dump(build_pipeline(DummyClassifier()).fit(rows, rows["default"]), path)
    return sha256_of(path.read_bytes())


def test_the_registered_file_is_read(tmp_path):
    """With the digest of its own bytes, in either case, a file is read."""
    path = tmp_path / "model.skops"
    digest = stored(path)
    assert isinstance(read_model(path, sha256=digest), Pipeline)
    assert isinstance(read_model(path, sha256=digest.upper()), Pipeline)


def test_a_tampered_file_is_refused_though_it_would_load(tmp_path):
    """Another model in the same place, of reviewed types only, is not the one registered."""
    path, other = tmp_path / "model.skops", tmp_path / "other.skops"
    digest = stored(path)
    rows = small_split().train
    skops.io.dump(build_pipeline(LogisticRegression()).fit(rows, rows["default"]), other)
    path.write_bytes(other.read_bytes())
    assert isinstance(read_model(path), Pipeline), "without the digest it goes through"
    with pytest.raises(DigestError, match=r"model\.skops is not the file that was registered"):
        read_model(path, sha256=digest)


def test_a_pickle_in_the_place_of_the_model_is_not_opened(tmp_path):
    """Refused by its digest, and without one as no skops file; a naive loader runs it."""
    path, witness = tmp_path / "model.skops", tmp_path / "witness"
    digest = stored(path)
    path.write_bytes(pickle.dumps(Trap(witness)))
    with pytest.raises(DigestError):
        read_model(path, sha256=digest)
    with pytest.raises(ModelFileError, match="no readable skops file"):
        read_model(path)
    assert not witness.exists()
    pickle.loads(path.read_bytes())
    assert witness.exists(), "the control: opening it as a pickle has the side effect"


def test_a_type_outside_the_list_is_not_built(tmp_path):
    """A file that names a type outside the list is refused before anything is built of it."""
    path, witness = tmp_path / "model.skops", tmp_path / "witness"
    trap = FunctionTransformer(kw_args={"trap": SelfMadeTrap(str(witness))})
    skops.io.dump(Pipeline([("trap", trap), ("model", DummyClassifier())]), path)
    with pytest.raises(UntrustedTypeError, match="SelfMadeTrap"):
        read_model(path)
    with pytest.raises(UntrustedTypeError, match="SelfMadeTrap"):  # registered like that: no help
        read_model(path, sha256=sha256_of(path.read_bytes()))
    assert not witness.exists()
    skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    assert witness.exists(), "the control: trusting the file's own list has the side effect"


def test_what_is_checked_is_what_is_loaded(tmp_path, monkeypatch):
    """The file is read once: exchanging it after the check changes nothing."""
    path, witness = tmp_path / "model.skops", tmp_path / "witness"
    digest = stored(path)
    trap = FunctionTransformer(kw_args={"trap": SelfMadeTrap(str(witness))})
    look = skops.io.get_untrusted_types

    def look_and_exchange(**given):
        found = look(**given)
        skops.io.dump(Pipeline([("trap", trap), ("model", DummyClassifier())]), path)
        return found

    monkeypatch.setattr(skops.io, "get_untrusted_types", look_and_exchange)
    assert read_model(path, sha256=digest).steps[-1][0] != "trap"
    assert not witness.exists()
    assert sha256_of(path.read_bytes()) != digest, "the file was exchanged"


@pytest.mark.parametrize("kept", [0, 1, 22, 2000, -1])
def test_a_file_cut_anywhere_is_refused(tmp_path, kept):
    """Nothing, a byte, half, all but the last: by its digest, and without one as unreadable."""
    path = tmp_path / "model.skops"
    digest = stored(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DigestError):
        read_model(path, sha256=digest)
    with pytest.raises(ModelFileError, match="no readable skops file"):
        read_model(path)


@pytest.mark.parametrize("content", ["{}", "[]", "not json", '{"__class__": 7}', '{"a": {"b": 1}}'])
def test_a_schema_that_makes_no_sense_is_refused(tmp_path, content):
    """A whole zip file with any other description in it is a ModelFileError."""
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", content)
    with pytest.raises(ModelFileError, match="no readable skops file"):
        read_model(path)


def test_a_file_cut_short_or_missing_is_named(tmp_path):
    """Half a file and no file are ModelFileErrors that name the file."""
    path = tmp_path / "model.skops"
    with pytest.raises(ModelFileError, match=r"no model file model\.skops"):
        read_model(path)
    rows = small_split().train
    skops.io.dump(build_pipeline(DummyClassifier()).fit(rows, rows["default"]), path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelFileError, match=r"model\.skops is no readable skops file"):
        read_model(path)


def test_a_bare_estimator_is_refused(tmp_path):
    """A model without its features is no model: only a Pipeline is returned."""
    path = tmp_path / "model.skops"
    skops.io.dump(LogisticRegression(), path)
    with pytest.raises(ModelFileError, match="holds a LogisticRegression, must be a Pipeline"):
        read_model(path)

"""A stored model is what it was, answers like a classifier, is small and quick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from mlops_helpers.gate_model import (
    REPEATS,
    default_probability,
    files_as_registered,
    gives_probabilities,
    reproduces,
    small_and_quick,
)
from mlops_helpers.gate_policy import GatePolicy
from tests.subjects import DIGEST, FILES

ROWS = pd.DataFrame({"a": [0.1, 0.2, 0.3], "b": [0.3, 0.1, 0.1]})


class Model:
    """A stand-in for a pipeline: a function from rows to probabilities of default."""

    def __init__(self, answer):
        """Keep the function."""
        self.answer = answer

    def predict_proba(self, rows):
        """Both columns."""
        p = np.asarray(self.answer(rows), dtype=float)
        return np.column_stack([1 - p, p])


def fixed(*p):
    """A model with these answers, whatever it is asked."""
    return Model(lambda rows: p)


BY_NAME = Model(lambda rows: rows["a"])


def asked(model, rows):
    """The finding about a model's answers to these rows."""
    return gives_probabilities(model, rows, lambda: default_probability(model, rows))


def lies(**files):
    """What to change for these files to lie there beside or in the place of the others."""
    return {"found": {**FILES.found, **files}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lies(**{"model.skops": "00" * 32}), "not the files that were recorded: model.skops"),
        (lies(**{"MLmodel": "00" * 32}), "not the files that were recorded: MLmodel"),
        (lies(**{"requirements.txt": "", "conda.yaml": ""}), "conda.yaml, requirements.txt"),
        ({"expected": {}}, "no digests were recorded for its files: log and register the model"),
        ({"expected": {}, "found": {}}, "no digests were recorded"),
        (lies(**{"model.pkl": DIGEST}), "files nobody expects: model.pkl"),
        (
            {
                **lies(**{"code/hook.py": DIGEST}),
                "expected": {**FILES.found, "code/hook.py": DIGEST},
            },
            "files nobody expects: code/hook.py",
        ),
        ({"found": {"MLmodel": DIGEST}}, "there is no model.skops"),
        ({"found": {"model.skops": DIGEST}}, "files are missing: MLmodel, conda.yaml"),
        ({"found": {"MLmodel": DIGEST, "old/model.skops": DIGEST}}, "there is no model.skops"),
        ({"expected": {"model.skops": DIGEST}}, "files nobody expects: MLmodel, conda.yaml"),
        ({"unknown_types": ("os.system",)}, "types nobody reviewed: os.system"),
    ],
)
def test_a_file_that_is_not_as_registered_is_refused(change, words):
    """Another digest, none at all, a file too many or too few, an unknown type: each is named."""
    found = files_as_registered(replace(FILES, **change))
    assert found.passed is False
    assert words in found.evidence


def test_every_fault_of_the_files_is_told():
    """Two faults, two messages; a sound folder passes."""
    both = replace(FILES, expected={}, unknown_types=("os.system",))
    assert files_as_registered(both).evidence.count(";") == 1
    assert files_as_registered(FILES).passed is True


def test_replay_notices_another_model():
    """Equal probabilities pass; a difference in the sixth digit, or missing rows, do not."""
    rows = ROWS.head(2)
    assert reproduces(fixed(0.2, 0.4), rows, [0.2, 0.4]).passed
    assert not reproduces(fixed(0.2, 0.4), rows, [0.2, 0.400001]).passed
    assert not reproduces(fixed(0.2, 0.4), rows, [0.2]).passed
    assert not reproduces(fixed(), rows.head(0), []).passed


def test_a_stored_probability_that_is_missing_is_not_reproduced():
    """NaN beside a number is no small difference."""
    assert not reproduces(fixed(0.2, 0.4), ROWS.head(2), [0.2, np.nan]).passed


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (fixed(0.2, np.nan, 0.1), "missing or outside"),
        (fixed(0.2, 1.2, 0.1), "missing or outside"),
        (fixed(0.3, 0.3, 0.3), "one answer for all"),
        (fixed(0.3, 0.2), r"shape (2, 2), must be (3, 2)"),
        (object(), "object gives no probabilities: it is no classifier"),
        (Model(lambda rows: rows.to_numpy()[:, 0]), "it must go by name"),
    ],
)
def test_what_is_no_probability_does_not_pass(model, words):
    """Each fault has its own words, a model that goes by the columns' positions among them."""
    found = asked(model, ROWS)
    assert not found.passed
    assert words in found.evidence


def test_answers_that_depend_on_who_else_applies_are_noticed():
    """The first fifty are asked again without the others: a scaler fitted on the spot shows."""
    rows = pd.DataFrame({"a": np.linspace(0.1, 0.9, 200), "b": 0.0})
    assert asked(BY_NAME, rows).passed
    batch = Model(lambda rows: rows["a"] / rows["a"].max() / 2)
    assert "other answers" in asked(batch, rows).evidence
    assert not asked(BY_NAME, rows.head(0)).passed


def test_a_column_of_the_wrong_answer_is_not_taken():
    """Three columns, halves that do not add up and classes the other way round raise."""
    three, halves = Model(None), Model(None)
    three.predict_proba = lambda rows: np.full((len(rows), 3), 1 / 3)
    halves.predict_proba = lambda rows: np.full((len(rows), 2), 0.3)
    turned = Model(lambda rows: rows["a"])
    turned.classes_ = np.array([1, 0])
    for model, words in (
        (three, r"shape \(3, 3\)"),
        (halves, "do not add up"),
        (turned, r"classes are \[1, 0\], must be \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=words):
            default_probability(model, ROWS)


class Clock:
    """A timer on which every application takes the same time."""

    def __init__(self, *milliseconds):
        """Keep the times that the calls take, over and over."""
        self.milliseconds, self.calls = milliseconds, 0

    def __call__(self):
        """The time now, in seconds."""
        whole, part = divmod(self.calls, 2)
        self.calls += 1
        past = [self.milliseconds[n % len(self.milliseconds)] for n in range(whole + part)]
        return sum(past) / 1000


@pytest.mark.parametrize(
    ("size", "milliseconds", "passed", "words"),
    [
        (5_000_000, 30, True, "5.0 MB of at most 100; one application within 250 ms"),
        (100_000_001, 30, False, "100.1 MB of at most 100"),
        (41_000, 30, True, "0.1 MB of at most 100"),
        (5_000_000, 251, False, "takes 251 ms, may take 250"),
        (0, 30, False, "the model file has 0 bytes"),
    ],
)
def test_size_and_latency_are_limits_not_figures_that_vary(size, milliseconds, passed, words):
    """What passes says its limits only, so two runs say the same; what fails says by how much."""
    found = small_and_quick(size, BY_NAME, ROWS, GatePolicy(), timer=Clock(milliseconds))
    assert (found.passed, found.value is None) == (passed, size == 0)
    assert words in found.evidence


def test_a_busy_machine_is_not_held_against_the_model():
    """One application in three within the limit is enough: the others waited."""
    found = small_and_quick(1, BY_NAME, ROWS, GatePolicy(), timer=Clock(900, 900, 90))
    assert found.passed


def test_a_model_answers_on_one_thread():
    """Threads that wait for each other on a busy machine are no property of the model."""
    import sklearn.ensemble  # noqa: F401 - brings its OpenMP, as a fitted model does

    used = set()

    def answer(rows):
        used.update(lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "openmp")
        return rows["a"]

    assert small_and_quick(1, Model(answer), ROWS, GatePolicy()).passed
    assert default_probability(Model(answer), ROWS).tolist() == ROWS["a"].tolist()
    assert used == {1}


def test_a_model_that_is_far_too_slow_is_not_asked_twenty_times():
    """The gate gives up once the answers took as long as twenty at the limit."""
    clock = Clock(3000)
    assert not small_and_quick(1, BY_NAME, ROWS, GatePolicy(), timer=clock).passed
    assert clock.calls == 4 < 2 * REPEATS
    assert not small_and_quick(1, BY_NAME, ROWS.head(0), GatePolicy()).passed

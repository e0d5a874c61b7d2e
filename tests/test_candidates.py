"""What is tried has a name that every store holds and gives probabilities."""

from __future__ import annotations

import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import LinearSVC

from mlops_helpers.candidates import Candidate, seeded, standard_candidates


def test_the_candidates_of_the_course():
    """A baseline first, then the simplest; the size of the forest is the caller's."""
    found = {candidate.name: candidate.estimator for candidate in standard_candidates(trees=7)}
    assert list(found) == ["dummy", "logistic regression", "random forest", "gradient boosting"]
    assert found["random forest"].n_estimators == 7
    assert all(hasattr(estimator, "predict_proba") for estimator in found.values())


@pytest.mark.parametrize(
    "name", ["a 'quoted' \"name\"", "a/b\\c", "модель 模型", "x" * 250, "50 %"]
)
def test_names_of_any_alphabet_are_fine(name):
    """Quotes, slashes and letters that are not Latin are values here, nothing more."""
    assert Candidate(name, DummyClassifier()).name == name


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 500, "bell\a", None])
def test_names_that_no_store_holds_are_refused(name):
    """Empty, with line breaks or too long: the message says the rule."""
    with pytest.raises(ValueError, match=r"candidate == .*Choose a"):
        Candidate(name, DummyClassifier())


@pytest.mark.parametrize("estimator", [LinearSVC(), DummyClassifier, "a model"])
def test_an_estimator_must_give_probabilities(estimator):
    """A classifier without them, a class instead of an instance, and no estimator at all."""
    with pytest.raises(TypeError, match="no predict_proba to call"):
        Candidate("bad", estimator)


def test_a_seed_is_set_where_none_is():
    """What was set stays, what takes no seed is left alone, and the original is not changed."""
    forest = RandomForestClassifier()
    assert seeded(forest, 3).random_state == 3
    assert forest.random_state is None
    assert seeded(RandomForestClassifier(random_state=5), 3).random_state == 5
    assert isinstance(seeded(DummyClassifier(), 3), DummyClassifier)

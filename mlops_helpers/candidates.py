"""What is tried: an estimator with a name, and the four of the course."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn.base import ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

__all__ = ["Candidate", "checked_name", "seeded", "standard_candidates"]

LONGEST_NAME = 250  # what a store's column for the name of a run or an experiment holds


@dataclass(frozen=True)
class Candidate:
    """A name for the comparison and the unfitted estimator behind the shared features.

    Raises ValueError for a name that a store cannot hold, TypeError for an estimator that gives no
    probabilities.
    """

    name: str
    estimator: ClassifierMixin

    def __post_init__(self) -> None:
        """Refuse now what would fail in the middle of a run."""
        checked_name(self.name, "candidate")
        given = self.estimator
        if isinstance(given, type) or not hasattr(given, "predict_proba"):
            what = f"class {given.__name__}" if isinstance(given, type) else type(given).__name__
            raise TypeError(
                f"candidate {self.name!r}: {what} has no predict_proba to call, and a credit model "
                "must give probabilities. Pass an instance of a classifier that does, or wrap it "
                "in CalibratedClassifierCV."
            )


def standard_candidates(*, trees: int = 40) -> list[Candidate]:
    """The four candidates of the course, simplest first; `trees` is the size of the forest.

    "dummy" gives everybody the default rate of the training rows: the zero of every scale.
    "logistic regression" is simple and hard to beat on ratios that were prepared for it. "random
    forest" and "gradient boosting" find thresholds and interactions by themselves; the latter has
    small trees, small steps and few of them, because some thousand rows carry no more (folds of the
    training rows chose that: deeper trees fit them better and later rows worse).
    """
    boosting = HistGradientBoostingClassifier(max_leaf_nodes=7, learning_rate=0.05, max_iter=100)
    return [
        Candidate("dummy", DummyClassifier(strategy="prior")),
        Candidate("logistic regression", LogisticRegression(max_iter=1000)),
        Candidate("random forest", RandomForestClassifier(trees, min_samples_leaf=20)),
        Candidate("gradient boosting", boosting),
    ]


def seeded(estimator: ClassifierMixin, seed: int) -> ClassifierMixin:
    """A clone whose `random_state` is `seed`, where it has one that is unset."""
    fresh = clone(estimator)
    unset = {"random_state": None}.items() <= fresh.get_params(deep=False).items()
    return fresh.set_params(random_state=seed) if unset else fresh


def checked_name(name: str, what: str) -> str:
    """`name` itself; ValueError unless it is 1 to 250 printable characters of any alphabet.

    Quotes and slashes are fine: names are values here, never parts of a query or a path.
    """
    if not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise ValueError(
            f"{what} == {name!r}, must be a name with a letter and without line breaks. "
            "Choose another name."
        )
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"{what} == {name[:40]!r}… has {len(name)} characters, must have at most "
            f"{LONGEST_NAME}. Choose a shorter name."
        )
    return name

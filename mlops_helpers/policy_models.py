"""The models that several retraining policies could train, each fitted once for all of them.

A model trained in a month depends on the rows known by then, and not on the policy that asked for
it. So the fits are shared, and so is what is known about a champion in a month. Each model scores
what came after its training rows once; everything else looks its scores up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from mlops_helpers.candidates import seeded
from mlops_helpers.contracts import CATEGORICAL, LIMITS, TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.features import as_features, build_pipeline
from mlops_helpers.gathering import gather
from mlops_helpers.importance import permutation_table
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.retraining import Evidence
from mlops_helpers.training_windows import TrainingWindow, choose_rows

__all__ = ["Model", "Shelf", "small_boosting"]

RECENT_MONTHS = 1
"""Applications that stand for now: those of the month before the decision, outcomes unknown."""
LABELLED_MONTHS = 3
"""Live rows with known outcomes that a champion is measured on: the newest months of them."""
DAY = pd.Timedelta(days=1)
_SOUND = {name: max(low, 1.0) for name, (low, _) in LIMITS.items()} | dict.fromkeys(CATEGORICAL, "")


def small_boosting() -> HistGradientBoostingClassifier:
    """Boosted trees, small and few, as the course's candidate has them: quick and good enough."""
    return HistGradientBoostingClassifier(max_leaf_nodes=7, learning_rate=0.05, max_iter=100)


@dataclass(frozen=True)
class Model:
    """A model trained at the start of `month`; rows are places in the shelf's frame.

    scores: its probability of default for every row applied after its training rows, else NaN.
    """

    month: int
    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    scores: NDArray[np.float64] = field(repr=False)
    pipeline: Pipeline = field(repr=False)


class Shelf:
    """Models of one frame of applications by month and recipe, trained when first asked for.

    `frame` is in order of time with an index 0, 1, …; month 1 begins at `begin`. With quarantine
    rows that break the contract are not learnt from; without, everything on file is. `fits` holds
    the seconds of each fit.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        begin: pd.Timestamp,
        months: int,
        window: TrainingWindow,
        estimator: ClassifierMixin,
        seed: int,
    ) -> None:
        """Nothing is trained yet."""
        self.frame, self.window, self.seed = frame, window, seed
        self.starts = [begin + pd.DateOffset(months=number) for number in range(months + 1)]
        self.features = as_features(frame)
        self.fits: list[float] = []
        self._estimator = seeded(estimator, seed)
        # The same rows without their features' faults: what a lender without a contract would take.
        times = frame[["application_id", "applied_at", "outcome_at", TARGET]]
        self._unchecked = times.assign(**_SOUND)
        self._checked = self._unchecked[~broken_rows(frame)]
        self._models: dict[tuple[int, bool], Model] = {}
        self._evidence: dict[tuple[int, int], Evidence] = {}
        self._importance: dict[int, dict[str, float]] = {}
        self._references: dict[int, Reference] = {}

    def start(self, month: int) -> pd.Timestamp:
        """When `month` begins."""
        return self.starts[month - 1]

    def rows(self, month: int, *, before: int = 0) -> NDArray[np.int64]:
        """Places of applications of `month`, or of `before` months that end with its start."""
        first, last = (month - before, month) if before else (month, month + 1)
        begin = self.starts[0] + pd.DateOffset(months=first - 1)
        end = self.starts[0] + pd.DateOffset(months=last - 1)
        applied = self.frame["applied_at"]
        return np.arange(*applied.searchsorted([begin, end]))

    def model(self, month: int, *, quarantine: bool) -> Model:
        """The model trained at the start of `month`; one for both recipes if no row is broken."""
        key = month, quarantine
        if key not in self._models:
            self._models[key] = self._train(month, quarantine)
        return self._models[key]

    def all_models(self, until: int) -> list[Model]:
        """Every model that any policy could have trained by the start of month `until`."""
        found = {
            id(model): model
            for month in range(1, until + 1)
            for model in (self.model(month, quarantine=q) for q in (False, True))
        }
        return list(found.values())

    def evidence(self, model: Model, month: int, last_training: int) -> Evidence:
        """What is known about a champion at the start of `month`; drift and performance included.

        `last_training` is the month of the last training, promoted or not.
        """
        key = id(model), month
        if key not in self._evidence:
            self._evidence[key] = self._gather(model, month)
        return self.aged(model, month, last_training, self._evidence[key])

    def aged(
        self, model: Model, month: int, last_training: int, known: Evidence | None = None
    ) -> Evidence:
        """Age, new rows and rest as of `month`, added to what else is `known`."""
        now, outcome_at = self.start(month), self.frame["outcome_at"]
        newest = self.frame["applied_at"].iloc[model.train[-1]]
        new = (outcome_at > self.start(model.month)) & (outcome_at <= now)
        return replace(
            known or Evidence(),
            age_days=(now - newest) / DAY,
            new_rows=float(new.sum()),
            days_since_training=(now - self.start(last_training)) / DAY,
        )

    def _train(self, month: int, quarantine: bool) -> Model:
        frame = self._checked if quarantine else self._unchecked
        chosen = choose_rows(frame, self.window, as_of=self.start(month), trained_until=None)
        train, holdout = (part.index.to_numpy() for part in chosen.split)
        other = self._models.get((month, not quarantine))
        if other and np.array_equal(other.train, train) and np.array_equal(other.holdout, holdout):
            return other
        pipeline = build_pipeline(clone(self._estimator))
        weight = {} if chosen.weights is None else {"model__sample_weight": chosen.weights}
        begun = time.perf_counter()
        pipeline.fit(self.features.iloc[train], self.frame[TARGET].iloc[train], **weight)
        self.fits.append(time.perf_counter() - begun)
        scores = np.full(len(self.frame), np.nan)
        later = np.arange(train[-1] + 1, len(scores))
        scores[later] = pipeline.predict_proba(self.features.iloc[later])[:, 1]
        return Model(month, train, holdout, scores, pipeline)

    def _gather(self, model: Model, month: int) -> Evidence:
        last = self.frame["applied_at"].iloc[model.holdout[-1]]
        known = self.frame[self.frame["outcome_at"] <= self.start(month)]
        newest = known["applied_at"].max()
        since = max(last, newest - pd.DateOffset(months=LABELLED_MONTHS))
        live = known.index[known["applied_at"] > since].to_numpy()
        return gather(
            model.pipeline,
            train=self.frame.iloc[model.train],
            holdout=self._scored(model, model.holdout),
            recent=self._scored(model, self.rows(month, before=RECENT_MONTHS)),
            labelled=self._scored(model, live),
            as_of=self.start(month),
            trained_at=self.start(model.month),
            new_rows=0,  # see `aged`
            importance=self._weights(model),
            reference=self._reference(model),
            seed=self.seed,
        )

    def _scored(self, model: Model, places: NDArray[np.int64]) -> pd.DataFrame:
        return self.frame.iloc[places].assign(probability=model.scores[places])

    def _weights(self, model: Model) -> dict[str, float]:
        """Importance by permutation on the model's holdout, once shuffled."""
        key = id(model)
        if key not in self._importance:
            holdout = self.frame.iloc[model.holdout]
            table = permutation_table(model.pipeline, holdout, seed=self.seed, repeats=1)
            self._importance[key] = dict(zip(table["feature"], table["value"], strict=True))
        return self._importance[key]

    def _reference(self, model: Model) -> Reference:
        key = id(model)
        if key not in self._references:
            self._references[key] = Reference.fit(self.features.iloc[model.train], limits=LIMITS)
        return self._references[key]

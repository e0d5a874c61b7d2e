"""The models that several retraining policies could train, each fitted once for all of them.

A model trained in a month depends on the rows known by then, and not on the policy that asked for
it. So the fits are shared, and so is what is known about a champion in a month. Each model scores
a row once; everything else looks its scores up.
"""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, clone
from sklearn.pipeline import Pipeline

from mlops_helpers.candidates import seeded
from mlops_helpers.contracts import CATEGORICAL, FEATURES, LATEST, LIMITS, OUTCOME, TARGET
from mlops_helpers.drift import Reference
from mlops_helpers.features import LoanFeatures, as_features, build_pipeline
from mlops_helpers.gathering import broken_inputs, gather
from mlops_helpers.importance import permutation_table
from mlops_helpers.label_waits import label_delay
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.retraining import Evidence
from mlops_helpers.training_windows import TrainingWindow, choose_rows

__all__ = ["CannotTrain", "Model", "Shelf"]

RECENT_MONTHS = 1
"""Applications that stand for now: those of the month before the decision, outcomes unknown."""
LABELLED_MONTHS = 3
"""Live rows with known outcomes that a champion is measured on: the newest months of them."""
DAY = pd.Timedelta(days=1)
_SOUND = {name: max(low, 1.0) for name, (low, _) in LIMITS.items()} | dict.fromkeys(CATEGORICAL, "")


class CannotTrain(ValueError):
    """A month's rows do not make a model: too few, or of one class only."""


@dataclass(frozen=True)
class Model:
    """A model trained at the start of `month`; rows are places in the shelf's frame.

    scores: its probability of default for every row applied for from `month` on. Earlier rows that
    it did not learn from are NaN until `Shelf.scores` is asked for them, training rows always.
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
        # Ratios learn nothing, so one table of them serves every fit.
        self._ratios = LoanFeatures().fit_transform(self.features)
        self.fits: list[float] = []
        # What evidence is made of, without the columns that nothing reads.
        self._rows = frame[["applied_at", *FEATURES, *OUTCOME]]
        self._estimator = seeded(estimator, seed)
        # The same rows without their features' faults: what a lender without a contract would take.
        times = frame[["application_id", "applied_at", "outcome_at", TARGET]]
        ids = pd.factorize(frame["application_id"])[0]  # repeated ids are told faster by number
        self._unchecked = times.assign(**_SOUND, application_id=ids)
        broken = broken_rows(frame)
        self._is_broken = broken.to_numpy()
        self._checked = self._unchecked[~broken]
        self._first_broken = frame.loc[broken, "outcome_at"].min() if broken.any() else LATEST
        self._models: dict[tuple[int, bool], Model] = {}
        self._evidence: dict[tuple[int, int, str], Evidence] = {}
        self._faults: dict[tuple[int, int, str], tuple[str, ...]] = {}
        self._importance: dict[int, dict[str, float]] = {}
        self._holdouts: dict[int, pd.DataFrame] = {}
        self._references: dict[int, Reference] = {}
        self._delays: dict[int, pd.Timedelta] = {}

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
        """The model trained at the start of `month`; one for both recipes if no row is broken.

        Raises CannotTrain if the rows known by then cannot be learnt from and judged on.
        """
        key = month, quarantine
        if key not in self._models:
            self._models[key] = self._train(month, quarantine)
        return self._models[key]

    def all_models(self, until: int) -> list[Model]:
        """Every model that any policy could have trained by the start of month `until`."""
        found: dict[int, Model] = {}
        for month, quarantine in itertools.product(range(1, until + 1), (False, True)):
            with suppress(CannotTrain):
                model = self.model(month, quarantine=quarantine)
                found[id(model)] = model
        return list(found.values())

    def evidence(
        self,
        model: Model,
        month: int,
        last_training: int,
        *,
        applicants: bool,
        outcomes: bool,
        faults: bool,
    ) -> Evidence:
        """What is known about a champion at the start of `month`, as far as it is asked for.

        `applicants`: drift and expected drop, from recent applications; `outcomes`: AUC drop and
        calibration gap, from live rows whose outcome is known; `faults`: what is broken in those
        rows. `last_training` is the month of the last training, promoted or not.
        """
        known = Evidence()
        if applicants:
            known = self._part(model, month, "applicants")
        if outcomes:
            found = self._part(model, month, "outcomes")
            known = replace(known, auc_drop=found.auc_drop, calibration_gap=found.calibration_gap)
        if faults:
            asked = {"applicants": applicants, "outcomes": outcomes}
            told = [self._broken(model, month, part) for part, is_in in asked.items() if is_in]
            known = replace(known, faults=sum(told, ()))
        return self._aged(model, month, last_training, known)

    def scores(self, model: Model, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """What `model` says of these rows; NaN of rows until the last that it learnt from."""
        first, served = model.train[-1] + 1, self._first_row(model.month)
        if len(rows) and rows[0] < served and np.isnan(model.scores[first:served]).any():
            model.scores[first:served] = self._predicted(model.pipeline, first, served)
        return model.scores[rows]

    def _aged(self, model: Model, month: int, last_training: int, known: Evidence) -> Evidence:
        """Age, new rows and rest as of `month`, added to what else is `known`."""
        now, outcome_at = self.start(month), self.frame["outcome_at"]
        newest = self.frame["applied_at"].iloc[model.train[-1]]
        new = (outcome_at > self.start(model.month)) & (outcome_at <= now)
        return replace(
            known,
            age_days=(now - newest) / DAY,
            new_rows=float(new.sum()),
            days_since_training=(now - self.start(last_training)) / DAY,
        )

    def _train(self, month: int, quarantine: bool) -> Model:
        now = self.start(month)
        if quarantine and self._first_broken > now:  # nothing to leave out yet
            return self.model(month, quarantine=False)
        frame = self._checked if quarantine else self._unchecked
        frame = frame.iloc[: frame["applied_at"].searchsorted(now)]
        try:
            chosen = choose_rows(frame, self.window, as_of=now, trained_until=None)
        except ValueError as error:
            raise CannotTrain(f"nothing to train on in month {month}: {error}") from error
        train, holdout = (part.index.to_numpy() for part in chosen.split)
        other = self._models.get((month, not quarantine))
        if other and np.array_equal(other.train, train) and np.array_equal(other.holdout, holdout):
            return other
        pipeline = build_pipeline(clone(self._estimator))
        weight = {} if chosen.weights is None else {"model__sample_weight": chosen.weights}
        begun = time.perf_counter()
        pipeline[1:].fit(self._ratios.iloc[train], self.frame[TARGET].iloc[train], **weight)
        self.fits.append(time.perf_counter() - begun)
        scores = np.full(len(self.frame), np.nan)
        served = self._first_row(month)
        scores[served:] = self._predicted(pipeline, served, len(scores))
        return Model(month, train, holdout, scores, pipeline)

    def _first_row(self, month: int) -> int:
        return int(self.frame["applied_at"].searchsorted(self.start(month)))

    def _predicted(self, pipeline: Pipeline, first: int, end: int) -> NDArray[np.float64]:
        if first >= end:
            return np.empty(0)
        return np.asarray(pipeline[1:].predict_proba(self._ratios.iloc[first:end])[:, 1])

    def _part(self, model: Model, month: int, part: Literal["applicants", "outcomes"]) -> Evidence:
        """Half of the evidence, remembered: `gather` takes what it is not given as not known."""
        key = id(model), month, part
        if key not in self._evidence:
            recent, live = self._lots(model, month, part)
            self._evidence[key] = gather(
                model.pipeline,
                train=self.frame.iloc[model.train[-1:]],  # its age; the rest is in the reference
                holdout=self._held(model),
                recent=self._scored(model, recent),
                labelled=self._scored(model, live),
                as_of=self.start(month),
                trained_at=self.start(model.month),
                new_rows=0,  # see `_aged`
                importance=self._weights(model) if len(recent) else {},
                reference=self._reference(model),
                faults=(),  # see `_broken`
                seed=self.seed,
            )
        return self._evidence[key]

    def _broken(
        self, model: Model, month: int, part: Literal["applicants", "outcomes"]
    ) -> tuple[str, ...]:
        """What is broken in the rows of half of the evidence, remembered like it."""
        key = id(model), month, part
        if key not in self._faults:
            lots = (model.holdout, *self._lots(model, month, part))
            held, recent, live = (self._rows.iloc[places] for places in lots)
            held, live = (rows[~self._is_broken[rows.index]] for rows in (held, live))
            self._faults[key] = broken_inputs(self._reference(model), held, recent, live)
        return self._faults[key]

    def _lots(
        self, model: Model, month: int, part: Literal["applicants", "outcomes"]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of recent applications and of labelled live rows; the other half has none."""
        none = np.empty(0, dtype=np.int64)
        if part == "applicants":
            return self.rows(month, before=RECENT_MONTHS), none
        return none, self._live(model, month)

    def _live(self, model: Model, month: int) -> NDArray[np.int64]:
        """Rows with outcomes known by `month` that were applied for after the model's holdout.

        Only rows as old as the label delay: of younger ones the early outcomes are known, and
        these are mostly defaults.
        """
        now = self.start(month)
        old = self.frame["applied_at"] <= now - self._delay(month)
        known = (old & (self.frame["outcome_at"] <= now)).to_numpy(copy=True)
        known[: model.holdout[-1] + 1] = False
        live = np.flatnonzero(known)
        applied = self.frame["applied_at"].iloc[live]
        recent = applied > applied.max() - pd.DateOffset(months=LABELLED_MONTHS)
        return live[recent.to_numpy()]

    def _delay(self, month: int) -> pd.Timedelta:
        if month not in self._delays:
            self._delays[month] = label_delay(self._unchecked, self.start(month))
        return self._delays[month]

    def _held(self, model: Model) -> pd.DataFrame:
        key = id(model)
        if key not in self._holdouts:
            self._holdouts[key] = self._scored(model, model.holdout)
        return self._holdouts[key]

    def _scored(self, model: Model, places: NDArray[np.int64]) -> pd.DataFrame:
        return self._rows.iloc[places].assign(probability=self.scores(model, places))

    def _weights(self, model: Model) -> dict[str, float]:
        """Importance by permutation on the model's holdout, once shuffled."""
        key = id(model)
        if key not in self._importance:
            rows, seed = self._held(model), self.seed
            table = permutation_table(model.pipeline, rows, seed=seed, repeats=1)
            self._importance[key] = dict(zip(table["feature"], table["value"], strict=True))
        return self._importance[key]

    def _reference(self, model: Model) -> Reference:
        key = id(model)
        if key not in self._references:
            self._references[key] = Reference.fit(self.features.iloc[model.train], limits=LIMITS)
        return self._references[key]

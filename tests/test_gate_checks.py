"""The gate's own checks: a sound version passes all, and each failure is named by its check."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from mlops_helpers.data import FEATURES, NUMERIC, TARGET
from mlops_helpers.features import build_pipeline
from mlops_helpers.gate import Finding, GateVerdict, run_checks
from mlops_helpers.gate_checks import standard_checks
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.model_files import read_model
from tests.loans_on_record import small_split
from tests.subjects import FILES, subject

ORDER = [
    "file audit",
    "reproduces its predictions",
    "keeps the contract",
    "gives probabilities",
    "judged on unseen rows",
    "beats the baseline",
    "not worse than the champion",
    "calibration",
    "segments",
    "profit",
    "size and latency",
]
ON_OUTCOMES = ["beats the baseline", "calibration", "segments", "profit"]
ON_MODEL = ["reproduces its predictions", "gives probabilities", *ON_OUTCOMES, "size and latency"]


@pytest.fixture(scope="module")
def split():
    """Applications to train on, and later ones."""
    return small_split()


@pytest.fixture(scope="module")
def fitted(split):
    """A sound model."""
    return build_pipeline(LogisticRegression(max_iter=500)).fit(split.train, split.train[TARGET])


@pytest.fixture(scope="module")
def rival(split):
    """Another sound model."""
    model = build_pipeline(LogisticRegression(C=0.05, max_iter=500))
    return model.fit(split.train, split.train[TARGET])


def judged(candidate, champion, rows, policy=None):
    """The verdict of the gate's own checks."""
    checks = standard_checks(candidate, champion, rows, policy or GatePolicy())
    return GateVerdict(candidate.version, None, run_checks(checks))


def test_a_sound_version_passes_every_check(split, fitted, rival):
    """With and without a champion; the table has all checks, in order, each with its evidence."""
    for champion in (None, subject(rival, split, 2)):
        verdict = judged(subject(fitted, split), champion, split.holdout)
        assert verdict.passed, verdict.checks.to_string()
        assert verdict.checks["check"].tolist() == ORDER
        assert verdict.checks["evidence"].str.len().gt(0).all()


def test_two_runs_of_the_gate_show_the_same(split, fitted, rival):
    """Nothing that varies from run to run, a time above all, is in the table."""
    first, second = (
        judged(subject(fitted, split), subject(rival, split, 2), split.holdout) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.checks, second.checks)


def test_models_are_loaded_once_and_scored_once(split, fitted, rival):
    """What is expensive is shared: one load for each version, one score of all rows for each."""
    calls = Counter()

    class Counted:
        def __init__(self, name, model):
            self.name, self.model = name, model

        def predict_proba(self, rows):
            calls[self.name, len(rows)] += 1
            return self.model.predict_proba(rows)

    def loading(name, model):
        def load():
            calls[name] += 1
            return Counted(name, model)

        return load

    candidate = subject(fitted, split, pipeline=loading("new", fitted))
    champion = subject(rival, split, 2, pipeline=loading("old", rival))
    assert judged(candidate, champion, split.holdout).passed
    assert (calls["new"], calls["old"]) == (1, 1)
    whole = len(split.holdout)
    assert (calls["new", whole], calls["old", whole]) == (1, 1)


def test_an_exception_is_not_kept(split, fitted):
    """A store that fails once refuses the check that met it; the next one asks again."""
    failures = iter([OSError("the share is away")])

    def load():
        for failure in failures:
            raise failure
        return fitted

    verdict = judged(subject(fitted, split, pipeline=load), None, split.holdout)
    assert verdict.refused_by == ["reproduces its predictions"]


def test_a_model_is_not_shown_the_outcome(split, fitted):
    """It gets the features only: one that reads the answer has nothing to read."""
    shown = set()

    class Curious:
        def predict_proba(self, rows):
            shown.update(rows.columns)
            return fitted.predict_proba(rows)

    judged(subject(fitted, split, pipeline=Curious), None, split.holdout)
    assert shown == set(FEATURES)


def crash():
    """A member that cannot be fetched."""
    raise OSError("disk gone")


@pytest.mark.parametrize(
    ("member", "refused"),
    [
        ("pipeline", ON_MODEL),
        ("sample", ["reproduces its predictions"]),
        ("contract", ["keeps the contract"]),
        ("files", ["file audit", "size and latency"]),
        ("trained_until", ["judged on unseen rows"]),
    ],
)
def test_what_cannot_be_fetched_refuses_the_checks_that_need_it(split, fitted, member, refused):
    """Nobody else: each check asks for itself."""
    for broken in (crash, lambda: None):
        verdict = judged(subject(fitted, split, **{member: broken}), None, split.holdout)
        assert sorted(verdict.refused_by) == sorted(refused)


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize(
    "broken",
    [crash, lambda: None, lambda: Finding(True, "x", value=np.nan), lambda: Finding("yes", "x")],
    ids=["raises", "returns None", "returns NaN", "says yes"],
)
def test_each_check_that_fails_is_named_and_only_it(split, fitted, name, broken):
    """Any check, broken in any way, refuses the version under its own name."""
    fine = dict.fromkeys(
        standard_checks(subject(fitted, split), None, split.holdout, GatePolicy()),
        lambda: Finding(True, "fine"),
    )
    verdict = GateVerdict(1, None, run_checks(fine | {name: broken}))
    assert verdict.refused_by == [name]


def test_a_champion_that_cannot_be_read_is_no_opponent_beaten(split, fitted):
    """Every comparison with it refuses; what needs no champion passes."""
    champion = subject(fitted, split, 2, pipeline=crash, trained_until=crash)
    verdict = judged(subject(fitted, split), champion, split.holdout)
    assert verdict.refused_by == [
        "judged on unseen rows",
        "not worse than the champion",
        "segments",
        "profit",
    ]


def test_a_champion_trained_on_the_rows_is_named(split, fitted, rival):
    """The comparison would flatter it; the candidate is not let off either."""
    seen = subject(rival, split, 7, trained_until=lambda: split.holdout["applied_at"].max())
    verdict = judged(subject(fitted, split), seen, split.holdout)
    assert verdict.refused_by == ["judged on unseen rows"]
    told = verdict.checks.set_index("check").loc["judged on unseen rows", "evidence"]
    assert told.startswith("version 7 may have been trained")


class Wrapped:
    """A fitted model whose answers are changed on the way out."""

    def __init__(self, model, change):
        """Keep the model and the change."""
        self.model, self.change = model, change

    def predict_proba(self, rows):
        """The changed answers."""
        return self.change(self.model.predict_proba(rows), rows)


def with_nan(p, rows):
    """One probability is missing."""
    return np.where(np.arange(len(p))[:, None] == 7, np.nan, p)


def worse_at(column, value):
    """No ranking at all within one group."""

    def change(p, rows):
        mean = np.full(len(p), p[:, 1].mean())
        new = np.where((rows[column] == value).to_numpy(), mean, p[:, 1])
        return np.column_stack([1 - new, new])

    return change


def over_confident(p, rows):
    """Log-odds three times as far from their middle, at the same level."""
    logit = np.log(p[:, 1] / p[:, 0])
    low, high = -30.0, 30.0
    for _ in range(60):
        shift = (low + high) / 2
        new = 1 / (1 + np.exp(-(shift + 3 * (logit - logit.mean()))))
        low, high = (shift, high) if new.mean() < p[:, 1].mean() else (low, shift)
    return np.column_stack([1 - new, new])


def times_three(p, rows):
    """Three times the promised defaults."""
    new = np.clip(3 * p[:, 1], 0, 0.99)
    return np.column_stack([1 - new, new])


@pytest.mark.parametrize(
    ("change", "refused", "words"),
    [
        (with_nan, "gives probabilities", "missing or outside"),
        (lambda p, rows: p[:, 1], "gives probabilities", "must be (1500, 2)"),
        (lambda p, rows: p[:-1], "gives probabilities", "must be (1500, 2)"),
        (lambda p, rows: np.full_like(p, 0.5), "gives probabilities", "one answer for all"),
        (lambda p, rows: np.eye(2)[np.zeros(len(p), int)], "gives probabilities", "one answer"),
        (lambda p, rows: p[:, ::-1], "beats the baseline", "against 0.500"),
        (times_three, "calibration", "must surely lie within"),
        (over_confident, "calibration", "slope 0.3"),
        (worse_at("home_ownership", "rent"), "segments", "home_ownership rent: AUC 0.500"),
        (times_three, "profit", "against the champion's"),
    ],
)
def test_a_model_with_a_fault_is_refused_by_the_check_that_is_there_for_it(
    split, fitted, change, refused, words
):
    """Its file may be sound and its predictions reproducible: that is not enough."""
    faulty = Wrapped(fitted, change)
    champion = subject(fitted, split, 2) if refused == "profit" else None
    table = judged(subject(faulty, split), champion, split.holdout).checks.set_index("check")
    assert not table.loc[refused, "passed"]
    assert words in table.loc[refused, "evidence"]


def test_one_class_predicted_is_refused_though_it_is_often_right(split):
    """Most loans are repaid, so "repaid" is right nearly always, and worth nothing."""
    model = build_pipeline(DummyClassifier(strategy="most_frequent"))
    model.fit(split.train, split.train[TARGET])
    verdict = judged(subject(model, split), None, split.holdout)
    assert {"gives probabilities", "beats the baseline", "calibration"} <= set(verdict.refused_by)


def test_a_model_that_is_no_classifier_is_told_so(split):
    """A regression gives numbers, but no probabilities."""
    model = make_pipeline(LinearRegression()).fit(
        split.train[list(NUMERIC)].fillna(0), split.train[TARGET]
    )
    sound = subject(model, split, sample=lambda: (split.holdout.head(5), [0.1] * 5))
    verdict = judged(sound, None, split.holdout)
    assert sorted(verdict.refused_by) == sorted(ON_MODEL)
    told = verdict.checks.set_index("check")["evidence"]
    assert "it is no classifier" in told["gives probabilities"]


def test_a_model_that_goes_by_position_is_refused(split):
    """Fitted on bare numbers in another order, it would take an age for an income."""
    turned = [*NUMERIC][::-1]
    by_place = make_pipeline(LogisticRegression(max_iter=5000))
    by_place.fit(split.train[turned].fillna(0).to_numpy() / 1e5, split.train[TARGET])

    class ByPlace:
        def predict_proba(self, rows):
            numbers = rows[[name for name in rows.columns if name in NUMERIC]]
            return by_place.predict_proba(numbers.fillna(0).to_numpy() / 1e5)

    verdict = judged(subject(ByPlace(), split), None, split.holdout)
    assert "gives probabilities" in verdict.refused_by
    told = verdict.checks.set_index("check").loc["gives probabilities", "evidence"]
    assert "it must go by name" in told


def test_a_file_cut_short_refuses_whatever_needs_the_model(split, fitted, tmp_path):
    """The digest differs, nothing can be loaded; contract and rows are still judged."""
    path = tmp_path / "model.skops"
    skops.io.dump(fitted, path)
    path.write_bytes(path.read_bytes()[:5000])
    damaged = subject(
        fitted,
        split,
        pipeline=lambda: read_model(path),
        files=lambda: replace(FILES, found={"model.skops": "0" * 64}, bytes=5000),
    )
    verdict = judged(damaged, None, split.holdout)
    assert sorted(verdict.refused_by) == sorted(["file audit", *ON_MODEL])
    told = verdict.checks.set_index("check")["evidence"]
    assert "no readable skops file" in told["beats the baseline"]


def test_a_slow_model_is_refused_and_the_time_is_told(split, fitted):
    """The limit is the policy's; one that nobody can keep shows what was measured."""
    policy = GatePolicy(max_milliseconds=1e-6)
    verdict = judged(subject(fitted, split), None, split.holdout, policy)
    assert verdict.refused_by == ["size and latency"]
    assert " takes " in verdict.checks["evidence"].iloc[-1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows.assign(default=0),
        lambda rows: rows.assign(default=np.nan),
        lambda rows: rows.assign(default=0.3),
        lambda rows: rows.drop(columns=TARGET),
        lambda rows: rows.head(100),
    ],
    ids=["one class", "no outcome", "no outcome but a number", "no column", "few rows"],
)
def test_rows_that_prove_nothing_refuse_every_figure(split, fitted, rival, spoil):
    """What is judged on outcomes is refused, by name; what needs none passes as ever."""
    champion = subject(rival, split, 2)
    verdict = judged(subject(fitted, split), champion, spoil(split.holdout))
    assert sorted(verdict.refused_by) == sorted(["not worse than the champion", *ON_OUTCOMES])


def test_no_rows_at_all_leave_only_the_file(split, fitted):
    """Nothing to judge on: file, replay and contract pass, every other check refuses."""
    verdict = judged(subject(fitted, split), None, split.holdout.head(0))
    assert verdict.refused_by == [name for name in ORDER[3:] if name != ORDER[6]]


def test_rows_that_are_there_twice_are_no_more_evidence(split, fitted):
    """The holdout, doubled, would narrow every interval: refused by the check of the rows."""
    doubled = pd.concat([split.holdout] * 2, ignore_index=True)
    assert judged(subject(fitted, split), None, doubled).refused_by == ["judged on unseen rows"]


def test_missing_features_are_named(split, fitted):
    """Rows without a column cannot be scored; the refusal names the column."""
    verdict = judged(subject(fitted, split), None, split.holdout.drop(columns="annual_income"))
    assert set(verdict.refused_by) == {"gives probabilities", *ON_OUTCOMES, "size and latency"}
    told = verdict.checks.set_index("check")["evidence"]
    assert "features missing: ['annual_income']" in told["profit"]


def test_rows_without_outcome_are_told_in_words(split, fitted):
    """Every check that needs the outcome says which column, and what to pass."""
    checks = judged(subject(fitted, split), None, split.holdout.drop(columns=TARGET)).checks
    told = checks.set_index("check").loc[ON_OUTCOMES, "evidence"]
    assert told.str.contains("no column 'default', must have it to be judged on. Pass").all()


@pytest.mark.parametrize("policy", ["strict", None, {"margin": 0.1}])
def test_a_policy_that_is_none_is_an_error_and_no_refusal(split, fitted, policy):
    """A slip of the caller's says nothing about the version."""
    with pytest.raises(TypeError, match=r"policy is a \w+, must be a GatePolicy\. Give"):
        standard_checks(subject(fitted, split), None, split.holdout, policy)
    with pytest.raises(TypeError, match="rows is a list, must be a pandas DataFrame"):
        standard_checks(subject(fitted, split), None, [], GatePolicy())


def test_margins_of_the_policy_are_those_applied(split, fitted, rival):
    """The same models, other limits, other verdicts: each limit reaches its check."""
    pair = subject(fitted, split), subject(rival, split, 2), split.holdout
    for limit, check in (
        ({"margin": 0.0}, "not worse than the champion"),
        ({"level": 1.01}, "calibration"),
        ({"slope_reach": 0.01}, "calibration"),
        ({"profit_margin": 0.0}, "profit"),
        ({"max_megabytes": 0.01}, "size and latency"),
    ):
        assert judged(*pair, GatePolicy(**limit)).refused_by == [check]

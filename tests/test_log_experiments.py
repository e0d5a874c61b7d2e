"""What the database sums of an experiment is what the rows say, to 1e-9, on both databases."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mlops_helpers.assignment import Experiment
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments
from mlops_helpers.exposure_sums import (
    CROSSED,
    REPEATED,
    STRANGE,
    ExposureSums,
    compared_until,
    complete_until,
    from_rows,
)
from mlops_helpers.lifecycle import Stage
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.tables import SHADOW
from tests.logged import FEBRUARY, JANUARY, two_months

DAY = pd.Timedelta(days=1)
TINY = pd.Timedelta(microseconds=1)
MARCH, APRIL = FEBRUARY + 29 * DAY, FEBRUARY + 60 * DAY
ARMS = ("control", "treatment", "careful")
VERSIONS = {"control": 1, "treatment": 2, "careful": 3}
# of everything around which a rule changes: months, stages, the look itself
TIMES = [
    *(edge + step for edge in (JANUARY, FEBRUARY, MARCH) for step in (-TINY, 0 * TINY, TINY)),
    *(edge + 10 * DAY for edge in (JANUARY, FEBRUARY, MARCH, MARCH + 120 * DAY)),
]
STAGES = (
    Stage(JANUARY, (0.8, 0.1, 0.1), False),
    Stage(FEBRUARY, (0.4, 0.3, 0.3), True),
    Stage(MARCH + pd.Timedelta(1, "ns"), (0.4, 0.3, 0.3), True),
)
LOOKS = [
    *(MARCH + 300 * DAY, (MARCH + 40 * DAY).tz_convert("Asia/Tokyo"), MARCH + 29 * DAY),
    *(MARCH, MARCH - TINY, FEBRUARY),
]
MANY = {"seed": 1, "n": 900, "units": 5_000, "stray": 0.05, "arms": 3, "delay": 29, "zone": "UTC"}
EARLY, LATE = ((look, 40, STAGES) for look in (LOOKS[2], LOOKS[0]))
names = itertools.count()
EXAMPLES = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture(scope="module")
def template():
    """One prediction with all that the log needs."""
    return two_months().head(1)


def plan_of(name: str, arms: int = 2, size: int = 100, **more: object) -> ExperimentPlan:
    """An experiment of two or three arms, control half as large again as each of the others."""
    chosen = ARMS[:arms]
    experiment = Experiment(name, chosen, {2: (0.6, 0.4), 3: (0.4, 0.3, 0.3)}[arms])
    versions = {arm: VERSIONS[arm] for arm in chosen}
    return ExperimentPlan(experiment, versions, "It earns more.", size, 25.0, **more)


def exposures(template: pd.DataFrame, name: str, columns: dict[str, object]) -> pd.DataFrame:
    """Predictions of an experiment with these columns, the rest as in the template."""
    n = len(columns["variant"])
    rows = template.iloc[np.zeros(n, dtype=int)].reset_index(drop=True)
    ids = [f"{name}/{number}" for number in range(n)]
    return rows.assign(prediction_id=ids, experiment=name, **columns)


def drawn(seed: int, n: int, *, units: int, scores: int, stray: float) -> dict[str, object]:
    """Exposures with ties of every kind: few units, instants and scores, some in other arms."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(units, size=n)
    arm = np.array(ARMS, dtype=object)[unit % 3]
    lost = rng.choice(np.array([*ARMS, "elsewhere", SHADOW, None], dtype=object), size=n)
    variant = np.where(rng.uniform(size=n) < stray, lost, arm)
    return {
        "application_id": [f"A{number}" for number in unit],
        "variant": variant,
        "scored_at": pd.Series(rng.choice(np.array(TIMES, dtype=object), size=n)),
        "model_version": rng.integers(1, 4, size=n),
        "probability": rng.integers(scores + 1, size=n) / scores,
        "decision": rng.choice(["approve", "approve", "approve", "decline"], size=n),
        "loan_amount": rng.choice([0.1, 1_000.0, 5_000.5, 35_000.0], size=n),
        "annual_income": rng.lognormal(11, 0.6, size=n),
    }


def labels(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Outcomes of two thirds of the rows, declined ones too, on days before and after the look."""
    rng = np.random.default_rng(seed)
    told = rows.sample(frac=0.67, random_state=seed)
    days = rng.choice([0, 10, 29, 60, 200], size=len(told))
    return pd.DataFrame(
        {
            "prediction_id": told["prediction_id"],
            "default": (rng.uniform(size=len(told)) < told["probability"]).astype(int),
            "outcome_at": told["scored_at"] + pd.to_timedelta(days, unit="D"),
        }
    )


def assert_same(found: ExposureSums, wanted: ExposureSums) -> None:
    """All figures to 1e-9, all counts and names exactly."""
    pd.testing.assert_frame_equal(found.cells, wanted.cells, rtol=1e-9, atol=0)
    pd.testing.assert_frame_equal(found.aucs, wanted.aucs, rtol=1e-9, atol=1e-12)
    assert found.left_out == wanted.left_out
    for field in ("seen", "as_of", "covariate", "stages"):
        assert getattr(found, field) == getattr(wanted, field), field


@EXAMPLES
@example(scores=4, covariate=None, questions=[(LOOKS[0], 100, None)], **MANY)
@example(scores=1_000_000, covariate="annual_income", questions=[EARLY, LATE], **MANY)
@given(
    seed=st.integers(0, 10_000),
    n=st.sampled_from([400, 30, 3]),
    units=st.sampled_from([300, 100_000, 5]),
    scores=st.sampled_from([1, 4, 1_000_000]),
    stray=st.sampled_from([0.0, 0.05, 0.6]),
    arms=st.sampled_from([2, 3]),
    covariate=st.sampled_from([None, "annual_income"]),
    delay=st.sampled_from([0, 29]),
    zone=st.sampled_from(["Pacific/Auckland", "America/Los_Angeles"]),
    questions=st.lists(
        st.tuples(
            st.sampled_from(LOOKS),
            st.sampled_from([10, 2, 40, 100_000]),
            st.sampled_from([None, (), STAGES[1:2], STAGES[:2], STAGES]),
        ),
        min_size=3,
        max_size=3,
    ),
)
def test_the_database_sums_what_the_rows_say(
    log, template, seed, n, units, scores, stray, arms, covariate, delay, zone, questions
):
    """Ties, repeats, crossings, strange arms, late and missing outcomes, fallbacks, ramps, sizes.

    Each look at the same log, whichever clock the rows were written by, those after it there too.
    """
    name = f"experiment {next(names)}"
    rows = exposures(template, name, drawn(seed, n, units=units, scores=scores, stray=stray))
    others = exposures(template, f"not {name}", drawn(seed, 2, units=1, scores=1, stray=0.5))
    shadow = others.assign(
        prediction_id=f"{name}/" + others["prediction_id"], experiment=None, variant=SHADOW
    )
    log.append(pd.concat([rows, others, shadow]).sample(frac=1.0, random_state=seed))
    log.record_outcomes(labels(pd.concat([rows, others]), seed))
    stored = log.window(experiment=name)
    stored["scored_at"] = stored["scored_at"].dt.tz_convert(zone)
    for as_of, size, stages in questions:
        plan = plan_of(name, arms, size, covariate=covariate, label_delay=delay * DAY)
        wanted = from_rows(stored, plan, as_of=as_of, stages=stages)
        assert_same(log.exposure_sums(plan, as_of=as_of, stages=stages), wanted)


def test_areas_are_of_the_months_until_the_size(log, template):
    """The size is reached in one month or another, in one that is not complete, or not at all."""
    log.append(exposures(template, "sizes", drawn(1, 900, units=5_000, scores=4, stray=0.05)))
    stored = log.window(experiment="sizes")
    log.record_outcomes(labels(stored, 1))
    stored = log.window(experiment="sizes")
    cuts = set()
    looks = [(LOOKS[0], None), (LOOKS[0], STAGES), (LOOKS[2], None), (MARCH, None)]
    for (as_of, stages), size in itertools.product(looks, (20, 60, 140, 240, 5_000)):
        plan = plan_of("sizes", 3, size)
        found = log.exposure_sums(plan, as_of=as_of, stages=stages)
        assert_same(found, from_rows(stored, plan, as_of=as_of, stages=stages))
        cuts.add((as_of, compared_until(found.cells, plan, as_of, found.stages)))
    ends = [JANUARY, FEBRUARY, MARCH, APRIL, complete_until(plan, LOOKS[0])]
    assert cuts >= {(LOOKS[0], end) for end in ends}
    assert max(until for as_of, until in cuts if as_of != LOOKS[0]) == MARCH


def by_hand(template, name, *rows: tuple[str, object, pd.Timestamp]) -> pd.DataFrame:
    """Approved exposures: unit, arm and time of each; the version is the arm's."""
    unit, variant, scored_at = (list(column) for column in zip(*rows, strict=True))
    version = [VERSIONS.get(arm, 1) for arm in variant]
    columns = {"application_id": unit, "variant": variant, "scored_at": scored_at}
    more = {"model_version": version, "decision": "approve", "loan_amount": 1_000.0}
    return exposures(template, name, columns | more)


def test_whoever_met_two_arms_is_left_out_and_the_first_exposure_stays(log, template):
    """Counted by reason; among rows of one instant the lower id is the first."""
    late = JANUARY + DAY
    rows = by_hand(
        template,
        "by hand",
        ("crossed", "control", JANUARY),
        ("crossed", "treatment", late),
        ("crossed", "control", late),
        ("again", "control", late),
        ("again", "control", JANUARY),
        ("again", "control", JANUARY),
        ("stranger", "elsewhere", JANUARY),
        ("stranger", "control", late),
        ("nobody", None, JANUARY),
    ).assign(loan_amount=[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])
    log.append(rows)
    found = log.exposure_sums(plan_of("by hand"), as_of=MARCH)
    assert found.left_out == {STRANGE: 2, CROSSED: 3, REPEATED: 2}
    assert found.cells["variant"].tolist() == ["control"]
    assert found.cells["amount"].tolist() == [16.0 + 128.0]
    assert found.seen == (JANUARY, late)


def test_an_outcome_counts_from_the_moment_it_is_known(log, template):
    """At the look and before: known; a microsecond later: not yet; fallbacks are told apart."""
    rows = by_hand(template, "waits", *((f"A{i}", "treatment", JANUARY) for i in range(4)))
    log.append(rows.assign(model_version=[2, 2, 2, 1]))
    told = rows.head(3)[["prediction_id"]].assign(
        default=1, outcome_at=[FEBRUARY, FEBRUARY + TINY, JANUARY]
    )
    log.record_outcomes(told)
    found = log.exposure_sums(plan_of("waits"), as_of=FEBRUARY).cells
    assert found["month"].tolist() == [JANUARY] * 3
    cells = found.set_index(["default", "fallback"])["n"]
    assert (cells[1.0, False], cells[np.nan, False], cells[np.nan, True]) == (2, 1, 1)


def test_an_arm_without_units_and_an_experiment_without_rows(log, template):
    """No cell of theirs, an AUC that is not known: the analysis says what that means."""
    log.append(by_hand(template, "alone", ("A1", "control", JANUARY)))
    found = log.exposure_sums(plan_of("alone"), as_of=MARCH)
    assert found.cells["variant"].tolist() == ["control"]
    assert found.aucs["variant"].tolist() == ["control", "treatment"]
    assert found.aucs[["positives", "negatives"]].to_numpy().tolist() == [[0, 0], [0, 0]]
    assert found.aucs[["auc", "variance"]].isna().all(axis=None)
    early = log.exposure_sums(plan_of("alone"), as_of=JANUARY - TINY)
    assert early.cells.empty
    assert early.seen is None
    Experiments(log).draft(plan_of("drafted"), at=JANUARY)
    drafted = log.exposure_sums(plan_of("drafted"), as_of=MARCH)
    assert drafted.cells.empty
    assert drafted.cells.dtypes.equals(found.cells.dtypes)
    assert drafted.left_out == {STRANGE: 0, CROSSED: 0, REPEATED: 0}


def test_an_experiment_that_does_not_exist_is_refused(log, template):
    """Neither a record nor a prediction: named, with those that there are."""
    with pytest.raises(ValueError, match=r"no experiment 'cutoff'.*; it has none\. Draft it"):
        log.exposure_sums(plan_of("cutoff"), as_of=MARCH)
    Experiments(log).draft(plan_of("cut-off"), at=JANUARY)
    with pytest.raises(ValueError, match=r"no experiment 'cutoff'.*; it has 'cut-off'"):
        log.exposure_sums(plan_of("cutoff"), as_of=MARCH)


def test_rows_that_lack_a_number_are_refused_in_the_words_of_rows(log, template):
    """Loan amount and covariate of every exposure in an arm until the look, no later ones."""
    rows = by_hand(
        template, "gaps", *((f"A{i}", arm, JANUARY) for i, arm in enumerate([*ARMS, "control"]))
    )
    rows = rows.assign(loan_amount=[np.nan, 1.0, np.nan, 1.0], annual_income=[1.0, np.nan] * 2)
    log.append(rows)
    plan = plan_of("gaps", covariate="annual_income")
    said = "exposures that cannot be analysed: 1 have no finite loan_amount; 2 have no finite ann"
    for work in (
        lambda: log.exposure_sums(plan, as_of=MARCH),
        lambda: from_rows(log.window(experiment="gaps"), plan, as_of=MARCH),
    ):
        with pytest.raises(ValueError, match=said):
            work()
    before = JANUARY - TINY
    wanted = from_rows(log.window(experiment="gaps"), plan, as_of=before)
    assert_same(log.exposure_sums(plan, as_of=before), wanted)


@pytest.mark.parametrize(
    ("more", "as_of", "said"),
    [
        ({"covariate": "loan_purpose"}, MARCH, "'loan_purpose', no numeric column of the log's"),
        ({"covariate": "horoscope"}, MARCH, "covariate is 'horoscope'.*use one of age, annual_"),
        ({}, pd.Timestamp("2024-03-01"), "as_of is .*2024-03-01 00:00:00.*, must be an instant"),
        ({}, pd.NaT, "as_of is NaT"),
    ],
)
def test_questions_without_an_answer_are_refused(log, template, more, as_of, said):
    """A covariate that cannot be summed; a look that is no instant."""
    log.append(by_hand(template, "asked", ("A1", "control", JANUARY)))
    with pytest.raises(ValueError, match=said):
        log.exposure_sums(plan_of("asked", **more), as_of=as_of)

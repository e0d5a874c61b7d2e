"""An experiment is served: by arm, with a fallback, each exposure logged once."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mlops_helpers import routing
from mlops_helpers.assignment import Experiment
from mlops_helpers.data import simulate_applications
from mlops_helpers.experiments import Experiments, UnknownExperiment
from mlops_helpers.exposure_sums import from_rows
from mlops_helpers.features import build_pipeline
from mlops_helpers.log_store import LogError
from mlops_helpers.registry import LoadedModel, UnknownModelError
from mlops_helpers.routing import BufferFull, ExperimentRouter, router_for
from mlops_helpers.scoring import PREDICTION_COLUMNS, prediction_id, score
from tests.log_writers import everything, killed, process
from tests.serving import HELD, JANUARY, THREE, Away, Stand, arrivals, plan_of, serve, stands

ROWS = arrivals()
ARMS = THREE.assign(ROWS["application_id"])


@pytest.fixture
def log(store_url):
    """A log that can fail, on each database."""
    with Away(store_url) as log:
        yield log


@pytest.fixture
def file_log(tmp_path):
    """A log that can fail, in a file."""
    with Away(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


def logged(log) -> pd.DataFrame:
    """What the log has, by application."""
    return log.window().set_index("application_id").sort_index()


def test_every_application_meets_its_arm_and_order_is_kept(log):
    """Each row is what its arm's model says of it; three passes, one transaction."""
    models = stands()
    with ExperimentRouter(log, plan_of(), models) as router:
        decided = router.decide(ROWS, latency_ms=np.arange(len(ROWS)))
    found = decided.predictions
    assert decided.faults == ()
    assert list(found.columns) == [*PREDICTION_COLUMNS, "fallback"]
    assert found["application_id"].tolist() == ROWS["application_id"].tolist()
    assert found["variant"].tolist() == ARMS.tolist()
    assert found["latency_ms"].tolist() == list(range(len(ROWS)))
    assert not found["fallback"].any()
    for arm, model in models.items():
        mine = np.flatnonzero(arm == ARMS)
        expected = score(
            Stand(model.version, model.level),
            ROWS.iloc[mine],
            model_version=model.version,
            cutoff=THREE.cutoff,
            experiment="serving",
            variant=arm,
            latency_ms=mine,
        )
        got = found.iloc[mine].drop(columns="fallback").reset_index(drop=True)
        pd.testing.assert_frame_equal(got, expected)
        assert model.passes == [len(mine)]
    assert logged(log)["variant"].to_dict() == dict(zip(ROWS["application_id"], ARMS, strict=True))


@pytest.mark.parametrize("size", [1, 7])
def test_how_applications_are_grouped_changes_nothing(file_log, size):
    """Alone, in batches, in another order, twice: the same answers, each stored once."""
    with ExperimentRouter(file_log, plan_of(), stands(), batch_rows=100) as router:
        whole = router.decide(ROWS).predictions
        for start in range(0, 20 * size, size):
            part = ROWS.iloc[::-1].iloc[start : start + size]
            again = router.decide(part).predictions
            expected = whole.iloc[::-1].iloc[start : start + size].reset_index(drop=True)
            pd.testing.assert_frame_equal(again, expected)
    assert logged(file_log).index.tolist() == sorted(ROWS["application_id"])


def test_a_treatment_that_fails_is_answered_for_by_control(log):
    """Everybody is answered, stays in their arm, and the version says who answered."""
    models = stands(b=Stand(2, 0.15, fails=lambda _: True))
    with ExperimentRouter(log, plan_of(), models) as router:
        decided = router.decide(ROWS)
    found, failed = decided.predictions, ARMS == "b"
    assert decided.faults == (
        f"arm 'b' (version 2) failed for {failed.sum()} applications, control answered: "
        "ArithmeticError: no such debt",
    )
    assert found["variant"].tolist() == ARMS.tolist()
    assert (found["fallback"] == failed).all()
    assert (found.loc[failed, "model_version"] == 1).all()
    assert (found.loc[failed, "probability"] == 0.1).all()
    assert (found.loc[ARMS == "c", "model_version"] == 3).all()
    rows = log.window()
    versions = {"control": 1, "b": 2, "c": 3}
    marked = rows["model_version"] != rows["variant"].map(versions)
    assert set(rows.loc[marked, "application_id"]) == set(found.loc[failed, "application_id"])


def test_the_analysis_finds_the_fallbacks_in_their_arm(file_log):
    """By the mark in the log: counted, and counted for the arm that was meant."""
    rich = ROWS["annual_income"].quantile(0.9)
    failing = Stand(2, 0.15, fails=lambda X: (X["annual_income"] > rich).any())
    plan = plan_of()
    with ExperimentRouter(file_log, plan, stands(b=failing)) as router:
        for start in range(0, 400, 50):
            router.decide(ROWS.iloc[start : start + 50])
        for row in range(0, 400, 80):
            router.decide(ROWS.iloc[[row]])  # again, and alone: another version may answer now
    sums = from_rows(file_log.window(), plan, as_of=pd.Timestamp("2024-12-31", tz="UTC"))
    n = sums.cells.groupby(["variant", "fallback"])["n"].sum()
    assert n.groupby("variant").sum().to_dict() == pd.Series(ARMS).value_counts().to_dict()
    assert n["b", True] > 0
    assert [key for key in n.index if key[1]] == [("b", True)]


def test_nonsense_is_a_failure_too(file_log):
    """A model that says 1.7 has not answered."""
    with ExperimentRouter(file_log, plan_of(), stands(c=Stand(3, 1.7))) as router:
        decided = router.decide(ROWS)
    assert (decided.predictions["fallback"] == (ARMS == "c")).all()
    assert "must be within [0, 1]" in decided.faults[0]


@pytest.mark.parametrize("status", ["running", "paused"])
def test_if_control_fails_nobody_is_answered(file_log, status):
    """There is nobody left to answer for it; nothing is logged and no room is taken."""
    models = stands(control=Stand(1, 0.1, fails=lambda _: True))
    router = ExperimentRouter(
        file_log, plan_of(), models, status=status, batch_rows=1, buffer_rows=400
    )
    for _ in range(2):
        with pytest.raises(ArithmeticError, match="no such debt"):
            router.decide(ROWS)
    assert (router.unlogged, len(file_log.window())) == (0, 0)
    both = stands(control=models["control"], b=Stand(2, fails=lambda _: True))
    treated = ROWS[ARMS == "b"]
    with pytest.raises(ArithmeticError):
        ExperimentRouter(file_log, plan_of(), both).decide(treated)


@pytest.mark.parametrize("status", ["draft", "paused", "completed"])
def test_while_it_does_not_run_control_answers(file_log, status):
    """In no experiment; the held-out stay so."""
    plan, models = plan_of(holdout=HELD), stands()
    with ExperimentRouter(file_log, plan, models, status=status) as router:
        found = router.decide(ROWS).predictions
    held = HELD.holds(ROWS["application_id"])
    assert (found["model_version"] == 1).all()
    assert found.loc[~held, ["experiment", "variant"]].isna().all(axis=None)
    assert not found["fallback"].any()
    assert models["b"].passes == models["c"].passes == []
    assert logged(file_log)["experiment"].dropna().unique().tolist() == ["kept out"]


def test_the_held_out_meet_control_in_no_arm(file_log):
    """Logged under the holdout's name; all others meet the arm that they had without it."""
    with ExperimentRouter(file_log, plan_of(holdout=HELD), stands()) as router:
        found = router.decide(ROWS).predictions
    held = HELD.holds(ROWS["application_id"])
    assert 0 < held.sum() < 100
    assert set(found.loc[held, "experiment"]) == {"kept out"}
    assert set(found.loc[held, "variant"]) == {"holdout"}
    assert set(found.loc[held, "model_version"]) == {1}
    assert found.loc[~held, "variant"].tolist() == ARMS[~held].tolist()
    first = found[held].iloc[0]
    assert first["prediction_id"] == prediction_id(first["application_id"], 1, "kept out")


def test_answers_go_out_while_the_log_is_away(log):
    """They wait, are counted, and are stored once when it is back; too many are refused."""
    router = ExperimentRouter(log, plan_of(), stands(), batch_rows=50, buffer_rows=300)
    log.fails = "before"
    for start in range(0, 300, 100):
        decided = router.decide(ROWS.iloc[start : start + 100])
        assert len(decided.predictions) == 100
        assert "LogError: the log's store does not answer" in decided.faults[-1]
    assert router.unlogged == 300
    with pytest.raises(BufferFull, match="nobody was answered"):
        router.decide(ROWS.iloc[300:])
    with pytest.raises(LogError):
        router.flush()
    log.fails = "after"
    with pytest.raises(LogError):
        router.flush()
    log.fails = ""
    assert router.flush() == 200  # 100 were stored by the flush of which nobody heard
    assert router.unlogged == 0
    with router:
        router.decide(ROWS.iloc[300:])
    assert logged(log).index.tolist() == sorted(ROWS["application_id"])


def test_leaving_with_a_log_that_is_away_says_so(file_log):
    """What waits is not forgotten without a word."""
    file_log.fails = "before"
    with (
        pytest.raises(LogError, match="does not answer"),
        ExperimentRouter(file_log, plan_of(), stands()) as router,
    ):
        router.decide(ROWS.head(5))
    assert router.unlogged == 5


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"application_id": None}, ValueError, "application_id|has no id"),
        ({"application_id": 12.0}, ValueError, "must be a text or a whole number"),
        ({"application_id": True}, ValueError, "must be a text or a whole number"),
        ({"application_id": b"x"}, ValueError, "must be a text or a whole number"),
        ({"applied_at": pd.Timestamp("2024-01-01")}, ValueError, "no time zone"),
        ({"applied_at": pd.NaT}, ValueError, "scored_at"),
        ({"loan_amount": np.inf}, ValueError, "loan_amount == inf"),
        ({"loan_amount": np.nan}, ValueError, "loan_amount == nan"),
        ({"loan_amount": 1e200}, ValueError, r"loan_amount == 1e\+200"),
    ],
)
@pytest.mark.parametrize("status", ["running", "paused"])
def test_what_could_not_be_analysed_is_not_answered(file_log, change, error, said, status):
    """No id, no time, no amount: refused in words, nobody answered, whether or not it runs."""
    bad = ROWS.assign(**change)
    router = ExperimentRouter(file_log, plan_of(), stands(), status=status)
    with pytest.raises(error, match=said):
        router.decide(bad)
    assert router.unlogged == 0


def test_missing_columns_are_named(file_log):
    """An application is decided by its id and its time."""
    router = ExperimentRouter(file_log, plan_of(), stands())
    with pytest.raises(ValueError, match=r"lack the columns \['application_id', 'applied_at'\]"):
        router.decide(ROWS.drop(columns=["application_id", "applied_at"]))
    with pytest.raises(ValueError, match=r"lack the columns \['loan_amount'\]"):
        router.decide(ROWS.drop(columns="loan_amount"))
    given = router.decide(ROWS.drop(columns="applied_at"), scored_at=JANUARY).predictions
    assert (given["scored_at"] == JANUARY).all()


def test_nobody_asks(file_log):
    """No applications, no answers, nothing logged."""
    with ExperimentRouter(file_log, plan_of(holdout=HELD), stands()) as router:
        decided = router.decide(ROWS.head(0))
    assert list(decided.predictions.columns) == [*PREDICTION_COLUMNS, "fallback"]
    assert len(decided.predictions) == len(file_log.window()) == 0


@pytest.mark.parametrize(
    ("models", "options", "said"),
    [
        ({"control": Stand(1), "b": Stand(2)}, {}, r"'c': None.* 'c': 3"),
        (stands(c=Stand(4)), {}, r"'c': 4.* 'c': 3"),
        (stands(), {"status": "on"}, "status is 'on'"),
        (stands(), {"batch_rows": 0}, "batch_rows is 0"),
        (stands() | {"b": 5}, {}, r"'b': None.* 'b': 2"),
        (stands(), {"refresh_seconds": 0}, "refresh_seconds is 0, must be seconds above 0"),
        (stands(), {"refresh_seconds": "60"}, "refresh_seconds is '60'"),
    ],
    ids=["none", "another", "status", "batch", "no model", "at once", "text"],
)
def test_a_router_that_could_not_serve_is_not_made(file_log, models, options, said):
    """An arm without its model, a status that is none."""
    with pytest.raises(ValueError, match=said):
        ExperimentRouter(file_log, plan_of(), models, **options)


@pytest.mark.parametrize("what", ["log", "plan", "models"])
def test_a_router_of_nothing_is_not_made(file_log, what):
    """Said at once, not when the first batch is full."""
    given = {"log": file_log, "plan": plan_of(), "models": stands()} | {what: None}
    with pytest.raises(TypeError, match=f"{what} came as NoneType, must be a"):
        ExperimentRouter(**given)


def test_leaving_in_any_way_stores_what_waits(file_log):
    """By an exit, as a handler of SIGTERM makes it; `close` does without a block."""
    router = ExperimentRouter(file_log, plan_of(), stands())

    def stopped() -> None:
        with router:
            router.decide(ROWS.head(30))
            sys.exit()

    with pytest.raises(SystemExit):
        stopped()
    router.decide(ROWS.head(50))
    assert (router.unlogged, len(file_log.window())) == (50, 30)
    router.close()
    assert (router.unlogged, len(file_log.window())) == (0, 50)


def test_what_an_application_was_told_first_is_what_counts(log):
    """It is sent again when the treatment is mended; the log has the first answer, by its id."""
    failing = [True]
    models = stands(b=Stand(2, 0.15, fails=lambda _: failing[0]))
    plan = plan_of()
    with ExperimentRouter(log, plan, models, batch_rows=150) as router:
        first = router.decide(ROWS.head(100)).predictions
        failing[0] = False
        again = router.decide(ROWS).predictions
    assert again["prediction_id"].head(100).tolist() == first["prediction_id"].tolist()
    assert not again["fallback"].any()
    told = pd.concat([first, again.iloc[100:]])
    known = told.assign(default=0, outcome_at=told["scored_at"] + pd.Timedelta(days=30))
    assert log.record_outcomes(known[["prediction_id", "default", "outcome_at"]]).stored == 400
    as_of = days(365)
    expected = int(first["fallback"].sum())
    assert expected > 0
    for sums in (log.exposure_sums(plan, as_of=as_of), from_rows(log.window(), plan, as_of=as_of)):
        cells = sums.cells
        assert cells.loc[cells["fallback"], "n"].sum() == expected
        assert cells.loc[cells["decision"] == "approve", "default"].notna().all()
        assert sums.left_out["repeated exposures"] == 0


def test_threads_share_a_router(file_log):
    """Eight at once: the answers of one alone, each stored once."""
    alone = ExperimentRouter(file_log, plan_of(), stands()).decide(ROWS).predictions
    found = {}
    with ExperimentRouter(file_log, plan_of(), stands(), batch_rows=20) as router:

        def work(number: int) -> None:
            for row in range(number, 80, 8):
                found[row] = router.decide(ROWS.iloc[[row]]).predictions

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    together = pd.concat([found[row] for row in range(80)], ignore_index=True)
    pd.testing.assert_frame_equal(together, alone.head(80))
    assert logged(file_log).index.tolist() == sorted(ROWS["application_id"].head(80))


def test_a_kill_in_between_moves_nobody_and_doubles_nothing(tmp_path):
    """Killed when a batch is stored and nobody was told; the next process asks all again."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with process(serve, url, 20, 3) as (child, told):
        before = {unit: arm for said in everything(told) for unit, arm in said.items()}
        assert killed(child)
    with Away(url) as log:
        kept = logged(log)["variant"].to_dict()
        assert len(kept) == 300
        with ExperimentRouter(log, plan_of(), stands()) as router:
            after = router.decide(ROWS).predictions.set_index("application_id")["variant"]
        assert before.items() <= after.to_dict().items()
        assert kept.items() <= after.to_dict().items()
        assert logged(log)["variant"].to_dict() == after.to_dict()


class Shelf:
    """A registry of small fitted models, versions 1 and 2, that notes each load."""

    def __init__(self) -> None:
        """Two settings of one model, fitted on last year's applications."""
        rows = simulate_applications(300, seed=1, start=days(-365), months=6)
        self.loads: list[int] = []
        self.models = {}
        for version, strength in ((1, 0.01), (2, 1.0)):
            pipeline = build_pipeline(LogisticRegression(C=strength, max_iter=500))
            fitted = pipeline.fit(rows, rows["default"])
            self.models[version] = LoadedModel(version, fitted, f"model {version}", "run")

    def load(self, version: int) -> LoadedModel:
        """As `Registry.load`."""
        self.loads.append(version)
        if version not in self.models:
            raise UnknownModelError(f"no version {version}")
        return self.models[version]


def two_arms(**changes):
    """Versions 1 and 2 half and half, begun at a fifth."""
    experiment = Experiment("ramped", cutoff=0.2, ramp=0.2)
    versions = {"control": 1, "treatment": 2}
    return plan_of(**{"experiment": experiment, "versions": versions} | changes)


def days(number: float) -> pd.Timestamp:
    """So many days into January 2024."""
    return JANUARY + pd.Timedelta(days=number)


def test_a_registered_experiment_is_served_through_its_life(file_log):
    """Fitted models, loaded once; draft, start, ramp, pause, resume, end, each after a refresh."""
    registry = Shelf()
    steps, plan = Experiments(file_log), two_arms()
    steps.draft(plan, days(-9))
    units = ROWS["application_id"]
    with router_for(registry, file_log, "ramped", batch_rows=200) as router:

        def arms(day: float) -> np.ndarray:
            return router.decide(ROWS, scored_at=days(day)).predictions["variant"].to_numpy(object)

        assert pd.isna(arms(-5)).all()
        steps.start("ramped", days(0), available=[1, 2])
        assert pd.isna(arms(1)).all()  # not refreshed yet
        router.refresh()
        assert pd.isna(arms(-1)).all()
        early = arms(1)
        assert early.tolist() == plan.experiment.assign(units).tolist()
        steps.ramp("ramped", 1.0, days(3), "no complaints")
        router.refresh()
        late = arms(3)
        assert late.tolist() == plan.experiment.at(1.0).assign(units).tolist()
        assert (late[early == "treatment"] == "treatment").all()
        assert arms(2).tolist() == early.tolist()  # what was in force then
        steps.pause("ramped", days(5), "a broken feed")
        router.refresh()
        assert pd.isna(arms(6)).all()
        steps.resume("ramped", days(7), "mended")
        steps.complete("ramped", days(9), "enough")
        router.refresh(days(8))
        assert arms(10).tolist() == late.tolist()
        router.refresh()
        assert pd.isna(arms(10)).all()
        assert arms(8).tolist() == late.tolist()
        treated = router.decide(ROWS, scored_at=days(8)).predictions
        for arm, version in plan.versions.items():
            mine = late == arm
            model = registry.models[version]
            given = {"model_version": version, "cutoff": 0.2, "scored_at": days(8)}
            expected = score(model.pipeline, ROWS[mine], **given)["probability"]
            assert treated["probability"][mine].tolist() == pytest.approx(expected.tolist())
    assert registry.loads == [1, 2]


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    passed = [0.0]
    monkeypatch.setattr(routing, "time", SimpleNamespace(monotonic=lambda: passed[0]))
    return passed


def test_the_record_is_read_again_by_itself(file_log, clock):
    """A ramp and a pause are known after a minute at the latest; with None never."""
    steps, plan = Experiments(file_log), two_arms()
    steps.draft(plan, days(-9))
    steps.start("ramped", days(0), available=[1, 2])
    follows, stays = (
        router_for(Shelf(), file_log, "ramped", refresh_seconds=seconds) for seconds in (60, None)
    )

    def treated(router: ExperimentRouter, day: float) -> int:
        found = router.decide(ROWS, scored_at=days(day))
        assert found.faults == ()
        return int((found.predictions["variant"] == "treatment").sum())

    few = treated(follows, 1)
    assert 0 < few < 80
    steps.ramp("ramped", 1.0, days(2), "announced")
    assert treated(follows, 3) == few
    clock[0] = 60.0
    assert treated(follows, 1) == few  # what was in force then
    many = treated(follows, 3)
    assert many > 160
    steps.pause("ramped", days(4), "a broken feed")
    clock[0] = 119.0
    assert treated(follows, 5) == many
    clock[0] = 120.0
    assert treated(follows, 5) == 0
    assert treated(stays, 5) == few


def test_a_record_that_cannot_be_read_again_is_a_fault(file_log, clock, monkeypatch):
    """Answers go on as before, and it is tried again a minute later."""
    steps = Experiments(file_log)
    steps.draft(plan_of(), days(-9))
    steps.start("serving", days(0))
    router = ExperimentRouter(file_log, plan_of(), stands())
    router.refresh()

    def asked() -> tuple[str, ...]:
        decided = router.decide(ROWS, scored_at=days(1))
        assert decided.predictions["variant"].tolist() == ARMS.tolist()
        return decided.faults

    clock[0] = 60.0
    with monkeypatch.context() as patch:
        patch.setattr(Experiments, "get", away)
        (fault,) = asked()
        assert fault == (
            "the record of experiment 'serving' could not be read again, what it said before is "
            "followed: LogError: the log's store does not answer"
        )
        assert asked() == ()  # not for every answer
        clock[0] = 120.0
        assert asked() == (fault,)
    clock[0] = 180.0
    assert asked() == ()


def away(*_):
    """In place of a step that needs the store."""
    raise LogError("the log's store does not answer")


@pytest.mark.parametrize("at", ["2024", pd.Timestamp("2024-01-01"), 5, pd.NaT])
def test_what_is_no_instant_changes_nothing(file_log, at):
    """Read until then, the record would say that nobody is enrolled."""
    steps = Experiments(file_log)
    steps.draft(plan_of(), days(-9))
    steps.start("serving", days(-8))
    router = ExperimentRouter(file_log, plan_of(), stands())
    with pytest.raises(ValueError, match=r"at is .* must be an instant"):
        router.refresh(at)
    assert router.decide(ROWS).predictions["variant"].tolist() == ARMS.tolist()


def test_a_router_needs_its_experiment_and_its_models(file_log):
    """No such experiment, no such version: no router, before anybody is answered."""
    with pytest.raises(UnknownExperiment, match="'ramped' does not exist"):
        router_for(Shelf(), file_log, "ramped")
    Experiments(file_log).draft(two_arms(versions={"control": 1, "treatment": 7}), days(-9))
    with pytest.raises(UnknownModelError, match="no version 7"):
        router_for(Shelf(), file_log, "ramped")


def test_another_plan_needs_another_router(file_log):
    """Versions that were amended in the draft are not the ones that are loaded."""
    steps = Experiments(file_log)
    steps.draft(plan_of(), days(-9))
    router = ExperimentRouter(file_log, plan_of(), stands(), status="draft")
    router.refresh()
    versions = {"control": 1, "b": 2, "c": 4}
    steps.amend("serving", {"versions": versions}, days(-8), "a better one")
    with pytest.raises(ValueError, match=r"'c': 4.* 'c': 3.* are loaded"):
        router.refresh()
    assert router.plan == plan_of()

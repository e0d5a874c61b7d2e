"""What mlops_helpers.experiments promises: steps of a life cycle, one transaction each."""

import os
import signal
from dataclasses import replace

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.ab_testing import analyze, analyze_sums
from mlops_helpers.assignment import Experiment, Holdout
from mlops_helpers.business import CostModel
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments, UnknownExperiment
from mlops_helpers.lifecycle import StepRefused, stages
from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.routing import ExperimentRouter
from tests.exposed import LATE, exposed
from tests.log_writers import everything, heard, killed, process
from tests.serving import THREE, arrivals, plan_of, stands

JANUARY, FEBRUARY, MARCH, JUNE = (
    pd.Timestamp(f"2024-0{month}-01", tz="UTC") for month in (1, 2, 3, 6)
)
PLAN = ExperimentPlan(
    Experiment("v4-against-v3", ramp=0.2), {"control": 3, "treatment": 4}, "earns more", 5000, 25.0
)
NAME = PLAN.name
FOUND = analyze(exposed(40), PLAN, as_of=LATE)
LIFE = {  # every step of a whole life, in its order
    "draft": lambda kept: kept.draft(PLAN, JANUARY),
    "amend": lambda kept: kept.amend(NAME, {"size": 6000}, JANUARY, "power"),
    "start": lambda kept: kept.start(NAME, JANUARY, available=[1, 2, 3, 4]),
    "ramp": lambda kept: kept.ramp(NAME, 1.0, FEBRUARY, "no guardrail moved"),
    "pause": lambda kept: kept.pause(NAME, FEBRUARY, "a faulty feed"),
    "resume": lambda kept: kept.resume(NAME, FEBRUARY, "mended"),
    "complete": lambda kept: kept.complete(NAME, MARCH, "planned size reached"),
    "conclude": lambda kept: kept.conclude(NAME, FOUND, JUNE),
}


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def live(kept, until):
    """A life up to and with a step."""
    for name, step in LIFE.items():
        step(kept)
        if name == until:
            return


def test_a_whole_life(log):
    """Each step comes back as the record that is stored; the plan as it was amended."""
    kept = Experiments(log)
    states = []
    for step in LIFE.values():
        states.append(step(kept)["status"])
        assert [step(kept)] == log.experiments()
    lived = "draft draft running running paused running completed completed"
    assert states == lived.split()
    plan, record = kept.get(NAME)
    assert plan == replace(PLAN, experiment=PLAN.experiment.at(1.0), size=6000)
    assert [event["event"] for event in record["events"]] == [
        *("drafted", "amended", "started", "ramped", "paused", "resumed", "completed", "analysed")
    ]
    assert (record["conclusion"], record["verdict"]) == (FOUND.conclusion, FOUND.sentence)
    assert record["analysed"] == JUNE.isoformat()


def test_a_notebook_that_is_run_again_changes_nothing(log):
    """The same steps with the same words, after all of them: no error, no event more."""
    kept = Experiments(log)
    live(kept, "conclude")
    before = log.experiments()
    live(kept, "conclude")
    assert log.experiments() == before


def test_what_is_refused_is_not_stored(log):
    """A name in use, an arm without a model, a change after the start: as lifecycle says."""
    kept = Experiments(log)
    kept.draft(PLAN, JANUARY)
    before = log.experiments()
    with pytest.raises(StepRefused, match="'v4-against-v3' is already in use"):
        kept.draft(replace(PLAN, size=10), FEBRUARY)
    with pytest.raises(StepRefused, match="'treatment' has no model: version 4"):
        kept.start(NAME, JANUARY, available=iter([1, 2, 3]))
    assert log.experiments() == before
    kept.start(NAME, JANUARY)
    before = log.experiments()
    with pytest.raises(StepRefused, match="size 5000 -> 10: fixed at the start"):
        kept.amend(NAME, {"size": 10}, FEBRUARY, "too slow")
    assert log.experiments() == before


@pytest.mark.parametrize("step", [name for name in LIFE if name != "draft"] + ["get"])
def test_an_experiment_that_does_not_exist_is_refused(log, step):
    """With the names that are there, and the nearest; nothing is stored."""
    kept = Experiments(log)
    ask = LIFE.get(step, lambda kept: kept.get(NAME))
    with pytest.raises(UnknownExperiment, match=r"'v4-against-v3' does not exist\..*none yet; dra"):
        ask(kept)
    other = replace(PLAN, experiment=Experiment("v4-against-v2"))
    kept.draft(other, JANUARY)
    said = r"does not exist; did you mean 'v4-against-v2'\? The log has: 'v4-against-v2'"
    with pytest.raises(UnknownExperiment, match=said):
        ask(kept)
    assert kept.names() == ("v4-against-v2",)


OLD = {
    **{"name": "old", "arms": ["control", "treatment"], "split": [0.5, 0.5], "cutoff": 0.2},
    **{"salt": "", "hypothesis": "earns more", "primary_metric": "profit_per_application"},
    **{"smallest_effect": 25.0, "versions": [1, 2], "start": "2024-01-01T00:00:00+00:00"},
    **{"conclusion": "undecided", "verdict": "Undecided: $3 more."},
}


def test_what_an_earlier_release_kept_is_told_as_over(log):
    """As it was written, completed and marked; it is no whole plan, and its name stays taken."""
    log.change_experiment("old", lambda _: OLD)
    kept = Experiments(log)
    assert kept.names() == ("old",)
    assert log.experiments() == [
        {**OLD, "status": "completed", "imported": True, "events": []},
    ]
    with pytest.raises(ValueError, match="'old' lacks ramp, size, guardrails"):
        kept.get("old")
    with pytest.raises(StepRefused, match="it is completed: it never starts again"):
        kept.start("old", JUNE)
    again = replace(PLAN, experiment=Experiment("old"))
    with pytest.raises(StepRefused, match=r"'old' is already in use: .* completed"):
        kept.draft(again, JUNE)


def _try(told, url, steps):
    """Take steps (a method and its arguments) at a word from the parent; tell what came of each."""
    with PredictionLog(url) as log:
        kept = Experiments(log)
        for method, *arguments in steps:
            told.send("ready")
            heard(told)
            try:
                getattr(kept, method)(*arguments)
                told.send("done")
            except StepRefused as refusal:
                told.send(str(refusal))


def test_of_two_processes_one_wins_and_the_other_is_refused(store_url):
    """Two plans for one name, then two steps from one state: always exactly one is taken.

    Whoever loses is told why; the log holds what the winner wanted, and nothing of the loser's.
    """
    rounds = [Experiment(f"round-{number}") for number in range(6)]
    with PredictionLog(store_url):
        pass
    plans = [[replace(PLAN, experiment=one, size=size) for one in rounds] for size in (100, 200)]
    steps = [
        [
            step
            for one, plan in zip(rounds, mine, strict=True)
            for step in (
                ("draft", plan, JANUARY),
                ("start", one.name, (FEBRUARY, MARCH)[place]),
                (("pause", "complete")[place], one.name, JUNE, "a race"),
            )
        ]
        for place, mine in enumerate(plans)
    ]
    outcomes = []
    with (
        process(_try, store_url, steps[0]) as (one, ours),
        process(_try, store_url, steps[1]) as (other, theirs),
    ):
        for _ in steps[0]:
            assert [heard(ours), heard(theirs)] == ["ready", "ready"]
            ours.send("go")
            theirs.send("go")
            outcomes.append((heard(ours), heard(theirs)))
        assert [killed(one), killed(other)] == [False, False]
    with PredictionLog(store_url) as log:
        kept = Experiments(log)
        for number, one in enumerate(rounds):
            drafts, starts, ends = outcomes[3 * number : 3 * number + 3]
            plan, record = kept.get(one.name)
            winner = plans[drafts.index("done")][number]
            assert "already in use: that experiment is draft and differs in size" in str(drafts)
            assert plan == winner
            assert sorted(said == "done" for said in starts) == [False, True]
            assert "it is running: it runs already" in str(starts)
            when = (FEBRUARY, MARCH)[starts.index("done")]
            assert record["events"][1]["at"] == when.isoformat()
            if ends == ("done", "done"):  # paused, then completed, is a way to go
                assert [event["event"] for event in record["events"][2:]] == ["paused", "completed"]
            else:
                assert ends[1] == "done"
                assert "it is completed: it never starts again" in ends[0]
            assert record["status"] == "completed"


def _die_in(told, url, step):
    """Take a step, and be killed when all is written and before it is committed."""
    with PredictionLog(url) as log:
        told.send("open")
        sa.event.listen(sa.Engine, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        LIFE[step](Experiments(log))


def test_a_step_that_is_killed_was_never_taken(tmp_path):
    """Whichever it is: the record stays as it was before, and the step can be taken again."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with PredictionLog(url) as log:
        kept = Experiments(log)
        for name, step in LIFE.items():
            before = log.experiments()
            with process(_die_in, url, name) as (child, told):
                assert everything(told) == ["open"]
                assert killed(child)
            assert log.experiments() == before
            step(kept)
            assert log.experiments() != before


def test_an_analysis_takes_plan_and_stages_from_the_record(log):
    """Of a ramp, by the log alone: its sums are those of the record's stages, not of one stage."""
    kept, plan = Experiments(log), plan_of(experiment=THREE.at(0.2), size=50)
    kept.draft(plan, JANUARY)
    kept.start(plan.name, JANUARY)
    kept.ramp(plan.name, 1.0, FEBRUARY, "no guardrail moved")
    with ExperimentRouter(log, plan, stands()) as router:
        router.refresh()
        for seed, when in enumerate((JANUARY, FEBRUARY)):
            some = arrivals(300, seed=seed)
            some["application_id"] = some["application_id"] + f"-{seed}"
            router.decide(some, scored_at=when + pd.Timedelta(days=5))
    planned, record = kept.get(plan.name)
    sums = log.exposure_sums(planned, as_of=JUNE)
    assert sums.stages == stages(record)
    assert [stage.full for stage in sums.stages] == [False, True]
    wanted = analyze_sums(sums, planned, costs=CostModel())
    found = kept.analyse(plan.name, as_of=JUNE)
    assert found == wanted
    assert found.left_out["before the full split"] == 300
    assert found.srm.p_value > 0.001
    pooled = log.exposure_sums(planned, as_of=JUNE, stages=())
    assert analyze_sums(pooled, planned).srm.p_value < 1e-6
    with pytest.raises(UnknownExperiment, match="'other' does not exist"):
        kept.analyse("other", as_of=JUNE)


def test_an_analysis_is_kept_with_its_own_experiment(log):
    """Another one's is refused, whoever made it: from sums of rows or of the log."""
    kept, other = Experiments(log), replace(PLAN, experiment=Experiment("other"))
    for plan in (PLAN, other):
        kept.draft(plan, JANUARY)
        kept.start(plan.name, JANUARY)
    found = kept.analyse("other", as_of=JUNE)
    with pytest.raises(StepRefused, match="analysis is of experiment 'other', not of 'v4-against"):
        kept.conclude(NAME, found, JUNE)
    with pytest.raises(StepRefused, match="is of experiment 'v4-against-v3', not of 'other'"):
        kept.conclude("other", FOUND, JUNE)
    assert kept.conclude("other", found, JUNE)["conclusion"] == found.conclusion
    with pytest.raises(ValueError, match="sums are of experiment 'other', the plan is 'v4-against"):
        analyze_sums(log.exposure_sums(other, as_of=JUNE), PLAN)


def test_a_covariate_that_the_log_does_not_keep_is_refused_before_the_start(log):
    """In a draft, when it is amended, and at the start of a draft that an earlier release kept."""
    kept, said = Experiments(log), "'credit_score', no numeric column .* Use one of age, annual_in"
    wrong = replace(PLAN, covariate="credit_score")
    with pytest.raises(StepRefused, match=said):
        kept.draft(wrong, JANUARY)
    assert kept.names() == ()
    kept.draft(replace(PLAN, covariate="annual_income"), JANUARY)
    with pytest.raises(StepRefused, match=said):
        kept.amend(NAME, {"covariate": "credit_score"}, JANUARY, "less noise")
    assert kept.get(NAME)[0].covariate == "annual_income"
    log.change_experiment(NAME, lambda stored: stored | {"covariate": "credit_score"})
    with pytest.raises(StepRefused, match=said):
        kept.start(NAME, JANUARY)
    kept.amend(NAME, {"covariate": None}, JANUARY, "not kept")
    assert kept.start(NAME, JANUARY)["status"] == "running"


def test_a_holdout_and_an_experiment_have_names_of_their_own(log):
    """Whichever comes first, the log could not tell their rows apart; drafts and starts refuse."""
    kept, said = Experiments(log), "'v4-against-v3' is named 'nobody', as another experiment is"
    kept.draft(replace(PLAN, holdout=Holdout("nobody", 0.1)), JANUARY)
    with pytest.raises(StepRefused, match=said):
        kept.draft(replace(PLAN, experiment=Experiment("nobody")), JANUARY)
    shared = replace(PLAN, experiment=Experiment("second"), holdout=Holdout("nobody", 0.1))
    kept.draft(shared, JANUARY)
    held = {"name": NAME, "share": 0.1}
    kept.amend("second", {"holdout": held}, JANUARY, "a draft may be wrong")
    with pytest.raises(StepRefused, match="'second' is named 'v4-against-v3', as another"):
        kept.start("second", JANUARY)
    third = replace(PLAN, experiment=Experiment("third"), holdout=Holdout(**held))
    with pytest.raises(StepRefused, match="'third' is named 'v4-against-v3', as another"):
        kept.draft(third, JANUARY)


def test_an_announced_ramp_does_not_stand_in_the_way_of_a_pause(log):
    """It is taken back, unless applications have met it already."""
    kept, plan = Experiments(log), plan_of(experiment=THREE.at(0.2))
    kept.draft(plan, JANUARY)
    kept.start(plan.name, JANUARY)
    kept.ramp(plan.name, 1.0, MARCH, "as planned")
    with ExperimentRouter(log, plan, stands()) as router:
        router.refresh()
        router.decide(arrivals(20), scored_at=FEBRUARY)
    with pytest.raises(StepRefused, match=r"ramped at 2024-03-01.*exposed since 2024-02-01"):
        kept.pause(plan.name, FEBRUARY, "complaints")
    hour = pd.Timedelta(hours=1)
    record = kept.pause(plan.name, FEBRUARY + hour, "complaints")
    assert (record["status"], record["ramp"]) == ("paused", 0.2)
    assert [one["event"] for one in record["events"][-1]["taken_back"]] == ["ramped"]
    assert kept.pause(plan.name, FEBRUARY + hour, "complaints") == record
    assert kept.get(plan.name)[1] == record


def test_a_damaged_record_leaves_all_others_as_they_are(log):
    """Its name is told; its neighbour is paused, analysed and ended as ever."""
    kept = Experiments(log)
    live(kept, "start")
    log.change_experiment("damaged", lambda _: {"name": "damaged", "status": "running"})
    assert kept.names() == ("damaged", NAME)
    for ask in (kept.get, lambda name: kept.pause(name, FEBRUARY, "x")):
        with pytest.raises(LogError, match="'damaged' is damaged in the log: its events are None"):
            ask("damaged")
    assert kept.get(NAME)[0].name == NAME
    assert kept.analyse(NAME, as_of=JUNE).effects.empty
    assert kept.pause(NAME, FEBRUARY, "a faulty feed")["status"] == "paused"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (lambda kept: kept.draft(None, JANUARY), "plan is None, must be an ExperimentPlan"),
        (lambda kept: kept.start(NAME, JANUARY, available=5), "available is 5, must be numbers"),
        (lambda kept: kept.amend(NAME, None, JANUARY, "x"), "changes is None, must be new values"),
        (lambda kept: kept.conclude(NAME, None, JUNE), "analysis is None, must be an Analysis"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(log, step, said):
    """With its value and the rule."""
    kept = Experiments(log)
    kept.draft(PLAN, JANUARY)
    with pytest.raises(StepRefused, match=said):
        step(kept)

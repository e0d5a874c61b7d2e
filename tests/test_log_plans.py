"""The plan of an experiment is written once; its results join it."""

import numpy as np
import pytest

from mlops_helpers.predictions import PredictionLog
from tests.logged import FEBRUARY, JANUARY


@pytest.fixture
def log(store_url):
    """An open, empty log."""
    with PredictionLog(store_url) as log:
        yield log


def test_experiments_are_kept_under_their_name(log):
    """A record is kept under its name, JSON and times; without a name it is refused."""
    log.save_experiment({"name": "second", "arms": [{"arm": "control"}]})
    log.save_experiment({"name": "first", "n": np.int64(3), "began": JANUARY})
    assert log.experiments() == [
        {"name": "first", "n": 3, "began": JANUARY.isoformat()},
        {"name": "second", "arms": [{"arm": "control"}]},
    ]
    with pytest.raises(ValueError, match="'name'"):
        log.save_experiment({"n": 1})
    with pytest.raises(TypeError, match="cannot be kept as JSON"):
        log.save_experiment({"name": "odd", "what": object()})


def test_the_plan_of_an_experiment_cannot_be_changed(log):
    """Another value or one more field is refused by name, and what is stored stays as it was."""
    plan = {"name": "first", "split": (0.5, 0.5), "smallest": 100.0, "began": JANUARY}
    log.save_experiment(plan)
    before = log.experiments()
    with pytest.raises(ValueError, match=r"smallest is 100\.0, not 20\.0.*name of its own"):
        log.save_experiment({**plan, "smallest": 20.0, "verdict": "deploy"})
    with pytest.raises(ValueError, match=r"began is .*; metric == 'defaults' was not planned"):
        log.save_experiment({"name": "first", "began": FEBRUARY, "metric": "defaults"})
    assert log.experiments() == before


def test_results_join_the_plan_and_a_run_may_be_repeated(log):
    """The same plan again changes nothing; a verdict is added, and replaced by a later one."""
    plan = {"name": "first", "split": (0.5, 0.5), "began": JANUARY}
    stored = {"name": "first", "split": [0.5, 0.5], "began": JANUARY.isoformat()}
    for _ in range(2):
        log.save_experiment(plan)
    assert log.experiments() == [stored]
    log.save_experiment({"name": "first", "conclusion": "undecided", "analysed": FEBRUARY})
    decided = {**stored, "conclusion": "undecided", "analysed": FEBRUARY.isoformat()}
    assert log.experiments() == [decided]
    log.save_experiment(plan)
    assert log.experiments() == [decided]
    log.save_experiment({**plan, "conclusion": "deploy"})
    assert log.experiments() == [{**decided, "conclusion": "deploy"}]

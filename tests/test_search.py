"""A search is one run with a run for each setting; it sees training rows only."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from mlops_helpers.candidates import Candidate
from mlops_helpers.comparing import compare_runs
from mlops_helpers.data import TARGET
from mlops_helpers.runs import KIND, PARENT, connect
from mlops_helpers.search import SearchError, grid_search
from mlops_helpers.tracking import train_and_log
from tests.loans_on_record import small_split

CANDIDATE = Candidate("logistic", LogisticRegression(max_iter=500))
GRID = {"C": [1.0, 1e-6, -1.0]}  # the last one cannot be fitted


@pytest.fixture(scope="module")
def split():
    """Rows to learn from, later rows that no search may see."""
    return small_split()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The address of an empty store, and where its artifacts go."""
    folder = tmp_path_factory.mktemp("search")
    return {
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
        "artifact_location": (folder / "artifacts").as_uri(),
    }


@pytest.fixture(scope="module")
def result(split, store):
    """A search over three settings, of which one fails."""
    return grid_search(CANDIDATE, GRID, split.train, seed=1, experiment="found", **store)


def test_the_best_setting_is_the_one_with_the_highest_auc(result):
    """Best first, the failure last; the candidate that comes back has that setting."""
    assert result.table["C"].tolist()[0] == 1.0
    assert result.table["C"].tolist()[-1] == -1.0
    assert result.table["cv_auc_mean"].iloc[:2].is_monotonic_decreasing
    assert result.best.estimator.C == 1.0
    assert result.best.estimator.max_iter == 500
    assert result.best.name == "logistic, tuned"
    assert CANDIDATE.estimator.C == LogisticRegression().C


def test_a_setting_that_fails_is_told_and_the_search_goes_on(result, store):
    """Its run is FAILED with the reason; the table has the same."""
    failed = result.table.iloc[-1]
    assert failed["status"] == "FAILED"
    assert "C" in failed["reason"]
    run = connect(store["tracking_uri"]).get_run(failed["run_id"])
    assert run.info.status == "FAILED"
    assert run.data.tags["reason"] == failed["reason"]
    assert result.table["status"].tolist() == ["FINISHED", "FINISHED", "FAILED"]


def test_every_setting_is_a_run_within_the_search(result, store):
    """Parameters, metrics with their spread, data, code: as the store has it."""
    client = connect(store["tracking_uri"])
    parent = client.get_run(result.run_id)
    assert parent.data.tags[KIND] == "search"
    assert parent.data.tags["best_run_id"] == result.table["run_id"].iloc[0]
    assert parent.data.params["grid.C.0"] == "1.0"
    assert parent.inputs.dataset_inputs[0].tags[0].value == "train"
    assert "holdout_from" not in parent.data.tags
    found = client.search_runs([parent.info.experiment_id], f"tags.`{PARENT}` = '{result.run_id}'")
    assert {run.info.run_id for run in found} == set(result.table["run_id"])
    best = client.get_run(result.table["run_id"].iloc[0])
    assert best.data.params["model__C"] == "1.0"
    assert best.data.metrics["cv_auc_mean"] == result.table["cv_auc_mean"].iloc[0]
    assert best.data.metrics["cv_auc_sd"] > 0
    assert best.data.tags["data_digest"] == parent.data.tags["data_digest"]
    table = pd.read_csv(client.download_artifacts(result.run_id, "tables/search.csv"))
    assert table["run_id"].tolist() == result.table["run_id"].tolist()


def test_a_search_never_enters_the_comparison(result, split, store):
    """Only what was measured on the holdout is compared: the winner, once it is trained."""
    assert compare_runs(store["tracking_uri"], "found").empty
    run = train_and_log(result.best, split, seed=1, experiment="found", **store)
    assert compare_runs(store["tracking_uri"], "found")["run_id"].tolist() == [run.run_id]
    measured = result.table["cv_auc_mean"].iloc[0]
    assert run.metrics["cv_auc_mean"] == pytest.approx(measured), "both have the same folds"


def test_the_holdout_is_no_argument():
    """Nobody can hand it over by accident."""
    assert "split" not in inspect.signature(grid_search).parameters
    assert "holdout" not in inspect.signature(grid_search).parameters


def test_a_search_is_repeatable(split, store):
    """With the same seed the same figures; what is within one standard error is marked."""
    forest = Candidate("forest", RandomForestClassifier(5))
    grid = {"max_depth": [2, 3], "min_samples_leaf": np.array([5, 700])}
    tables = [
        grid_search(forest, grid, split.train, seed=3, experiment="twice", **store).table
        for _ in range(2)
    ]
    same = [table.drop(columns="run_id") for table in tables]
    pd.testing.assert_frame_equal(*same)
    best = same[0].iloc[0]
    reach = best["cv_auc_sd"] / np.sqrt(best["cv_folds"])
    expected = same[0]["cv_auc_mean"] >= best["cv_auc_mean"] - reach
    assert same[0]["near_best"].tolist() == expected.tolist()
    assert same[0]["near_best"].iloc[0]
    assert not same[0]["near_best"].all()


def test_of_equal_settings_the_first_wins(split, store):
    """A dummy is as good with any seed: the order of the grid decides."""
    dummy = Candidate("dummy", DummyClassifier(strategy="prior"))
    found = grid_search(dummy, {"random_state": [9, 3]}, split.train, seed=1, **store)
    assert found.best.estimator.random_state == 9


def test_if_every_setting_fails_the_reasons_are_listed(split, store):
    """The search is FAILED too, and nothing of MLflow's global state is left behind."""
    with pytest.raises(SearchError, match=r"none of 2 settings of 'logistic'") as caught:
        grid_search(CANDIDATE, {"C": [-1.0, "x"]}, split.train, seed=1, experiment="none", **store)
    assert str(caught.value).count("InvalidParameterError") == 2
    client = connect(store["tracking_uri"])
    where = client.get_experiment_by_name("none").experiment_id
    assert {run.info.status for run in client.search_runs([where])} == {"FAILED"}
    assert mlflow.active_run() is None


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"c": [1.0]}, "names 'c', which is no parameter of LogisticRegression. Did you mean 'C'"),
        ({"quite else": [1]}, "It has"),
        ({"C": []}, "must be a list with at least one value"),
        ({"C": "abc"}, "must be a list"),
        ({"C": 3.0}, "must be a list"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(split, store, grid, message):
    """Before anything is stored."""
    with pytest.raises(ValueError, match=message):
        grid_search(CANDIDATE, grid, split.train, seed=1, experiment="refused", **store)
    assert connect(store["tracking_uri"]).get_experiment_by_name("refused") is None


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"grid": [("C", [1])]}, TypeError, r"grid is a list, must be a mapping .*\{'C': \[0\.1"),
        ({"grid": {"class_weight": [{"%": 1}]}}, ValueError, r"class_weight\.0\.%"),
        ({"candidate": LogisticRegression()}, TypeError, "must be a Candidate"),
        ({"train": None}, TypeError, "training rows are a NoneType"),
        ({"seed": None}, TypeError, "seed == None"),
    ],
)
def test_arguments_of_another_kind_are_refused(split, store, change, error, message):
    """By name, before anything is stored."""
    given = {"candidate": CANDIDATE, "grid": GRID, "train": split.train, "seed": 1} | change
    with pytest.raises(error, match=message):
        grid_search(**given, experiment="refused", **store)
    assert connect(store["tracking_uri"]).get_experiment_by_name("refused") is None


def test_rows_of_one_class_are_refused(split, store):
    """Before anything is stored, as for every candidate."""
    rows = split.train.assign(**{TARGET: 0})
    with pytest.raises(ValueError, match="must hold 0 and 1"):
        grid_search(CANDIDATE, GRID, rows, seed=1, experiment="refused", **store)
    assert connect(store["tracking_uri"]).get_experiment_by_name("refused") is None


def test_progress_goes_to_stderr_unless_it_must_be_quiet(split, store, capsys, monkeypatch):
    """A bar that says which candidate and how many settings; nothing on stdout either way."""
    dummy = Candidate("a dummy", DummyClassifier(strategy="prior"))
    monkeypatch.delenv("MLOPS_QUIET", raising=False)
    grid_search(dummy, {"random_state": [1, 2]}, split.train, seed=1, **store)
    told = capsys.readouterr()
    assert "a dummy" in told.err
    assert "2/2" in told.err
    assert told.out == ""
    monkeypatch.setenv("MLOPS_QUIET", "1")
    grid_search(dummy, {"random_state": [1, 2]}, split.train, seed=1, **store)
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_ends_the_search_and_marks_its_runs(tmp_path):
    """Neither the search nor the setting it was at stays RUNNING for ever."""
    code = f"""
import _thread
from sklearn.dummy import DummyClassifier
from mlops_helpers.candidates import Candidate
from mlops_helpers.runs import connect
from mlops_helpers.search import grid_search
from tests.loans_on_record import small_split

class Stopped(DummyClassifier):
    def fit(self, X, y):
        raise KeyboardInterrupt

uri = "sqlite:///{tmp_path}/mlflow.db"
try:
    grid_search(Candidate("s", Stopped()), {{"strategy": ["prior"]}}, small_split().train,
                tracking_uri=uri, seed=1, artifact_location="{tmp_path.as_uri()}/artifacts")
except KeyboardInterrupt:
    client = connect(uri)
    print(sorted(run.info.status for run in client.search_runs(["1"])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[1],
    )  # fmt: skip
    assert done.stdout.strip() == "['FAILED', 'FAILED']"

"""A run explains itself: what was trained on which rows, how good it is, and the model itself."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import matplotlib.figure
import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from mlops_helpers.business import CostModel
from mlops_helpers.comparing import all_runs
from mlops_helpers.data import FEATURES
from mlops_helpers.evidence import Figure, standard_figures
from mlops_helpers.model_files import DigestError, UntrustedTypeError
from mlops_helpers.registry import Registry
from mlops_helpers.store_errors import StoreError
from mlops_helpers.tracking import (
    PROFILE_FILE,
    SAMPLE_FILE,
    Candidate,
    compare_runs,
    connect,
    content_digest,
    load_logged,
    train_and_log,
)
from tests.loans_on_record import DUMMY, LOGISTIC, make_record, small_split
from tests.servers import mlflow_server


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("tracking"))


def artifacts(client, run_id, folder):
    """The paths of a run's artifacts in a folder."""
    return {file.path for file in client.list_artifacts(run_id, folder)}


@pytest.fixture(scope="module")
def run(record):
    """The logistic regression's run, as MLflow has it."""
    return connect(record.tracking_uri).get_run(record.runs["logistic"].run_id)


def test_a_run_names_its_settings_data_and_seed(record, run):
    """Nested settings are flat; digest, rows and time span of both parts are recorded."""
    assert run.data.params["model__max_iter"] == "500"
    assert run.data.params["prepare__numbers__impute__strategy"] == "median"
    assert run.data.params["seed"] == "1"
    assert run.data.tags["data_digest"] == content_digest(record.split.train)
    inputs = {i.tags[0].value: i.dataset for i in run.inputs.dataset_inputs}
    schema = json.loads(inputs["train"].schema)["mlflow_colspec"]
    assert [column["name"] for column in schema] == list(record.split.train.columns)
    profile = json.loads(inputs["holdout"].profile)
    assert profile["num_rows"] == len(record.split.holdout)
    assert profile["applied_from"] == record.split.holdout["applied_at"].min().isoformat()
    assert content_digest(record.split.train).startswith(inputs["train"].digest)


def test_holdout_metrics_come_with_their_intervals(record):
    """Every figure lies in its interval; the dummy knows nothing; what is logged is returned."""
    metrics = record.runs["logistic"].metrics
    for name in ("auc", "gini", "brier", "log_loss", "average_precision"):
        value, low, high = (metrics[f"holdout_{name}{end}"] for end in ("", "_low", "_high"))
        assert low < value < high, name
    assert metrics["holdout_auc_low"] > 0.55
    assert record.runs["dummy"].metrics["holdout_auc"] == 0.5
    stored = connect(record.tracking_uri).get_run(record.runs["logistic"].run_id).data.metrics
    assert stored == pytest.approx(metrics | record.runs["logistic"].timings)


def test_the_stored_model_gives_the_stored_predictions(record):
    """The file of the run, read back, repeats the probabilities of the sample rows."""
    client = connect(record.tracking_uri)
    run = record.runs["logistic"]
    path = client.download_artifacts(run.run_id, SAMPLE_FILE)
    sample = json.loads(Path(path).read_text(encoding="utf-8"))
    assert list(sample["features"]) == list(FEATURES)
    pipeline = load_logged(run, tracking_uri=record.tracking_uri)
    again = pipeline.predict_proba(pd.DataFrame(sample["features"]))[:, 1]
    np.testing.assert_allclose(again, sample["probability"], atol=1e-12)


def test_mlflows_global_state_is_left_alone(record, caplog):
    """No active run, no changed address, and nothing on MLflow's logger worth a warning."""
    before = mlflow.get_tracking_uri()
    with caplog.at_level(logging.WARNING, logger="mlflow"):
        train_and_log(
            Candidate("again", DummyClassifier(strategy="prior")),
            record.split,
            tracking_uri=record.tracking_uri,
            seed=1,
            experiment="elsewhere",
            artifact_location=record.artifacts.as_uri(),
        )
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
    assert [r.message for r in caplog.records] == []


def test_a_picture_and_the_frame_behind_it_are_stored(record):
    """The frame is computed from the scored holdout, drawn, and kept as CSV beside the PNG."""
    seen = []

    def compute(scored):
        seen.append(scored)
        return pd.DataFrame({"x": [1.5, 2.5]})

    def draw(frame):
        seen.append(frame)
        return matplotlib.figure.Figure().add_subplot()

    run = train_and_log(
        LOGISTIC,
        record.split,
        tracking_uri=record.tracking_uri,
        seed=1,
        experiment="pictures",
        artifact_location=record.artifacts.as_uri(),
        figures={"mine": Figure(compute, draw)},
    )
    assert seen[0][["default", "probability"]].notna().all(axis=None)
    assert seen[0]["cutoff"].unique() == [run.cutoff]
    assert seen[1]["x"].tolist() == [1.5, 2.5]
    client = connect(record.tracking_uri)
    assert artifacts(client, run.run_id, "figures") == {"figures/mine.png"}
    path = client.download_artifacts(run.run_id, "tables/mine.csv")
    pd.testing.assert_frame_equal(pd.read_csv(path), seen[1])


@pytest.fixture(scope="module")
def full(record):
    """A run with everything: the figures of the course, settings of its own, other costs."""
    return train_and_log(
        Candidate("модель 'a/b'", LogisticRegression(max_iter=500)),
        record.split,
        tracking_uri=record.tracking_uri,
        seed=1,
        experiment='it\'s / "all"',
        artifact_location=record.artifacts.as_uri(),
        figures=standard_figures(seed=1),
        settings={"search": {"grid": [0.1, 1.0], "note": "x" * 7000}},
        tags={"owner": "risk"},
        costs=CostModel(margin=0.2),
    )


def test_a_run_keeps_the_pictures_and_tables_of_the_course(record, full):
    """A PNG and a CSV for each figure, the table of groups, and a profile of both parts."""
    client = connect(record.tracking_uri)
    names = set(standard_figures(seed=1))
    assert names >= {"roc", "precision_recall", "calibration", "gain", "confusion", "importance"}
    found = artifacts(client, full.run_id, "figures")
    assert found == {f"figures/{name}.png" for name in names}
    tables = artifacts(client, full.run_id, "tables")
    assert tables == {f"tables/{name}.csv" for name in names | {"segments", "importance"}}
    profile = json.loads(Path(client.download_artifacts(full.run_id, PROFILE_FILE)).read_text())
    assert profile["train"]["rows"] == len(record.split.train)
    assert profile["holdout"]["columns"]["annual_income"]["missing"] == 0
    confusion = pd.read_csv(client.download_artifacts(full.run_id, "tables/confusion.csv"))
    assert confusion["n"].sum() == len(record.split.holdout)
    assert confusion["cutoff"].unique() == pytest.approx(full.cutoff)


def test_tables_are_kept_without_pictures_too(record):
    """Groups and importance can be read from every run; only pictures have to be asked for."""
    client = connect(record.tracking_uri)
    run_id = record.runs["logistic"].run_id
    assert artifacts(client, run_id, "tables") == {"tables/segments.csv", "tables/importance.csv"}
    assert artifacts(client, run_id, "figures") == set()


def test_a_run_names_code_packages_cutoff_and_settings(record, full):
    """Nested settings are flat, the long one is cut, and each comes with what every run has."""
    run = connect(record.tracking_uri).get_run(full.run_id)
    assert run.data.params["search.grid.1"] == "1.0"
    assert run.data.params["search.note"].endswith(")")
    assert run.data.params["costs.margin"] == "0.2"
    assert float(run.data.params["cutoff"]) == pytest.approx(full.cutoff)
    assert {"code_commit", "lock_digest", "features", "cutoff_from"} <= set(run.data.tags)
    assert run.data.tags["owner"] == "risk"
    assert run.data.metrics["fit_seconds"] > 0
    assert run.data.metrics["predict_ms_per_1000"] > 0
    assert run.info.run_name == full.name


def test_names_of_any_alphabet_are_found_again(record, full):
    """Quotes and slashes in the names of runs and experiments change no query and no path."""
    table = compare_runs(record.tracking_uri, 'it\'s / "all"')
    assert table["name"].tolist() == [full.name]
    pipeline = load_logged(table["run_id"].iloc[0], tracking_uri=record.tracking_uri)
    assert np.isfinite(pipeline.predict_proba(record.split.holdout.head(3))).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"experiment": "x" * 500}, ValueError, "500 characters, must have at most 250"),
        ({"experiment": ""}, ValueError, "experiment == ''"),
        ({"settings": {"seed": 3}}, ValueError, r"settings name .*seed.*, which every run records"),
        ({"settings": {"a": {"%": 1}}}, ValueError, r"'a\.%'"),
        ({"figures": {"../up": Figure(None, print)}}, ValueError, "becomes a file name"),
        ({"figures": {"roc": print}}, TypeError, r"must be an evidence\.Figure"),
        ({"tags": {"code_commit": "mine"}}, ValueError, r"tags name .*code_commit"),
        ({"tags": {"model_files": "{}"}}, ValueError, r"tags name .*model_files"),
        ({"tags": {"a/b?!": "x"}}, ValueError, r"the tag 'a/b\?!'"),
        ({"tags": {"k": 5}}, TypeError, "both must be text"),
        ({"tags": {"k": "x" * 9000}}, ValueError, "9000 characters, must have at most 8000"),
        ({"tags": ["k"]}, TypeError, "tags is a list, must be a mapping"),
        ({"settings": {"a//b": 1}}, ValueError, "reads like a path"),
        ({"seed": None}, TypeError, "seed == None, must be a whole number"),
        ({"costs": 3}, TypeError, "costs is a int, must be a CostModel"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_a_run_is_made(record, change, error, message):
    """Names, settings and figures: an error that says the rule, and no run that failed for it."""
    client = connect(record.tracking_uri)
    before = {run.info.run_id for run in all_runs(client)}
    given = {"tracking_uri": record.tracking_uri, "seed": 1, "experiment": "refused"} | change
    with pytest.raises(error, match=message):
        train_and_log(LOGISTIC, record.split, **given)
    assert {run.info.run_id for run in all_runs(client)} == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s._replace(train=s.train.assign(default=1)), ValueError, "must hold 0 and 1"),
        (lambda s: s._replace(holdout=s.train), ValueError, "the holdout begins at"),
        (lambda s: s._replace(holdout=s.holdout.iloc[:0]), ValueError, "no holdout rows"),
        (lambda s: None, TypeError, "split is a NoneType"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_before_a_run_is_made(record, change, error, message):
    """There is nothing to learn or to measure, and nothing to store."""
    client = connect(record.tracking_uri)
    before = {run.info.run_id for run in all_runs(client)}
    with pytest.raises(error, match=message):
        train_and_log(LOGISTIC, change(record.split), tracking_uri=record.tracking_uri, seed=1)
    assert {run.info.run_id for run in all_runs(client)} == before


def test_a_figure_that_fails_fails_its_run(record):
    """Half the evidence is no evidence: the run is FAILED and in no table."""

    def broken(frame):
        raise ZeroDivisionError("no picture")

    drawn_badly = Figure(lambda scored: scored[["probability"]], broken)
    for figure, error in ((drawn_badly, ZeroDivisionError), (Figure(None, print), LookupError)):
        with pytest.raises(error):
            train_and_log(
                LOGISTIC,
                record.split,
                tracking_uri=record.tracking_uri,
                seed=1,
                experiment="broken figure",
                artifact_location=record.artifacts.as_uri(),
                figures={"mine": figure},
            )
    client = connect(record.tracking_uri)
    where = client.get_experiment_by_name("broken figure").experiment_id
    assert [run.info.status for run in client.search_runs([where])] == ["FAILED", "FAILED"]
    assert compare_runs(record.tracking_uri, "broken figure").empty


def test_a_run_that_does_not_exist_is_named_with_the_nearest(record):
    """By its id or by its name."""
    run_id = record.runs["logistic"].run_id
    other_end = "1" if run_id.endswith("0") else "0"
    with pytest.raises(LookupError, match=f"The nearest is {run_id} .logistic."):
        load_logged(run_id[:-1] + other_end, tracking_uri=record.tracking_uri)
    with pytest.raises(LookupError, match=r"'logistik' does not exist\. The nearest is"):
        load_logged("logistik", tracking_uri=record.tracking_uri)
    with pytest.raises(LookupError, match=r"does not exist\. compare_runs lists"):
        load_logged("'; drop / %", tracking_uri=record.tracking_uri)


@pytest.mark.parametrize("run", [5, None, b"x"])
def test_what_is_no_run_is_refused(record, run):
    """Neither what train_and_log returned nor an id: said before the store is asked."""
    with pytest.raises(TypeError, match=r"must be what train_and_log returned, or its run_id"):
        load_logged(run, tracking_uri=record.tracking_uri)


def test_a_model_that_was_deleted_is_named(record):
    """The run is there, its model is not: the way out is restoring it."""
    run = train_and_log(
        DUMMY,
        record.split,
        tracking_uri=record.tracking_uri,
        seed=1,
        experiment="deleted model",
        artifact_location=record.artifacts.as_uri(),
    )
    connect(record.tracking_uri).delete_logged_model(run.model_uri.removeprefix("models:/"))
    with pytest.raises(LookupError, match=rf"of run {run.run_id} was deleted\. Restore it"):
        load_logged(run, tracking_uri=record.tracking_uri)


def test_a_model_file_that_was_exchanged_is_not_loaded(tmp_path):
    """The file of one run in the place of another's: both are sound, and only one is the run's."""
    uri, places = f"sqlite:///{tmp_path / 'mlflow.db'}", (tmp_path / "artifacts").as_uri()
    runs = [
        train_and_log(one, small_split(), tracking_uri=uri, seed=1, artifact_location=places)
        for one in (DUMMY, LOGISTIC)
    ]
    first, second = sorted((tmp_path / "artifacts").rglob("model.skops"))
    first.write_bytes(second.read_bytes())
    refused = []
    for run in runs:
        try:
            load_logged(run, tracking_uri=uri)
        except DigestError as error:
            refused.append(str(error))
    assert len(refused) == 1
    assert "Nothing of it was loaded" in refused[0]


def test_a_store_that_cannot_be_used_is_a_clear_error(record, tmp_path):
    """No database, and one that may only be read: said in a sentence, with the way out."""
    (tmp_path / "no.db").write_bytes(b"This is no database. " * 100)
    with pytest.raises(StoreError, match=r"no\.db is damaged\. Restore it"):
        compare_runs(f"sqlite:///{tmp_path / 'no.db'}")
    path = record.tracking_uri.removeprefix("sqlite:///")
    read_only = f"sqlite:///file:{path}?mode=ro&uri=true"
    with pytest.raises(StoreError, match="is read-only"):
        train_and_log(LOGISTIC, record.split, tracking_uri=read_only, seed=1)


class Watcher(DummyClassifier):
    """Notes the loan amounts it is fitted on and asked about."""

    seen: list = []  # noqa: RUF012 - shared by the clones on purpose

    def fit(self, X, y):
        """Note the latest amount."""
        Watcher.seen.append(("fit", X[:, 6].max()))
        return super().fit(X, y)

    def predict_proba(self, X):
        """Note the earliest amount."""
        Watcher.seen.append(("predict", X[:, 6].min()))
        return super().predict_proba(X)


def test_folds_are_in_order_of_time(record):
    """No fold is measured on an application from before the end of what it was fitted on."""
    rows = record.split.train.sample(frac=1, random_state=0)
    grows = rows["applied_at"].rank() * 10  # the amount tells the time
    split = record.split._replace(train=rows.assign(loan_amount=grows))
    with pytest.raises(UntrustedTypeError, match="Watcher"):
        train_and_log(
            Candidate("watcher", Watcher(strategy="prior")),
            split,
            tracking_uri=record.tracking_uri,
            seed=1,
            experiment="watched",
            artifact_location=record.artifacts.as_uri(),
        )
    folds = [pair for pair in zip(Watcher.seen, Watcher.seen[1:], strict=False)]
    fitted_then_asked = [(a[1], b[1]) for a, b in folds if (a[0], b[0]) == ("fit", "predict")]
    assert len(fitted_then_asked) >= 4
    assert all(fitted < asked for fitted, asked in fitted_then_asked[:4])


def test_a_run_that_fails_is_marked_and_not_compared(record):
    """A type nobody reviewed stops the run before a model is stored; it never enters a table."""
    with pytest.raises(UntrustedTypeError, match="Watcher"):
        train_and_log(
            Candidate("watcher", Watcher(strategy="prior")),
            record.split,
            tracking_uri=record.tracking_uri,
            seed=1,
            experiment="failing",
            artifact_location=record.artifacts.as_uri(),
        )
    client = connect(record.tracking_uri)
    where = client.get_experiment_by_name("failing").experiment_id
    assert [r.info.status for r in client.search_runs([where])] == ["FAILED"]
    assert compare_runs(record.tracking_uri, "failing").empty


def test_the_seed_makes_a_run_repeatable(record):
    """Two forests with one seed have the same metrics; the candidate itself is left unseeded."""
    candidate = Candidate("forest", RandomForestClassifier(5, max_depth=3))
    runs = [
        train_and_log(
            candidate,
            record.split,
            tracking_uri=record.tracking_uri,
            seed=seed,
            experiment="forests",
            artifact_location=record.artifacts.as_uri(),
        )
        for seed in (3, 3, 4)
    ]
    assert runs[0].metrics == runs[1].metrics
    assert runs[0].metrics != runs[2].metrics
    assert candidate.estimator.random_state is None
    table = compare_runs(record.tracking_uri, "forests")
    assert table["run_id"].tolist() == [runs[2].run_id], "only the newest run of a name"


def test_runs_are_compared_best_first(record):
    """Descending by AUC, ascending by Brier score."""
    by_auc = compare_runs(record.tracking_uri)
    assert by_auc["value"].is_monotonic_decreasing
    assert by_auc["name"].iloc[-1] == "dummy"
    assert compare_runs(record.tracking_uri, metric="brier")["value"].is_monotonic_increasing


def test_a_run_with_weights_says_so(record):
    """Figures and digest of the weights are kept; they meet their rows whatever the order."""
    turned = record.split._replace(train=record.split.train.iloc[::-1])
    fading = pd.Series(np.geomspace(1, 0.01, len(turned.train)), index=turned.train.index)
    given = {"tracking_uri": record.tracking_uri, "seed": 1, "experiment": "weights"}
    given["artifact_location"] = record.artifacts.as_uri()
    run = train_and_log(LOGISTIC, turned, weights=fading, **given)
    again = train_and_log(LOGISTIC, record.split, weights=fading.iloc[::-1], **given)
    kept = connect(record.tracking_uri).get_run(run.run_id).data
    assert float(kept.params["weights.min"]) == pytest.approx(0.01)
    effective = fading.sum() ** 2 / (fading**2).sum()
    assert float(kept.params["weights.effective_rows"]) == pytest.approx(effective, abs=1)
    assert re.fullmatch("[0-9a-f]{64}", kept.tags["weights_digest"])
    assert again.metrics == run.metrics
    assert run.metrics["holdout_auc"] != record.runs["logistic"].metrics["holdout_auc"]
    with pytest.raises(TypeError, match="takes no sample_weight"):
        train_and_log(Candidate("k", KNeighborsClassifier()), turned, weights=fading, **given)
    with pytest.raises(ValueError, match="same index"):
        train_and_log(LOGISTIC, record.split, weights=fading, **given)
    assert len(compare_runs(record.tracking_uri, "weights")) == 1, "the refused left no run"


@pytest.mark.slow
def test_the_same_code_works_on_a_remote_server(tmp_path):
    """On an `mlflow server`: train, register, gate, promote and load, with its own artifacts."""
    split = small_split()
    with mlflow_server(tmp_path / "server") as url:
        estimator = clone(LogisticRegression(max_iter=500))
        run = train_and_log(Candidate("logistic", estimator), split, tracking_uri=url, seed=1)
        registry = Registry(url)
        version = registry.register(run)
        registry.promote(version, registry.gate(version, split.holdout))
        loaded = registry.load("champion")
    assert loaded.version == 1
    assert np.isfinite(loaded.pipeline.predict_proba(split.holdout)).all()

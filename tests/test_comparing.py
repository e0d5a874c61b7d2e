"""The table of an experiment: one row a name, newest run, best first, nothing that was a search."""

from __future__ import annotations

import pytest

from mlops_helpers.comparing import COLUMNS, all_runs, compare_runs
from mlops_helpers.runs import KIND, PARENT, connect
from tests.loans_on_record import make_record


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("comparing"))


def add(record, experiment, name, *, status="FINISHED", tags=None, **metrics):
    """A run of our own with these metrics."""
    client = connect(record.tracking_uri)
    found = client.get_experiment_by_name(experiment)
    where = found.experiment_id if found else client.create_experiment(experiment)
    run_id = client.create_run(where, run_name=name, tags=tags or {}).info.run_id
    for key, value in metrics.items():
        client.log_metric(run_id, key, value)
    client.set_terminated(run_id, status=status)
    return run_id


def test_several_metrics_come_one_below_the_other(record):
    """Each with its interval and its own order: high AUC first, low Brier score first."""
    table = compare_runs(record.tracking_uri, metric=["auc", "brier", "profit"])
    assert list(table.columns) == list(COLUMNS)
    assert table["metric"].tolist() == ["auc"] * 3 + ["brier"] * 3 + ["profit"] * 3
    by = {metric: part for metric, part in table.groupby("metric")}
    assert by["auc"]["value"].is_monotonic_decreasing
    assert by["brier"]["value"].is_monotonic_increasing
    assert by["profit"]["value"].is_monotonic_decreasing
    for part in by.values():
        assert (part["low"] <= part["value"]).all()
        assert (part["value"] <= part["high"]).all()
    one = compare_runs(record.tracking_uri)
    assert one.equals(by["auc"].reset_index(drop=True))


def test_a_calibration_slope_is_best_at_one(record):
    """Neither the highest nor the lowest is the best."""
    for name, slope in (("flat", 0.4), ("right", 1.02), ("steep", 1.3)):
        add(record, "slopes", name, holdout_calibration_slope=slope)
    table = compare_runs(record.tracking_uri, "slopes", metric="calibration_slope")
    assert table["name"].tolist() == ["right", "steep", "flat"]


def test_only_finished_runs_that_are_no_search_are_compared(record):
    """Children, searches and failures have no row; of one name the newest counts."""
    add(record, "mixed", "a", holdout_auc=0.6)
    newest = add(record, "mixed", "a", holdout_auc=0.5)
    add(record, "mixed", "failed", status="FAILED", holdout_auc=0.9)
    add(record, "mixed", "child", tags={PARENT: newest}, holdout_auc=0.9)
    add(record, "mixed", "search", tags={KIND: "search"}, holdout_auc=0.9)
    assert compare_runs(record.tracking_uri, "mixed")["run_id"].tolist() == [newest]


def test_more_runs_than_a_page_are_all_seen(record, monkeypatch):
    """MLflow answers in pages; a table of the first page would be a lie."""
    client = connect(record.tracking_uri)
    search, seen = type(client).search_runs, []

    def small_pages(self, *args, **kwargs):
        seen.append(kwargs["page_token"])
        return search(self, *args, **kwargs | {"max_results": 1})

    monkeypatch.setattr(type(client), "search_runs", small_pages)
    assert len(compare_runs(record.tracking_uri)) == 3
    assert len(seen) >= 3
    assert {run.info.run_name for run in all_runs(client)} >= {"dummy", "logistic"}


def test_no_finished_run_makes_an_empty_table(record):
    """With its columns, so that what reads it goes on."""
    add(record, "all failed", "a", status="FAILED")
    table = compare_runs(record.tracking_uri, "all failed", metric="whatever")
    assert table.empty
    assert list(table.columns) == list(COLUMNS)


@pytest.mark.parametrize("name", ["credit risk", 'it\'s "one"', "a/b", "x" * 500, "Кредит"])
def test_an_experiment_that_does_not_exist_is_named_with_the_nearest(record, name):
    """A name misspelt is an error, not an empty table; so is any other name."""
    with pytest.raises(LookupError, match="does not exist") as caught:
        compare_runs(record.tracking_uri, name)
    assert "'credit-risk'" in str(caught.value)
    assert ("Did you mean 'credit-risk'?" in str(caught.value)) == (name == "credit risk")


def test_a_metric_that_no_run_has_is_named_with_the_nearest(record):
    """Nobody ranks by a column of missing values."""
    with pytest.raises(LookupError, match=r"'aucc'\. Did you mean 'auc'\?"):
        compare_runs(record.tracking_uri, metric="aucc")
    with pytest.raises(LookupError, match="'auc_low'"):
        compare_runs(record.tracking_uri, metric=["auc", "auc_low"])
    with pytest.raises(ValueError, match="metric is empty"):
        compare_runs(record.tracking_uri, metric=[])

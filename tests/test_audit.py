"""The registry as tables: typed columns whatever is in it, nothing that is not in a store."""

from __future__ import annotations

import pandas as pd
import pytest

from mlops_helpers.audit import STATUS, history_table, status_table
from mlops_helpers.journal import HISTORY, Event
from mlops_helpers.versions import Versions
from tests.loans_on_record import make_record

WHEN = pd.Timestamp("2023-12-01", tz="UTC")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("audit"))


def test_the_history_has_typed_columns():
    """Missing versions are missing, times are in UTC, the index is the event's number."""
    events = [
        Event.new(3, "promoted", 2, when=WHEN, replaced=1, by="Ann", reason="better"),
        Event.new(4, "moved outside", None, when=WHEN, replaced=2),
    ]
    table = history_table(events)
    assert table.columns.tolist() == HISTORY
    assert table.index.tolist() == [3, 4]
    assert table["version"].isna().tolist() == [False, True]
    assert str(table["when"].dtype) == "datetime64[us, UTC]"
    assert table.loc[3, ["by", "reason", "replaced"]].tolist() == ["Ann", "better", 1]


def test_no_events_are_an_empty_table_of_the_same_types():
    """What can be done with some rows can be done with none."""
    some = history_table([Event.new(1, "registered", 1, when=WHEN)])
    assert history_table([])["when"].dtype == some["when"].dtype
    assert history_table([])["version"].dtype == some["version"].dtype


def test_a_version_made_around_the_registry_is_shown_with_what_is_known(record):
    """No run, no metrics, no verdict: the row is there, and nothing is invented."""
    versions = Versions(record.tracking_uri, "around")
    versions.client.create_model_version("around", record.artifacts.as_uri())
    versions.client.create_model_version(
        "around", record.artifacts.as_uri(), run_id=record.runs["logistic"].run_id
    )
    table = status_table(versions)
    assert table.columns.tolist() == STATUS
    assert table["name"].tolist() == ["", "logistic"]
    assert table["auc"].isna().tolist() == [True, False]
    assert table["gate"].tolist() == ["not judged"] * 2
    assert table["archived"].tolist() == [False, False]


def test_a_version_whose_run_was_purged_is_shown_with_what_is_left(record):
    """MLflow's garbage collector takes runs for good: the row stays, its fields are empty."""
    versions = Versions(record.tracking_uri, "purged")
    for run_id in ("0" * 32, record.runs["logistic"].run_id):
        versions.client.create_model_version("purged", record.artifacts.as_uri(), run_id=run_id)
    table = status_table(versions)
    assert table["name"].tolist() == ["", "logistic"]
    assert table["auc"].isna().tolist() == [True, False]
    assert versions.run_of(versions.get(1)) is None


def test_the_reason_of_a_verdict_tells_its_rows():
    """Which, how many, and what came before; a verdict of an older package has none."""
    rows = {"digest": "ab" * 32, "n": 4000, "earlier": 2, "earlier_refused": 1}
    events = [
        Event.new(1, "gate refused", 1, when=WHEN, reason="profit", rows=rows),
        Event.new(2, "gate passed", 1, when=WHEN),
    ]
    assert history_table(events)["reason"].tolist() == [
        "profit; on 4,000 rows abababab, 2 verdicts before, 1 of them refused",
        "",
    ]

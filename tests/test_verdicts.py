"""Who tries to get past the gate, or to bring back what cannot serve, is refused with words."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pandas as pd
import pytest

from mlops_helpers import registry as registry_module
from mlops_helpers.gate import Finding, GateVerdict
from mlops_helpers.model_files import DigestError, ModelFileError
from mlops_helpers.registry import PromotionRefused, Registry, RegistryError
from mlops_helpers.runs import connect
from tests.contending import NO_ROWS, easy_gate, prepare
from tests.loans_on_record import make_record

names = (f"registry {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("verdicts"))


@pytest.fixture(scope="module")
def runs(record):
    """The ids of the runs by name."""
    return {name: run.run_id for name, run in record.runs.items()}


@pytest.fixture(autouse=True)
def _gate_that_passes(monkeypatch):
    """These tests are about what a verdict is worth."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)


@pytest.fixture
def registry(record, runs):
    """Version 1 is previous, 2 champion, 3 waits: dummy, cautious, logistic."""
    registry = Registry(record.tracking_uri, next(names))
    prepare(registry, runs, "")
    return registry


@pytest.fixture
def file(record):
    """A function: the file of this name of a run's model; afterwards it is as it was."""
    kept = {}

    def find(run, name="model.skops"):
        mark = record.runs[run].model_uri.removeprefix("models:/")
        (path,) = record.artifacts.glob(f"**/{mark}/**/{name}")
        kept.setdefault(path, path.read_bytes())
        return path

    yield find
    for path, data in kept.items():
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["model.skops", "MLmodel"])
def test_a_version_whose_files_changed_after_the_gate_is_not_promoted(registry, file, name):
    """Read once more under the lock: the champion stays, and the refusal is on record."""
    verdict = registry.gate(3, NO_ROWS)
    path = file("logistic", name)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(PromotionRefused, match=rf"{name} changed, or came or went"):
        registry.promote(3, verdict)
    assert registry.version_of("champion") == 2
    assert registry.history()["event"].iloc[-1] == "promotion refused"


def test_a_version_whose_files_are_gone_is_not_promoted(registry, record, file):
    """The whole folder was cleaned away since the gate."""
    verdict = registry.gate(3, NO_ROWS)
    folder = file("logistic").parent
    folder.rename(folder.with_name("elsewhere"))
    try:
        with pytest.raises(PromotionRefused, match="the files were moved or deleted"):
            registry.promote(3, verdict)
    finally:
        folder.with_name("elsewhere").rename(folder)


def test_rollback_to_a_version_that_cannot_serve_is_refused(registry, file):
    """With its file cut short the old version is not restored; the champion stays."""
    path = file("dummy")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RegistryError, match="version 1 cannot serve: could not be che") as refused:
        registry.rollback(reason="rehearsal")
    assert ".." not in str(refused.value)
    assert [registry.version_of(a) for a in ("champion", "previous")] == [2, 1]
    with pytest.raises(ModelFileError):
        registry.load(1)


def test_a_file_that_changed_before_it_is_registered_is_told_so(registry, record, file):
    """It was logged, not registered; of each file of the model, no version is made."""
    other = Registry(record.tracking_uri, next(names))
    for name, words in (
        ("MLmodel", "is not as it was logged: MLmodel changed"),
        ("model.skops", "model.skops is not the file that was logged"),
    ):
        path = file("logistic", name)
        path.write_bytes(path.read_bytes() + b" ")
        with pytest.raises(DigestError, match=words):
            other.register(record.runs["logistic"])
    assert other.status().empty


def test_a_verdict_is_not_brought_up_to_date_by_hand(registry):
    """What is stored with it says which champion it was reached against."""
    verdict = registry.gate(1, NO_ROWS)
    registry.promote(3, registry.gate(3, NO_ROWS))
    forged = replace(verdict, compared_with=3, champions=verdict.champions + 1)
    with pytest.raises(PromotionRefused, match="changed since the verdict that is stored here"):
        registry.promote(1, forged)
    assert registry.version_of("champion") == 3


def test_a_verdict_tells_its_rows_and_how_many_came_before(registry, record):
    """In the verdict, in the history, and in the tag; the same rows have the same digest."""
    rows = record.split.holdout
    crash = {"broken": lambda: 1 / 0}
    first = registry.gate(3, rows, extra=crash).rows
    second = registry.gate(3, rows.head(700)).rows
    third = registry.gate(3, rows).rows
    assert (first.n, first.earlier, first.earlier_refused) == (1500, 0, 0)
    assert (second.n, second.earlier, second.earlier_refused) == (700, 1, 1)
    assert (third.earlier, third.earlier_refused) == (2, 1)
    assert first.digest == third.digest != second.digest
    assert registry.history()["reason"].tolist()[-3:] == [
        f"broken; on 1,500 rows {first.digest[:8]}",
        f"on 700 rows {second.digest[:8]}, 1 verdicts before, 1 of them refused",
        f"on 1,500 rows {first.digest[:8]}, 2 verdicts before, 1 of them refused",
    ]
    assert registry.status()["gate"].iloc[-1] == "passed"
    tags = registry._versions.get(3).tags
    told = [json.loads(text) for key, text in sorted(tags.items()) if key.startswith("event.")]
    assert told[-1]["rows"] == vars(third)


@pytest.mark.parametrize("rows", [None, pd.DataFrame({"a": [[1], [2]]}), [1]])
def test_rows_that_cannot_be_told_apart_are_no_reason_to_crash(registry, rows):
    """What is no table, and cells without a digest, leave it empty."""
    assert registry.gate(3, rows).rows.digest == ""


def test_whatever_a_check_says_the_verdict_is_stored(registry):
    """Sixty long findings, halves of characters, an error without words: refused, on record."""

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def fail():
        raise Silent

    extra = {f"check {n}": lambda: Finding(False, "x" * 3000) for n in range(60)}
    extra |= {"half": lambda: Finding(True, "half \ud83d \x00"), "silent": fail}
    assert registry.gate(3, NO_ROWS).passed
    verdict = registry.gate(3, NO_ROWS, extra=extra)
    assert len(verdict.refused_by) == 61
    assert verdict.checks["evidence"].iloc[-2] == "half \ufffd \ufffd"
    assert "Silent, which cannot be put into words" in verdict.checks["evidence"].iloc[-1]
    assert registry.history()["event"].iloc[-1] == "gate refused"
    with pytest.raises(PromotionRefused):
        registry.promote(3, verdict)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"extra": [1]}, TypeError, "extra is a list, must be a mapping"),
        ({"extra": {"a": 7}}, TypeError, "must be a name and a function"),
        ({"extra": {7: easy_gate}}, TypeError, "must be a name and a function"),
        ({"extra": {"x" * 101: easy_gate}}, ValueError, "must be 1 to 100 characters"),
        ({"extra": {"\ud83d": easy_gate}}, ValueError, "that can be printed"),
        ({"extra": {str(n): easy_gate for n in range(101)}}, ValueError, "at most 100"),
        ({"policy": "strict"}, TypeError, "policy is a str, must be a GatePolicy"),
        ({"when": "nonsense"}, ValueError, "when == 'nonsense', must be a time such as"),
    ],
)
def test_a_slip_of_the_caller_is_no_verdict(registry, given, error, words):
    """Named, and nothing is recorded."""
    before = len(registry.history())
    with pytest.raises(error, match=words):
        registry.gate(3, NO_ROWS, **given)
    assert len(registry.history()) == before


@pytest.mark.parametrize("run", [None, 5, ["a"]])
def test_what_is_no_run_is_not_registered(registry, run):
    """Named with its type."""
    with pytest.raises(TypeError, match=f"run is a {type(run).__name__}, must be what train_and"):
        registry.register(run)


def test_a_rollback_makes_no_champion_a_challenger(registry):
    """One version, one role: the alias of the challenger goes."""
    registry.challenge(1)
    assert registry.rollback(reason="rehearsal") == 1
    assert registry._versions.aliases() == {"champion": 1}


def test_a_rollback_after_a_hand_moved_the_champion_goes_to_who_served_before(registry):
    """Not to the version before that, which `previous` still names."""
    registry._versions.client.set_registered_model_alias(registry.name, "champion", "3")
    assert registry.rollback(reason="nobody agreed to that") == 2
    assert registry._versions.aliases() == {"champion": 2}


def test_a_verdict_reached_while_it_was_archived_does_not_count(registry):
    """It must be reached after the version was restored."""
    registry.archive(3, reason="tidy")
    verdict = registry.gate(3, NO_ROWS)
    registry.restore(3)
    with pytest.raises(PromotionRefused, match="restored after the gate judged it; run the gate"):
        registry.promote(3, verdict)


@pytest.mark.parametrize(
    ("key", "text"),
    [("event.x", "hi"), ("event.note", "{}"), ("event.000099.ab", "{}"), ("event.000001.a", "[]")],
)
def test_a_tag_of_somebody_else_is_named_and_stops_nobody(registry, key, text):
    """In the history as what it is; everything goes on."""
    client = registry._versions.client
    client.set_registered_model_tag(registry.name, key, text)
    client.set_model_version_tag(registry.name, "3", f"{key}.too", text)
    trail = registry.history()
    odd = trail[trail["event"] == "unreadable entry"]
    assert len(odd) == 2
    assert odd["reason"].str.contains("was not written by this package").all()
    assert odd["when"].isna().all()
    registry.promote(3, registry.gate(3, NO_ROWS))
    assert registry.load().version == 3
    registry.challenge(1)
    assert len(registry.status()) == 3
    registry.archive(1, reason="tidy")
    registry.delete(1, reason="tidy")
    assert sorted(registry._versions.state().versions) == [2, 3]


def test_a_version_whose_run_was_purged_is_still_shown_and_served(registry, record):
    """What MLflow's garbage collector took is left empty."""
    client, run_id = connect(record.tracking_uri), record.runs["logistic"].run_id
    found = registry._versions
    real = found.run_of
    found.run_of = lambda version: None if version.run_id == run_id else real(version)
    table = registry.status()
    assert table["name"].tolist() == ["dummy", "cautious", ""]
    assert table["auc"].isna().tolist() == [False, False, True]
    assert client.get_run(run_id)


def test_a_verdict_of_another_class_does_not_count(registry):
    """One that never objects is none."""

    class Obliging(GateVerdict):
        def objection(self, *_):
            return ""

    registry.gate(3, NO_ROWS)
    with pytest.raises(PromotionRefused, match="a Obliging is no verdict"):
        registry.promote(3, Obliging(3, 2, ()))

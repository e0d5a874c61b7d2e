"""A fingerprint changes with all that a result depends on, and with nothing else."""

import json
from dataclasses import replace

import pytest

from mlops_helpers.fingerprints import (
    CHANGES,
    Facts,
    Failure,
    Memory,
    Run,
    digest,
    parts,
    read_memory,
    what_changed,
    write_memory,
)
from tests.tiny import write_notebook

RUN = Run("03_monitoring", "passed", "mark", "token", 1.5, "2024-12-31T00:00:00+00:00")
FAILED = replace(RUN, notebook="x", status="failed", failure=Failure(3, "1 / 0", "E", "message"))


def fingerprint_of(path, **known):
    """What the runner remembers of a run: the digest of all its parts."""
    return digest(parts(path, **known))


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"{}", b'{"runs": {"a": {}}, "facts": {}}', b"\0", b"\xff\xfe"]
)
def test_damaged_memory_means_running_again(tmp_path, text):
    """A broken runs.json costs time, never correctness."""
    (tmp_path / "runs.json").write_bytes(text)
    assert read_memory(tmp_path) == Memory()


def test_what_is_stored_is_read_back(tmp_path):
    """Runs, failures and facts survive the way to the file."""
    memory = Memory({"x": FAILED}, {"key": Facts("loans", 3, {"late": 1}, False)}).with_run(RUN)
    write_memory(tmp_path, memory)
    assert read_memory(tmp_path) == memory


def test_everything_that_matters_changes_the_fingerprint(tmp_path):
    """A cell, a tag, a parameter, the loans, the phase before: each gives another fingerprint."""
    path = write_notebook(tmp_path, "03_monitoring", "x = 1")
    known = {"parameters": {"seed": 1}, "data": "d", "before": "t"}
    marks = {
        fingerprint_of(path, **known),
        fingerprint_of(path, **{**known, "parameters": {"seed": 2}}),
        fingerprint_of(path, **{**known, "data": "e"}),
        fingerprint_of(path, **{**known, "before": None}),
        fingerprint_of(write_notebook(tmp_path, "03_monitoring", "x = 2"), **known),
        fingerprint_of(
            write_notebook(tmp_path, "03_monitoring", "x = 1", parameters=None), **known
        ),
    }
    assert len(marks) == 6


def test_the_part_that_changed_is_named(tmp_path):
    """A phrase for each part; nothing if all are as they were."""
    path = write_notebook(tmp_path, "03_monitoring", "x = 1")
    known = {"parameters": {"seed": 1}, "data": "d", "before": "t"}
    old = parts(path, **known)
    assert what_changed(old, parts(path, **known)) is None
    assert what_changed(old, parts(path, **{**known, "data": "e"})) == "the loans changed"
    assert what_changed(old, {**old, "package": "other"}) == "the package changed"
    assert what_changed(old, parts(path, **{**known, "before": "u"})) == CHANGES["before"]


def test_outputs_and_counts_do_not_change_it(tmp_path):
    """Storing what a notebook printed does not make it out of date."""
    path = write_notebook(tmp_path, "03_monitoring", "x = 1")
    known = {"parameters": {"seed": 1}, "data": "d", "before": "t"}
    before = fingerprint_of(path, **known)
    content = json.loads(path.read_text())
    content["cells"][1]["execution_count"] = 9
    content["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "1"}]
    path.write_text(json.dumps(content))
    assert fingerprint_of(path, **known) == before

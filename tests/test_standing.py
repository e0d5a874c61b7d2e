"""Each standing state says whose it is, so that no second history begins without a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_helpers.places import WorkspaceError
from mlops_helpers.standing import BEGUN, Begun, find, join, others, read, refuse_unknown, write


@pytest.fixture
def asked(tmp_path, monkeypatch) -> Begun:
    """The loans of a file of our own, without servers."""
    for name in ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "loans.csv").write_text("loans")
    return Begun.asked(str(tmp_path / "loans.csv"), 42, tmp_path / "outputs")


def _state(begun: Begun, key: str = "0a") -> Path:
    folder = Path(begun.outputs) / "state" / key / "standing"
    write(folder, begun)
    (folder / "course.db").write_bytes(b"SQLite format 3\0")
    return folder


def test_a_state_is_found_by_what_it_was_begun_with(asked, tmp_path):
    """Same path, seed, servers and outputs; and by none that differs in one of them."""
    assert find(asked) is None
    folder = _state(asked)
    assert read(folder) == asked
    assert find(asked) == folder
    for other in (
        replace(asked, paths=(str(tmp_path / "theirs.csv"),)),
        replace(asked, seed=7),
        replace(asked, database="0123456789ab"),
        replace(asked, outputs=str(tmp_path / "elsewhere")),
    ):
        assert find(other) is None


def test_a_path_is_kept_as_it_was_given(asked, tmp_path, monkeypatch):
    """A link to the newest month is one file for ever; how the path is written does not matter."""
    link = tmp_path / "newest.csv"
    link.symlink_to(tmp_path / "loans.csv")
    monkeypatch.chdir(tmp_path)
    for given in (str(link), "newest.csv", "./newest.csv"):
        assert Begun.asked(given, 42, "outputs").paths == (str(link),)
    with pytest.raises(WorkspaceError, match="no such file"):
        Begun.asked("nowhere.csv", 42, "outputs")


def test_a_file_of_the_same_content_joins_the_state(asked, tmp_path):
    """Both paths find it from then on, also when the files have grown."""
    folder = _state(asked)
    copy = replace(asked, paths=(str(tmp_path / "copy.csv"),))
    join(folder, copy)
    assert find(copy) == find(asked) == folder
    assert read(folder).label == "loans.csv or copy.csv, seed 42"
    (folder / BEGUN).unlink()
    join(folder, copy)
    assert read(folder) == copy


@pytest.mark.parametrize(
    "damage",
    ["", "{", "{}", "3", "[" * 100_000, '{"paths": [1], "seed": 1, "outputs": "x"}', "\xff"],
)
def test_a_state_that_nobody_can_name_is_refused(asked, damage):
    """Whose history it is cannot be known, so none is begun beside it; its own content may."""
    folder = _state(asked)
    (folder / BEGUN).write_text(damage, encoding="latin-1")
    assert find(asked) is None
    with pytest.raises(WorkspaceError, match=r"begun\.json is missing or damaged.*loans\.csv"):
        refuse_unknown(asked, but=folder.parents[1] / "0b" / "standing")
    refuse_unknown(asked, but=folder)


def test_two_states_of_one_file_are_refused(asked):
    """A copied folder: a person must say which one counts."""
    _state(asked), _state(asked, "0b")
    with pytest.raises(WorkspaceError, match=r"two standing states .* seed 42: .*0a.* and .*0b"):
        find(asked)


def test_the_states_of_other_files_are_named(asked, tmp_path):
    """Not those of simulated loans or of another seed, which nobody takes for the same lender."""
    for key, change in (
        ("0a", {}), ("0b", {"paths": ("simulated",)}), ("0c", {"seed": 7}),
    ):  # fmt: skip
        _state(replace(asked, **change), key)
    assert others(replace(asked, paths=(str(tmp_path / "july.csv"),))) == ["loans.csv, seed 42"]


def test_servers_are_the_state_whatever_the_file(asked, tmp_path, monkeypatch):
    """One history for each pair of servers; no password gets into the file."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/none")
    (tmp_path / "july.csv").write_text("loans of July")
    june, july = (
        Begun.asked(str(tmp_path / name), seed, asked.outputs)
        for name, seed in (("loans.csv", 42), ("july.csv", 7))
    )
    assert june == july
    assert june.label == "your servers"
    assert "secret" not in (_state(june) / BEGUN).read_text()
    monkeypatch.setenv("MLOPS_DATABASE_URL", "postgresql://me:secret@127.0.0.1:2/none")
    assert Begun.asked("simulated", 42, asked.outputs).mark != june.mark


def test_a_name_that_cannot_be_written_is_told(asked, tmp_path):
    """In one sentence, before anything is trained for a state that would be lost."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder belongs")
    with pytest.raises(WorkspaceError, match=r"begun\.json cannot be written: .* Free some"):
        join(blocked / "standing", asked)

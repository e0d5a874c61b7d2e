"""A run can be traced: to rows, code, packages and settings, in lengths that a store takes."""

from __future__ import annotations

import hashlib
import subprocess

import pandas as pd
import pytest

from mlops_helpers.data import FEATURES
from mlops_helpers.features import build_pipeline
from mlops_helpers.provenance import (
    CODE,
    checked_tags,
    code_commit,
    content_digest,
    flat_parameters,
    flat_settings,
    lock_digest,
    origin_tags,
    told_weights,
)
from tests.loans_on_record import LOGISTIC, small_split


def git(folder, *arguments):
    """Run Git in `folder` as somebody."""
    who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path):
    """A project with one commit."""
    (tmp_path / CODE[0]).mkdir()
    (tmp_path / CODE[0] / "code.py").write_text("a = 1\n")
    (tmp_path / "requirements.lock").write_text("numpy==2.4.0\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_settings_are_flat_and_plain():
    """Each setting of each step has one name and one word; steps and estimators are left out."""
    settings = flat_parameters(build_pipeline(LOGISTIC.estimator))
    assert settings["model__max_iter"] == "500"
    assert settings["prepare__numbers__impute__strategy"] == "median"
    assert not {"model", "prepare", "steps"} & set(settings)
    assert all("\n" not in value and len(value) < 100 for value in settings.values())


def test_a_digest_tells_values_and_order_but_not_the_index():
    """The same rows have the same digest; one changed cent does not."""
    rows = small_split().train.head(20)
    assert content_digest(rows.set_axis(range(100, 120))) == content_digest(rows)
    changed = rows.copy()
    changed.loc[changed.index[3], "loan_amount"] += 0.01
    assert content_digest(changed) != content_digest(rows)
    assert content_digest(rows.iloc[::-1]) != content_digest(rows)


def test_nested_settings_get_dotted_names():
    """Mappings by key, lists by place; nothing is lost, empty ones included."""
    settings = {"cv": {"folds": [3, 5], "gap": None}, "note": "a b", "none": {}, "empty": []}
    assert flat_settings(settings) == {
        "cv.folds.0": "3",
        "cv.folds.1": "5",
        "cv.gap": "None",
        "note": "a b",
        "none": "{}",
        "empty": "[]",
    }
    assert flat_settings({}) == {}


@pytest.mark.parametrize("name", ["", "x" * 251, "50 %", "a'b", "line\nbreak"])
def test_a_name_that_no_store_takes_is_refused(name):
    """The message names the setting and the rule, before a run exists."""
    with pytest.raises(ValueError, match="1 to 250 letters"):
        flat_settings({"outer": {name: 1}} if name else {name: 1})


def test_two_settings_with_one_name_are_refused():
    """A dot in a name and a nested one may not hide each other."""
    with pytest.raises(ValueError, match=r"'a\.b' is given twice"):
        flat_settings({"a": {"b": 1}, "a.b": 2})


def test_a_long_value_keeps_its_identity():
    """Cut to what a store takes; two that differ only at the end still differ."""
    first, second = (flat_settings({"sql": "x" * 9000 + end})["sql"] for end in "ab")
    assert len(first) <= 6000
    assert first != second
    assert hashlib.sha256(("x" * 9000 + "a").encode()).hexdigest() in first
    assert flat_settings({"sql": "x" * 6000})["sql"] == "x" * 6000


def test_the_commit_says_whether_the_code_is_the_committed_one(clone):
    """Clean, then dirty for a changed or new file of the package, and not for somebody's notes."""
    commit = git(clone, "rev-parse", "HEAD")
    assert code_commit(clone) == commit
    (clone / "notes.txt").write_text("mine")
    assert code_commit(clone) == commit
    (clone / CODE[0] / "more.py").write_text("b = 2\n")
    assert code_commit(clone) == f"{commit}-dirty"


def test_a_hooks_repository_is_not_taken_for_ours(clone, tmp_path_factory, monkeypatch):
    """GIT_DIR names another repository while a hook runs; the code's own is asked all the same."""
    commit = code_commit(clone)
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    assert code_commit(clone) == commit


def test_without_git_the_commit_is_unknown(clone, monkeypatch):
    """No repository, a broken one, or no program: a word, never a guess and never an error."""
    inside = clone / "site-packages"
    inside.mkdir()
    assert code_commit(inside) == "unknown"
    monkeypatch.setenv("PATH", str(inside))
    assert code_commit(clone) == "unknown"


def test_the_lock_digest_says_of_what_it_is(clone):
    """Of the file's bytes, or of the installed versions where there is no file."""
    found = lock_digest(clone)
    expected = hashlib.sha256((clone / "requirements.lock").read_bytes()).hexdigest()
    assert found == {"lock_digest": expected, "lock_source": "requirements.lock"}
    (clone / "requirements.lock").unlink()
    installed = lock_digest(clone)
    assert installed["lock_digest"] != expected
    assert "scikit-learn==" in installed["lock_source"]


def test_a_run_is_told_where_it_comes_from():
    """Spans, digest, features in order, code and packages: all text."""
    split = small_split()
    tags = origin_tags(split._asdict(), "abc")
    assert tags["features"].split(", ") == list(FEATURES)
    assert tags["data_digest"] == "abc"
    assert tags["train_until"] < tags["holdout_from"]
    assert len(tags["lock_digest"]) == 64
    assert tags["code_commit"]
    assert all(isinstance(value, str) for value in tags.values())


@pytest.mark.parametrize(
    ("tags", "error", "message"),
    [
        ({"a/b?!": "x"}, ValueError, "its name must have 1 to 250"),
        ({"x" * 300: "x"}, ValueError, r"\(300 characters\)"),
        ({"": "x"}, ValueError, r"\(0 characters\)"),
        ({5: "x"}, TypeError, "the tag 5 is 'x': both must be text"),
        ({"k": None}, TypeError, "the tag 'k' is None"),
        ({"k": "x" * 8001}, ValueError, "8001 characters, must have at most 8000"),
        ({"k": "\ud800"}, ValueError, "half a character"),
        ({"../k": "x"}, ValueError, "reads like a path"),
    ],
)
def test_a_tag_that_cannot_be_stored_whole_is_refused(tags, error, message):
    """By name and rule; what the store would cut silently is refused as well."""
    with pytest.raises(error, match=message):
        checked_tags(tags)


def test_tags_that_can_be_stored_come_back_as_they_are():
    """The longest too, and those of any alphabet."""
    tags = {"владелец": "риск", "a/b.c-d e": "", "k": "x" * 8000}
    assert checked_tags(tags) == tags


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/../b", "..", "."])
def test_a_setting_that_reads_like_another_path_is_refused(name):
    """A store would refuse it in the middle of the run."""
    with pytest.raises(ValueError, match="reads like a path"):
        flat_settings({name: 1})


def test_half_a_character_in_a_setting_is_spelt_out():
    """It cannot be written as it is, and is no reason to lose a run."""
    assert flat_settings({"note": "a\ud800"}) == {"note": "a\\ud800"}


def test_weights_are_told_by_figures_and_digest():
    """Rows that count alike are as many as they are; a weight that moves moves the digest."""
    alike = pd.Series(2.0, index=range(50))
    figures, tags = told_weights(alike)
    assert figures == {"weights.min": "2.0", "weights.max": "2.0", "weights.effective_rows": "50"}
    other = told_weights(alike.where(alike.index != 7, 2.5))
    assert other[1] != tags
    assert told_weights(alike * (alike.index < 10))[0]["weights.effective_rows"] == "10"
    assert told_weights(None) == ({}, {})

"""The command `retrain`: an exit code for each end, one sentence for what goes wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest
from click.testing import CliRunner

from mlops_helpers import __main__ as command_line
from mlops_helpers import retrain_command
from mlops_helpers.registry import Registry, StoreError
from mlops_helpers.retrain_place import one_at_a_time
from mlops_helpers.retrain_step import EXIT_CODES
from tests.retrain_world import DAY, copy_place, day


@dataclass(frozen=True)
class Loans:
    """What `load_arriving` gives, as far as the command looks."""

    frame: object
    simulated: bool = True


@pytest.fixture
def place(lender, poor_lender, tmp_path, monkeypatch):
    """The small lender in place of the course's, with its loans."""
    found = copy_place(poor_lender, tmp_path / "it")
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setattr(retrain_command, "open_place", lambda **_: found)
    monkeypatch.setattr(retrain_command, "load_arriving", lambda *_, **__: Loans(lender))
    return found


def _call(*arguments: str):
    return CliRunner().invoke(command_line.main, ["retrain", *arguments])


def test_the_summary_is_printed_and_the_code_says_how_it_ended(place):
    """Kept for want of a thousand new rows or promoted: the word and the code agree, twice."""
    first = _call("--as-of", DAY)
    word = first.stdout.split("\n")[0].removeprefix(f"credit-risk {DAY}: ")
    assert first.exit_code == EXIT_CODES[word]
    assert f"version {Registry(place.tracking_uri).load('champion').version} serves" in first.stdout
    second = _call("--as-of", DAY, "--accept", "age", "--accept", "loan_purpose")
    assert second.exit_code == first.exit_code
    assert "nothing was done now" in second.stdout
    assert "than now: accepted nothing, not age, loan_purpose." in second.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as-of", "June"], "as_of == 'June' is no date"),
        (["--as-of", "2022-03-01"], "lies before the champion's training"),
        (["--as-of", "2031-03-01"], "hold no application"),
        (["--as-of", DAY, "--seed", "-1"], "seed == -1, must be a whole number"),
        (["--as-of", DAY, "--data", "nope.csv"], "'nope.csv': no such file"),
        (["--as-of", DAY, "--window", "round"], "'round' is not one of"),
        (["--as-of", DAY, "--accept", "employment_lenght"], "Did you mean 'employment_length'?"),
        ([], "Missing option '--as-of'"),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_cannot_be_asked_exits_2(arguments, message):
    """One message, no traceback."""
    done = _call(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_while_another_is_at_work_it_exits_5(place):
    """Who and since when."""
    with one_at_a_time(place, what="as of 2023-03-01", now=day(DAY)):
        done = _call("--as-of", DAY)
    assert done.exit_code == 5
    assert f"process {os.getpid()} on" in done.stderr
    assert "as of 2023-03-01, since 2023-04-01" in done.stderr


@pytest.mark.parametrize("error", [StoreError("the store is away."), OSError(28, "No space left")])
def test_what_fails_on_the_way_exits_1(place, monkeypatch, error):
    """One sentence; the champion serves, and the next call ends what was begun."""

    def fails(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("mlops_helpers.retrain_stages.decide", fails)
        done = _call("--as-of", DAY)
    assert done.exit_code == 1
    assert f"The retraining as of {DAY} failed: {str(error).rstrip('.')}. " in done.stderr
    assert "Version 1 serves; what was done is kept" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert Registry(place.tracking_uri).load("champion").version == 1
    assert _call("--as-of", DAY).exit_code in EXIT_CODES.values()


def test_a_page_that_cannot_be_written_is_no_failure(place, monkeypatch):
    """The outcome and its exit code stay; what could not be written is said."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left")

    monkeypatch.setattr(retrain_command, "renew_retrainings", full)
    monkeypatch.setattr("mlops_helpers.retrainings.write", full)
    done = _call("--as-of", DAY)
    assert done.exit_code == EXIT_CODES[done.stdout.split("\n")[0].rpartition(": ")[2]]
    said = done.stderr.splitlines()
    assert len(said) == 2
    assert all(s.startswith("The report was not renewed: ") and "No space left" in s for s in said)
    assert Registry(place.tracking_uri).load("champion")


def test_the_path_is_handed_on_as_it_was_given(place, tmp_path, monkeypatch):
    """A link to the newest month finds its state wherever it leads."""
    (tmp_path / "june.csv").write_text("loans")
    link = tmp_path / "newest.csv"
    link.symlink_to(tmp_path / "june.csv")
    asked = []

    def opened(*, applications: str, **_: object):
        asked.append(applications)
        return place

    monkeypatch.setattr(retrain_command, "open_place", opened)
    _call("--as-of", DAY, "--data", str(link))
    assert asked == [str(link)]

"""What settles after the day of a retraining changes nothing: an open loan has only arrived."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mlops_helpers import __main__ as command_line
from mlops_helpers import retrain_command
from mlops_helpers.contracts import TARGET
from mlops_helpers.provenance import content_digest
from mlops_helpers.retrain_step import EXIT_CODES
from mlops_helpers.training_windows import TrainingWindow, choose_rows
from tests.retrain_world import DAY, copy_place, day, go, runs_by_version
from tests.test_settling import opened


@pytest.mark.parametrize("kind", ["expanding", "sliding", "weighted"])
def test_the_same_rows_are_chosen(lender, kind):
    """Which rows learn and judge, why others do not, and the digest, whatever came later."""
    then = lender[lender["applied_at"] < day(DAY)]
    first, second = (
        choose_rows(frame, TrainingWindow(kind), as_of=day(DAY), trained_until=day("2022-05-01"))
        for frame in (then, opened(then, day(DAY)))
    )
    assert first.left_out == second.left_out
    assert second.left_out["outcome not known yet"] > 1000
    for one, other in zip(first.split, second.split, strict=True):
        pd.testing.assert_frame_equal(one, other)
        assert content_digest(one) == content_digest(other)


def test_a_challenger_learns_and_is_judged(lender, poor_lender, tmp_path):
    """From the very rows that it would learn from if the open loans were known; then all stages
    are over, and the settled file has nothing to add."""
    place = copy_place(poor_lender, tmp_path / "it")
    then = lender[lender["applied_at"] < day(DAY)]
    result = go(place, opened(then, day(DAY)))
    until = pd.Timestamp(runs_by_version(place)[1].data.tags["train_until"])
    chosen = choose_rows(lender, TrainingWindow(), as_of=day(DAY), trained_until=until)
    assert result.details["train"]["digest"] == content_digest(chosen.split.train)
    assert result.details["train"]["rows_judge"] == len(chosen.split.holdout)
    assert result.details["judge"]["checks"]
    again = go(place, lender)
    assert (again.repeated, again.differs, again.outcome) == (True, (), result.outcome)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_with_open_loans_is_retrained_on(lender, poor_lender, tmp_path, monkeypatch, suffix):
    """As a scheduler does; the file of a later month, in which they are settled, is the same to
    the day that is over, but one in which a known outcome was changed is not."""
    place = copy_place(poor_lender, tmp_path / "it")
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path))
    monkeypatch.setattr(retrain_command, "open_place", lambda **_: place)
    path = tmp_path / f"loans.{suffix}"

    def call(frame: pd.DataFrame):
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
        return CliRunner().invoke(
            command_line.main, ["retrain", "--as-of", DAY, "--data", str(path)]
        )

    then = lender[lender["applied_at"] < day(DAY)]
    first = call(opened(then, day(DAY)))
    word = first.stdout.split("\n")[0].removeprefix(f"credit-risk {DAY}: ")
    assert first.exit_code == EXIT_CODES[word], first.output
    again = call(lender)
    assert "nothing was done now" in again.stdout
    assert "than now" not in again.stdout
    changed = lender.assign(default=np.where(lender.index == 3, 1 - lender[TARGET], lender[TARGET]))
    assert "the rows are others" in call(changed).stdout

"""A version answers its arm; control answers for what it cannot take, and for no more."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.arm_answers import MOST_FAILURES, PROBES, answers_of, in_one_line
from mlops_helpers.enrolment import Enrolment
from mlops_helpers.scoring import prediction_id
from tests.serving import Stand, arrivals, plan_of, stands

ROWS = arrivals(1_000).assign(annual_income=range(1_000))  # by which a row is known
B = 1  # number of the arm "b", version 2
ENROLMENT = Enrolment.always(plan_of(), running=True)


def answered(models, number: int = B, rows: pd.DataFrame = ROWS) -> tuple[pd.DataFrame, str]:
    """What the rows are told if all of them are in one arm."""
    return answers_of(
        models, ENROLMENT, number, rows, rows["applied_at"], np.arange(len(rows), dtype=float)
    )


def refusing(*places: int) -> Stand:
    """A version that cannot take the rows at these places."""
    return Stand(2, 0.15, fails=lambda X: X["annual_income"].isin(places).any())


def test_one_row_that_it_cannot_take_is_one_fallback():
    """All others are answered by their version, in their order, with what belongs to each."""
    found, fault = answered(stands(b=refusing(77)))
    assert np.flatnonzero(found["fallback"]).tolist() == [77]
    assert found["application_id"].tolist() == ROWS["application_id"].tolist()
    assert found["latency_ms"].tolist() == list(range(len(ROWS)))
    expected = np.where(found["fallback"], 0.1, 0.15)
    assert found["probability"].tolist() == expected.tolist()
    assert found["model_version"].tolist() == np.where(found["fallback"], 1, 2).tolist()
    assert set(found["variant"]) == {"b"}
    assert fault == (
        "arm 'b' (version 2) failed for 1 applications, control answered: "
        "ArithmeticError: no such debt"
    )


@pytest.mark.parametrize("size", [1, 50, 1_000])
def test_the_size_of_a_lot_decides_nothing(size):
    """Two rows fall back, alone or among a thousand."""
    models = stands(b=refusing(10, 880))
    lots = [ROWS.iloc[start : start + size] for start in range(0, len(ROWS), size)]
    lots = lots if size > 1 else lots[:20]
    found = pd.concat([answered(models, rows=lot)[0] for lot in lots], ignore_index=True)
    bad = [10, 880] if size > 1 else [10]
    assert np.flatnonzero(found["fallback"]).tolist() == bad


def test_of_many_rows_that_it_cannot_take_most_neighbours_are_answered():
    """The passes are bounded; what they leave is in small parts."""
    models = stands(b=refusing(*range(50, 1_000, 100)))
    found, _ = answered(models)
    assert found["fallback"][50::100].all()
    assert 10 <= found["fallback"].sum() <= 100
    assert len(models["b"].passes) <= 2 * MOST_FAILURES + PROBES


def test_a_version_that_is_broken_is_not_asked_for_every_row():
    """The whole, then single rows out of all of it; then control answers everybody in one pass."""
    models = stands(b=Stand(2, fails=lambda _: True))
    found, fault = answered(models)
    assert found["fallback"].all()
    assert models["b"].passes == [1_000] + PROBES * [1]
    assert models["control"].passes == [1_000]
    assert "failed for 1000 applications" in fault


@pytest.mark.parametrize("broken", [False, True])
def test_the_id_is_that_of_the_arm_whoever_answers(broken):
    """So the log has one row for an application in its arm, what it was told first."""
    found, _ = answered(stands(b=Stand(2, fails=lambda _: broken)))
    expected = [prediction_id(unit, 2, "serving") for unit in ROWS["application_id"]]
    assert found["prediction_id"].tolist() == expected


@pytest.mark.parametrize("number", [0, B])
def test_what_control_raises_is_raised(number):
    """Nobody is left to answer."""
    broken = Stand(1, fails=lambda _: True)
    with pytest.raises(ArithmeticError, match="no such debt"):
        answered(stands(control=broken, b=Stand(2, fails=lambda _: True)), number)


def test_an_interruption_is_no_failure_of_the_version():
    """Whoever stops the process stops it."""

    class Stopped(Stand):
        def predict_proba(self, X):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answered(stands(b=Stopped(2)))


class Wordless(Exception):
    """An error that cannot even be told."""

    def __str__(self) -> str:
        """Not there."""
        raise RuntimeError


def test_an_error_is_told_in_a_short_line():
    """Whatever it says, and if it can say nothing."""
    assert in_one_line(ValueError("first\n  second")) == "ValueError: first second"
    long = in_one_line(ValueError("z" * 5_000))
    assert long == f"ValueError: {'z' * 200}…"
    assert in_one_line(Wordless()) == "Wordless: its text cannot be had (RuntimeError)"

    class Broken(Stand):
        def predict_proba(self, X):
            raise Wordless

    assert answered(stands(b=Broken(2)))[0]["fallback"].all()

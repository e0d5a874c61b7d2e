"""What mlops_helpers.selected_baseline promises."""

import pandas as pd
import pytest

from mlops_helpers.retraining import RetrainingPolicy
from mlops_helpers.selected_baseline import BASELINES, after_promotion

ASKED = {"seed": 4, "promotions": 60, "gains": (0.02,), "rows": 600}


@pytest.fixture(scope="module")
def found():
    """Sixty promotions of a challenger that is better by 0.02."""
    return after_promotion(**ASKED).set_index("baseline")


def test_the_rows_that_promoted_flatter(found):
    """Their AUC is surely too high; that of rows since then is right within chance."""
    assert found.loc[BASELINES[0], "low"] > 0
    fair = found.loc[BASELINES[1]]
    assert abs(fair["excess"]) < 1.8 * (fair["high"] - fair["low"]) / 2


def test_alarms_are_fewer_on_rows_since_then(found):
    """The same rows of now, another baseline: fewer drops that are none; limits hold the share."""
    assert found.loc[BASELINES[0], "alarm"] > found.loc[BASELINES[1], "alarm"]
    assert found["alarm"].between(found["alarm_low"], found["alarm_high"]).all()
    assert (found["n"] == 60).all()


def test_the_limit_is_the_policys(found):
    """A trigger that is switched off never fires; the rows are the same ones again."""
    off = RetrainingPolicy(max_auc_drop=float("inf"))
    again = after_promotion(**ASKED, policy=off).set_index("baseline")
    assert (again["alarm"] == 0).all()
    pd.testing.assert_series_equal(again["excess"], found["excess"])


def test_questions_without_an_answer_are_refused(monkeypatch):
    """One promotion tells nothing; a challenger that is never promoted is given up."""
    with pytest.raises(ValueError, match="promotions is 1"):
        after_promotion(seed=1, promotions=1)
    monkeypatch.setattr("mlops_helpers.selected_baseline.MOST_DRAWS", 2)
    with pytest.raises(ArithmeticError, match=r"of 4 challengers with a gain of -0\.05 only 0"):
        after_promotion(seed=1, promotions=2, gains=(-0.05,), rows=400)

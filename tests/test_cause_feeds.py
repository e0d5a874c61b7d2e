"""Feed signals are shares and factors that a pencil gives; applicants alone do not move them."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.cause_feeds import feed_signals
from mlops_helpers.contracts import FEATURES
from mlops_helpers.drift import Reference
from mlops_helpers.worlds import draw_world


@pytest.fixture(scope="module")
def quiet():
    """A reference, a holdout and a window of quiet times."""
    frame = draw_world("quiet", 9000, seed=1)
    return Reference.fit(frame[list(FEATURES)][:5000]), frame[5000:7000], frame[7000:]


def test_shares_and_factors_are_those_of_the_rows(quiet):
    """Each signal shows the figures of the column that moved most."""
    reference, holdout, window = quiet
    place = np.arange(len(window))
    bad = window.assign(
        annual_income=window["annual_income"].mask(place % 10 == 0, np.inf),
        age=window["age"].mask(place % 4 == 0),
        credit_history_length=window["credit_history_length"].mask(place % 2 == 0, 3.0),
        loan_purpose=window["loan_purpose"].mask(place % 5 == 0, "boat"),
        loan_amount=window["loan_amount"] * 7,
    )
    found = feed_signals(reference, holdout, bad, 0.99)
    assert found["out of contract"][:2] == (0.0, pytest.approx(0.1))
    assert found["missing"][1] == pytest.approx(bad["age"].isna().mean())
    assert found["unseen categories"][1] == pytest.approx(0.2)
    share = (bad["credit_history_length"] == 3.0).mean()
    assert found["one value"][1] == pytest.approx(share)
    assert found["scale"][2].value == pytest.approx(7, rel=0.15)
    assert all(change.low <= change.value <= change.high for *_, change in found.values())


def test_a_factor_takes_the_whole_column(quiet):
    """Half of the incomes by the month are no factor, all of them are one of a twelfth."""
    reference, holdout, window = quiet
    for rows, low, high in ((2, 0.4, 2.5), (1, 0.07, 0.1)):
        part = np.arange(len(window)) % rows == 0
        income = window["annual_income"].mask(part, window["annual_income"] / 12)
        scale = feed_signals(reference, holdout, window.assign(annual_income=income), 0.99)["scale"]
        assert low < scale[2].value < high


def test_the_reference_knows_rarer_words_than_the_holdout(quiet):
    """A word of the training rows is not new, though the holdout lacks it; without, it is."""
    reference, holdout, window = quiet
    plain = holdout[holdout["loan_purpose"] != "educational"]
    share = (window["loan_purpose"] == "educational").mean()
    assert feed_signals(reference, plain, window, 0.99)["unseen categories"][1] == 0
    scores = Reference.fit(pd.DataFrame({"probability": [0.1, 0.2, 0.3]}))
    found = feed_signals(scores, plain, window, 0.99)["unseen categories"]
    assert found[1] == pytest.approx(share)


def test_gaps_are_neither_new_words_nor_one_value(quiet):
    """What is missing is told as missing only; an empty window tells nothing."""
    reference, holdout, window = quiet
    gone = window.assign(age=np.nan, num_credit_lines=np.nan)
    found = feed_signals(reference, holdout, gone, 0.99)
    assert found["missing"][1] == 1
    assert found["unseen categories"][1] == 0
    assert found["one value"][2].value < 0.1
    assert feed_signals(reference, holdout, window[:0], 0.99) == {}

"""What mlops_helpers.claims promises."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.claims import COLUMNS, Claim, judged, table
from mlops_helpers.two_samples import wilson


def test_a_claim_has_the_rate_and_wilsons_interval_of_its_experiments():
    """Rate, interval and number are those of the yes and no that were found."""
    hits = [True] * 3 + [False] * 37
    (row,) = table({("alarm", "about", 0.05, "as it was"): hits}).to_dict("records")
    expected = wilson(pd.Series(hits), 0.05)
    assert tuple(row) == COLUMNS
    assert (row["rate"], row["n"], row["note"]) == (3 / 40, 40, "as it was")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("promise", "rate", "kept"),
    [
        ("about", 0.02, False),
        ("about", 0.30, True),
        ("about", 0.60, False),
        ("at most", 0.02, True),
        ("at most", 0.60, False),
        ("at least", 0.02, False),
        ("at least", 0.60, True),
    ],
)
def test_a_promise_is_broken_on_its_own_side(promise, rate, kept):
    """At most 30 % is not broken by 2 %, at least 30 % not by 60 %, about 30 % by both."""
    claim: Claim = ("claim", promise, 0.3, "")
    hits = np.arange(200) < 200 * rate
    assert table({claim: hits})["kept"].tolist() == [kept]


def test_one_odd_claim_among_many_is_not_broken():
    """Chance leaves one interval in twenty: who judges fifty claims asks for more than for one."""
    odd = {"claim": "odd", "promise": "about", "nominal": 0.5, "note": "", "rate": 0.62, "n": 100}
    alone = judged(pd.DataFrame([odd]))
    among = judged(pd.DataFrame([odd] + [{**odd, "claim": f"{k}", "rate": 0.5} for k in range(49)]))
    assert not alone["kept"][0]
    assert among["kept"].all()
    assert among["low"][0] == alone["low"][0]


@pytest.mark.parametrize("hits", [[True] * 7, [False] * 7])
def test_all_or_none_lie_in_their_interval(hits):
    """A rate of 0 or 1 is one of its own limits."""
    found = table({("claim", "about", 0.5, ""): hits})
    assert (found["low"] <= found["rate"]).all()
    assert (found["rate"] <= found["high"]).all()

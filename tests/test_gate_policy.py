"""Limits are agreed beforehand, and limits that let everything or nothing through are none."""

from __future__ import annotations

import math
import re
from dataclasses import FrozenInstanceError, replace

import pytest

from mlops_helpers.business import CostModel
from mlops_helpers.gate_policy import GatePolicy

NUMBERS = (
    "margin",
    "level",
    "slope_low",
    "slope_high",
    "slope_reach",
    "segment_margin",
    "profit_margin",
    "cutoff",
    "max_megabytes",
    "max_milliseconds",
)


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, "0.1", True])
def test_every_limit_must_be_a_number_that_can_be(name, value):
    """NaN, infinity, below 0, words and a bool are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} is "):
        replace(GatePolicy(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin", 0.5),
        ("segment_margin", 0.5),
        ("level", 1.0),
        ("slope_low", 0.0),
        ("slope_low", 1.0),
        ("slope_high", 1.0),
        ("slope_reach", 1.0),
        ("cutoff", 0.0),
        ("cutoff", 1.0),
        ("level", 10),
        ("level", 1e308),
        ("slope_low", 1e-300),
        ("slope_high", 1e308),
        ("profit_margin", 1000.0),
        ("profit_margin", 1e308),
        ("max_megabytes", 1e308),
        ("max_milliseconds", 1e308),
        ("max_megabytes", 0.0),
        ("max_milliseconds", 0.0),
    ],
)
def test_limits_that_let_all_or_none_through_are_refused(name, value):
    """The first value that makes a check pointless is outside."""
    with pytest.raises(ValueError, match=re.escape(f"{name} is {value}, must be")):
        replace(GatePolicy(), **{name: value})


def test_the_refusal_of_a_limit_is_one_clear_sentence_and_a_way_out():
    """Name, value, rule, way out; no word twice."""
    with pytest.raises(ValueError, match=r"^level is") as refused:
        GatePolicy(level=1.0)
    assert str(refused.value) == (
        "level is 1.0, must be a factor above 1 to below 10. Leave it out for 2.0."
    )


def test_without_margins_a_policy_is_strict_and_allowed():
    """A margin of 0 asks for a surely better model; that is a policy."""
    strict = GatePolicy(margin=0.0, segment_margin=0.0, profit_margin=0.0)
    assert (strict.margin, strict.segment_margin, strict.profit_margin) == (0, 0, 0)


def test_decisions_are_judged_at_break_even_unless_said_otherwise():
    """The cut-off follows from the costs; one that is given wins."""
    costs = CostModel(margin=0.1, loss_given_default=0.4)
    assert GatePolicy(costs=costs).approve_below == pytest.approx(0.2)
    assert GatePolicy(costs=costs, cutoff=0.3).approve_below == 0.3
    with pytest.raises(TypeError, match=r"costs is a dict, must be a business\.CostModel"):
        GatePolicy(costs={"margin": 0.1})


def test_a_policy_cannot_be_changed_while_it_is_used():
    """It is frozen: a limit agreed before is the limit that was applied."""
    with pytest.raises(FrozenInstanceError):
        GatePolicy().margin = 0.4

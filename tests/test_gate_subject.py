"""What the gate may ask of a version is fixed, and nothing is asked before a check asks it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pandas as pd
import pytest

from mlops_helpers.gate_checks import standard_checks
from mlops_helpers.gate_policy import GatePolicy
from mlops_helpers.gate_subject import FileFacts, Subject


def never():
    """A member that must not be called."""
    raise AssertionError("asked too early")


LAZY = Subject(1, "lazy", never, never, never, never, never)


def test_building_the_checks_asks_for_nothing():
    """A version whose file is gone can still be judged: its checks refuse when they run."""
    checks = standard_checks(LAZY, LAZY, pd.DataFrame(), GatePolicy())
    assert len(checks) == 11


@pytest.mark.parametrize("record", [LAZY, FileFacts({}, {}, 0, ())])
def test_what_was_found_cannot_be_changed(record):
    """Both records are frozen."""
    with pytest.raises(FrozenInstanceError):
        setattr(record, fields(record)[0].name, 2)

"""A new champion that is worse than the one before is rolled back at a planned look."""

from __future__ import annotations

from mlops_helpers import registry as registry_module
from mlops_helpers.registry import Registry
from tests.contending import easy_gate
from tests.retrain_world import LAZY, go, make_place


def test_a_champion_worse_than_the_one_before_is_rolled_back(tmp_path, lender, monkeypatch):
    """Exit code 6; nothing is trained on that day, and the look is not taken again."""
    with monkeypatch.context() as patch:
        patch.setattr(registry_module, "standard_checks", easy_gate)
        place = make_place(tmp_path / "it", lender, better_before=True)
    result = go(place, lender)
    assert (result.outcome, result.exit_code, result.champion) == ("rolled back", 6, 1)
    assert Registry(place.tracking_uri).load("champion").version == 1
    event = Registry(place.tracking_uri).history().iloc[-1]
    assert (event["event"], event["by"]) == ("rolled back", "scheduled retraining")
    assert "the champion before was better" in event["reason"]
    assert result.details["watch"]["look"] == 4
    assert result.details["watch"]["meanwhile"][0]["n"] == 0, "nothing was logged in between"
    later = go(place, lender, as_of="2023-05-01", policy=LAZY)
    assert later.outcome == "kept"
    assert later.details["watch"]["look"] == 0

"""What must hold before the registry changes anything, as questions to its state."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_helpers.changing import GATE_EVENTS
from mlops_helpers.gate import GateVerdict
from mlops_helpers.journal import Told, checked_text
from mlops_helpers.state import State
from mlops_helpers.store_errors import RegistryError

__all__ = ["after_promotion", "back_to", "objection", "refuse_role", "told"]


def objection(state: State, version: int, verdict: GateVerdict, registry: tuple[str, str]) -> str:
    """Why a version of the registry (name, address) may not be promoted now, or nothing.

    What the caller holds must fit, and so must what is stored here: a verdict can be rewritten by
    whoever holds it.
    """
    if state.archived(version):
        return "it is archived; restore it and run the gate again"
    if type(verdict) is not GateVerdict:
        return f"a {type(verdict).__name__} is no verdict; pass what gate() returned"
    now = (state.roles.get("champion"), state.champions_so_far)
    if found := verdict.objection(version, now[0], registry, now[1]):
        return found
    stored = state.last(version, *GATE_EVENTS)
    if stored is None:
        return "no verdict about it is stored here; run the gate"
    if stored.event == "gate refused":
        return f"the gate has refused it since ({stored.reason}); run the gate again"
    if (stored.compared_with, stored.champions) != now:
        return "the champion has changed since the verdict that is stored here; run the gate again"
    aside = state.last(version, "archived", "restored")
    if aside and aside.number > stored.number:
        return f"it was {aside.event} after the gate judged it; run the gate again"
    return ""


def back_to(state: State) -> int | None:
    """The version that a rollback brings back: who served before, also if a hand moved the alias.

    The alias `previous` says so as long as nobody moves `champion` in MLflow itself.
    """
    served: list[tuple[int | None, str]] = []
    for event in state.events:
        if event.after is not None:
            champion = event.after.get("champion")
            if not served or served[-1][0] != champion:
                served.append((champion, event.event))
    if len(served) > 1 and served[-1][1] in ("moved outside", "overtaken"):
        before = served[-2][0]
        known = before in state.versions and not state.archived(before)
        return before if known else None
    return state.roles.get("previous")


def after_promotion(roles: Mapping[str, int], version: int) -> dict[str, int]:
    """The aliases once `version` serves: who served is `previous`, a challenger is none now."""
    after = {a: v for a, v in roles.items() if a == "previous" or v != version}
    if "champion" in roles:
        after["previous"] = roles["champion"]
    if after.get("previous") == version:
        del after["previous"]
    return after | {"champion": version}


def refuse_role(version: int, roles: Mapping[str, int], kept: tuple[str, ...], what: str) -> None:
    """RegistryError if the version has one of the aliases in `kept`: it cannot be `what`."""
    if held := [alias for alias in kept if roles.get(alias) == version]:
        raise RegistryError(
            f"version {version} is {' and '.join(held)} and cannot be {what}. Give the alias to "
            "another version first: promote one, or archive a challenger."
        )


def told(by: str, reason: str, *, needed: str = "") -> Told:
    """Who and why, checked; ValueError without a reason if it is `needed` to do that."""
    checked = Told(by=checked_text("by", by), reason=checked_text("reason", reason))
    if needed and not reason.strip():
        raise ValueError(f"reason is empty; say why you {needed}: others will read it.")
    return checked

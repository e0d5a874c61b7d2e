"""What must hold before the registry changes anything, as questions to its state."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_helpers.changing import GATE_EVENTS
from mlops_helpers.gate import GateVerdict
from mlops_helpers.journal import Told, checked_text
from mlops_helpers.store_errors import RegistryError
from mlops_helpers.versions import State

__all__ = ["champions_so_far", "objection", "refuse_role", "told"]


def champions_so_far(state: State) -> int:
    """How often the champion has changed. A rollback counts: it brings back an old number."""
    moving = ("promoted", "rolled back", "moved outside", "overtaken")
    return sum(event.event in moving for event in state.events)


def objection(state: State, version: int, verdict: GateVerdict, registry: tuple[str, str]) -> str:
    """Why a version of the registry (name, address) may not be promoted now, or nothing."""
    if state.archived(version):
        return "it is archived; restore it and run the gate again"
    if not isinstance(verdict, GateVerdict):
        return f"a {type(verdict).__name__} is no verdict; pass what gate() returned"
    champion = state.roles.get("champion")
    if found := verdict.objection(version, champion, registry, champions_so_far(state)):
        return found
    stored = state.last(version, *GATE_EVENTS)
    if stored is None:
        return "no verdict about it is stored here; run the gate"
    if stored.event == "gate refused":
        return f"the gate has refused it since ({stored.reason}); run the gate again"
    return ""


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

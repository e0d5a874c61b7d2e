"""The figure of a model registry: which version has which role."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pandas as pd

from mlops_helpers.plots.base import (
    BLACK,
    BLUE,
    GREY,
    LABEL,
    ORANGE,
    TICK,
    axes,
    finish,
    need,
    no_data,
    said,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["registry_status"]

_LOOK = {"champion": (BLUE, "white"), "challenger": (ORANGE, BLACK)}
_HEADS = {"version": 0.0, "role": 0.17, "model": 0.45, "AUC": 1.0}


def registry_status(
    frame: pd.DataFrame, ax: Axes | None = None, *, most: int = 5, title: str | None = None
) -> Axes:
    """One line a version, newest first: `version`, `alias` ("" without one), `name`, `auc`.

    The frame of `Registry.status()`; two aliases are separated by a comma. Only the `most` newest
    versions are drawn.
    """
    need(frame, ["version", "alias", "name", "auc"], "registry_status")
    if frame.empty:
        return no_data(ax, "no version is registered")
    rows = frame.sort_values("version", ascending=False).head(most)
    ax = axes(ax, height=1.5 + 0.45 * len(rows))
    ax.set_axis_off()
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(max(len(rows), 3) + 0.6, -0.6)
    for head, at in _HEADS.items():
        label = "AUC on its\nown holdout" if head == "AUC" else head
        _write(ax, at, 0, label, color=GREY, fontsize=TICK)
    columns = (rows["version"], rows["alias"], rows["name"], rows["auc"])
    for line, (version, alias, name, auc) in enumerate(zip(*columns, strict=True), start=1):
        roles = _roles(alias)
        back, front = next((_LOOK[role] for role in roles if role in _LOOK), ("#EEEEEE", BLACK))
        box = {"boxstyle": "round,pad=0.35", "facecolor": back, "edgecolor": "none"}
        ax.axhline(line - 0.5, color="#DDDDDD", linewidth=0.8)
        _write(ax, _HEADS["version"], line, f"v{version}", fontweight="bold")
        _write(ax, _HEADS["role"], line, " + ".join(roles) or "no role", color=front, bbox=box)
        _write(ax, _HEADS["model"], line, "\n".join(textwrap.wrap(str(name), 21)), fontsize=TICK)
        _write(ax, _HEADS["AUC"], line, said(float(auc)))
    return finish(ax, title=title or _finding(frame))


def _roles(alias: object) -> list[str]:
    return [role.strip() for role in str(alias).split(",") if role.strip()]


def _finding(frame: pd.DataFrame) -> str:
    held = {
        role: version
        for version, alias in zip(frame["version"], frame["alias"], strict=True)
        for role in _roles(alias)
    }
    if "champion" not in held:
        return f"No version serves; {len(frame)} registered"
    finding = f"Version {held['champion']} serves ({len(frame)} registered)"
    if "challenger" in held:
        return f"{finding}; version {held['challenger']} challenges it"
    if "previous" in held:
        return f"{finding}; version {held['previous']} is one rollback away"
    return f"{finding}; there is nothing to roll back to"


def _write(ax: Axes, at: float, line: float, text: str, **look: object) -> None:
    side = "right" if at == 1.0 else "left"
    ax.text(at, line, text, **({"fontsize": LABEL, "va": "center", "ha": side} | look))

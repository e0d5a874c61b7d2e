"""The registry as two tables: what happened, and how things are. Rows in, frames out."""

from __future__ import annotations

import pandas as pd

from mlops_helpers.changing import GATE_EVENTS, gate_words
from mlops_helpers.gate import RowsSeen
from mlops_helpers.journal import HISTORY, Event
from mlops_helpers.versions import Versions

__all__ = ["STATUS", "history_table", "status_table"]

STATUS = ["version", "alias", "name", "auc", "low", "high", "gate", "created", "run_id", "archived"]


def history_table(events: list[Event]) -> pd.DataFrame:
    """A row an event, oldest first, with the columns of HISTORY; its number is the index.

    The reason of a verdict is which checks refused, on which rows, and how many verdicts about the
    version came before.
    """
    rows = [[*(getattr(event, name) for name in HISTORY[:-1]), _reason(event)] for event in events]
    numbers = pd.Index([event.number for event in events], name="number", dtype="int64")
    frame = pd.DataFrame(rows, columns=HISTORY, index=numbers)
    frame["when"] = pd.to_datetime(frame["when"], utc=True, format="ISO8601").dt.as_unit("us")
    return frame.astype({"version": "Int64", "replaced": "Int64"})


def status_table(versions: Versions) -> pd.DataFrame:
    """A row a version, oldest first, with the columns of STATUS."""
    state = versions.state()
    held = sorted(state.roles.items())
    rows = []
    for number, found in state.versions.items():
        run = versions.run_of(found)  # None: made by hand, or purged since
        metrics = run.data.metrics if run else {}
        rows.append(
            {
                "version": number,
                "alias": ", ".join(alias for alias, version in held if version == number),
                "name": run.info.run_name if run else "",
                "auc": metrics.get("holdout_auc"),
                "low": metrics.get("holdout_auc_low"),
                "high": metrics.get("holdout_auc_high"),
                "gate": gate_words(state.last(number, *GATE_EVENTS)),
                "created": pd.Timestamp(found.creation_timestamp, unit="ms", tz="UTC"),
                "run_id": found.run_id,
                "archived": state.archived(number),
            }
        )
    kinds = dict.fromkeys(["auc", "low", "high"], float) | {"archived": bool}
    return pd.DataFrame(rows, columns=STATUS).astype(kinds)


def _reason(event: Event) -> str:
    if event.event not in GATE_EVENTS or not event.rows:
        return event.reason
    return "; ".join(filter(None, [event.reason, f"on {RowsSeen(**event.rows)}"]))

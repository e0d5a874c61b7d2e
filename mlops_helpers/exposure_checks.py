"""Which exposures can be summed: what is wrong with their rows, and one row for each unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mlops_helpers.unit_ids import id_texts

if TYPE_CHECKING:
    from mlops_helpers.experiment_plan import ExperimentPlan

__all__ = [
    "CROSSED",
    "REPEATED",
    "STRANGE",
    "checked_instant",
    "checked_rows",
    "one_arm_each",
    "refuse_unusable",
]

NEEDED = ("application_id", "variant", "scored_at", "decision", "loan_amount", "default")
STRANGE = "not in an arm of the experiment"
CROSSED = "exposed to more than one arm"
REPEATED = "repeated exposures"


def checked_instant(as_of: pd.Timestamp) -> None:
    """Raise `ValueError` for what is no instant."""
    if not isinstance(as_of, pd.Timestamp) or as_of is pd.NaT or as_of.tzinfo is None:
        raise ValueError(
            f"as_of is {as_of}, must be an instant with a time zone. Give it in UTC, e.g. "
            "pd.Timestamp('2025-01-01', tz='UTC')."
        )


def refuse_unusable(found: dict[str, int]) -> None:
    """Raise `ValueError` naming what rows of an arm have or lack, and how many they are."""
    if wrong := [f"{n:,} {told}" for told, n in found.items() if n]:
        raise ValueError(
            f"exposures that cannot be analysed: {'; '.join(wrong)}. Mend the log, or leave such "
            "rows out of every arm and say so."
        )


def checked_rows(
    exposures: pd.DataFrame, plan: ExperimentPlan, as_of: pd.Timestamp
) -> pd.DataFrame:
    """The exposures scored until `as_of`; everything wrong with them in one message.

    What was scored later is not looked at: it is not there yet.
    """
    checked_instant(as_of)
    covariate = [plan.covariate] if plan.covariate is not None else []
    if missing := [name for name in (*NEEDED, *covariate) if name not in exposures.columns]:
        raise ValueError(
            f"exposures lack the columns {', '.join(missing)}. Pass the log's rows of the "
            "experiment, joined with their outcomes."
        )
    for name in exposures.columns.intersection(["scored_at", "outcome_at"]):
        if not isinstance(exposures[name].dtype, pd.DatetimeTZDtype):
            raise ValueError(f"{name} has no time zone. Localise it, e.g. .dt.tz_localize('UTC').")
    rows = exposures[~(exposures["scored_at"] > as_of)]  # later ones are not there yet, faults too
    refuse_unusable(_wrong(rows[rows["variant"].isin(plan.experiment.arms)], covariate))
    return rows[rows["scored_at"].notna()]


def _wrong(rows: pd.DataFrame, covariate: list[str]) -> dict[str, int]:
    approved = rows["decision"] == "approve"
    default = rows["default"].to_numpy(dtype=float, na_value=np.nan)
    found = {
        "have no application_id": rows["application_id"].isna(),
        "have no scored_at": rows["scored_at"].isna(),
        "have a decision other than approve and decline": ~(
            approved | (rows["decision"] == "decline")
        ),
        "have a default other than 0, 1 and missing (probabilities are no outcomes)": ~(
            np.isnan(default) | (default == 0) | (default == 1)
        ),
        **{
            f"have no finite {name}": ~np.isfinite(
                rows[name].to_numpy(dtype=float, na_value=np.nan)
            )
            for name in ("loan_amount", *covariate, *rows.columns.intersection(["probability"]))
        },
    }
    return {told: int(bad.sum()) for told, bad in found.items()}


def one_arm_each(rows: pd.DataFrame, arms: tuple[str, ...]) -> tuple[pd.DataFrame, dict[str, int]]:
    """One row for each unit of a known arm; units that met two arms are left out.

    Ids are compared as texts, as they are assigned by.
    """
    known = rows[rows["variant"].isin(arms)]
    known = known.assign(application_id=id_texts(known["application_id"]))
    left_out = {STRANGE: len(rows) - len(known), CROSSED: 0, REPEATED: 0}
    if known["application_id"].is_unique:
        return known, left_out
    crossed = known.groupby("application_id")["variant"].transform("nunique") > 1
    left_out[CROSSED] = int(crossed.sum())
    whole = known[~crossed]
    order = [name for name in ("scored_at", "prediction_id") if name in whole.columns]
    units = whole.sort_values(order, kind="stable").drop_duplicates("application_id")
    left_out[REPEATED] = len(whole) - len(units)
    return units, left_out

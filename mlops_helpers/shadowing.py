"""A new champion answers, the one before it scores the same applications in its shadow.

A shadow prediction is kept in the log beside the live one, under variant "shadow" and in no
experiment. It answered nobody: volume, latency, histograms and health leave it out, and
`PredictionLog.window(shadow=False)` does. What the two would have decided is compared by
`watching.watch`; after a rollback, `decided_meanwhile` says what became of the loans in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from numpy.typing import ArrayLike

from mlops_helpers.business import CostModel, Interval, profit_interval
from mlops_helpers.scoring import prediction_id, score
from mlops_helpers.tables import SHADOW

if TYPE_CHECKING:
    from mlops_helpers.predictions import PredictionLog
    from mlops_helpers.registry import Registry

__all__ = ["Scored", "decided_meanwhile", "score_both", "watched"]

_IDS = "urn:mlops-helpers:shadow"
"""In place of an experiment's name: a version may later answer whom it scored in the shadow."""


@dataclass(frozen=True)
class Scored:
    """Predictions as the log keeps them: those that answer, and those in the shadow.

    fault: why there are none in the shadow; empty if there are, or if nobody was champion before.
    """

    live: pd.DataFrame
    shadow: pd.DataFrame
    fault: str = ""


def score_both(
    registry: Registry,
    applications: pd.DataFrame,
    *,
    cutoff: float,
    log: PredictionLog | None = None,
    scored_at: pd.Timestamp | pd.Series | None = None,
    latency_ms: ArrayLike | None = None,
) -> Scored:
    """Score applications with the champion, and with `previous` in its shadow; log both if asked.

    Arguments as in `scoring.score`; `latency_ms` is the champion's. The shadow disturbs no answer:
    live predictions are logged before it is loaded, and if it cannot be loaded, or what it says be
    stored, `fault` says why. Repeating it stores nothing twice. Raises what
    `Registry.load` and `scoring.score` raise for the champion.
    """
    champion = registry.load("champion")
    common = {"cutoff": cutoff, "scored_at": scored_at}
    live = score(
        champion.pipeline,
        applications,
        model_version=champion.version,
        latency_ms=latency_ms,
        **common,
    )
    if log is not None:
        log.append(live)
    try:
        shadow = _shadow(registry, champion.version, applications, **common)
        if log is not None and shadow is not None:
            log.append(shadow)
    except Exception as error:  # noqa: BLE001 - told as a fault: the champion has answered
        return Scored(live, live.iloc[:0], f"{type(error).__name__}: {error}")
    return Scored(live, live.iloc[:0] if shadow is None else shadow)


def _shadow(
    registry: Registry,
    champion: int,
    applications: pd.DataFrame,
    *,
    cutoff: float,
    scored_at: pd.Timestamp | pd.Series | None,
) -> pd.DataFrame | None:
    """What `previous` says; None if there is none, or if it was the champion a moment ago."""
    version = registry.version_of("previous")
    if version in (None, champion):
        return None
    rows = score(
        registry.load(version).pipeline,
        applications,
        model_version=version,
        cutoff=cutoff,
        scored_at=scored_at,
        variant=SHADOW,
    )
    ids = [prediction_id(a, version, _IDS) for a in rows["application_id"]]
    return rows.assign(prediction_id=pd.Series(ids, index=rows.index, dtype="str"))


def watched(
    log: PredictionLog,
    start: pd.Timestamp,
    end: pd.Timestamp,
    version: int,
    *,
    previous: int | None = None,
    as_of: pd.Timestamp | None = None,
    label_days: int = 0,
) -> pd.DataFrame:
    """What `version` answered in [start, end), beside what was said in its shadow.

    Columns application_id, scored_at, champion, previous (probabilities), approved,
    previous_approves (NaN, like `previous`, where nothing was said in the shadow), amount, default.
    The outcome is NaN unless it was known at `as_of` (all that the log has if not given) and the
    application is `label_days` old by then, whichever way it ended. `previous` is needed only where
    several versions were in the shadow; raises ValueError naming them.
    """
    rows = log.window(start, end)
    unseen = (rows["variant"] == SHADOW) & rows["experiment"].isna()
    live, shadow = rows[~unseen & (rows["model_version"] == version)], rows[unseen]
    shadow = shadow[shadow["application_id"].isin(live["application_id"])]
    if previous is not None:
        shadow = shadow[shadow["model_version"] == previous]
    versions = sorted(shadow["model_version"].unique().tolist())
    if len(versions) > 1:
        raise ValueError(
            f"versions {versions} were in the shadow of version {version} between {start} and "
            f"{end}; say which with previous=, or ask about a shorter window."
        )
    said = shadow.set_index("application_id")
    said = said[~said.index.duplicated()]
    approves = (said["decision"] == "approve").astype(float)
    known = live["default"].copy()
    if as_of is not None:
        due = live["scored_at"] + pd.Timedelta(days=label_days) <= as_of
        known = known.where(due & (live["outcome_at"] <= as_of))
    found = {
        "application_id": live["application_id"],
        "scored_at": live["scored_at"],
        "champion": live["probability"],
        "previous": live["application_id"].map(said["probability"]).astype(float),
        "approved": live["decision"] == "approve",
        "previous_approves": live["application_id"].map(approves).astype(float),
        "amount": live["loan_amount"],
        "default": known,
    }
    return pd.DataFrame(found).reset_index(drop=True)


def decided_meanwhile(
    log: PredictionLog,
    start: pd.Timestamp,
    end: pd.Timestamp,
    version: int,
    *,
    previous: int | None = None,
    as_of: pd.Timestamp | None = None,
    costs: CostModel | None = None,
) -> pd.DataFrame:
    """What became of the applications that a version answered before it was rolled back.

    A row for each way in which the two versions decided, and "all": `decided, n, approved, known,
    defaults, earned, earned_low, earned_high, previous, gain, gain_low, gain_high, total`.
    `known` have an outcome; on those are `earned` and `previous` the mean profits in dollars of the
    decisions taken and of those that the version before would have taken, `gain` the first less the
    second, paired, and `total` its sum. Intervals are 95 %, NaN with fewer than 30 known; all money
    is NaN where nothing was said in the shadow. A loan stays as it was decided, and so does the
    log: it is only read. Declined applications without an outcome are in `n` and not in `known`.
    """
    rows = watched(log, start, end, version, previous=previous, as_of=as_of)
    model, other = costs or CostModel(), rows["previous_approves"]
    paired = rows.assign(
        earned=model.profit(rows["amount"], rows["default"], rows["approved"]),
        before=model.profit(rows["amount"], rows["default"], other == 1),
    )
    unknown = rows["default"].isna()
    paired.loc[unknown, ["earned", "before"]] = float("nan")  # also of those that were declined
    paired.loc[other.isna(), "before"] = float("nan")
    groups = {
        "all": pd.Series(True, index=rows.index),
        "both approve": rows["approved"] & (other == 1),
        "approved, the one before declines": rows["approved"] & (other == 0),
        "declined, the one before approves": ~rows["approved"] & (other == 1),
        "both decline": ~rows["approved"] & (other == 0),
        "not scored in the shadow": other.isna(),
    }
    return pd.DataFrame([_became(name, paired[mask]) for name, mask in groups.items()])


def _became(name: str, rows: pd.DataFrame) -> dict[str, object]:
    earned = _mean(rows["earned"])
    difference = (rows["earned"] - rows["before"]).dropna()
    gain = _mean(difference)
    return {
        "decided": name,
        "n": len(rows),
        "approved": int(rows["approved"].sum()),
        "known": int(rows["default"].notna().sum()),
        "defaults": int(rows["default"].sum()),
        "earned": earned.value,
        "earned_low": earned.low,
        "earned_high": earned.high,
        "previous": _mean(rows["before"]).value,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "total": float(difference.sum()) if len(difference) else float("nan"),
    }


def _mean(profits: pd.Series) -> Interval:
    return profit_interval(profits.dropna().to_numpy())

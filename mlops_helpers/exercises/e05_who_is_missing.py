"""Checks of notebook 05, continued: rows of one arm are missing from the log; whose?

The answer gets logs of an experiment with a ramp, whole ones and damaged ones. In each, something
else looks like a loss and is none, or is one and hides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import Wrong, exercise, kind
from mlops_helpers.exercises.repeated_labels import repeated_labels

Missing = Callable[[pd.DataFrame, pd.DataFrame, list[str]], Any]

TRAITS = ["loan_purpose", "home_ownership", "channel"]
_ROWS = 12_000
_RAMP = ((0, 0.1), (45, 0.5))  # day of the start, planned share of the treatment
_START = pd.Timestamp("2024-03-01", tz="UTC")
_DAYS = 90
_VALUES = {
    "loan_purpose": {
        "debt_consolidation": 0.45,
        "credit_card": 0.20,
        "home_improvement": 0.12,
        "car": 0.10,
        "small_business": 0.08,
        "educational": 0.05,
    },
    "home_ownership": {"mortgage": 0.45, "rent": 0.40, "own": 0.15},
    "channel": {"branch": 0.5, "web": 0.3, "partner": 0.2},
}


@dataclass(frozen=True)
class _Case:
    """A log, who is missing from it (nobody: empty), and what to say if that is not found."""

    log: pd.DataFrame
    expected: tuple[str, ...]
    told: str
    ramp: tuple[tuple[int, float], ...] = _RAMP


@exercise(
    "5.4",
    title="A damaged log: who is missing?",
    hints=(
        "The coin knows nothing of the applicants. So *each group* of them, formed by what was "
        "known before the coin fell, must have been split as planned.",
        "What was planned for a row depends on the day: look up the share of its stage "
        "(`np.searchsorted`). How many of a group should be in the treatment, all stages together?",
        "Seen less planned, over the root of the sum of share * (1 - share), is a standard normal "
        "number for each group. There are many groups: the largest of many such numbers needs a "
        "stricter limit than one alone. Its sign says which arm is missing.",
    ),
)
def who_is_missing(answer: Missing) -> str:
    """`answer(log, ramp, traits)` is (arm, trait, value), or () if nobody is surely missing."""
    for case in _cases().values():
        found = _found(answer, case.log, case.ramp)
        if found == case.expected:
            continue
        if not case.expected:
            raise Wrong(f"{_said(found)}; but nobody is missing: {case.told}")
        _unlike(found, case)
    case = _cases()["one purpose"]
    mixed = repeated_labels(case.log.sample(frac=1, random_state=5))
    if _found(answer, mixed, case.ramp) != case.expected:
        raise Wrong(
            "with its rows in another order and labels that repeat the log says another thing"
        )
    return "a mismatch has a name: now look for the code that loses these rows, and run again"


def _unlike(found: tuple[str, ...], case: _Case) -> None:
    """`Wrong`: somebody is missing, and the answer says nobody, or somebody else."""
    _, trait, value = case.expected
    if not found:
        raise Wrong(f"it finds nobody, and rows are missing from a log: {case.told}")
    if found[1:] == (trait, value):
        raise Wrong(f"{_said(found)}; the group is right, the arm is not: {case.told}")
    raise Wrong(f"{_said(found)}; others are missing: {case.told}")


def _said(found: tuple[str, ...]) -> str:
    arm, trait, value = found
    return f"it says that rows of {arm} with {trait} {value} are missing"


def _found(
    answer: Missing, log: pd.DataFrame, ramp: tuple[tuple[int, float], ...]
) -> tuple[str, ...]:
    """What the answer says, or `Wrong` for what names nobody."""
    stages = pd.DataFrame(
        {
            "since": [_START + pd.Timedelta(days=day) for day, _ in ramp],
            "treatment": [share for _, share in ramp],
        }
    )
    handed = log.copy()
    said = answer(handed, stages, list(TRAITS))
    if not handed.equals(log):
        raise Wrong("it changed the log; a damaged log is evidence")
    if not isinstance(said, tuple | list):
        raise Wrong(f"it returned {kind(said)}, must be (arm, trait, value), or () for nobody")
    if len(said) == 0:
        return ()
    if len(said) != 3:
        raise Wrong(f"it returned {len(said)} things, must be three: arm, trait and value")
    arm, trait, value = (str(part) for part in said)
    if arm not in ("control", "treatment"):
        raise Wrong(f"the first is {arm!r}, must be the arm whose rows are missing")
    if trait in ("decision", "loan_amount", "application_id", "scored_at", "variant"):
        raise Wrong(
            f"it looks for the missing by {trait}, which is no trait. The arms decide differently, "
            "and may: only what was fixed before the coin fell must be split as planned"
        )
    if trait not in TRAITS:
        raise Wrong(f"the second is {trait!r}, must be one of the traits")
    if value not in set(log[trait]):
        raise Wrong(f"the third is {value!r}, which no row has as {trait}")
    return arm, trait, value


@lru_cache(maxsize=1)
def _cases() -> dict[str, _Case]:
    """The logs, from plain to hidden."""
    three = ((0, 0.05), (20, 0.3), (60, 0.7))
    late_app = _log(seed=2)
    in_full = (late_app["scored_at"] >= _START + pd.Timedelta(days=45)).to_numpy()
    apps = in_full & (np.random.default_rng(20).random(len(late_app)) < 0.4)
    late_app["channel"] = late_app["channel"].mask(apps, "app")
    first_days = (_log(seed=9)["scored_at"] < _START + pd.Timedelta(days=45)).to_numpy()
    twice = _log(seed=13)
    again = twice[twice["variant"].eq("control") & twice["channel"].eq("partner")]
    twice = pd.concat([twice, again.assign(scored_at=again["scored_at"] + pd.Timedelta("2min"))])
    held = _log(seed=14)
    out = np.random.default_rng(15).random(len(held)) < 0.3
    return {
        "whole": _Case(
            _log(seed=3),
            (),
            "the experiment began with 10 % and went on with 50 %, as it was planned to",
        ),
        "one purpose": _Case(
            _lost(_log(seed=1), "treatment", "loan_purpose", "small_business", 0.6),
            ("treatment", "loan_purpose", "small_business"),
            "the treatment's server forgot six in ten applications of one purpose",
        ),
        "new channel": _Case(
            late_app,
            (),
            "a channel opened when the ramp was at its top, so more of *its* applicants are "
            "treated. That was planned",
        ),
        "control loses": _Case(
            _lost(_log(seed=4), "control", "home_ownership", "own", 0.35),
            ("control", "home_ownership", "own"),
            "control's server lost a third of one group; old servers fail as well",
        ),
        "rare": _Case(
            _lost(_log(seed=8), "treatment", "loan_purpose", "educational", 0.75),
            ("treatment", "loan_purpose", "educational"),
            "three in four of a rare group are lost: few rows, and far more than chance takes",
        ),
        "first stage": _Case(
            _lost(_log(seed=9), "treatment", "channel", "partner", 1.0, first_days),
            ("treatment", "channel", "partner"),
            "in the first stage the treatment logged no partner at all; somebody mended it since",
        ),
        "both alike": _Case(
            _lost(
                _lost(_log(seed=11), "control", "loan_purpose", "car", 0.5),
                "treatment",
                "loan_purpose",
                "car",
                0.5,
            ),
            (),
            "half of one group is lost in *both* arms; a ratio cannot see that, so do not guess",
        ),
        "twice": _Case(
            twice.sort_values("scored_at", ignore_index=True),
            (),
            "control's requests from partners were sent twice; each application counts once",
        ),
        "holdout": _Case(
            held.assign(variant=held["variant"].mask(out, "holdout")),
            (),
            "rows of a holdout are in no arm of this experiment",
        ),
        "three stages": _Case(
            _lost(_log(seed=16, ramp=three), "control", "channel", "branch", 0.15),
            ("control", "channel", "branch"),
            "with stages of 5, 30 and 70 % one in seven of control's largest group is lost",
            three,
        ),
    } | {
        f"chance {seed}": _Case(
            _log(seed=seed),
            (),
            f"of {sum(map(len, _VALUES.values()))} groups one is always the furthest off",
        )
        for seed in range(100, 112)
    }


def _lost(
    log: pd.DataFrame,
    arm: str,
    trait: str,
    value: str,
    share: float,
    when: np.ndarray | None = None,
) -> pd.DataFrame:
    """The log without a share of the rows of one arm and group, taken by chance."""
    mine = (log["variant"].eq(arm) & log[trait].eq(value)).to_numpy()
    if when is not None:
        mine = mine & when
    gone = mine & (np.random.default_rng(7).random(len(log)) < share)
    return log[~gone].reset_index(drop=True)


def _log(*, seed: int, ramp: tuple[tuple[int, float], ...] = _RAMP) -> pd.DataFrame:
    """A whole log; the treatment declines more, and more of the risky purposes."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, _DAYS, size=_ROWS))
    stage = np.searchsorted([begin for begin, _ in ramp], day, side="right") - 1
    treated = rng.random(_ROWS) < np.array([share for _, share in ramp])[stage]
    columns = {
        trait: rng.choice(list(shares), p=list(shares.values()), size=_ROWS)
        for trait, shares in _VALUES.items()
    }
    risky = np.isin(columns["loan_purpose"], ("small_business", "educational"))
    declined = rng.random(_ROWS) < 0.25 + 0.15 * treated + 0.2 * risky
    return pd.DataFrame(
        {
            "application_id": pd.Series([f"A{seed}-{k:05d}" for k in range(_ROWS)], dtype="str"),
            "scored_at": _START + pd.to_timedelta(np.floor(day * 86_400), unit="s"),
            "variant": pd.Series(np.where(treated, "treatment", "control"), dtype="str"),
            "decision": pd.Series(np.where(declined, "decline", "approve"), dtype="str"),
            "loan_amount": np.round(np.exp(rng.normal(9.2, 0.6, size=_ROWS)), -2),
        }
        | {trait: pd.Series(values, dtype="str") for trait, values in columns.items()}
    )

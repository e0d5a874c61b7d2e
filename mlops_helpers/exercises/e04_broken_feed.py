"""Checks of notebook 4, continued: a retraining that a broken feed must stop, and what stays out.

The answer is a step of a pipeline. It gets a `fit` that notes what it was given, on files in which
a feed is whole, broken now, was broken once, or is broken in a future that nobody knows yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd

from mlops_helpers.contracts import FEATURES
from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise, kind
from mlops_helpers.exercises.repeated_labels import repeated_labels
from mlops_helpers.quarantine import broken_rows
from mlops_helpers.simulation import simulate_applications

Fit = Callable[[pd.DataFrame], object]
Retrain = Callable[[object, pd.DataFrame, Fit, pd.Timestamp], object]

AS_OF = pd.Timestamp("2024-01-01", tz="UTC")
LOOK_BACK = pd.Timedelta(days=30)
_MONTHS, _A_MONTH = 16, 60
_BROKEN_ONCE = ("2023-01-01", "2023-03-01")


class _Fitting:
    """A `fit` that keeps what it was given, and returns a model of its own each time."""

    def __init__(self) -> None:
        self.given: list[pd.DataFrame] = []
        self.strange = ""

    def __call__(self, rows: object) -> str:
        if not isinstance(rows, pd.DataFrame) or "application_id" not in rows:
            self.strange = type(rows).__name__
            return "challenger of nothing"
        self.given.append(rows.copy())
        return f"challenger {len(self.given)}"


@exercise(
    "4.3",
    title="Find the fault: retraining on a broken feed",
    fault=True,
    hints=(
        "Two questions about the feed: is it broken *now*, so that nothing may be trained? And was "
        "it ever broken, so that rows of that time are still in the files?",
        "Now is the last thirty days. Do the rows with known outcomes reach that far?",
        "`broken_rows(frame, labelled=False)` says of each row whether its features break the "
        "contract; without `labelled=False` a young loan, which has no outcome yet, breaks it as "
        "well. Its mean over the last thirty days decides; and the rows that it marks are not "
        "learnt from.",
    ),
)
def broken_feed(answer: Retrain) -> str:
    """`answer(champion, files, fit, as_of)` returns the model that serves from now on."""
    whole = _files()
    _trains(_run(answer, whole), whole, "the feed is whole")
    _broken_now(answer)
    _broken_once(answer)
    _what_is_no_reason(answer)
    nobody = whole[~_recent(whole)]
    if _run(answer, nobody).given:
        raise Wrong(
            "in the last 30 days no application came at all, and it trains: who says that the feed "
            "works? What nobody knows must not speak for a training"
        )
    return "a feed that is broken stops the training; one that was broken leaves no row behind"


def _broken_now(answer: Retrain) -> None:
    """Most rows, a few, and another column: the champion stays, and nothing is trained."""
    cases = {
        "debt ratios have arrived in per cent for 30 days": _in_per_cent(_files(), _recent),
        "3 % of the last 30 days' debt ratios are lost, which is above the limit of 1 %": _lost(
            _files(), 2
        ),
        "the incomes of the last 30 days are all 0, which the contract forbids": _files().assign(
            annual_income=lambda f: f["annual_income"].mask(_recent(f), 0.0)
        ),
    }
    for told, files in cases.items():
        found = _run(answer, files)
        if found.given and found.returned == "champion":
            raise Wrong(f"{told}; it trains all the same, and then throws the model away")
        if found.given:
            told_of = (
                ""
                if "debt ratios have" not in told
                else (": next month the model learns the fault, and nobody is told today")
            )
            raise Wrong(f"{told}, and it trains{told_of}")


def _broken_once(answer: Retrain) -> None:
    """Broken rows of a time that is over stay out; the others of that time are learnt from."""
    files = _in_per_cent(_files(), _once)
    found = _run(answer, files)
    if not found.given:
        raise Wrong(
            "a feed was broken for two months, was mended nine months ago, and still nothing is "
            "trained: the broken rows stay in the files for ever, a veto must not"
        )
    learnt = set(found.given[-1]["application_id"])
    broken = files["application_id"][broken_rows(files)]
    if learnt & set(broken):
        altered = found.given[-1].set_index("application_id")["debt_to_income_ratio"]
        kept = files.set_index("application_id")["debt_to_income_ratio"].loc[altered.index]
        if not altered.equals(kept):
            raise Wrong(
                "rows of a broken feed are repaired and learnt from. Clipped or filled, a debt "
                "ratio in per cent is still not what the applicant owed; it only looks whole"
            )
        raise Wrong(
            f"the feed is mended, and {len(learnt & set(broken))} rows from the time when it was "
            "broken are learnt from as they are"
        )
    _trains(found, files, "the feed was broken once and is whole now")


def _what_is_no_reason(answer: Retrain) -> None:
    typo = _lost(_files(), 0)
    place = typo.index[_recent(typo)][7]
    typo.loc[place, "debt_to_income_ratio"] = 31.0
    many = pd.concat([typo, _crowd()], ignore_index=True)
    _trains(_run(answer, many), many, "one typing error in 200 rows of the last 30 days")
    later = _in_per_cent(_files(), lambda f: f["applied_at"] >= AS_OF)
    _trains(_run(answer, later), later, "the feed breaks in rows applied for after the day")
    odd = repeated_labels(_files())
    _trains(_run(answer, odd), odd, "with an index whose labels repeat")


class _Found:
    """What came back, and what `fit` was given on the way."""

    def __init__(self, returned: object, given: list[pd.DataFrame]) -> None:
        self.returned, self.given = returned, given


def _run(answer: Retrain, files: pd.DataFrame) -> _Found:
    """Run the step on a copy, or `Wrong` for what it returns or changes."""
    handed, fit = files.copy(), _Fitting()
    try:
        returned = answer("champion", handed, fit, AS_OF)
    except NotAttempted as nothing:
        if not fit.given:
            raise
        raise Wrong("it trains and returns nothing; which model serves from now on?") from nothing
    if fit.strange:
        raise Wrong(f"it calls fit with a {fit.strange}, must be rows of the files")
    if not handed.equals(files):
        raise Wrong("it changed the lender's files; work on a copy")
    if len(fit.given) > 1:
        raise Wrong(f"it calls fit {len(fit.given)} times; one challenger is enough")
    if not isinstance(returned, str) or not returned.startswith(("champion", "challenger")):
        raise Wrong(
            f"it returns {kind(returned)}, must be the model that serves from now on: "
            "the champion, or what fit returned"
        )
    if returned == "champion" and fit.given and not broken_rows(files, labelled=False).any():
        raise Wrong("it trains a challenger and lets it go: fit's model should come back")
    return _Found(returned, fit.given)


def _trains(found: _Found, files: pd.DataFrame, when: str) -> None:
    """`Wrong` unless exactly the rows that are whole and known were learnt from, unchanged."""
    if not found.given:
        raise Wrong(
            f"nothing is trained, and yet: {when}. Young loans have no outcome, which is no fault "
            "of a feed; a veto that always holds is no veto"
            if when == "the feed is whole"
            else f"nothing is trained, and yet: {when}"
        )
    rows = found.given[-1]
    if (rows["outcome_at"] > AS_OF).any() or rows["default"].isna().any():
        raise Wrong("it learns from outcomes that nobody knew on the day of the training")
    known = files[files["outcome_at"] <= AS_OF]
    good = known[~broken_rows(known).to_numpy()]
    missing = set(good["application_id"]) - set(rows["application_id"])
    if missing:
        raise Wrong(
            f"{when}: {len(missing)} of {len(good)} rows that are whole, with outcomes known on "
            "the day, are not learnt from"
        )
    if len(rows) > len(good):
        raise Wrong(f"{when}: it learns from {len(rows) - len(good)} rows too many")
    same = [*FEATURES, "default"]
    left, right = (f.set_index("application_id").sort_index()[same] for f in (rows, good))
    if not left.equals(right):
        raise Wrong(
            f"{when}: values were changed on their way to fit; gaps that the contract allows are "
            "the pipeline's business"
        )


@lru_cache(maxsize=1)
def _drawn() -> pd.DataFrame:
    start = AS_OF - pd.DateOffset(months=_MONTHS - 2)
    frame = simulate_applications(_MONTHS * _A_MONTH, seed=43, start=start, months=_MONTHS)
    frame["default"] = frame["default"].astype(float).where(frame["outcome_at"] <= AS_OF)
    return frame


def _files() -> pd.DataFrame:
    """Sixteen months, two of them after the day; outcomes as known on the day, else missing."""
    return _drawn().copy()


def _crowd() -> pd.DataFrame:
    """More applications of the last weeks, so that one row is less than one in a hundred."""
    more = simulate_applications(400, seed=44, start="2023-12-01", months=1)
    more = more[_recent(more)].head(150)
    return more.assign(default=np.nan)


def _recent(frame: pd.DataFrame) -> pd.Series:
    return (frame["applied_at"] >= AS_OF - LOOK_BACK) & (frame["applied_at"] < AS_OF)


def _once(frame: pd.DataFrame) -> pd.Series:
    """Four in five rows of the two months in which the feed was broken."""
    inside = (frame["applied_at"] >= _BROKEN_ONCE[0]) & (frame["applied_at"] < _BROKEN_ONCE[1])
    return inside & (np.arange(len(frame)) % 5 > 0)


def _in_per_cent(frame: pd.DataFrame, when: Callable[[pd.DataFrame], pd.Series]) -> pd.DataFrame:
    debt = frame["debt_to_income_ratio"]
    return frame.assign(debt_to_income_ratio=debt.mask(when(frame), debt * 100))


def _lost(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """So many of the last 30 days' debt ratios are missing."""
    frame.loc[frame.index[_recent(frame)][:rows], "debt_to_income_ratio"] = np.nan
    return frame

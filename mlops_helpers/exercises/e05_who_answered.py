"""Checks of notebook 05, continued: the treatment failed on some, and control answered for it.

The answer gets a log in which the failures are no accident: the treatment fails on large loans of
a greater risk. Each tempting way to sort the rows gives a figure of its own, and is known by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlops_helpers.business import CostModel
from mlops_helpers.exercises.engine import Wrong, exercise, kind, number
from mlops_helpers.exercises.repeated_labels import repeated_labels

Answered = Callable[[pd.DataFrame, Mapping[str, int], CostModel], Any]

_ROWS = 2400
_START = pd.Timestamp("2024-03-01", tz="UTC")
_FIRST, _OTHER = {"control": 3, "treatment": 4}, {"control": 12, "treatment": 9}
_RISKY_AMOUNT = 15_000


@exercise(
    "5.6",
    title="The treatment failed, and control answered: who is compared with whom?",
    hints=(
        "What would be brought into service: the treatment alone, or the treatment with control "
        "standing behind it?",
        "The coin made the arms equal. Whatever happens after it fell, a failure too, may not move "
        "a row from one arm to the other, nor out of it.",
        "Keep the first row of each application by `scored_at`. `variant` says the arm; "
        "`model_version` is needed for the second figure only.",
    ),
)
def who_answered(answer: Answered) -> str:
    """`answer(log, versions, costs)` is the effect in dollars, and the share that failed."""
    log, costs = _log(_FIRST), CostModel()
    effect, failed = _figures(answer, log, _FIRST, costs)
    _judge_effect(effect, log, costs)
    _judge_share(failed, log)
    again = _figures(answer, _log(_OTHER), _OTHER, costs)
    if not np.allclose(again, (effect, failed)):
        raise Wrong("with versions 12 and 9 instead of 3 and 4 the same log gives other figures")
    if not np.allclose(_figures(answer, repeated_labels(log), _FIRST, costs), (effect, failed)):
        raise Wrong("with an index that repeats it gives other figures; rows are no labels")
    mixed = log.sample(frac=1, random_state=6)
    if not np.allclose(_figures(answer, mixed, _FIRST, costs), (effect, failed)):
        raise Wrong("with its rows in another order it gives other figures; the clock is a column")
    dear = CostModel(margin=0.2, loss_given_default=0.8)
    dollars = _figures(answer, log, _FIRST, dear)[0]
    if _same(dollars, effect):
        raise Wrong("you used the default CostModel; take the one given, `costs`")
    if not _same(dollars, _gap(_first(log), dear)):
        raise Wrong("with a margin of 20 % and a loss of 80 % its dollars are not those of `costs`")
    whole = _unfailed(log)
    if not np.allclose(_figures(answer, whole, _FIRST, costs), (_gap(_first(whole), costs), 0.0)):
        raise Wrong("in a log without any failure it finds another effect, or failures")
    return "by the arm that the coin chose: that is the effect of what you would bring into service"


def _figures(
    answer: Answered, log: pd.DataFrame, versions: Mapping[str, int], costs: CostModel
) -> tuple[float, float]:
    """What the answer says, or `Wrong` for what is not two figures."""
    handed = log.copy()
    said = answer(handed, dict(versions), costs)
    if not handed.equals(log):
        raise Wrong("it changed the log; who was in which arm stays as the coin chose")
    if not isinstance(said, tuple | list | np.ndarray) or len(said) != 2:
        raise Wrong(f"it returned {kind(said)}, must be two numbers: the effect, the share failed")
    return number(said[0], "the effect"), number(said[1], "the share that failed")


def _judge_effect(found: float, log: pd.DataFrame, costs: CostModel) -> None:
    right = _gap(_first(log), costs)
    if _same(found, right):
        return
    for effect, said in _effects(log, costs):
        if _same(found, effect):
            raise Wrong(said)
    way = "large" if found > right else "small"
    raise Wrong(f"an effect of {found:.4g} dollars per application is too {way}")


def _judge_share(found: float, log: pd.DataFrame) -> None:
    right = _share(_first(log))
    if _same(found, right):
        return
    for share, said in _shares(log):
        if _same(found, share):
            raise Wrong(f"the effect is right; {said}")
    way = "large" if found > right else "small"
    raise Wrong(f"the effect is right; a share of {found:.4g} that failed is too {way}")


def _effects(log: pd.DataFrame, costs: CostModel) -> list[tuple[float, str]]:
    """Effects that tempting readings give, and what is off with each."""
    first = _first(log)
    failed = _failed(first)
    last = _first(log, keep="last")
    mine = log[log["variant"].isin(list(_FIRST))]
    by_version = _moved(first)
    hard = first["loan_amount"] > _RISKY_AMOUNT
    right, share = _gap(first, costs), _share(first)
    held = log["variant"].replace("holdout", "control")
    money = _money(first, costs)
    sums = money.groupby(first["variant"]).sum()
    lent = first[first["decision"] == "approve"]
    undone = first.assign(decision=first["decision"].mask(failed, "decline"))
    own = _first(log[log["model_version"] == _FIRST["treatment"]])
    late = own[own["application_id"].isin(first["application_id"][failed])]
    return [
        (
            _gap(by_version, costs),
            "it sorts the rows by who answered. The failures were no accident: so the hard cases "
            "of the treatment are counted as control's",
        ),
        (
            _gap(first[~failed], costs),
            "it leaves the failures out. The treatment then keeps its easy cases, and control "
            "still has its hard ones",
        ),
        (
            _gap(undone, costs),
            "a failure counts as a declined application; but control answered, and some of them "
            "have the money",
        ),
        (
            _gap(first[~hard], costs),
            "it leaves out the kind of application that fails, in both arms. That is fair, and "
            "answers for other applicants than those who come",
        ),
        (
            right / (1 - share),
            "it divides by the share that did not fail. That guesses what a treatment that never "
            "fails would bring; this one fails",
        ),
        (
            _gap(last, costs),
            "of an application that was sent again the last answer counts; the first was given "
            "to the customer",
        ),
        (
            _gap(pd.concat([first[~failed], late]), costs),
            "a failure counts where the treatment answered on a second try; that was too late",
        ),
        (_gap(mine, costs), "applications that were sent twice count twice"),
        (
            _gap(_first(log.assign(variant=held)), costs),
            "the holdout counts as control; no coin of this experiment put it there",
        ),
        (
            _gap(lent, costs),
            "the declined are missing from the mean; they earned nothing and count",
        ),
        (
            _gap(first.assign(default=first["default"].fillna(0.0)), costs),
            "approved loans without an outcome count as repaid",
        ),
        (
            _gap(first.assign(default=first["default"].fillna(1.0)), costs),
            "approved loans without an outcome count as defaulted",
        ),
        (-right, "the sign is turned: it says what control earns more than the treatment"),
        (float(sums["treatment"] - sums["control"]), "these are sums; the arms differ in size"),
        (
            _gap(first[failed | (first["variant"] == "control")], costs),
            "it compares the failures alone with control",
        ),
    ]


def _shares(log: pd.DataFrame) -> list[tuple[float, str]]:
    """Shares that tempting readings give, and what is off with each."""
    first = _first(log)
    failed = _failed(first)
    mine = log[log["variant"] == "treatment"]
    lent = first[first["decision"] == "approve"]
    seen = first[(first["decision"] == "decline") | first["default"].notna()]
    return [
        (
            float(failed.mean()),
            "the share that failed is one of both arms together, must be one of the treatment's "
            "applications",
        ),
        (float(_failed(log).mean()), "the share that failed is one of all rows of the log"),
        (float(_failed(mine).mean()), "the share that failed counts rows, not applications"),
        (float(failed.sum()), "the second figure is a number of applications, must be a share"),
        (1 - _share(first), "the second figure is the share that the treatment did answer"),
        (_share(lent), "the share that failed is one of the approved only"),
        (
            _share(seen),
            "the share that failed leaves out who has no outcome yet; a failure is known at once",
        ),
        (100 * _share(first), "the share that failed is in per cent, must lie between 0 and 1"),
        (
            float((first["model_version"] == _FIRST["control"]).mean()),
            "the second figure is the share that control's version answered, in both arms",
        ),
        (
            _share(_first(log, keep="last")),
            "the share that failed leaves out those whom a second try answered, too late",
        ),
    ]


def _first(log: pd.DataFrame, *, keep: Literal["first", "last"] = "first") -> pd.DataFrame:
    """One row an application of the arms: the first by time, or the last."""
    mine = log[log["variant"].isin(list(_FIRST))].sort_values("scored_at", kind="stable")
    return mine.drop_duplicates("application_id", keep=keep)


def _failed(log: pd.DataFrame) -> pd.Series:
    """Which rows control answered in the treatment's place, in the log of the first versions."""
    return (log["variant"] == "treatment") & (log["model_version"] == _FIRST["control"])


def _share(log: pd.DataFrame) -> float:
    return float(_failed(log)[log["variant"] == "treatment"].mean())


def _moved(log: pd.DataFrame) -> pd.DataFrame:
    """The rows in the arm whose model answered."""
    arms = {version: arm for arm, version in _FIRST.items()}
    return log.assign(variant=log["model_version"].map(arms))


def _unfailed(log: pd.DataFrame) -> pd.DataFrame:
    """The log of a treatment that never failed: who was in its arm was answered by it."""
    version = log["model_version"].mask(log["variant"] == "treatment", _FIRST["treatment"])
    return log.assign(model_version=version)


def _gap(log: pd.DataFrame, costs: CostModel) -> float:
    means = _money(log, costs).groupby(log["variant"]).mean()
    return float(means["treatment"] - means["control"])


def _money(log: pd.DataFrame, costs: CostModel) -> pd.Series:
    lent = log["decision"] == "approve"
    return pd.Series(costs.profit(log["loan_amount"], log["default"], lent), index=log.index)


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=1e-6, atol=1e-9))


def _log(versions: Mapping[str, int]) -> pd.DataFrame:
    """Exposures of 2,400 applications, a tenth of them held out, some sent a second time."""
    rng = np.random.default_rng(56)
    arm = rng.choice(["control", "treatment", "holdout"], p=[0.45, 0.45, 0.1], size=_ROWS)
    amount = np.round(np.exp(rng.normal(9.2, 0.6, size=_ROWS)), -2)
    hard = amount > _RISKY_AMOUNT
    risk = np.clip(rng.beta(1.2, 9.0, size=_ROWS) + 0.15 * hard, 0, 0.9)
    failed = (arm == "treatment") & hard & (rng.random(_ROWS) < 0.7)
    by_new = (arm == "treatment") & ~failed
    noise = rng.normal(0, 1, size=_ROWS) * np.where(by_new, 0.06, 0.12)
    default = (rng.random(_ROWS) < risk).astype(float)
    at = _START + pd.to_timedelta(np.sort(rng.integers(0, 90 * 86_400, size=_ROWS)), unit="s")
    frame = pd.DataFrame(
        {
            "application_id": pd.Series([f"A{k:04d}" for k in range(_ROWS)], dtype="str"),
            "variant": pd.Series(arm, dtype="str"),
            "model_version": np.where(by_new, versions["treatment"], versions["control"]),
            "scored_at": at,
            "decision": _decided(risk + noise),
            "loan_amount": amount,
            "default": default,
        }
    )
    again = rng.random(_ROWS) < np.where(failed, 0.4, 0.03)
    second = frame[again].assign(
        model_version=[
            versions["treatment" if a == "treatment" else "control"] for a in arm[again]
        ],
        scored_at=at[again] + pd.Timedelta(hours=2),
        decision=_decided((risk + rng.normal(0, 0.06, size=_ROWS))[again]),
    )
    both = pd.concat([frame, second]).sort_values("scored_at", ignore_index=True)
    unknown = both["application_id"].str[-1].eq("7") | both["decision"].eq("decline")
    return both.assign(default=both["default"].mask(unknown))


def _decided(score: np.ndarray) -> np.ndarray:
    return np.where(score < 0.18, "approve", "decline")

"""Checks of notebook 1, continued: a feature that knows the future, a profit with hindsight."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlops_helpers.business import CostModel, best_cutoff
from mlops_helpers.exercises.engine import Wrong, exercise, number

GroupRate = Callable[[pd.DataFrame, pd.DataFrame, str], pd.Series]
ProfitLater = Callable[[pd.DataFrame, pd.DataFrame, CostModel], float]


@exercise(
    "1.3",
    title="The feature that knew the future",
    fault=True,
    hints=(
        "Which outcomes are known on the day when a new application comes in?",
        "Learn one rate for each group from train alone, then look it up for each row of rows.",
        "Series.map looks up; what does it give for a group that train never saw?",
    ),
)
def group_rate(answer: GroupRate) -> str:
    """Learned from the training rows alone, for any row, in its place, seen or unseen."""
    train, rows = _loans(seed=1, n=400), _loans(seed=2, n=60)
    learned = train.groupby("place")["default"].mean()
    _refuse_hindsight(answer, train, rows)
    found = _rates(answer(train, rows, "place"), rows, "the rates of 60 rows")
    seen = rows["place"].isin(learned.index).to_numpy()
    right = rows["place"].map(learned).fillna(train["default"].mean()).to_numpy()
    if not np.allclose(found[seen], right[seen]):
        if np.allclose(np.sort(found), np.sort(right)):
            raise Wrong("the rates are right, but not in the order of the rows")
        raise Wrong("a row's rate is not the share of defaults in its group of the training rows")
    _judge_unseen(found[~seen], train, learned)
    one = _rates(answer(train, rows.iloc[[7]], "place"), rows.iloc[[7]], "the rate of a single row")
    if not np.isclose(one[0], found[7]):
        raise Wrong("a row gets another rate when it comes alone; who else applies must not matter")
    return "learned once, from outcomes that were known, and any group gets an answer"


@exercise(
    "1.4",
    title="Profit without hindsight",
    hints=(
        "Two steps: which cut-off earned most on the old loans? What does it earn on the new ones?",
        "best_cutoff chooses; an application with a probability below the cut-off is approved.",
        "CostModel.profit takes which ones are approved; a declined one counts, as 0.",
    ),
)
def profit_later(answer: ProfitLater) -> str:
    """Chosen on the old loans, measured on the new, in dollars for each application."""
    costs = CostModel(margin=0.10, loss_given_default=0.6)
    old, new = _scored(kept=3, luck=0), _scored(kept=1, luck=1)
    shuffled = new.sample(frac=1.0, random_state=3)
    kept = (old.copy(), shuffled.copy())
    got = number(answer(old, shuffled, costs), "the profit per application")
    if not (old.equals(kept[0]) and shuffled.equals(kept[1])):
        raise Wrong("it changed the frames that it was given; work on copies")
    _judge_profit(got, old, shuffled, costs)
    other = CostModel(margin=0.5, loss_given_default=0.3)
    got = number(answer(old, new, other), "the profit with other costs")
    if not np.isclose(got, _earned(old, new, other)):
        raise Wrong("with other costs it is off; does every step use the costs that are given?")
    hopeless = old.assign(default=1)
    got = number(answer(hopeless, new, costs), "the profit when no old loan was repaid")
    if not np.isclose(got, 0.0):
        raise Wrong(
            "when every old loan defaulted, the best cut-off approves nobody, which earns 0; it "
            f"reports {got:,.2f}"
        )
    return "chosen on what was known, measured on what came later"


def _loans(*, seed: int, n: int) -> pd.DataFrame:
    """Return loans of a few places, of unequal size and risk; each `seed` has a place of its own.

    No two seeds share a label of the index, as no two loans of one file do.
    """
    rng = np.random.default_rng(seed)
    places = np.array(["north", "east", "south", "west", f"new in {seed}"])
    place = rng.choice(places, size=n, p=[0.5, 0.25, 0.12, 0.08, 0.05])
    risk = pd.Series(place).map(dict(zip(places, (0.1, 0.3, 0.6, 0.2, 0.5), strict=True)))
    default = (rng.random(n) < risk.to_numpy()).astype(int)
    index = 10_000 * seed + rng.permutation(10 * n)[:n]
    return pd.DataFrame({"place": place, "default": default}, index=index)


def _refuse_hindsight(answer: GroupRate, train: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Raise `Wrong` if the outcomes of `rows` are used, or a frame is changed."""
    kept = (train.copy(), rows.copy())
    first = _rates(answer(train, rows, "place"), rows, "the rates of 60 rows")
    if not (train.equals(kept[0]) and rows.equals(kept[1])):
        raise Wrong("it changed the frames that it was given; work on copies")
    turned = rows.assign(default=1 - rows["default"])
    if not np.allclose(_rates(answer(train, turned, "place"), rows, "the rates"), first):
        raise Wrong(
            "when the outcomes of the new rows change, their feature changes: it knows the future"
        )
    try:
        answer(train, rows.drop(columns="default"), "place")
    except Wrong as failed:
        raised = type(failed.__cause__).__name__
        raise Wrong(
            f"it raised {raised} for rows without a column default; whoever applies today has none"
        ) from failed


def _rates(got: object, rows: pd.DataFrame, what: str) -> np.ndarray:
    """Return the answer as numbers in the order of `rows`, or raise `Wrong`."""
    if isinstance(got, pd.DataFrame) or np.ndim(got) != 1:
        raise Wrong(f"{what} came back as a {type(got).__name__}, must be one rate for each row")
    if len(got) != len(rows):
        raise Wrong(f"{what}: {len(got)} came back, must be one for each of the {len(rows)} rows")
    if isinstance(got, pd.Series) and set(got.index) == set(rows.index):
        got = got.reindex(rows.index)  # a Series says itself which row is which
    try:
        values = np.asarray(got, dtype=float)
    except (TypeError, ValueError) as error:
        raise Wrong(f"{what} are no numbers") from error
    if np.isnan(values).any():
        raise Wrong(
            f"{what}: {np.isnan(values).sum()} are missing; a group that train never saw needs a "
            "rate as well"
        )
    return values


def _judge_unseen(found: np.ndarray, train: pd.DataFrame, learned: pd.Series) -> None:
    """Raise `Wrong` unless unseen groups get the rate of all training rows."""
    if np.allclose(found, train["default"].mean()):
        return
    if np.allclose(found, 0):
        raise Wrong("a group that train never saw gets 0: the safest of all, for no reason")
    if np.allclose(found, learned.mean()):
        raise Wrong(
            "an unseen group gets the mean of the groups' rates; small groups count as much"
        )
    raise Wrong("an unseen group must get the default rate of all training rows")


def _scored(*, kept: int, luck: int) -> pd.DataFrame:
    """Return loans in five bands of probability, of which the `kept` lowest are worth approving.

    Inside a band all probabilities agree, and the fourth lies on the cut-off that parts it from the
    third: grids in steps of 0.005, 0.01, 0.05 or 0.1 all choose 0.2, below which it is not.
    """
    rng = np.random.default_rng(luck)
    band = np.repeat(np.arange(5), 40)
    share = np.where(band < kept, 0.05, 0.30)
    default = (np.tile(np.arange(40), 5) < share * 40).astype(int)
    probability = np.array([0.033, 0.112, 0.197, 0.2, 0.412])[band]
    amount = rng.choice([2_000.0, 5_000.0, 20_000.0], size=200)
    return pd.DataFrame({"probability": probability, "default": default, "loan_amount": amount})


def _earned(old: pd.DataFrame, new: pd.DataFrame, costs: CostModel) -> float:
    """Profit per new application at the cut-off that earned most on the old ones."""
    columns = (old[name] for name in ("probability", "default", "loan_amount"))
    approved = new["probability"] < best_cutoff(*columns, costs).cutoff
    return float(costs.profit(new["loan_amount"], new["default"], approved).mean())


def _judge_profit(got: float, old: pd.DataFrame, new: pd.DataFrame, costs: CostModel) -> None:
    """Raise `Wrong` naming the mistake that leads to the figure, where it can be told."""
    right = _earned(old, new, costs)
    columns = (old[name] for name in ("probability", "default", "loan_amount"))
    cutoff = best_cutoff(*columns, costs).cutoff
    approved = new["probability"] < cutoff
    profit = costs.profit(new["loan_amount"], new["default"], approved)
    even = new["probability"] < costs.break_even
    at_most = new["probability"] <= cutoff
    mistakes = {
        "that is what the best cut-off of the new loans earns on them: nobody knew it beforehand":
            _earned(new, new, costs),
        "that is what the cut-off earned on the old loans it was chosen from; measure the new ones":
            _earned(old, old, costs),
        "that is the profit per approved loan; a declined application counts as well, as 0":
            float(profit[approved].mean()),
        "that is the profit of all loans together, not per application": float(profit.sum()),
        "that is what approving everybody earns":
            float(costs.profit(new["loan_amount"], new["default"]).mean()),
        "those are the loans at or above the cut-off; the ones below it are approved":
            float(costs.profit(new["loan_amount"], new["default"], ~approved).mean()),
        "an application whose probability equals the cut-off was approved; only those below it are":
            float(costs.profit(new["loan_amount"], new["default"], at_most).mean()),
        "that is the break-even cut-off; the old loans say which one really earned most":
            float(costs.profit(new["loan_amount"], new["default"], even).mean()),
    }  # fmt: skip
    if np.isclose(got, right):
        return
    for mistake, value in mistakes.items():
        if np.isclose(got, value):
            raise Wrong(mistake)
    raise Wrong(
        "that is not what the cut-off chosen on the old loans earns on the new ones, in dollars "
        "for each application"
    )

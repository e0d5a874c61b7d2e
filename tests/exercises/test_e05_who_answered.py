"""Exercise 5.6: by the coin, whoever answered; every other way to sort the rows is recognised."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.business import CostModel
from mlops_helpers.exercises.e05_who_answered import _FIRST, _effects, _first, _gap, _log, _shares
from mlops_helpers.exercises.engine import judge
from tests.exercises.battery import Names, Proof, prove

ARMS = ["control", "treatment"]


def given() -> Names:
    """What stub and solution find in the kernel."""
    return {"np": np, "pd": pd, "CostModel": CostModel}


def ones(log, keep="first"):
    """One row an application of the arms."""
    mine = log[log["variant"].isin(ARMS)].sort_values("scored_at", kind="stable")
    return mine.drop_duplicates("application_id", keep=keep)


def effect(rows, costs, default=None):
    """Profit per application, treatment less control."""
    lent = (rows["decision"] == "approve").to_numpy()
    ends = rows["default"] if default is None else rows["default"].fillna(default)
    money = pd.Series(costs.profit(rows["loan_amount"], ends, lent))
    means = money.groupby(rows["variant"].to_numpy()).mean()
    return means["treatment"] - means["control"]


def failed_in(rows, versions):
    """Which rows control answered for the treatment."""
    return (rows["variant"] == "treatment") & (rows["model_version"] == versions["control"])


def share(rows, versions):
    """The share of the treatment's rows that control answered."""
    return failed_in(rows, versions)[rows["variant"] == "treatment"].mean()


def right(log, versions, costs):
    """By the coin."""
    rows = ones(log)
    return effect(rows, costs), share(rows, versions)


def on(rows_of):
    """An answer whose effect is that of other rows."""

    def answer(log, versions, costs):
        return effect(rows_of(log, versions), costs), right(log, versions, costs)[1]

    return answer


def shared(of):
    """An answer whose share is another."""
    return lambda log, versions, costs: (right(log, versions, costs)[0], of(log, versions))


def as_treated(log, versions):
    """By who answered."""
    rows = ones(log)
    new = rows["model_version"] == versions["treatment"]
    return rows.assign(variant=np.where(new, "treatment", "control"))


def declined(log, versions):
    """A failure is a refusal."""
    rows = ones(log)
    return rows.assign(decision=rows["decision"].mask(failed_in(rows, versions), "decline"))


def second_try(log, versions):
    """The treatment's own answer counts, whenever it came."""
    new = log["model_version"] == versions["treatment"]
    first, own = ones(log), ones(log[new])
    kept = first[~failed_in(first, versions)]
    return pd.concat([kept, own[~own["application_id"].isin(kept["application_id"])]])


def held(log, versions):
    """The holdout is control as well."""
    return ones(log.assign(variant=log["variant"].replace("holdout", "control")))


def scaled(log, versions, costs):
    """What a treatment that never fails would bring."""
    gap, part = right(log, versions, costs)
    return gap / (1 - part), part


def sums(log, versions, costs):
    """Totals."""
    rows = ones(log)
    lent = rows["decision"] == "approve"
    money = pd.Series(costs.profit(rows["loan_amount"], rows["default"], lent))
    total = money.groupby(rows["variant"].to_numpy()).sum()
    return total["treatment"] - total["control"], share(rows, versions)


def by_label(log, versions, costs):
    """Takes the first row of each label."""
    log = log[~log.index.duplicated()]
    return right(log, versions, costs)


def as_they_come(log, versions, costs):
    """Trusts the order of the rows."""
    rows = log[log["variant"].isin(ARMS)].drop_duplicates("application_id")
    return effect(rows, costs), share(rows, versions)


def in_place(log, versions, costs):
    """Puts the failures where they seem to belong, in the log itself."""
    log.loc[failed_in(log, versions), "variant"] = "control"
    return right(log, versions, costs)


def always_some(log, versions, costs):
    """A share of at least one per cent."""
    gap, part = right(log, versions, costs)
    return gap, max(part, 0.01)


PROOFS = (
    Proof(
        "5.6",
        given,
        wrong={
            "as treated": on(as_treated),
            "failures left out": on(
                lambda log, versions: ones(log)[~failed_in(ones(log), versions)]
            ),
            "failures declined": on(declined),
            "large loans left out": on(
                lambda log, versions: ones(log)[ones(log)["loan_amount"] <= 15_000]
            ),
            "never fails": scaled,
            "last answers": on(lambda log, versions: ones(log, "last")),
            "second try": on(second_try),
            "rows": on(lambda log, versions: log[log["variant"].isin(ARMS)]),
            "holdout": on(held),
            "approved only": on(
                lambda log, versions: ones(log)[ones(log)["decision"] == "approve"]
            ),
            "unknown repaid": lambda log, versions, costs: (effect(ones(log), costs, 0.0), 0.1),
            "unknown defaulted": lambda log, versions, costs: (effect(ones(log), costs, 1.0), 0.1),
            "turned": lambda log, versions, costs: (-right(log, versions, costs)[0], 0.1),
            "sums": sums,
            "failures alone": on(
                lambda log, versions: ones(log)[
                    failed_in(ones(log), versions) | (ones(log)["variant"] == "control")
                ]
            ),
            "share of both arms": shared(lambda log, v: failed_in(ones(log), v).mean()),
            "share of all rows": shared(lambda log, v: failed_in(log, v).mean()),
            "share of rows": shared(lambda log, v: share(log, v)),
            "how many": shared(lambda log, v: float(failed_in(ones(log), v).sum())),
            "who did not fail": shared(lambda log, v: 1 - share(ones(log), v)),
            "share of the approved": shared(
                lambda log, v: share(ones(log)[ones(log)["decision"] == "approve"], v)
            ),
            "share of the known": shared(
                lambda log, v: share(
                    ones(log)[(ones(log)["decision"] == "decline") | ones(log)["default"].notna()],
                    v,
                )
            ),
            "per cent": shared(lambda log, v: 100 * share(ones(log), v)),
            "by control's version": shared(
                lambda log, v: (ones(log)["model_version"] == v["control"]).mean()
            ),
            "share of the last": shared(lambda log, v: share(ones(log, "last"), v)),
            "a guess": shared(lambda log, v: 0.5),
            "versions 3 and 4": lambda log, versions, costs: right(log, _FIRST, costs),
            "today's costs": lambda log, versions, costs: right(log, versions, CostModel()),
            "by label": by_label,
            "as they come": as_they_come,
            "always some": always_some,
            "changes the log": in_place,
            "one number": lambda log, versions, costs: right(log, versions, costs)[0],
            "unknown is not a number": lambda log, versions, costs: (float("nan"), 0.1),
            "cents": lambda log, versions, costs: (100 * right(log, versions, costs)[0], 0.1),
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)


def test_other_right_answers_are_right():
    """The first row by rank, and an array of both figures."""

    def ranked(log, versions, costs):
        log = log.reset_index(drop=True)
        first = log.groupby("application_id")["scored_at"].rank(method="first") == 1
        rows = log[first & log["variant"].isin(ARMS)]
        return np.array([effect(rows, costs), share(rows, versions)])

    for answer in (right, ranked):
        verdict = judge("5.6", answer)
        assert verdict.status == "right", verdict


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (on(as_treated), "The failures were no accident"),
        (on(declined), "some of them have the money"),
        (scaled, "this one fails"),
        (on(second_try), "too late"),
        (on(held), "no coin of this experiment"),
        (as_they_come, "in another order"),
        (in_place, "stays as the coin chose"),
    ],
)
def test_each_mistake_is_named(answer, said):
    """Who answered, who was refused, who came back, who was held out: told apart."""
    assert said in judge("5.6", answer).message


def test_the_readings_differ_on_the_log():
    """No tempting reading gives the right figure; as treated, a loss looks like a gain."""
    log, costs = _log(_FIRST), CostModel()
    truth = _gap(_first(log), costs)
    found = [value for value, _ in _effects(log, costs)]
    assert (np.diff(sorted([truth, *found])) > 0.5).all()
    assert truth < -50 < 50 < found[0]
    shares = sorted([share(_first(log), _FIRST), *(value for value, _ in _shares(log))])
    assert (np.diff(shares) > 0.001).all()

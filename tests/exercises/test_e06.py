"""The exercises of notebook 06, each proved three ways."""

from mlops_helpers.business import CostModel, profit_curve
from tests.exercises.battery import Proof, prove
from tests.test_dashboard import outcomes, predictions, utc


def logged():
    """Predictions with outcomes, as the log's window has them."""
    rows = predictions(300, start=utc("2023-12-01"), days=60, version=1, seed=1)
    known = outcomes(rows, seed=2)[["prediction_id", "default"]]
    return rows.merge(known.astype({"default": float}), on="prediction_id")


def given():
    """What the cells find: the logged rows, the costs and the curve."""
    rows, costs = logged(), CostModel()
    curve = profit_curve(rows["probability"], rows["default"], rows["loan_amount"], costs)
    return {"rows": rows, "advised": rows, "costs": costs, "curve": curve}


def approved(rows):
    """Rows that were granted a loan."""
    return rows[rows["decision"] == "approve"]


PROOFS = (
    Proof(
        "6.1",
        given,
        wrong={
            "the typed number stays": lambda rows: rows["default"].sum() / 1_240,
            "declined ones count": lambda rows: rows["default"].mean(),
            "unknown counts as repaid": lambda rows: approved(rows)["default"].fillna(0).mean(),
            "a count, not a share": lambda rows: approved(rows)["default"].sum(),
        },
    ),
    Proof(
        "6.2",
        given,
        wrong={
            "forgets the condition": lambda curve, least: curve.loc[
                curve["profit_per_application"].idxmax(), "cutoff"
            ],
            "returns the profit": lambda curve, least: curve.loc[
                curve["approval_rate"] >= least, "profit_per_application"
            ].max(),
            "approves most": lambda curve, least: curve.loc[
                curve["approval_rate"].idxmax(), "cutoff"
            ],
            "more than, not at least": lambda curve, least: curve.loc[
                curve.loc[curve["approval_rate"] > least, "profit_per_application"].idxmax(),
                "cutoff",
            ],
        },
    ),
)
test_solution, test_blank, test_wrong_answers = prove(*PROOFS)

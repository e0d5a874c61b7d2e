"""What makes people default in the simulated world: two sets of weights, and their terms.

    logit P(default) = the sum of `risk_effects(frame, model=QUIET)`

Most terms are straight lines on the logit scale; thresholds (`short_job`, `young`), a valley
(`many_lines`) and two interactions (`debt_and_loan`, `venture`) are what a forest can find and a
plain logistic regression cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class RiskModel:
    """Weights of the logistic risk model, on the logit scale."""

    level: float
    debt: float  # per 0.1 of debt_to_income_ratio above 0.2
    loan_to_income: float  # per 0.15 of loan / income above 0.2
    low_income: float  # per e-fold of income below 55,000
    short_job: float  # employed for less than two years
    history: float  # per e-fold of credit history below ten years
    many_lines: float  # per ten credit lines away from ten, squared
    young: float  # younger than 26
    debt_and_loan: float  # both a heavy debt (> 0.3) and a big loan (> 0.3 of income)
    venture: float  # a small-business loan on a short job
    home: Mapping[str, float]
    purpose: Mapping[str, float]


QUIET = RiskModel(
    level=-2.47,
    debt=0.30,
    loan_to_income=0.20,
    low_income=0.35,
    short_job=0.60,
    history=0.30,
    many_lines=0.50,
    young=0.35,
    debt_and_loan=1.40,
    venture=0.70,
    home={"mortgage": -0.45, "own": -0.20, "rent": 0.15},
    purpose={
        "debt_consolidation": 0.15,
        "credit_card": -0.15,
        "small_business": 0.65,
        "medical": 0.30,
        "car": -0.35,
        "home_improvement": -0.10,
        "major_purchase": -0.20,
        "educational": 0.20,
        "other": 0.10,
    },
)

POLICY_CHANGE = RiskModel(
    level=-2.80,
    debt=0.15,
    loan_to_income=0.62,
    low_income=0.20,
    short_job=0.10,
    history=0.15,
    many_lines=0.50,
    young=0.10,
    debt_and_loan=1.40,
    venture=0.70,
    home={"mortgage": 0.90, "own": -0.45, "rent": -0.25},
    purpose={
        "debt_consolidation": -0.05,
        "credit_card": 0.10,
        "small_business": 1.40,
        "medical": 0.10,
        "car": -0.10,
        "home_improvement": 0.40,
        "major_purchase": 0.25,
        "educational": 0.10,
        "other": 0.10,
    },
)


def risk_effects(frame: pd.DataFrame, *, model: RiskModel = QUIET) -> pd.DataFrame:
    """Return the terms whose sum is the logit of default: one column a term, one row a loan.

    A missing age or job length adds nothing (the model knows no more than the file does).
    """
    income, debt = frame["annual_income"], frame["debt_to_income_ratio"]
    burden = frame["loan_amount"] / income
    short_job = (frame["employment_length"] < 2).astype(float)
    venture = (frame["loan_purpose"] == "small_business").astype(float)
    lines = (frame["num_credit_lines"] - 10).clip(-10, 20) / 10
    return pd.DataFrame(
        {
            "level": pd.Series(model.level, index=frame.index),
            "debt": model.debt * (debt - 0.2) / 0.1,
            "loan_to_income": model.loan_to_income * (burden.clip(upper=0.9) - 0.2) / 0.15,
            "low_income": -model.low_income * np.log(income / 55_000),
            "short_job": model.short_job * short_job,
            "history": -model.history * np.log(frame["credit_history_length"].clip(lower=1) / 10),
            "many_lines": model.many_lines * lines**2,
            "young": model.young * (frame["age"] < 26).astype(float),
            "debt_and_loan": model.debt_and_loan * ((debt > 0.3) & (burden > 0.3)).astype(float),
            "venture": model.venture * venture * short_job,
            "home": frame["home_ownership"].map(model.home).fillna(0.0).astype(float),
            "purpose": frame["loan_purpose"].map(model.purpose).fillna(0.0).astype(float),
        },
        index=frame.index,
    )

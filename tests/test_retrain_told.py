"""The summary says what came of it, why, on which rows, who serves, and how long it took."""

from __future__ import annotations

import pandas as pd

from mlops_helpers.retrain_step import Result
from mlops_helpers.retrain_told import summary

REASON = {"kind": "trigger", "name": "age", "figure": 396.0, "limit": 30.0, "holds": True}
CHECK = {"check": "profit", "value": 101.58, "low": -77.27, "high": 274.76, "limit": -25.0}


def _stages(*rows: tuple[str, str, float | None, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["stage", "status", "seconds", "attempts", "told"])


def test_a_retraining_that_was_kept_says_who_refused():
    """Each part has its lines; figures come with their intervals, dollars with their sign."""
    result = Result(
        key="credit-risk 2024-06-01",
        outcome="kept",
        sentence="kept: version 1 stays",
        champion=1,
        stages=_stages(("watch", "done", 0.5, 1, "nobody to compare with"),
                       ("train", "done", 61.25, 2, "")),
        details={
            "check": {"reasons": [{**REASON, "text": "age 396 (limit 30)"}]},
            "train": {"rows_train": 5400, "rows_judge": 1200, "left_out": {"repeated id": 0,
                      "applied later": 4200}},
            "judge": {"checks": [{**CHECK, "passed": False, "reason": "…"},
                                 {**CHECK, "check": "evidence", "low": None, "high": None,
                                  "passed": True, "reason": "1200 rows"}]},
            "promote": {"refused_by": ["calibration", "worth the change"]},
        },
        repeated=False,
    )  # fmt: skip
    assert summary(result).splitlines() == [
        "credit-risk 2024-06-01: kept",
        "  kept: version 1 stays.",
        "Watch",
        "  nobody to compare with.",
        "Reasons",
        "  trigger    asks for it      age 396 (limit 30)",
        "Rows",
        "  5,400 to learn from, 1,200 later ones to judge",
        "  left out: 4,200 applied later",
        "Judge",
        "  not passed  profit       $101.58 [-$77.27, $274.76]",
        "  passed      evidence     1200 rows",
        "Gate",
        "  refused by: calibration, worth the change",
        "Now",
        "  version 1 serves",
        "Stages",
        "  watch    done         0.50 s",
        "  train    done        61.25 s  (attempt 2)",
    ]


def test_what_was_not_needed_is_not_told():
    """No judge and no gate where nothing was trained; a second call says that it did nothing."""
    stages = _stages(("watch", "done", 0.1, 1, ""), ("promote", "skipped", None, 1, "no reason"))
    told = {"differs": ("seed 7, not 8", "the rows are others"), "repeated": True}
    result = Result("m 2024-06-01", "kept", "no reason.", 3, stages, {"judge": {}}, **told)
    assert summary(result).splitlines() == [
        "m 2024-06-01: kept (it was over before this call; nothing was done now)",
        "  no reason.",
        "  It was made with other settings than now: seed 7, not 8; the rows are others.",
        "  A day is decided once: give a later day to decide with those of now.",
        "Now",
        "  version 3 serves",
        "Stages",
        "  watch    done         0.10 s",
        "  promote  skipped",
    ]

"""An alert is opened once, folded while it lasts, resolved on recovery, and never twice counted."""

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.alerts import ALERT_COLUMNS, Rule, evaluate_rules
from mlops_helpers.predictions import PredictionLog

RULE = Rule("score drift", "psi", 0.1, "above", "high", action="look at the feed")


def month(number):
    """The first of a month of 2024."""
    return pd.Timestamp(2024, number, 1, tz="UTC")


def rows(*values, metric="psi", subject="age", reference=0.02):
    """One metric row a month from January on."""
    return pd.DataFrame(
        {
            "metric": metric,
            "subject": subject,
            "model_version": pd.array([1] * len(values), dtype="Int64"),
            "window_start": [month(i + 1) for i in range(len(values))],
            "window_end": [month(i + 2) for i in range(len(values))],
            "value": values,
            "reference": reference,
        }
    )


def story(rule, *values):
    """The alerts after each month's evaluation, each time with those known before."""
    known, states = None, []
    for i in range(1, len(values) + 1):
        changed = evaluate_rules([rule], rows(*values), when=month(i + 1), open_alerts=known)
        both = changed if known is None else pd.concat([known, changed])
        known = both.drop_duplicates("alert_id", keep="last")
        states.append([f"{a.status} {a.times_seen}" for a in known.itertuples()])
    return states


def test_a_breach_opens_an_alert_that_says_what_to_do():
    """Value, limit, severity, subject and action are in the alert."""
    alert = evaluate_rules([RULE], rows(0.3), when=month(2)).iloc[0]
    assert alert[["rule", "subject", "severity", "status"]].tolist() == [
        "score drift", "age", "high", "open",
    ]  # fmt: skip
    assert alert["value"] == 0.3
    assert alert["limit"] == 0.1
    assert alert["action"] == "look at the feed"
    assert alert["opened_at"] == month(2)


def test_within_the_limit_there_is_no_alert():
    """The limit itself is not a breach, and no alerts come as a frame of the same columns."""
    none = evaluate_rules([RULE], rows(0.1), when=month(2))
    assert none.empty
    assert tuple(none.columns) == ALERT_COLUMNS
    assert none["opened_at"].dtype == "datetime64[us, UTC]"


def test_a_lasting_breach_is_one_alert_and_recovery_resolves_it():
    """Three breaching months are one alert seen three times; then it is resolved."""
    assert story(RULE, 0.3, 0.4, 0.2, 0.05, 0.05) == [
        ["open 1"], ["open 2"], ["open 3"], ["resolved 3"], ["resolved 3"],
    ]  # fmt: skip


def test_a_new_breach_after_recovery_is_a_new_alert():
    """Without a cooldown the second incident is counted as one."""
    assert story(RULE, 0.3, 0.0, 0.3)[-1] == ["resolved 1", "open 1"]


def test_within_the_cooldown_the_same_alert_opens_again():
    """A metric that flaps around its limit does not make a new alert each month."""
    calm = Rule("calm", "psi", 0.1, "above", "low", cooldown=pd.Timedelta(days=45))
    assert story(calm, 0.3, 0.0, 0.3) == [["open 1"], ["resolved 1"], ["open 2"]]
    assert story(calm, 0.3, 0.0, 0.0, 0.0, 0.3)[-1] == ["resolved 1", "open 1"]


def test_patience_waits_for_breaches_in_a_row():
    """Two in a row open; one, or two apart, do not."""
    patient = Rule("patient", "psi", 0.1, "above", "low", patience=2)
    assert story(patient, 0.3, 0.0, 0.3) == [[], [], []]
    assert story(patient, 0.3, 0.3) == [[], ["open 1"]]


def test_unknown_is_neither_breach_nor_recovery():
    """A window without a value leaves an open alert open and opens none."""
    assert story(RULE, np.nan) == [[]]
    assert story(RULE, 0.3, np.nan) == [["open 1"], ["open 1"]]


def test_the_same_evaluation_twice_changes_nothing():
    """Running the cell again neither counts again nor opens again."""
    first = evaluate_rules([RULE], rows(0.3), when=month(2))
    assert evaluate_rules([RULE], rows(0.3), when=month(2), open_alerts=first).empty


def test_windows_that_are_not_over_are_left_out():
    """A rule never sees the future: February's window is not known on 1 February."""
    assert evaluate_rules([RULE], rows(0.0, 0.9), when=month(2)).empty


def test_subjects_and_versions_have_alerts_of_their_own():
    """Two drifting features are two alerts; other metrics are not looked at."""
    frame = pd.concat([rows(0.3), rows(0.3, subject="income"), rows(9.0, metric="latency")])
    found = evaluate_rules([RULE], frame, when=month(2))
    assert sorted(found["subject"]) == ["age", "income"]
    assert found["alert_id"].nunique() == 2


def test_below_and_above_the_null_level():
    """A falling metric can breach, and a rule can count from the level that chance explains."""
    falling = Rule("auc", "auc", 0.6, "below", "high")
    assert len(evaluate_rules([falling], rows(0.55, metric="auc"), when=month(2))) == 1
    excess = Rule("excess", "psi", 0.1, "above", "high", over="null")
    assert evaluate_rules([excess], rows(0.15, reference=0.1), when=month(2)).empty
    assert len(evaluate_rules([excess], rows(0.25, reference=0.1), when=month(2))) == 1
    assert evaluate_rules([excess], rows(0.9, reference=np.nan), when=month(2)).empty


def test_rules_and_calls_that_cannot_work_are_refused():
    """Typing mistakes in a rule are found when it is written, not on the night it should fire."""
    with pytest.raises(ValueError, match="direction == 'over'"):
        Rule("r", "psi", 0.1, "over", "high")
    with pytest.raises(ValueError, match="severity == 'loud'"):
        Rule("r", "psi", 0.1, "above", "loud")
    with pytest.raises(ValueError, match="patience == 0"):
        Rule("r", "psi", 0.1, "above", "high", patience=0)
    with pytest.raises(ValueError, match="limit is missing"):
        Rule("r", "psi", float("nan"), "above", "high")
    with pytest.raises(ValueError, match="share a name"):
        evaluate_rules([RULE, RULE], rows(0.3), when=month(2))
    with pytest.raises(ValueError, match="no time zone"):
        evaluate_rules([RULE], rows(0.3), when=pd.Timestamp("2024-02-01"))
    with pytest.raises(ValueError, match="reference"):
        evaluate_rules([RULE], rows(0.3).drop(columns="reference"), when=month(2))


def test_alerts_survive_the_store(tmp_path):
    """Stored, read, evaluated again: the open alert is folded and then resolved in the store."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        log.append_metrics(rows(0.3, 0.4, 0.0))
        for number in (2, 3, 3, 4):
            changed = evaluate_rules(
                [RULE], log.metrics(), when=month(number), open_alerts=log.alerts()
            )
            log.append_alerts(changed)
        stored = log.alerts()
        assert stored["status"].tolist() == ["resolved"]
        assert stored["times_seen"].tolist() == [2]
        assert stored["resolved_at"].tolist() == [month(4)]
        assert log.alerts("open").empty

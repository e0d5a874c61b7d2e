"""An alert is opened once, folded while it lasts, resolved on recovery, and never twice counted."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_helpers.alerts import ALERT_COLUMNS, Rule, evaluate_rules, retired, silent
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


def test_an_unknown_window_neither_counts_nor_breaks_the_row():
    """A feed that drops every other window cannot keep a patient rule silent for ever."""
    patient = Rule("patient", "psi", 0.1, "above", "low", patience=2)
    assert story(patient, 0.3, np.nan, 0.3) == [[], [], ["open 1"]]
    assert story(patient, 0.3, np.nan, np.nan) == [[], [], []]
    assert story(patient, 0.3, np.nan, 0.0, 0.3) == [[], [], [], []]


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


def after(rule, values, moments):
    """The alerts that are known after evaluations at these months."""
    known = None
    for moment in moments:
        frame = rows(*values)
        changed = evaluate_rules([rule], frame, when=month(moment), open_alerts=known)
        both = changed if known is None else pd.concat([known, changed], ignore_index=True)
        known = both.drop_duplicates("alert_id", keep="last")
    return known.sort_values("opened_at", ignore_index=True)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.1, 0.3, np.nan]), min_size=1, max_size=10),
    patience=st.integers(1, 3),
    cooldown=st.sampled_from([0, 45, 80]),
    calls=st.lists(st.integers(2, 11), max_size=12),
)
def test_catching_up_equals_evaluating_one_by_one(values, patience, cooldown, calls):
    """Whatever the calls before: missed, repeated, out of order; the alerts are the same."""
    days = pd.Timedelta(days=cooldown)
    rule = Rule("any", "psi", 0.1, "above", "low", patience=patience, cooldown=days)
    last = len(values) + 1
    one_by_one = after(rule, values, range(2, last + 1))
    pd.testing.assert_frame_equal(after(rule, values, [last]), one_by_one)
    pd.testing.assert_frame_equal(after(rule, values, [*calls, last]).sort_values(
        "opened_at", ignore_index=True), after(rule, values, [max([*calls, last])])
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.0, 0.3, np.nan]), min_size=1, max_size=10),
    patience=st.integers(1, 3),
)
def test_an_alert_needs_its_patience_and_counts_its_windows(values, patience):
    """No alert without that many breaches in a row, and none that hides one: against counting."""
    rule = Rule("any", "psi", 0.1, "above", "low", patience=patience)
    runs, run = [], 0
    for value in [v for v in values if not np.isnan(v)]:
        run = run + 1 if value == 0.3 else 0
        if run == patience:
            runs.append(1)
        elif run > patience:
            runs[-1] += 1
    found = after(rule, values, [len(values) + 1])
    assert found["times_seen"].tolist() == runs
    assert (found["status"] == "open").sum() == (run >= patience)


def test_a_slower_scheduler_changes_nothing():
    """Evaluating an older moment after a newer one finds nothing to do."""
    known = evaluate_rules([RULE], rows(0.3, 0.4, 0.3), when=month(4))
    for number in (2, 3, 4):
        call = {"when": month(number), "open_alerts": known}
        assert evaluate_rules([RULE], rows(0.3, 0.4, 0.3), **call).empty


def test_times_are_those_of_the_windows():
    """An evaluation at six in the morning, or a week late, dates the alert like one at midnight."""
    late = month(2) + pd.Timedelta(days=7, hours=6)
    pd.testing.assert_frame_equal(
        evaluate_rules([RULE], rows(0.3), when=late),
        evaluate_rules([RULE], rows(0.3), when=month(2)),
    )


def test_of_rows_that_end_together_the_worst_counts_once():
    """A row given twice is one window; of two that contradict each other the worse is believed."""
    patient = Rule("patient", "psi", 0.1, "above", "low", patience=2)
    twice = pd.concat([rows(0.3), rows(0.3)])
    assert evaluate_rules([patient], twice, when=month(2)).empty
    for pair in ([rows(0.3), rows(0.0)], [rows(0.0), rows(0.3)], [rows(np.nan), rows(0.3)]):
        assert evaluate_rules([RULE], pd.concat(pair), when=month(2))["value"].tolist() == [0.3]


@pytest.mark.parametrize("column", ["value", "reference"])
def test_infinite_values_are_refused(column):
    """Infinity would count as healthy on one side; the metric must say that it is not known."""
    frame = rows(0.3, -1.0).assign(**{column: [0.1, -np.inf]})
    with pytest.raises(ValueError, match=f"metric 'psi' of 'age': {column} == -inf in 1 rows"):
        evaluate_rules([RULE], frame, when=month(3))


def test_a_rule_with_another_limit_judges_what_is_to_come():
    """The open alert is judged by the limit of today and says so."""
    known = evaluate_rules([RULE], rows(0.3), when=month(2))
    looser = Rule("score drift", "psi", 0.5, "above", "low", owner="risk", action="wait")
    healed = evaluate_rules([looser], rows(0.3, 0.3), when=month(3), open_alerts=known).iloc[0]
    told = healed[["status", "limit", "severity", "owner", "action"]].tolist()
    assert told == ["resolved", 0.5, "low", "risk", "wait"]
    assert healed["alert_id"] == known["alert_id"].iloc[0]


def test_a_rule_does_not_judge_what_was_before_it():
    """With `since` a new rule opens nothing about the past, and its patience starts there."""
    young = Rule("young", "psi", 0.1, "above", "low", patience=2, since=month(3))
    assert story(young, 0.3, 0.3, 0.3) == [[], [], []]
    assert story(young, 0.3, 0.3, 0.3, 0.3)[-1] == ["open 1"]


def test_a_deleted_rule_leaves_its_alert_until_somebody_retires_it():
    """Deleting a rule is no recovery; `retired` gives the alerts that nobody watches, resolved."""
    known = evaluate_rules([RULE], rows(0.3), when=month(2))
    other = Rule("other", "psi", 0.9, "above", "low")
    frame = rows(0.3, 0.0)
    assert evaluate_rules([other], frame, when=month(3), open_alerts=known).empty
    assert retired([RULE, other], known, when=month(3)).empty
    gone = retired([other], known, when=month(3)).iloc[0]
    assert [gone["status"], gone["resolved_at"], gone["last_seen_at"]] == [
        "resolved", month(3), month(3),
    ]  # fmt: skip


def test_rows_without_a_subject_or_version_are_not_lost():
    """None as a subject or a version is a series like any other."""
    frame = rows(0.3).assign(subject=None, model_version=pd.array([pd.NA], dtype="Int64"))
    found = evaluate_rules([RULE], frame, when=month(2)).iloc[0]
    assert [found["subject"], found["model_version"]] == ["", 0]


def test_an_alert_names_its_owner():
    """Who must act is in the alert."""
    owned = Rule("score drift", "psi", 0.1, "above", "high", owner="credit risk")
    assert evaluate_rules([owned], rows(0.3), when=month(2))["owner"].tolist() == ["credit risk"]


def test_more_rules_and_calls_that_cannot_work_are_refused():
    """Limits that nothing crosses, cooldowns that run backwards, times without a zone."""
    with pytest.raises(ValueError, match="limit == inf"):
        Rule("r", "psi", np.inf, "above", "high")
    with pytest.raises(ValueError, match="cooldown == -1 days"):
        Rule("r", "psi", 0.1, "above", "high", cooldown=pd.Timedelta(days=-1))
    with pytest.raises(ValueError, match="since == 2024-01-01 00:00:00 has no time zone"):
        Rule("r", "psi", 0.1, "above", "high", since=pd.Timestamp("2024-01-01"))
    naive = rows(0.3).assign(window_end=pd.Timestamp("2024-02-01"))
    with pytest.raises(ValueError, match="window_end has no time zone"):
        evaluate_rules([RULE], naive, when=month(2))
    assert evaluate_rules([RULE], rows(0.3).iloc[:0], when=month(2)).empty


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


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"limit": "0.1"}, "limit == '0.1'; must be a number"),
        ({"limit": True}, "limit == True; must be a number"),
        ({"patience": 1.5}, "patience == 1.5; must be a whole number"),
        ({"patience": "2"}, "patience == '2'; must be a whole number"),
    ],
)
def test_limits_and_patience_are_numbers(wrong, told):
    """What would fail later, or never fire, is refused when the rule is made."""
    with pytest.raises(ValueError, match=f"rule 'r': {told}"):
        Rule(
            **{"name": "r", "metric": "psi", "limit": 0.1, "direction": "above"} | wrong,
            severity="low",
        )
    numbers = Rule("r", "psi", np.float32(0.5), "above", "low", patience=np.int64(2))
    assert story(numbers, 0.9, 0.9)[-1] == ["open 1"]


def test_the_end_of_the_cooldown_is_outside():
    """Exactly `cooldown` after the recovery it is another alert; a moment less, the same."""
    gap = month(4) - month(3)
    for cooldown, states in (
        (gap, ["resolved 1", "open 1"]),
        (gap + pd.Timedelta(microseconds=1), ["open 2"]),
    ):
        rule = Rule("r", "psi", 0.1, "above", "low", cooldown=cooldown)
        assert story(rule, 0.3, 0.0, 0.3)[-1] == states


def test_alerts_of_a_model_out_of_service_are_retired():
    """With the versions in service; without a version an alert is about no model and stays."""
    known = evaluate_rules([RULE], rows(0.3), when=month(2))
    assert retired([RULE], known, when=month(3), versions=[1, 2]).empty
    gone = retired([RULE], known, when=month(3), versions=[2])
    assert gone["status"].tolist() == ["resolved"]
    about_none = known.assign(model_version=0)
    assert retired([RULE], about_none, when=month(3), versions=[2]).empty


def test_rules_that_hear_nothing_are_named():
    """A metric nobody writes, without values, without a reference: each with its reason."""
    frame = pd.concat(
        [
            rows(0.3),
            rows(np.nan, metric="auc"),
            rows(0.3, metric="bare", reference=np.nan),
        ]
    )
    rules = [
        RULE,
        Rule("unwritten", "nobody", 0.1, "above", "low"),
        Rule("unknown", "auc", 0.6, "below", "low"),
        Rule("bare", "bare", 0.1, "above", "low", over="null"),
        Rule("enough", "bare", 0.1, "above", "low"),
        Rule("young", "psi", 0.1, "above", "low", since=month(2)),
    ]
    found = silent(rules, frame, when=month(2)).set_index("rule")["why"]
    assert found.index.tolist() == ["unwritten", "unknown", "bare", "young"]
    assert found["unwritten"] == "no window is known"
    assert found["unknown"] == "none of 1 windows has a value"
    assert "reference" in found["bare"]
    assert len(silent(rules, frame, when=month(1))) == 6, "windows that are not over are not known"

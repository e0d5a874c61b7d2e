"""The version before scores in the shadow: no traffic, but evidence, and loans to look at again."""

import itertools

import numpy as np
import pandas as pd
import pytest

from mlops_helpers.business import CostModel
from mlops_helpers.contracts import FEATURES
from mlops_helpers.data import Split, simulate_applications
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.scoring import PREDICTION_COLUMNS, score
from mlops_helpers.shadowing import decided_meanwhile, score_both, watched
from mlops_helpers.tracking import train_and_log
from mlops_helpers.watching import watch
from tests.loans_on_record import LOGISTIC, make_record

START = pd.Timestamp("2023-01-01", tz="UTC")
END = pd.Timestamp("2024-01-01", tz="UTC")
CUTOFF = CostModel().break_even
YES, NO = "approve", "decline"
names = (f"model {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three runs, and a fourth that learnt from a feed which turned the debt ratio round."""
    made = make_record(tmp_path_factory.mktemp("shadow"))
    turned = Split(*map(mirrored, made.split))
    made.runs["turned"] = train_and_log(
        LOGISTIC,
        turned,
        tracking_uri=made.tracking_uri,
        seed=2,
        artifact_location=made.artifacts.as_uri(),
    )
    return made


def mirrored(frame: pd.DataFrame) -> pd.DataFrame:
    """Within the contract and wrong: who owes little seems to owe much."""
    ratio = frame["debt_to_income_ratio"]
    return frame.assign(debt_to_income_ratio=ratio.max() + ratio.min() - ratio)


@pytest.fixture
def log(store_url):
    """An open, empty log, on each database."""
    with PredictionLog(store_url) as log:
        yield log


@pytest.fixture
def file_log(tmp_path):
    """An open, empty log in a file: what is asked of it is the same on a server."""
    with PredictionLog(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


@pytest.fixture
def year() -> pd.DataFrame:
    """3,600 quiet applications of the year after the promotion."""
    return simulate_applications(3_600, seed=9, start=START, months=12)


def promoted(record, *runs: str) -> Registry:
    """A registry of its own in which these runs became champion one after the other.

    Each was judged on rows from the feed that it had learnt from.
    """
    registry = Registry(record.tracking_uri, next(names))
    for number, run in enumerate(runs):
        when = START - pd.Timedelta(days=len(runs) - number)
        version = registry.register(record.runs[run], when=when)
        rows = mirrored(record.split.holdout) if run == "turned" else record.split.holdout
        registry.promote(version, registry.gate(version, rows, when=when), when=when)
    return registry


def outcomes_of(live: pd.DataFrame, applications: pd.DataFrame) -> pd.DataFrame:
    """The outcomes of live predictions."""
    known = applications.set_index("application_id").loc[live["application_id"]]
    return pd.DataFrame(
        {
            "prediction_id": live["prediction_id"],
            "default": known["default"].to_numpy(),
            "outcome_at": known["outcome_at"].to_numpy(),
        }
    )


def test_both_versions_score_what_the_champion_answers(record, file_log, year):
    """Live rows are the champion's own; shadow rows are the other's, in no experiment."""
    registry = promoted(record, "cautious", "logistic")
    rows = year.head(50)
    found = score_both(registry, rows, cutoff=CUTOFF, log=file_log, latency_ms=np.arange(50.0))
    champion, before = registry.load("champion"), registry.load("previous")
    assert found.fault == ""
    expected = score(
        champion.pipeline,
        rows,
        model_version=champion.version,
        cutoff=CUTOFF,
        latency_ms=np.arange(50.0),
    )
    pd.testing.assert_frame_equal(found.live, expected)
    assert list(found.shadow.columns) == list(PREDICTION_COLUMNS)
    assert set(found.shadow["model_version"]) == {before.version}
    assert set(found.shadow["variant"]) == {"shadow"}
    assert found.shadow["experiment"].isna().all()
    assert found.shadow["latency_ms"].isna().all()
    said = before.pipeline.predict_proba(rows[list(FEATURES)])[:, 1]
    assert found.shadow["probability"].tolist() == pytest.approx(said.tolist())
    assert len(file_log.window()) == 100
    assert len(file_log.window(shadow=False)) == 50
    again = score_both(registry, rows, cutoff=CUTOFF, log=file_log, latency_ms=np.arange(50.0))
    assert len(file_log.window()) == 100
    pd.testing.assert_frame_equal(again.shadow, found.shadow)


def test_who_was_scored_in_the_shadow_can_be_answered_later(record, file_log, year):
    """After a rollback the version before answers the same applications, and that is stored."""
    registry = promoted(record, "cautious", "logistic")
    rows = year.head(20)
    score_both(registry, rows, cutoff=CUTOFF, log=file_log)
    restored = registry.rollback(reason="a test")
    found = score_both(registry, rows, cutoff=CUTOFF, log=file_log)
    assert set(found.live["model_version"]) == {restored}
    assert found.shadow.empty  # nobody is previous now
    assert found.fault == ""
    assert len(file_log.window()) == 60
    assert len(file_log.window(model_version=restored)) == 40
    assert len(file_log.window(model_version=restored, shadow=False)) == 20


def test_a_shadow_that_fails_disturbs_no_answer(record, file_log, year, monkeypatch):
    """The version before cannot be loaded: the champion has answered, and the fault is told."""
    registry = promoted(record, "cautious", "logistic")
    load = registry.load

    def broken(which="champion"):
        if which == registry.version_of("previous"):
            raise ValueError("its file is gone")
        return load(which)

    monkeypatch.setattr(registry, "load", broken)
    found = score_both(registry, year.head(30), cutoff=CUTOFF, log=file_log)
    assert found.fault == "ValueError: its file is gone"
    assert found.shadow.empty
    assert file_log.window()["prediction_id"].tolist() == found.live["prediction_id"].tolist()


def test_a_promotion_in_the_middle_makes_nobody_their_own_shadow(
    record, file_log, year, monkeypatch
):
    """The champion that has just answered is `previous` a moment later: it is not scored twice."""
    registry = promoted(record, "cautious", "logistic")
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda which="champion": load("previous"))
    found = score_both(registry, year.head(10), cutoff=CUTOFF, log=file_log)
    assert found.shadow.empty
    assert found.fault == ""
    assert len(file_log.window()) == 10


def test_what_is_in_the_shadow_is_no_traffic(record, log, year):
    """Volume, latency, histogram and health are the same with shadow rows in the log or without."""
    registry = promoted(record, "cautious", "logistic")
    live = score_both(registry, year, cutoff=CUTOFF, latency_ms=np.arange(3_600) / 7.0)
    log.append(live.live)
    log.record_outcomes(outcomes_of(live.live, year))
    span = START + pd.DateOffset(months=6), END
    asked = {"as_of": END, "usual_days": 90}

    def figures():
        health = log.health_figures(*span, **asked)
        frames = [log.daily_volume(), log.latency(), log.score_histogram(10)]
        counts = [health.window, health.before, health.timed, health.latency]
        return frames, counts, health.days_before.tolist()

    before = figures()
    assert log.append(live.shadow.assign(latency_ms=1_000.0)) == 3_600
    log.record_outcomes(outcomes_of(live.shadow, year))
    after = figures()
    for one, other in zip(before[0], after[0], strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert before[1:] == after[1:]
    chunks = list(log.windows(shadow=False, chunk_rows=1_000))
    assert sum(map(len, chunks)) == len(log.window(shadow=False)) == 3_600
    assert len(log.window()) == 7_200


def test_an_arm_that_is_called_shadow_is_traffic(record, log, year):
    """An experiment names its arms as it likes."""
    model = promoted(record, "cautious").load().pipeline
    rows = score(
        model, year.head(40), model_version=1, cutoff=CUTOFF, experiment="night", variant="shadow"
    )
    log.append(rows)
    assert len(log.window(shadow=False)) == 40
    assert log.daily_volume()["n"].sum() == 40


def decided(live: str, other: str | None, default: float, number: int) -> list[dict]:
    """A prediction of version 2 and, if any, of version 1 in its shadow, with a label."""
    base = {
        "application_id": f"a{number:03d}",
        "scored_at": START + number * pd.Timedelta(hours=1),
        "experiment": None,
        "latency_ms": None,
        **dict.fromkeys(FEATURES),
        "loan_amount": 1_000.0,
    }
    said = {YES: 0.1, NO: 0.3}
    rows = [{"model_version": 2, "variant": None, "decision": live}]
    if other is not None:
        rows.append({"model_version": 1, "variant": "shadow", "decision": other})
    return [
        base
        | row
        | {"prediction_id": f"p{number:03d}-{row['model_version']}"}
        | {"probability": said[row["decision"]], "default": default}
        for row in rows
    ]


def put(log: PredictionLog, *groups: tuple[str, str | None, float, int]) -> None:
    """So many applications for each way in which both decided; NaN is no outcome yet."""
    rows, number = [], 0
    for live, other, default, count in groups:
        for _ in range(count):
            rows += decided(live, other, default, number)
            number += 1
    frame = pd.DataFrame(rows)
    log.append(frame[list(PREDICTION_COLUMNS)])
    known = frame[frame["default"].notna() & (frame["model_version"] == 2)]
    known = known.assign(outcome_at=known["scored_at"] + pd.Timedelta(days=100))
    log.record_outcomes(known.astype({"default": int}))


def test_what_was_decided_meanwhile_by_hand(log):
    """Counts and dollars of each way to decide; the sums are those of the parts."""
    put(
        log,
        (YES, YES, 0.0, 50),
        (YES, NO, 1.0, 40),
        (YES, NO, 0.0, 10),
        (NO, YES, 0.0, 30),
        (NO, NO, np.nan, 20),
        (YES, None, 0.0, 5),
    )
    before = log.window()
    table = decided_meanwhile(log, START, END, 2).set_index("decided")
    assert table["n"].to_dict() == {
        "all": 155,
        "both approve": 50,
        "approved, the one before declines": 50,
        "declined, the one before approves": 30,
        "both decline": 20,
        "not scored in the shadow": 5,
    }
    lost, missed = table.loc["approved, the one before declines"], table.iloc[3]
    assert (lost["approved"], lost["known"], lost["defaults"]) == (50, 50, 40)
    assert lost["total"] == pytest.approx(40 * -550 + 10 * 120)
    assert lost["earned"] == pytest.approx((40 * -550 + 10 * 120) / 50)
    assert lost["previous"] == 0
    assert lost["gain_high"] < 0
    assert (missed["approved"], missed["earned"], missed["previous"]) == (0, 0, 120)
    assert missed["total"] == pytest.approx(-30 * 120)
    assert table.loc["all", "total"] == pytest.approx(lost["total"] + missed["total"])
    assert table.loc["all", "known"] == 135
    assert table.loc["both decline", ["known", "defaults"]].tolist() == [0, 0]
    assert table.loc["not scored in the shadow", "earned"] == pytest.approx(120)
    assert table.loc["not scored in the shadow", ["gain", "total"]].isna().all()
    assert table.loc["all", "gain_low"] < table.loc["all", "gain"] < table.loc["all", "gain_high"]
    pd.testing.assert_frame_equal(log.window(), before)  # nothing was rewritten


def test_a_window_in_which_nothing_was_decided(log):
    """All counts zero, all money unknown: a table, not an error."""
    table = decided_meanwhile(log, START, END, 2)
    assert len(table) == 6
    assert table[["n", "approved", "known", "defaults"]].to_numpy().sum() == 0
    assert table[["earned", "gain", "total"]].isna().all(axis=None)


def test_outcomes_count_from_the_day_they_are_due(log):
    """Known at a date, and old enough: a default that came early does not count alone."""
    put(log, (YES, YES, 1.0, 30), (YES, NO, np.nan, 10))
    assert watched(log, START, END, 2)["default"].notna().sum() == 30
    at = START + pd.Timedelta(days=100, hours=9.5)
    seen = watched(log, START, END, 2, as_of=at)
    assert seen["default"].notna().sum() == 10  # hours 0 to 9
    assert watched(log, START, END, 2, as_of=at, label_days=180)["default"].isna().all()
    assert len(watched(log, START, START + pd.Timedelta(hours=7), 2)) == 7


def test_two_versions_in_the_shadow_must_be_told_apart(log):
    """Two watches in one window: which one is meant is asked for, by name."""
    put(log, (YES, YES, 0.0, 3))
    rows = log.window()
    other = rows[rows["variant"] == "shadow"].assign(model_version=7, decision=NO, probability=0.4)
    other["prediction_id"] = other["prediction_id"] + "x"
    log.append(other[list(PREDICTION_COLUMNS)])
    with pytest.raises(ValueError, match=r"versions \[1, 7\] were in the shadow of version 2"):
        watched(log, START, END, 2)
    assert watched(log, START, END, 2, previous=7)["previous"].tolist() == [0.4] * 3
    assert watched(log, START, END, 2, previous=1)["previous_approves"].tolist() == [1.0] * 3


def looks(log: PredictionLog, version: int):
    """The six looks of the year's watch, each with what is known at its day."""
    for number in range(1, 7):
        at = START + number * pd.Timedelta(days=365) / 6
        rows = watched(log, START, at, version, as_of=at, label_days=182)
        columns = rows["default"], rows["champion"], rows["previous"], rows["amount"]
        yield at, watch(*columns, look=number)


def test_a_worse_champion_is_rolled_back_and_its_loans_are_told(record, file_log, year):
    """Promoted by the gate on a broken feed, worse since: found, rolled back, nothing rewritten."""
    registry = promoted(record, "logistic", "turned")
    champion, before = registry.version_of("champion"), registry.version_of("previous")
    scored = score_both(registry, year, cutoff=CUTOFF, log=file_log)
    file_log.record_outcomes(outcomes_of(scored.live, year))
    verdicts = []
    for at, verdict in looks(file_log, champion):
        verdicts.append(verdict)
        if verdict.roll_back:
            registry.rollback(reason=verdict.sentence, by="the watch", when=at)
            break
    assert [v.outcome for v in verdicts[:2]] == ["not enough evidence"] * 2
    assert "0 with an outcome" in verdicts[1].reason
    assert verdicts[-1].roll_back
    assert registry.version_of("champion") == before
    event = registry.history().iloc[-1]
    assert (event["event"], event["version"], event["replaced"]) == (
        "rolled back",
        before,
        champion,
    )
    assert event["reason"] == verdicts[-1].sentence
    logged = file_log.window()
    table = decided_meanwhile(file_log, START, at, champion, as_of=END).set_index("decided")
    assert table.loc["all", "n"] == (scored.live["scored_at"] < at).sum()
    assert table.loc["all", "gain_high"] < 0
    assert table.loc["approved, the one before declines", "n"] > 0
    parts = table.drop("all")
    assert parts["n"].sum() == table.loc["all", "n"]
    assert parts["total"].sum() == pytest.approx(table.loc["all", "total"])
    pd.testing.assert_frame_equal(file_log.window(), logged)
    assert set(file_log.window(model_version=champion)["variant"].dropna()) == set()


def test_a_good_champion_stays_for_the_whole_watch(record, file_log, year):
    """A version as good as the one before it: six looks, none of which rolls back."""
    registry = promoted(record, "cautious", "logistic")
    champion = registry.version_of("champion")
    scored = score_both(registry, year, cutoff=CUTOFF, log=file_log)
    file_log.record_outcomes(outcomes_of(scored.live, year))
    verdicts = [verdict for _, verdict in looks(file_log, champion)]
    assert {verdict.outcome for verdict in verdicts} == {"not enough evidence", "stay"}
    assert verdicts[-1].outcome == "stay"
    assert registry.version_of("champion") == champion

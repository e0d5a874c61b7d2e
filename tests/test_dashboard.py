"""The dashboard says what the stores say: each panel's numbers against a query of its own."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mlops_helpers import dashboard, lifecycle
from mlops_helpers.assignment import Experiment
from mlops_helpers.business import CostModel, profit_curve
from mlops_helpers.contracts import CATEGORICAL, FEATURES
from mlops_helpers.dashboard import impact
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments
from mlops_helpers.predictions import PredictionLog

COSTS = CostModel()
STATUS = pd.DataFrame(
    {
        "version": [1, 2],
        "alias": ["previous", "champion"],
        "name": ["logistic regression", "random forest"],
        "auc": [0.71, 0.73],
        "low": [0.69, 0.71],
        "high": [0.73, 0.75],
        "gate": ["passed", "passed"],
        "created": pd.to_datetime(["2026-01-01", "2026-01-01"], utc=True),
        "run_id": ["a", "b"],
    }
)
PLAN = ExperimentPlan(
    Experiment("v2-against-v1"), {"control": 1, "treatment": 2}, "v2 earns more", 100, 25.0
)


def utc(day):
    """A moment in UTC."""
    return pd.Timestamp(day, tz="UTC")


def predictions(n, *, start, days, version, seed, experiment=None, variant=None):
    """Synthetic prediction rows, spread evenly over `days` days."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(2, 10, n)
    frame = pd.DataFrame(
        {
            "prediction_id": [f"{experiment}-{variant}-{version}-{i}" for i in range(n)],
            "application_id": [f"{experiment}-{variant}-{i}" for i in range(n)],
            "model_version": version,
            "scored_at": start + pd.to_timedelta(np.linspace(0, days - 1, n), unit="D").round("s"),
            "probability": probability,
            "decision": np.where(probability < 0.2, "approve", "decline"),
            "experiment": pd.Series([experiment] * n, dtype="str"),
            "variant": pd.Series([variant] * n, dtype="str"),
            "latency_ms": rng.gamma(9, 1, n),
        }
    )
    features = {
        name: "other" if name in CATEGORICAL else rng.uniform(5_000, 20_000, n) for name in FEATURES
    }
    return frame.assign(**features)


def outcomes(frame, *, seed):
    """Outcomes of predictions, 182 days later, defaults as likely as predicted."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "prediction_id": frame["prediction_id"],
            "default": (rng.random(len(frame)) < frame["probability"]).astype(int),
            "outcome_at": frame["scored_at"] + pd.Timedelta(days=182),
        }
    )


def metric(name, subject, value, *, version=1, severity="none"):
    """One metric row of the monitored window."""
    return {
        "metric": name,
        "subject": subject,
        "model_version": version,
        "window_start": utc("2023-12-01"),
        "window_end": utc("2024-02-01"),
        "value": value,
        "low": value - 0.02,
        "high": value + 0.02,
        "reference": 0.009,
        "severity": severity,
    }


def alert(number, severity, status="open"):
    """One stored alert."""
    return {
        "alert_id": f"a{number}",
        "rule": "drift",
        "metric": "psi",
        "subject": "age",
        "model_version": 1,
        "severity": severity,
        "status": status,
        "value": 0.3,
        "limit": 0.2,
        "times_seen": 1,
        "opened_at": utc("2024-02-01"),
        "last_seen_at": utc("2024-02-01"),
        "resolved_at": pd.NaT,
        "action": "look at the feed",
    }


def run(log, plan, at):
    """The life of an experiment that is running."""
    kept = Experiments(log)
    kept.draft(plan, at)
    kept.start(plan.name, at)


def fill(log):
    """Everything that phases 3, 4 and 5 leave in the log."""
    advised = predictions(300, start=utc("2023-12-01"), days=62, version=1, seed=1)
    log.append(advised)
    log.record_outcomes(outcomes(advised, seed=2))
    for variant, version, n in (("control", 1, 180), ("treatment", 2, 220)):
        arm = predictions(
            n,
            start=utc("2024-08-01"),
            days=153,
            version=version,
            seed=version + 3,
            experiment=PLAN.name,
            variant=variant,
        )
        log.append(arm)
        log.record_outcomes(outcomes(arm[arm["decision"] == "approve"], seed=version + 6))
    run(log, PLAN, utc("2024-08-01"))
    metrics = [
        metric("psi", "annual_income", 0.31, severity="critical"),
        metric("psi", "age", 0.004),
    ]
    log.append_metrics(pd.DataFrame([*metrics, metric("auc", "", 0.66)]))
    alerts = pd.DataFrame([alert(1, "critical"), alert(2, "medium"), alert(3, "medium")])
    log.append_alerts(alerts)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A filled log in SQLite."""
    with PredictionLog(f"sqlite:///{tmp_path_factory.mktemp('log') / 'course.db'}") as filled:
        fill(filled)
        yield filled


@pytest.fixture(scope="module")
def frames(log):
    """What the dashboard collected from the filled log."""
    return dashboard.collect(log, STATUS, COSTS)


@pytest.fixture
def empty():
    """A log that nothing was ever written to."""
    with PredictionLog("sqlite://") as log:
        yield log


def texts(ax):
    """Everything written on an Axes."""
    return " | ".join(text.get_text().replace("\n", " ") for text in ax.texts)


def panel_axes(figure):
    """The Axes of each panel by name."""
    return dict(zip([panel.name for panel in dashboard.PANELS], figure.axes, strict=True))


def test_every_panel_has_a_frame_and_every_frame_a_panel(frames):
    """`collect` and `PANELS` agree; the date comes along as a frame of its own."""
    assert set(frames) == {panel.name for panel in dashboard.PANELS} | {"as_of"}
    assert len(dashboard.PANELS) == 9
    assert not any(frame.empty for frame in frames.values())


def test_volume_is_what_was_logged(log, frames):
    """Weeks begin on Mondays and add up to the rows of the log."""
    assert frames["volume"]["n"].sum() == len(log.window()) == 700
    assert set(frames["volume"]["week"].dt.day_of_week) == {0}


def test_volume_by_month_where_only_months_are_known(empty):
    """Loans dated by their month are not shown as if they had come in one week."""
    rows = predictions(40, start=utc("2010-06-01"), days=1, version=1, seed=1)
    later = rows.index >= 10
    rows["scored_at"] = rows["scored_at"].mask(later, utc("2010-07-01"))
    empty.append(rows)
    volume = dashboard.collect(empty, STATUS, COSTS)["volume"]
    assert volume["month"].tolist() == [utc("2010-06-01"), utc("2010-07-01")]
    assert volume["n"].tolist() == [10, 30]


def test_scores_count_each_version(log, frames):
    """The histogram holds every prediction of each version once."""
    counted = frames["scores"].groupby("model_version")["n"].sum()
    pd.testing.assert_series_equal(
        counted.astype("int64"),
        log.window().groupby("model_version").size(),
        check_names=False,
        check_index_type=False,
    )


def test_performance_shows_holdout_and_live_rows_with_intervals(frames):
    """The registry's holdout and the log's live value, named by version and window."""
    rows = frames["performance"].set_index("name")
    assert list(rows.index) == ["v1 holdout", "v1 live", "v2 holdout"]
    assert rows.loc["v1 live", "window"] == "Dec 2023–Jan 2024"
    assert rows.loc["v1 live", ["low", "value", "high"]].tolist() == (
        pytest.approx([0.64, 0.66, 0.68])
    )


def test_a_version_judged_on_the_same_loans_stands_beside_the_one_that_served(tmp_path):
    """The judge's rows add the newer version; the one that served is not shown twice."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        fill(log)
        judged = [metric("auc", "judged rows", v, version=n) for n, v in ((1, 0.66), (2, 0.7))]
        log.append_metrics(pd.DataFrame(judged))
        frames = dashboard.collect(log, STATUS, COSTS)
    assert frames["performance"]["name"].tolist() == ["v1 holdout", "v1 live", "v2 judged"]
    told = dashboard.findings(frames).set_index("panel")["finding"]
    assert told["performance"] == "AUC of v1: 0.710 on holdout, 0.660 live; v2 on those loans 0.700"


def test_versions_that_never_served_do_not_crowd_the_picture(log, empty):
    """A registry of many attempts shows those with a role or a record; the first ones show all."""
    tried = pd.concat([STATUS, STATUS.tail(1).assign(version=3, alias="")])
    assert set(dashboard.collect(log, tried, COSTS)["performance"]["version"]) == {1, 2}
    unpromoted = STATUS.assign(alias="")
    assert set(dashboard.collect(empty, unpromoted, COSTS)["performance"]["version"]) == {1, 2}


def test_the_picture_in_words_holds_every_finding_and_no_stopwatch(frames):
    """Alternative text and findings say what the panels say; milliseconds vary, so they do not."""
    told = dashboard.findings(frames)
    assert told["panel"].tolist() == [panel.name for panel in dashboard.PANELS]
    assert told["rows"].tolist() == [len(frames[name]) for name in told["panel"]]
    words = dashboard.describe(frames)
    assert words.startswith("Dashboard of nine panels, as of 01 July 2025.")
    assert all(finding in words for finding in told["finding"])
    health = told.set_index("panel").loc["health", "finding"]
    assert health == "v1 and v2: 95 % of calls within 250 ms"


def test_a_slow_version_is_named(frames):
    """The health panel names who misses the limit, and says when nothing was timed."""
    panel = next(panel for panel in dashboard.PANELS if panel.name == "health")
    slow = frames["health"].assign(p95=[300.0, 9.0])
    assert panel.finding(slow) == "v1 not: 95 % of calls within 250 ms"
    assert panel.finding(slow.assign(p95=np.nan)) == "No answer was timed"


def test_traffic_counts_arms_against_the_plan(frames):
    """Seen are the logged rows of each arm, planned the same total by the plan's split."""
    rows = frames["traffic"].set_index("variant")
    assert rows["n"].to_dict() == {"control": 180, "treatment": 220}
    assert rows["planned"].to_dict() == {"control": 200, "treatment": 200}


def test_alerts_and_drift_are_the_stored_rows(frames):
    """Counts by severity; PSI with its null level, the largest first."""
    counted = frames["alerts"].groupby("severity")["n"].sum().to_dict()
    assert counted == {"critical": 1, "medium": 2}
    drift = frames["drift"]
    assert drift["feature"].tolist() == ["annual_income", "age"]
    assert drift["psi_null"].tolist() == [0.009, 0.009]
    assert drift["drifted"].tolist() == [True, False]


def test_impact_equals_sums_by_hand(log, frames):
    """Profit of each policy, and the gain over its baseline, recomputed from the rows."""
    rows = frames["impact"]
    assert rows["name"].tolist() == ["approve all", "v1", "v1 control", "v2 treatment"]
    assert rows["against"].dropna().tolist() == ["approve all", "v1 control"]
    assert rows["window"].tolist() == ["Dec 2023–Jan 2024"] * 2 + ["Aug–Dec 2024"] * 2
    seen = log.window()
    earned = np.where(seen["default"] == 1, -0.55, 0.12) * seen["loan_amount"]
    taken = seen["decision"] == "approve"
    advised = seen["experiment"].isna()
    arms = {name: seen["variant"] == name for name in ("control", "treatment")}
    by_hand = [
        earned[advised].mean(),
        np.where(taken, earned, 0.0)[advised].mean(),
        *(np.where(taken, earned, 0.0)[arm].mean() for arm in arms.values()),
    ]
    np.testing.assert_allclose(rows["value"], by_hand)
    np.testing.assert_allclose(
        rows["gain"], [np.nan, by_hand[1] - by_hand[0], np.nan, by_hand[3] - by_hand[2]]
    )
    assert (rows["low"] < rows["value"]).all()


def test_a_month_that_waits_for_outcomes_is_left_out(log):
    """Counting only the loans that are already known would flatter: the whole month waits."""
    rows = log.window(experiment=PLAN.name)
    december = rows["scored_at"] >= utc("2024-12-01")
    unknown = rows.assign(default=rows["default"].mask(december & (rows.index % 2 == 0)))
    found = impact.compare(unknown, log.experiments(), COSTS)
    assert found["n"].sum() == (~december).sum()
    assert set(found["window"]) == {"Aug–Nov 2024"}


def test_impact_is_called_undecided_when_its_interval_holds_zero(frames):
    """The title says no more than the interval allows."""
    row = frames["impact"].iloc[[-1]]
    told = impact.finding(row.assign(gain=10.0, gain_low=-5.0, gain_high=25.0))
    assert told.endswith("$10 more an application than v1 [−$5.00, $25], undecided")
    assert "undecided" not in impact.finding(row.assign(gain=10.0, gain_low=5.0, gain_high=15.0))
    assert "$10 less" in impact.finding(row.assign(gain=-10.0, gain_low=-15, gain_high=-5.0))


def test_what_is_resolved_needs_no_attention(frames):
    """Only open alerts are drawn; the resolved ones are counted in the title."""
    panel = next(panel for panel in dashboard.PANELS if panel.name == "alerts")
    rows = pd.DataFrame(
        {
            "severity": ["high", "low"],
            "status": ["open", "resolved"],
            "rule": ["a", "b"],
            "n": [1, 4],
        }
    )
    ax = panel.draw(rows)
    assert [bar.get_width() for bar in ax.patches] == [1]
    assert ax.get_title(loc="left") == "1 open alert, of severity high; 4 resolved"
    calm = panel.draw(rows.tail(1))
    assert calm.get_title(loc="left") == "No alert is open, 4 resolved"


def test_the_date_is_read_from_the_data(frames):
    """`as of` is the newest moment in the stores, the last outcome here; not the clock."""
    assert dashboard.as_of(frames) == utc("2025-06-30") + pd.Timedelta(days=1)
    figure = dashboard.draw(frames)
    assert "as of 01 July 2025" in figure.get_suptitle()


def test_a_feed_that_stopped_shows_in_its_own_date(frames):
    """Each feed has its newest moment, and each panel that has one shows it beside its question."""
    newest = frames["as_of"].set_index("store")["newest"]
    assert newest["alerts"] == newest["drift"] == utc("2024-02-01")
    assert newest["outcomes"] == dashboard.as_of(frames)
    assert newest["experiment"] == newest["predictions"] == utc("2024-12-31")
    assert newest["timed answers"] == newest["predictions"], "every answer was timed here"
    axes = panel_axes(dashboard.draw(frames))
    assert "What needs attention? (data to 01 Feb 2024)" in texts(axes["alerts"])
    assert "What is it worth? (data to 01 Jul 2025)" in texts(axes["impact"])
    assert "Which version serves? |" in texts(axes["registry"]), "no moment is stored for it"


def test_the_picture_draws_what_the_frames_hold(frames):
    """Heights, widths and words of the nine panels are the frames' numbers."""
    axes = panel_axes(dashboard.draw(frames))
    assert sum(bar.get_height() for bar in axes["volume"].patches) == 700
    assert [bar.get_width() for bar in axes["drift"].patches] == [0.31, 0.004]
    assert [bar.get_height() for bar in axes["traffic"].patches] == [180, 220, 200, 200]
    np.testing.assert_allclose(
        [bar.get_width() for bar in axes["impact"].patches], frames["impact"]["value"]
    )
    assert "Version 2 serves (2 registered); version 1 is one rollback away" in texts(
        axes["registry"]
    )
    assert "AUC of v1: 0.710 on holdout, 0.660 live" in texts(axes["performance"])
    for panel in dashboard.PANELS:
        assert panel.question in texts(axes[panel.name])


def test_no_heading_runs_into_its_neighbour(frames):
    """Question and finding of a panel end before the next column begins."""
    figure = dashboard.draw(frames)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for row in range(3):
        boxes = [
            [text.get_window_extent(renderer) for text in ax.texts[-2:]]
            for ax in figure.axes[3 * row : 3 * row + 3]
        ]
        ends = [max(box.x1 for box in pair) for pair in boxes]
        starts = [pair[0].x0 for pair in boxes]
        assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] <= figure.bbox.x1


def test_a_change_in_the_store_changes_the_picture(tmp_path):
    """One more alert in the log is one more in the next picture: nothing is typed in."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        fill(log)
        before = dashboard.collect(log, STATUS, COSTS)["alerts"]["n"].sum()
        more = pd.DataFrame([alert(4, "critical")])
        log.append_alerts(more)
        after = dashboard.collect(log, STATUS, COSTS)
    assert after["alerts"]["n"].sum() == before + 1
    assert "2 critical" in texts(panel_axes(dashboard.draw(after))["alerts"])


def test_what_was_said_in_the_shadow_is_not_in_the_picture(tmp_path):
    """A version that scored beside the champion answered nobody: every frame stays as it was."""
    with PredictionLog(f"sqlite:///{tmp_path / 'course.db'}") as log:
        fill(log)
        before = dashboard.collect(log, STATUS, COSTS)
        start = utc("2025-01-15")  # later than all else
        shadow = predictions(90, start=start, days=9, version=1, seed=8, variant="shadow")
        assert log.append(shadow) == 90
        log.record_outcomes(outcomes(shadow, seed=9))
        after = dashboard.collect(log, STATUS, COSTS)
    for name, frame in before.items():
        pd.testing.assert_frame_equal(after[name], frame)


def test_an_empty_store_says_which_phase_to_run(empty):
    """Nothing registered, nothing logged: nine panels that each name the missing phase."""
    frames = dashboard.collect(empty, STATUS.head(0), COSTS)
    figure = dashboard.draw(frames)
    for panel, ax in zip(dashboard.PANELS, figure.axes, strict=True):
        assert frames[panel.name].empty
        assert f"no data: run phase {panel.phase}" in texts(ax)
    assert "no data yet" in figure.get_suptitle()
    assert dashboard.as_of(frames) is None


def test_predictions_without_outcomes_leave_the_rest_standing(empty):
    """One version, no labels yet: volume and scores are shown, worth is not."""
    empty.append(predictions(50, start=utc("2023-12-01"), days=30, version=1, seed=1))
    frames = dashboard.collect(empty, STATUS.head(1), COSTS)
    assert frames["impact"].empty
    axes = panel_axes(dashboard.draw(frames))
    assert "no data" in texts(axes["impact"])
    assert "50 predictions" in texts(axes["volume"])
    assert "v1 holdout: AUC 0.710; no live outcome yet" in texts(axes["performance"])


def test_an_experiment_with_one_arm_filled_is_shown_as_it_is(empty):
    """A missing arm is drawn as zero, not left out, and nothing is compared."""
    rows = predictions(
        40, start=utc("2024-08-01"), days=30, version=1, seed=1,
        experiment=PLAN.name, variant="control",
    )  # fmt: skip
    empty.append(rows)
    empty.record_outcomes(outcomes(rows, seed=1))
    run(empty, PLAN, utc("2024-08-01"))
    frames = dashboard.collect(empty, STATUS, COSTS)
    assert frames["traffic"]["n"].tolist() == [40, 0]
    assert frames["impact"]["gain"].isna().all()
    dashboard.draw(frames)


def test_an_experiment_that_was_ramped_is_measured_by_each_stage(empty):
    """Planned counts follow the ramp; what the arms earned is compared from the full split on.

    In its first month the treatment had a tenth of the applications: 10 of 100, then half of 60.
    """
    slow = replace(PLAN, experiment=PLAN.experiment.at(0.2))
    run(empty, slow, utc("2024-08-01"))
    Experiments(empty).ramp(PLAN.name, 1.0, utc("2024-09-01"), "no guardrail moved")
    parts = ((90, "control", "08"), (10, "treatment", "08"), (30, "control", "09"))
    for number, (n, arm, month) in enumerate((*parts, (30, "treatment", "09"))):
        rows = predictions(
            n, start=utc(f"2024-{month}-01"), days=30, version=1, seed=number,
            experiment=PLAN.name, variant=arm,
        )  # fmt: skip
        for name in ("prediction_id", "application_id"):
            rows[name] = f"{number} " + rows[name]
        empty.append(rows)
        empty.record_outcomes(outcomes(rows, seed=number))
    frames = dashboard.collect(empty, STATUS, COSTS)
    assert frames["traffic"]["n"].tolist() == [120, 40]
    assert frames["traffic"]["planned"].tolist() == pytest.approx([120, 40])
    assert frames["impact"]["n"].tolist() == [30, 30]
    assert frames["impact"]["name"].tolist() == ["v1 control", "v2 treatment"]
    records = [lifecycle.draft(slow, utc("2024-08-01"))]
    assert impact.compare(empty.window(), records, COSTS).empty


def test_traffic_counts_units_as_the_analysis_does(empty):
    """Who was answered again counts once; who met both arms, or a strange one, not at all."""
    run(empty, PLAN, utc("2024-08-01"))
    first, again, both, strange = (
        predictions(
            n, start=utc(f"2024-{month}-01"), days=20, version=1, seed=1,
            experiment=PLAN.name, variant=arm,
        )
        for n, month, arm in (
            (40, "08", "control"), (30, "09", "control"), (10, "09", "treatment"), (5, "08", "x")
        )
    )  # fmt: skip
    both["application_id"] = first["application_id"].tolist()[30:]
    again["prediction_id"] = "again " + again["prediction_id"]
    rows = pd.concat([first, again, both, strange])
    empty.append(rows)
    empty.record_outcomes(outcomes(rows, seed=1))
    frames = dashboard.collect(empty, STATUS, COSTS)
    assert frames["traffic"]["n"].tolist() == [30, 0]
    assert frames["traffic"]["planned"].tolist() == [15, 15]
    assert frames["impact"]["n"].tolist() == [30]


def test_a_damaged_experiment_leaves_the_others_on_the_dashboard(empty):
    """The panels show those that can be read."""
    rows = predictions(
        40, start=utc("2024-08-01"), days=30, version=1, seed=1,
        experiment=PLAN.name, variant="control",
    )  # fmt: skip
    empty.append(rows)
    run(empty, PLAN, utc("2024-08-01"))
    empty.change_experiment("damaged", lambda _: {"name": "damaged", "arms": None})
    frames = dashboard.collect(empty, STATUS, COSTS)
    assert frames["traffic"]["n"].tolist() == [40, 0]


def test_what_earlier_releases_kept_of_experiments_is_shown(empty):
    """A record without status is an experiment at its split; one without arms is left out."""
    rows = pd.concat(
        predictions(
            50, start=utc("2024-08-01"), days=30, version=version, seed=version,
            experiment="old", variant=arm,
        )
        for version, arm in ((1, "control"), (2, "treatment"))
    )  # fmt: skip
    empty.append(rows)
    empty.record_outcomes(outcomes(rows, seed=1))
    plan = {"arms": ["control", "treatment"], "split": [0.5, 0.5], "versions": [1, 2]}
    empty.change_experiment("old", lambda _: {"name": "old", **plan})
    empty.change_experiment("bare", lambda _: {"name": "bare"})
    frames = dashboard.collect(empty, STATUS, COSTS)
    assert frames["traffic"]["planned"].tolist() == [50, 50]
    assert frames["impact"]["name"].tolist() == ["v1 control", "v2 treatment"]
    assert frames["impact"]["gain"].notna().tolist() == [False, True]


def test_a_frame_that_no_panel_shows_is_refused(frames):
    """A misspelt name is an error with the known names, not a silent empty panel."""
    with pytest.raises(KeyError, match=r"\['alert'\], which no panel shows"):
        dashboard.draw({"alert": frames["alerts"]})


@pytest.fixture(scope="module")
def curve():
    """A profit curve over four loans."""
    return profit_curve([0.1, 0.2, 0.3, 0.6], [0, 0, 1, 1], [10_000] * 4, COSTS)


def test_the_cutoff_table_is_the_curve_at_the_named_cutoffs(curve):
    """Policies by name, values from the curve."""
    table = dashboard.cutoff_table(curve, {"strict": 0.15, "approve all": 1.0})
    assert table["policy"].tolist() == ["strict", "approve all"]
    assert table["approval_rate"].tolist() == [0.25, 1.0]
    np.testing.assert_allclose(table["profit_per_application"], [300.0, -2150.0])


def test_the_slider_changes_the_decision_it_describes(curve):
    """Moving it rewrites the text from the curve; no browser is needed to know."""
    control = dashboard.cutoff_control(curve, in_force=0.25)
    assert "50.0 % approved, 0.0 % of them default, $600 profit" in control.text.value
    assert "profit an application (the cut-off in force)." in control.text.value
    control.slider.value = 0.35
    assert "75.0 % approved, 33.3 % of them default" in control.text.value
    assert "$1,375 less than at 25.0 %" in control.text.value
    assert 'aria-live="polite"' in control.text.value


def test_the_widget_prints_the_same_each_time(curve):
    """Its plain text holds no id, so a stored notebook can be compared."""
    one, two = (dashboard.cutoff_control(curve, in_force=0.25) for _ in range(2))
    assert repr(one.box) == repr(two.box)
    assert "model_id" not in repr(one.box)


def test_an_empty_curve_is_refused(curve):
    """No known outcome: said as such, not an index error."""
    with pytest.raises(ValueError, match="curve has 0 rows"):
        dashboard.at_cutoff(curve.head(0), 0.2)

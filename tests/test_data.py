"""The door to all applications: whatever is behind it, valid or refused in one message."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlops_helpers import data
from mlops_helpers.contracts import COLUMNS, ContractError, validate_applications
from mlops_helpers.data import (
    CATEGORICAL,
    FEATURES,
    NUMERIC,
    TARGET,
    between,
    load_applications,
    load_arriving,
    load_lending_club,
    load_stream,
    plan_timeline,
    simulate_portfolio,
    split_by_time,
)
from mlops_helpers.quarantine import broken_rows

PER_MONTH = 110
"""Just enough for every period's least number of rows."""


@pytest.fixture(scope="module")
def portfolio():
    """Return the smallest portfolio that carries the story."""
    return simulate_portfolio(seed=1, per_month=PER_MONTH)


@pytest.fixture
def loans(portfolio):
    """A valid portfolio as objects, so that any cell can be spoilt before it is written."""
    return portfolio.astype(object)


@pytest.fixture
def refusal(tmp_path):
    """Write a frame (or bytes) as loans.csv and return the violations of loading it."""

    def load(content):
        path = tmp_path / "loans.csv"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.to_csv(path, index=False)
        with pytest.raises(ContractError) as caught:
            load_stream(path)
        return caught.value

    return load


def test_every_promised_name_is_there():
    """`__all__` names what exists, and everything the notebooks import."""
    for name in data.__all__:
        assert hasattr(data, name)
    assert set(data.__all__) >= {"Stream", "Timeline", "Split", "load_stream", "portfolio_truth"}
    assert FEATURES == NUMERIC + CATEGORICAL
    assert TARGET not in FEATURES


def test_the_simulated_stream():
    """36,000 valid applications in order of time, with the course's timeline."""
    stream = load_stream("simulated", seed=42)
    assert (stream.source, stream.simulated, stream.rows_read) == ("simulated", True, 36_000)
    assert stream.left_out == {}
    assert stream.frame["applied_at"].is_monotonic_increasing
    assert validate_applications(stream.frame).rows == 36_000
    assert f"{stream.timeline.go_live:%Y-%m-%d}" == "2023-12-01"


def test_digest_is_of_the_content(tmp_path, portfolio):
    """Equal applications have one digest whatever the format or the file's order; one changed
    cell gives another."""
    portfolio.to_csv(tmp_path / "a.csv", index=False)
    portfolio.sample(frac=1, random_state=0).to_parquet(tmp_path / "b.parquet", index=False)
    changed = portfolio.copy()
    changed.loc[7, "loan_amount"] += 100
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(changed.to_csv(index=False).encode()))
    first, second, third = (load_stream(tmp_path / n) for n in ("a.csv", "b.parquet", "c.csv.gz"))
    assert first.digest == second.digest != third.digest
    assert len(first.digest) == 64
    assert (first.source, first.simulated) == ("a.csv", False)
    pd.testing.assert_frame_equal(first.frame, portfolio)
    pd.testing.assert_frame_equal(second.frame, portfolio)


def test_seed_changes_simulated_applications_only(tmp_path, portfolio):
    """A file is what it is."""
    portfolio.to_parquet(tmp_path / "a.parquet")
    assert (
        load_stream(tmp_path / "a.parquet", seed=1).digest
        == load_stream(tmp_path / "a.parquet", seed=2).digest
    )
    assert load_stream(seed=1).digest != load_stream(seed=2).digest


def test_relative_paths_are_tried_from_here_then_from_the_root(tmp_path, portfolio, monkeypatch):
    """A notebook and the command line mean the same file."""
    root, here = tmp_path / "root", tmp_path / "here"
    root.mkdir()
    here.mkdir()
    monkeypatch.setenv("MLOPS_ROOT", str(root))
    monkeypatch.chdir(here)
    portfolio.to_parquet(root / "loans.parquet")
    assert load_stream("loans.parquet").rows_read == len(portfolio)
    more = simulate_portfolio(seed=1, per_month=PER_MONTH + 1)
    more.to_parquet(here / "loans.parquet")
    assert load_stream("loans.parquet").rows_read == len(more)
    with pytest.raises(ContractError) as caught:
        load_stream("elsewhere.csv")
    assert str(here / "elsewhere.csv") in str(caught.value)
    assert str(root / "elsewhere.csv") in str(caught.value)


def test_loading_keeps_the_files_order(tmp_path, portfolio):
    """`load_applications` types and checks, no more."""
    portfolio[::-1].to_csv(tmp_path / "a.csv", index=False)
    loaded = load_applications(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(loaded, portfolio[::-1].reset_index(drop=True))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (",".join(COLUMNS).encode(), "holds no rows"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG image"),
        (b"name,colour\nx,red\n", "must be a column of the file"),
        (",".join(COLUMNS).encode("utf-16"), "UTF-16"),
        (";".join(COLUMNS).encode(), "semicolons"),
    ],
)
def test_files_that_are_none_of_ours(refusal, content, words):
    """The reason, once."""
    assert words in str(refusal(content))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.assign(annual_income="lots"), "annual_income must be a number"),
        (lambda f: f.assign(annual_income=-f["annual_income"]), "annual_income must be above 0"),
        (
            lambda f: f.assign(debt_to_income_ratio=f["debt_to_income_ratio"] * 100),
            "per cent by mistake?",
        ),
        (lambda f: pd.concat([f, f.head(3)]), "application_id must be unique – 6 rows"),
        (lambda f: f.drop(columns="age"), "age must be a column of the file"),
        (lambda f: f.assign(default=0), "default is 0 in every row"),
        (lambda f: f.assign(default=f["default"] * 3), "default must be 0 (repaid) or 1"),
        (
            lambda f: f.assign(applied_at="1066-10-14T09:00:00Z"),
            "applied_at must lie between 1980 and 2100",
        ),
        (
            lambda f: f.assign(outcome_at=f["applied_at"] - pd.Timedelta(days=1)),
            "outcome_at must be later than applied_at",
        ),
        (
            lambda f: f.assign(applied_at=[t.strftime("%Y-%m-%d %H:%M") for t in f["applied_at"]]),
            "applied_at must say its time zone",
        ),
        (lambda f: f.iloc[::4], "must hold at least"),
        (lambda f: f.head(PER_MONTH * 14), "spans 14 month(s)"),
        (lambda f: f.head(PER_MONTH * 14), "roughly 200 settled loans a month"),
        (
            lambda f: f.assign(outcome_at=f["applied_at"] + pd.Timedelta(days=600)),
            "the label delay of 600 days",
        ),
    ],
)
def test_rows_that_break_the_contract(refusal, loans, spoil, words):
    """Each fault of the issue's list, written to a file and refused in one message."""
    error = refusal(spoil(loans))
    assert words in str(error)
    assert str(error).startswith("loans.csv: ")


def test_one_class_is_said_once(refusal, loans):
    """Not again for every period."""
    assert len(refusal(loans.assign(default=1)).violations) == 1


def test_rows_and_timeline_in_one_message(refusal, loans):
    """A negative income, text in another column and too short a span are told together."""
    short = loans.head(PER_MONTH * 10).copy()
    short.loc[0, "annual_income"] = -1
    short.loc[1, "loan_amount"] = "much"
    short.loc[2, "applied_at"] = "some day"
    columns = sorted(violation.column for violation in refusal(short).violations)
    assert columns == ["annual_income", "applied_at", "applied_at", "loan_amount"]


def test_open_loans_are_read_where_they_are_taken(tmp_path, portfolio):
    """The same from CSV and Parquet, with no timeline to ask for; the course refuses them."""
    today = pd.Timestamp("2024-11-01", tz="UTC")
    known = portfolio["outcome_at"] <= today
    late = portfolio.assign(
        default=portfolio[TARGET].astype(float).where(known),
        outcome_at=portfolio["outcome_at"].where(known),
    )[portfolio["applied_at"] >= pd.Timestamp("2024-01-01", tz="UTC")]
    late.to_csv(tmp_path / "a.csv", index=False)
    late.sample(frac=1, random_state=0).to_parquet(tmp_path / "b.parquet", index=False)
    first, second = (load_arriving(tmp_path / name) for name in ("a.csv", "b.parquet"))
    assert first.digest == second.digest
    pd.testing.assert_frame_equal(first.frame, late.reset_index(drop=True))
    assert first.frame[TARGET].isna().sum() == (~known).sum() > 500
    with pytest.raises(ContractError) as caught:
        load_stream(tmp_path / "a.csv")
    refused = {v.column: v.count for v in caught.value.violations if "takes open" in v.rule}
    assert refused == {"default": (~known).sum(), "outcome_at": (~known).sum()}


@pytest.mark.parametrize(("given", "lacks"), [("default", "outcome_at"), ("outcome_at", "default")])
def test_half_an_outcome_is_refused(tmp_path, loans, given, lacks):
    """Named with its row: an outcome of no day, or a day of no outcome."""
    loans.loc[7, lacks] = None
    loans.to_csv(tmp_path / "a.csv", index=False)
    told = rf"1 rule is broken .*\n  - {lacks} must not be missing where {given} .* 1 row: .row 8,"
    with pytest.raises(ContractError, match=told.replace(".row", r"\(missing\) .row")):
        load_arriving(tmp_path / "a.csv")


def test_a_feed_that_is_broken_today_does_not_hide_the_rest(tmp_path, loans):
    """Rows with forbidden values come along, to be judged one by one; other faults refuse all."""
    loans["loan_amount"] = loans["loan_amount"].astype(object)
    loans.loc[3, "loan_amount"] = "much"
    loans.loc[10:19, "debt_to_income_ratio"] = 28.0
    loans.to_csv(tmp_path / "a.csv", index=False)
    arrived = load_arriving(tmp_path / "a.csv").frame
    assert broken_rows(arrived).sum() == 11
    assert len(arrived) == len(loans)
    loans.loc[5, "outcome_at"] = None
    loans.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(ContractError, match="3 rules are broken") as caught:
        load_arriving(tmp_path / "a.csv")
    told = {violation.column for violation in caught.value.violations}
    assert told == {"loan_amount", "debt_to_income_ratio", "outcome_at"}


def test_what_arrives_may_be_settled_or_simulated(tmp_path, portfolio):
    """The same rows as the course's, whose outcomes are all known."""
    portfolio.to_parquet(tmp_path / "a.parquet")
    settled = load_arriving(tmp_path / "a.parquet").frame
    pd.testing.assert_frame_equal(settled.astype({TARGET: "int64"}), portfolio)
    simulated = load_arriving(seed=3)
    assert (simulated.simulated, simulated.source) == (True, "simulated")
    assert simulated.frame["application_id"].equals(load_stream(seed=3).frame["application_id"])


def test_open_loans_of_lending_club_stay_where_they_are_taken(tmp_path):
    """Without an outcome and its day; the course leaves them out and counts them, as ever."""
    raw = club()
    raw.loc[:9, "loan_status"] = "Current"
    raw.to_csv(tmp_path / "club.csv", index=False)
    arrived = load_arriving(tmp_path / "club.csv")
    assert (len(arrived.frame), arrived.left_out) == (len(raw), {})
    still_open = arrived.frame[TARGET].isna()
    assert still_open.sum() == 10
    assert arrived.frame.loc[still_open, "outcome_at"].isna().all()
    assert arrived.frame.loc[~still_open, "outcome_at"].notna().all()
    stream = load_stream(tmp_path / "club.csv")
    assert stream.left_out == {"loan still open": 10}
    assert len(stream.frame) == len(raw) - 10


def club(rows=11_000):
    """Return a small LendingClub-shaped file's rows: real column names, invented loans."""
    rng = np.random.default_rng(0)
    months = pd.date_range("2007-06-01", "2011-12-01", freq="MS")
    debt = rng.uniform(0, 30, rows).round(2)
    bad = rng.random(rows) < 0.05 + 0.008 * debt
    policy = np.where(rng.random(rows) < 0.05, "Does not meet the credit policy. Status:", "")
    return pd.DataFrame(
        {
            "loan_amnt": rng.integers(20, 1400, rows) * 25,
            "annual_inc": rng.lognormal(11, 0.5, rows).round(),
            "emp_length": rng.choice(["10+ years", "< 1 year", "4 years", "n/a"], rows),
            "dti": debt,
            "purpose": rng.choice(["debt_consolidation", "wedding", "small_business"], rows),
            "home_ownership": rng.choice(["RENT", "MORTGAGE", "NONE"], rows),
            "earliest_cr_line": "1999-04-01",
            "open_acc": 5,
            "total_acc": 20,
            "issue_d": rng.choice(months, rows),
            "loan_status": policy + np.where(bad, "Charged Off", "Fully Paid"),
        }
    )


def test_a_lending_club_file_is_recognised(tmp_path):
    """Read, counted, sorted and given a timeline with a year of waiting."""
    raw = club()
    raw["annual_inc"] = raw["annual_inc"].astype(object)
    raw.loc[:3, "annual_inc"] = None
    raw.to_csv(tmp_path / "club.csv.gz", index=False)
    stream = load_stream(tmp_path / "club.csv.gz")
    assert stream.rows_read == len(raw)
    assert stream.left_out == {"annual income missing": 4}
    assert len(stream.frame) == len(raw) - 4
    assert stream.timeline.label_delay == pd.Timedelta(days=365)
    assert stream.frame["applied_at"].is_monotonic_increasing
    assert set(stream.frame["home_ownership"]) == {"rent", "mortgage", "none"}
    assert stream.frame["age"].isna().all()
    assert len(load_lending_club(tmp_path / "club.csv.gz")) == len(stream.frame)


def test_a_faulty_lending_club_file_is_refused_in_one_message(refusal):
    """Faults of reading (in its names) and of the contract (in ours) stand together."""
    raw = club().astype(object)
    raw.loc[4, "loan_amnt"] = "some"
    raw.loc[5, "annual_inc"] = -10
    raw.loc[6, "purpose"] = None
    error = refusal(raw)
    columns = sorted(violation.column for violation in error.violations)
    assert columns == ["annual_income", "loan_amnt", "loan_purpose"]
    assert "-10 (row 6, LC-000006)" in str(error)
    less = refusal(raw.drop(columns="dti"))
    assert "dti must be a column" in str(less)
    columns = sorted(violation.column for violation in less.violations)
    assert columns == ["annual_income", "dti", "loan_amnt", "loan_purpose"]


@pytest.mark.parametrize("make", [lambda portfolio: portfolio, lambda portfolio: club()])
def test_parquet_cells_that_cannot_be_read_are_counted(tmp_path, portfolio, make):
    """Bytes that are no UTF-8 and the year 20000, in either format, beside another fault."""
    columns = make(portfolio).replace("n/a", None).to_dict("list")
    names = ["loan_purpose", "applied_at", "loan_amount"]
    purpose, when, amount = ["purpose", "issue_d", "loan_amnt"] if "dti" in columns else names
    columns[purpose] = arrow.array([b"\xff\xfe", *(p.encode() for p in columns[purpose][1:])])
    seconds = [int(time.timestamp()) for time in columns[when]]
    seconds[1] = 569_000_000_000
    columns[when] = arrow.array(seconds).cast(arrow.timestamp("s", tz="UTC"))
    columns[amount] = arrow.array([str(a) for a in columns[amount][:-1]] + ["much"])
    columns = {
        name: arrow.array(cells, from_pandas=True) if isinstance(cells, list) else cells
        for name, cells in columns.items()
    }
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    with pytest.raises(ContractError) as caught:
        load_stream(tmp_path / "a.parquet")
    counts = {violation.column: violation.count for violation in caught.value.violations}
    assert counts == {purpose: 1, when: 1, amount: 1}
    assert "20000-11-22" in str(caught.value)


def auc(trained_on, judged_on):
    """Return the AUC of a plain logistic regression trained on one frame, on another."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    names = OneHotEncoder(handle_unknown="ignore")
    prepare = make_column_transformer((numbers, list(NUMERIC)), (names, list(CATEGORICAL)))
    model = make_pipeline(prepare, LogisticRegression(max_iter=500))
    model.fit(trained_on[list(FEATURES)], trained_on[TARGET])
    scores = model.predict_proba(judged_on[list(FEATURES)])[:, 1]
    return roc_auc_score(judged_on[TARGET], scores)


@pytest.mark.parametrize("seed", [42, 7])
def test_the_story_happens(seed):
    """The model fades when the world changes, and training on newer rows mends a good part."""
    frame = simulate_portfolio(seed=seed)
    line = plan_timeline(frame)
    split = split_by_time(frame, train_until=line.train_until, holdout_until=line.holdout_until)
    live = between(frame, line.go_live, line.monitor_until)
    newer = between(frame, line.start, line.go_live)
    before, after = auc(split.train, split.holdout), auc(split.train, live)
    assert before > 0.69
    assert before - after > 0.03
    assert auc(newer, live) - after > 0.015


@pytest.mark.skipif(
    "MLOPS_REAL_LOANS" not in os.environ,
    reason="MLOPS_REAL_LOANS gives no path to the LendingClub file of 2007–2011",
)
def test_the_real_file():
    """42,535 loans: four lack an income, no other row is left out."""
    stream = load_stream(Path(os.environ["MLOPS_REAL_LOANS"]))
    assert stream.rows_read == 42_535
    assert stream.left_out == {"annual income missing": 4}
    assert len(stream.frame) == 42_531
    first = stream.frame[stream.frame["applied_at"].dt.year == 2007]
    assert 0.25 < first["default"].mean() < 0.27
    assert stream.timeline.go_live - stream.timeline.holdout_until >= pd.Timedelta(days=365)

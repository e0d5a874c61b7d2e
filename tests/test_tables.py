"""The store itself guards its rows, whoever writes them."""

import threading
import time

import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers import log_store, tables
from mlops_helpers.log_rows import checked
from mlops_helpers.sql_frames import epoch
from tests.logged import FEBRUARY, JANUARY, outcomes_of, two_months
from tests.servers import empty_schema


@pytest.fixture
def engine(store_url):
    """An empty store, reached without the log."""
    engine = log_store.connect(store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def rows():
    """Two hundred predictions of January and February 2024, some features missing."""
    return two_months()


def test_insert_keeps_the_first_and_upsert_the_last(engine):
    """Both may be repeated; they count new rows and all rows."""
    one, two = ({"name": name, "record": "first"} for name in ("a", "b"))
    with engine.begin() as connection:
        assert tables.insert_new(connection, tables.experiments, []) == 0
        assert tables.insert_new(connection, tables.experiments, [one]) == 1
        both = [two, one | {"record": "second"}]
        assert tables.insert_new(connection, tables.experiments, both) == 1
        query = sa.select(tables.experiments).order_by(tables.experiments.c.name)
        assert connection.execute(query).all() == [("a", "first"), ("b", "first")]
        assert tables.upsert(connection, tables.experiments, []) == 0
        assert tables.upsert(connection, tables.experiments, both) == 2
        assert connection.execute(query).all() == [("a", "second"), ("b", "first")]


@pytest.mark.parametrize("change", [{"probability": 1.5}, {"decision": "maybe"}])
def test_the_database_refuses_impossible_predictions(engine, rows, change):
    """What another program writes is held to the same rules."""
    row = checked(rows.head(1), tables.predictions).as_dicts()[0]
    with pytest.raises(sa.exc.IntegrityError, match=r"_is_"), engine.begin() as connection:
        connection.execute(sa.insert(tables.predictions), [row | change])


def test_the_database_refuses_orphans_and_odd_labels(engine, rows):
    """An outcome belongs to a prediction, and is 0 or 1."""
    first = rows.head(1)
    label = checked(outcomes_of(first), tables.outcomes).as_dicts()
    with (
        pytest.raises(sa.exc.IntegrityError, match=r"(?i)foreign key"),
        engine.begin() as connection,
    ):
        connection.execute(sa.insert(tables.outcomes), label)
    with engine.begin() as connection:
        tables.insert_new(connection, tables.predictions, checked(first, tables.predictions))
    with (
        pytest.raises(sa.exc.IntegrityError, match="default_is_known"),
        engine.begin() as connection,
    ):
        connection.execute(sa.insert(tables.outcomes), [label[0] | {"default": 2}])


def test_two_that_replace_the_same_rows_do_not_lock_each_other_out(postgres_url):
    """Whatever order they come in: who waits for the first row holds none of the later ones."""
    empty_schema(postgres_url)
    engine = log_store.connect(postgres_url)
    waiting = sa.text("select count(*) from pg_locks where not granted")

    def upsert(connection, *names):
        rows = [{"name": name, "record": "{}"} for name in names]
        return tables.upsert(connection, tables.experiments, rows)

    def other():
        with log_store.writing(engine) as connection:
            upsert(connection, "b", "a")

    second = threading.Thread(target=other)
    with log_store.writing(engine) as first:
        upsert(first, "a")
        second.start()
        while second.is_alive() and not first.scalar(waiting):
            time.sleep(0.01)
        assert upsert(first, "b") == 1
    second.join()
    engine.dispose()


def test_bounds_are_half_open_and_aware():
    """From the start on, before the end; without bounds no condition; naive ones are named."""
    said = [
        str(c.compile(compile_kwargs={"literal_binds": True}))
        for c in tables.within(JANUARY, FEBRUARY)
    ]
    assert said == [
        f"predictions.scored_at >= {epoch(JANUARY)}",
        f"predictions.scored_at < {epoch(FEBRUARY)}",
    ]
    assert tables.within(None, None) == []
    naive = pd.Timestamp("2024-01-01")
    with pytest.raises(ValueError, match="start == 2024-01-01 00:00:00 has no time zone"):
        tables.within(naive, FEBRUARY)
    with pytest.raises(ValueError, match="end == 2024-01-01 00:00:00 has no time zone"):
        tables.within(None, naive)
    with pytest.raises(ValueError, match=r"start == 2024-02-01 .* is after end == 2024-01-01"):
        tables.within(FEBRUARY, JANUARY)
    assert len(tables.within(JANUARY, JANUARY)) == 2, "which nothing is in"


def test_of_rows_with_one_key_the_first_is_inserted(engine, rows):
    """Many of them, twice in one batch and in another order: counted once, the first one stored."""
    many = pd.concat(
        [rows.assign(prediction_id=f"{n}-" + rows["prediction_id"]) for n in range(40)]
    )
    later = many.sample(frac=1.0, random_state=1).assign(decision="decline", probability=1.0)
    both = pd.concat([many.assign(decision="approve", probability=0.0), later])
    with log_store.writing(engine) as connection:
        for new in (len(many), 0):
            found = checked(both, tables.predictions)
            assert tables.insert_new(connection, tables.predictions, found) == new
    with log_store.reading(engine) as connection:
        decisions = sa.select(tables.predictions.c.decision)
        assert set(connection.scalars(decisions)) == {"approve"}

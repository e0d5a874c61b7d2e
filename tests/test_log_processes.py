"""What the log promises holds between processes, killed ones among them, and without its store."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import ExitStack, closing

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from mlops_helpers.log_store import LogError
from mlops_helpers.predictions import PredictionLog
from tests import servers
from tests.log_writers import (
    append_and_label,
    everything,
    heard,
    killed,
    label,
    labels,
    made_up,
    numbers_of,
    process,
    write,
    write_on_a_full_disk,
    write_until_tick,
)

WRITERS, SENT, BATCH = 4, 25_000, 1_000
SHARED, OWN = 40_000, 1_000  # rows that two writers send, and rows that only the killed one sends
STOPPED_IN = 12  # its batch of own rows: it has stored others before and has others to come


@pytest.fixture(scope="module")
def server(in_ci):
    """A PostgreSQL of this module's own, to be taken away and brought back."""
    servers.require_postgres(in_ci=in_ci)
    with servers.postgres() as server:
        yield server


@pytest.fixture
def server_url(server):
    """Its address, with nothing in it."""
    server.start()
    servers.empty_schema(server.url)
    return server.url


def batches_of(writer: int) -> list[list[int]]:
    """25,000 rows in batches: each shared row by two writers, some twice by one, in no order.

    Neighbours meet in opposite directions, so that each waits for rows that the other has.
    """
    rng = np.random.default_rng(writer)
    mine = (np.arange(2 * SHARED // WRITERS) + writer * SHARED // WRITERS) % SHARED
    parts = [rng.permutation(part) for part in mine.reshape(-1, BATCH)]
    if writer % 2:
        parts.reverse()
    if writer == WRITERS - 1:
        parts.insert(STOPPED_IN, np.arange(SHARED, SHARED + OWN))
    again = (SENT - BATCH * len(parts)) // BATCH
    parts += [rng.choice(mine, size=BATCH) for _ in range(again)]
    return [part.tolist() for part in parts]


def assert_whole(url: str) -> None:
    """The database itself finds no fault in its pages, indices and references."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(sa.make_url(url).database)) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            assert connection.execute("pragma foreign_key_check").fetchall() == []
        return
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create extension if not exists amcheck"))
        checked = connection.execute(
            sa.text(
                "select bt_index_check(i.indexrelid, heapallindexed => true) from pg_index i "
                "join pg_class c on c.oid = i.indrelid "
                "where c.relnamespace = current_schema()::regnamespace"
            )
        )
        assert len(checked.all()) >= 4
    engine.dispose()


def assert_holds(log: PredictionLog, numbers) -> None:
    """Exactly these rows are in the log, each once and with every value as it was sent."""
    back = log.window()
    assert sorted(numbers_of(back)) == sorted(numbers)
    expected = made_up(numbers_of(back))
    pd.testing.assert_frame_equal(
        back[list(expected.columns)],
        expected.astype({name: back[name].dtype for name in expected.columns}),
    )


def test_four_processes_of_which_one_is_killed(store_url):
    """Exactly the distinct rows are there, and the killed one's come when it is started again.

    It is killed when all rows of a transaction are written and none is committed. Of that
    transaction nothing is there, of those before it everything; what the four were told to be new
    adds up to the rows.
    """
    batches = [batches_of(writer) for writer in range(WRITERS)]
    assert {sum(map(len, parts)) for parts in batches} == {SENT}
    sent = Counter(np.concatenate([np.unique(np.concatenate(parts)) for parts in batches]).tolist())
    assert len(sent) == SHARED + OWN
    assert Counter(sent.values()) == {2: SHARED, 1: OWN}

    with ExitStack() as stack:
        stops = [None] * (WRITERS - 1) + [STOPPED_IN]
        writers = [
            stack.enter_context(process(write, store_url, parts, stop))
            for parts, stop in zip(batches, stops, strict=True)
        ]
        assert [heard(told) for _, told in writers] == ["open"] * WRITERS
        for _, told in writers:
            told.send("go")
        victim, told = writers[-1]
        before = [heard(told) for _ in range(STOPPED_IN)]
        assert heard(told) == "inside"
        victim.kill()
        assert killed(victim)
        others = [everything(told) for _, told in writers[:-1]]
        assert [killed(child) for child, _ in writers[:-1]] == [False] * (WRITERS - 1)

    stored = set(np.concatenate([*map(np.concatenate, batches[:-1])]).tolist())
    stored |= set(np.concatenate(batches[-1][:STOPPED_IN]).tolist())
    assert_whole(store_url)
    with PredictionLog(store_url) as log:
        assert_holds(log, stored)
    with process(write, store_url, batches[-1]) as (child, told):
        assert heard(told) == "open"
        told.send("go")
        after = everything(told)
        assert not killed(child)

    assert_whole(store_url)
    with PredictionLog(store_url) as log:
        assert_holds(log, sent)
    assert sum(new for said in (*others, before, after) for _, new in said) == SHARED + OWN
    assert (STOPPED_IN, OWN) in after


def assert_whole_batches(log: PredictionLog, batches, told: int) -> None:
    """The batches that were told are stored, perhaps the next one; none of them in part."""
    found = sorted(numbers_of(log.window()))
    possible = [sorted(np.concatenate(batches[:n]).tolist()) if n else [] for n in (told, told + 1)]
    assert found in possible, f"{len(found)} rows; {told} batches were told"


def test_killed_in_the_middle_of_a_statement(tmp_path):
    """Killed at moments all along the way, from the making of the tables to the last row."""
    batches = np.arange(600).reshape(3, 200).tolist()
    with process(write_until_tick, f"sqlite:///{tmp_path / 'whole.db'}", batches, 0) as (_, told):
        *_, ticks = everything(told)
    assert ticks >= 20
    for at in np.linspace(1, ticks, 12, dtype=int).tolist():
        url = f"sqlite:///{tmp_path / f'{at}.db'}"
        with process(write_until_tick, url, batches, at) as (child, told):
            said = everything(told)
            assert killed(child), f"tick {at} of {ticks}"
        assert_whole(url)
        with PredictionLog(url) as log:
            assert_whole_batches(log, batches, len(said))
            for batch in batches:
                log.append(made_up(batch))
            assert_holds(log, range(600))


def test_killed_at_a_random_moment(store_url):
    """Wherever it was, its batches are there whole or not at all, and another process goes on."""
    rng = np.random.default_rng(4)
    PredictionLog(store_url).close()
    batches = np.arange(20_000).reshape(10, 2_000).tolist()
    whole = 0
    for round_ in range(5):
        with process(write, store_url, batches) as (child, told):
            assert heard(told) == "open"
            told.send("go")
            told.poll(rng.uniform(0, 0.15))
            said = []
            while len(said) < round_ and len(said) < len(batches):
                said.append(heard(told))
            child.kill()
            killed(child)
            said += everything(told)
        whole = max(whole, len(said))
        with PredictionLog(store_url) as log:
            stored = len(log.window()) // 2_000
            assert_whole_batches(log, batches, stored)
            assert stored >= whole, "what was told is there"
            whole = stored
    assert_whole(store_url)
    with PredictionLog(store_url) as log:
        assert sum(log.append(made_up(batch)) for batch in batches) == 20_000 - 2_000 * whole
        assert_holds(log, range(20_000))


def label_at_once(url: str, *parts) -> np.ndarray:
    """Two processes record their outcomes at once; the sum of their receipts."""
    with ExitStack() as stack:
        workers = [stack.enter_context(process(label, url, part)) for part in parts]
        assert [heard(told) for _, told in workers] == ["open"] * len(parts)
        for _, told in workers:
            told.send("go")
        said = [everything(told) for _, told in workers]
        assert not any(killed(child) for child, _ in workers)
    assert [len(receipts) for receipts in said] == [len(part) for part in parts]
    return np.sum([receipt for receipts in said for receipt in receipts], axis=0)


def test_two_processes_bring_the_same_labels(store_url):
    """In opposite orders and at once: each label is stored once, the rest is counted, none waits.

    The receipts of both add up: stored once, repeated once, and the strangers twice.
    """
    with PredictionLog(store_url) as log:
        log.append(made_up(range(6_000)))
    rng = np.random.default_rng(1)
    parts = [rng.permutation(6_100) for _ in range(2)]
    batches = [[labels(some) for some in part.reshape(-1, 1_220)] for part in parts]
    counts = label_at_once(store_url, *batches)
    assert counts.tolist() == [6_000, 6_000, 200, 0]
    with PredictionLog(store_url) as log:
        back = log.window()
        assert back["default"].tolist() == [float(n % 4 == 0) for n in numbers_of(back)]
        assert (back["outcome_at"] == back["scored_at"] + pd.Timedelta(days=182)).all()


def test_two_processes_contradict_each_other(store_url):
    """Of two labels for one loan one is stored, and the other one is counted as contradicting."""
    with PredictionLog(store_url) as log:
        log.append(made_up(range(2_000)))
    upwards = np.arange(2_000).reshape(4, 500)
    downwards = upwards[::-1, ::-1]
    batches = [
        [labels(some, default=default) for some in part]
        for default, part in enumerate((upwards, downwards))
    ]
    counts = label_at_once(store_url, *batches)
    assert counts.tolist() == [2_000, 0, 0, 2_000]
    with PredictionLog(store_url) as log:
        assert log.window()["default"].notna().all()


def test_what_is_read_in_chunks_is_one_moment(store_url):
    """Rows and labels that another process adds meanwhile come with the next reading, all of them.

    The new rows lie between the old ones in time, so that a reader without a view of its own would
    meet some of them.
    """
    first, second = np.arange(3_000).reshape(-1, 2).T.tolist()
    with (
        PredictionLog(store_url) as log,
        process(append_and_label, store_url, [second]) as (child, told),
    ):
        log.append(made_up(first))
        assert heard(told) == "open"
        reading = log.windows(chunk_rows=400)
        chunks = [next(reading)]
        told.send("go")
        assert everything(told) == [0], "a reader does not keep a writer waiting"
        assert not killed(child)
        chunks += reading
        seen = pd.concat(chunks, ignore_index=True)
        assert sorted(numbers_of(seen)) == first
        assert seen["default"].isna().all()
        assert [len(chunk) for chunk in chunks] == [400, 400, 400, 300]

        again = pd.concat(log.windows(chunk_rows=400), ignore_index=True)
        assert sorted(numbers_of(again)) == list(range(3_000))
        assert again["default"].notna().sum() == len(second)


def test_readers_never_see_a_part_of_a_batch(store_url):
    """While another process writes on, each reading has whole batches and whole sets of labels."""
    batches = np.random.default_rng(2).permutation(6_000).reshape(24, 250)
    readings = 0
    with (
        PredictionLog(store_url) as log,
        process(append_and_label, store_url, batches.tolist()) as (child, told),
    ):
        assert heard(told) == "open"
        told.send("go")
        batch_of = np.empty(6_000, dtype=int)
        batch_of[batches] = np.arange(24)[:, None]
        done = 0
        while done < 24:
            frames = list(log.windows(chunk_rows=333))
            seen = pd.concat(frames, ignore_index=True) if frames else log.window()
            numbers = numbers_of(seen)
            assert len(set(numbers)) == len(numbers)
            rows = np.bincount(batch_of[numbers], minlength=24)
            known = np.bincount(batch_of[numbers], weights=seen["default"].notna(), minlength=24)
            stored, labelled = np.flatnonzero(rows), np.flatnonzero(known)
            assert set(rows) <= {0, 250}
            assert set(known) <= {0, 250}
            assert stored.tolist() == list(range(len(stored))), "in the order of writing"
            assert labelled.tolist() == list(range(len(labelled)))
            assert len(labelled) in (len(stored), len(stored) - 1)
            assert len(labelled) >= done, "what was told is there"
            readings += 0 < len(stored) < 24
            while told.poll() and done < 24:
                done = heard(told) + 1
        assert not killed(child)
    assert readings >= 3, "some while it was writing"


def test_a_reading_that_is_given_up_holds_nothing(store_url):
    """Whoever stops after the first chunk leaves no transaction behind."""
    with PredictionLog(store_url) as log:
        log.append(made_up(range(1_000)))
        reading = log.windows(chunk_rows=100)
        next(reading)
        reading.close()
        assert log.append(made_up(range(900, 1_100))) == 100
        if store_url.startswith("postgresql"):
            engine = sa.create_engine(store_url)
            with engine.connect() as connection:
                query = "select count(*) from pg_stat_activity where state = 'idle in transaction'"
                assert connection.scalar(sa.text(query)) == 0
            engine.dispose()


def test_a_server_that_goes_away_in_the_middle(server, server_url, caplog):
    """One sentence that names the store; nothing is half stored; it works when it is back.

    The server goes when the rows are written and not committed, as in a power cut.
    """

    def stop(_: object) -> None:
        server.stop("immediate")

    with PredictionLog(server_url) as log:
        log.append(made_up(range(100)))
        said = []
        sa.event.listen(sa.Engine, "commit", stop)
        try:
            for attempt in (
                lambda: log.append(made_up(range(50, 300))),
                lambda: log.append(made_up(range(50, 300))),
                lambda: log.record_outcomes(labels(range(100))),
                log.window,
                lambda: list(log.windows(chunk_rows=10)),
                lambda: PredictionLog(server_url),
            ):
                with pytest.raises(LogError) as caught:
                    attempt()
                said.append(str(caught.value))
        finally:
            sa.event.remove(sa.Engine, "commit", stop)
        server.start()
        assert_holds(log, range(100))
        assert log.window()["default"].isna().all()
        assert log.append(made_up(range(50, 300))) == 200
        assert_holds(log, range(300))
    address = server_url.removeprefix("postgresql+psycopg")
    for sentence in said:
        assert address in sentence
        assert "does not answer; see whether the server runs" in sentence
        assert "\n" not in sentence
    assert "Traceback" not in caplog.text
    assert_whole(server_url)


def test_a_server_that_was_restarted_between_two_calls(server, server_url):
    """Nobody was calling, so nobody need know."""
    with PredictionLog(server_url) as log:
        log.append(made_up(range(100)))
        server.stop()
        server.start()
        assert log.append(made_up(range(200))) == 100
        assert_holds(log, range(200))


def test_a_full_disk(tmp_path):
    """SQLite has no page left: one sentence, nothing half stored, and on it goes with more room."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with PredictionLog(url) as log:
        log.append(made_up(range(100)))

    def no_room(connection, _):
        pages = connection.execute("pragma page_count").fetchone()[0]
        connection.execute(f"pragma max_page_count = {pages + 4}")

    with PredictionLog(url) as log:
        sa.event.listen(sa.pool.Pool, "connect", no_room)
        try:
            with pytest.raises(LogError, match=r"log\.db has no room left; make room"):
                log.append(made_up(range(50, 5_000)))
            assert_holds(log, range(100))
            with pytest.raises(LogError, match="has no room left"):
                log.append_metrics(a_metric_of_each_day(10_000))
            assert log.metrics().empty
            assert log.append(made_up(range(50, 102))) == 2, "what fits is stored"
        finally:
            sa.event.remove(sa.pool.Pool, "connect", no_room)
        assert log.append(made_up(range(50, 5_000))) == 4_898
        assert_holds(log, range(5_000))
    assert_whole(url)


def a_metric_of_each_day(days: int) -> pd.DataFrame:
    """Many metrics at once."""
    start = pd.date_range("2000-01-01", periods=days, freq="D", tz="UTC")
    return pd.DataFrame(
        {"metric": "auc", "value": 0.7, "window_start": start, "window_end": start + start.freq}
    )


def test_a_file_that_may_not_grow(tmp_path):
    """The system refuses in the middle of a write, and the file on disk stays a whole database."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    batches = [range(10), range(3_000)]
    with process(write_on_a_full_disk, url, batches) as (child, told):
        first, again, (number, kind, said), *after = everything(told)
        assert not killed(child)
    assert [first, again, number, kind] == [(0, 10), (0, 0), 1, "LogError"]
    assert "log.db" in said
    assert "\n" not in said
    assert after == [(0, 0), (1, 2_990)], "nothing of the refused batch was there"
    assert_whole(url)
    with PredictionLog(url) as log:
        assert_holds(log, range(3_000))


def test_a_server_without_room(server, server_url):
    """PostgreSQL's files may not grow: one sentence, nothing stored; more room, and on it goes."""
    with PredictionLog(server_url) as log:
        log.append(made_up(range(100)))
        server.stop()
        server.start(largest_file=1 << 20)
        with pytest.raises(LogError, match="has no room left; make room") as caught:
            log.append(made_up(range(50, 10_000)))
        assert "\n" not in str(caught.value)
        assert_holds(log, range(100))
        server.stop()
        server.start()
        assert log.append(made_up(range(50, 10_000))) == 9_900
        assert_holds(log, range(10_000))
    assert_whole(server_url)

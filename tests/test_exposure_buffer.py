"""Exposures wait for the log, a bounded number of them, and each is stored once."""

import threading

import pandas as pd
import pytest

from mlops_helpers.exposure_buffer import BufferFull, ExposureBuffer
from mlops_helpers.log_store import LogError
from mlops_helpers.scoring import score
from tests.serving import Away, Stand, arrivals

ROWS = score(Stand(1), arrivals(400), model_version=1, cutoff=0.2)


@pytest.fixture
def log(store_url):
    """A log that can fail, on each database."""
    with Away(store_url) as log:
        yield log


@pytest.fixture
def file_log(tmp_path):
    """A log that can fail, in a file."""
    with Away(f"sqlite:///{tmp_path / 'log.db'}") as log:
        yield log


def parts(size: int, rows: pd.DataFrame = ROWS) -> list[pd.DataFrame]:
    """The rows, `size` at a time."""
    return [rows.iloc[start : start + size] for start in range(0, len(rows), size)]


def stored(log: Away) -> list[str]:
    """Which predictions the log has."""
    return sorted(log.window()["prediction_id"])


@pytest.mark.parametrize(("batch", "room"), [(0, 10), (-1, 10), (11, 10)])
def test_sizes_that_cannot_be_are_refused(file_log, batch, room):
    """A batch of nothing, or one that the buffer has no room for."""
    with pytest.raises(ValueError, match=f"batch_rows is {batch} and buffer_rows 10"):
        ExposureBuffer(file_log, batch_rows=batch, buffer_rows=room)


@pytest.mark.parametrize("sizes", [(None, 10), ("5", 10), (1, 1.5), (True, 10)])
def test_what_are_no_sizes_is_refused(file_log, sizes):
    """Whole numbers, named."""
    with pytest.raises(ValueError, match=r"_rows is .*, must be a whole number of rows"):
        ExposureBuffer(file_log, batch_rows=sizes[0], buffer_rows=sizes[1])


def test_without_a_log_there_is_no_buffer():
    """Found when it is made, not when the first batch is full."""
    with pytest.raises(TypeError, match="log came as NoneType, must be a PredictionLog"):
        ExposureBuffer(None, batch_rows=1, buffer_rows=10)


def test_who_finds_no_room_is_told_what_is_in_the_way(file_log, monkeypatch):
    """A hand-over that takes long, or others on their way: fewer at once would not help."""
    buffer = ExposureBuffer(file_log, batch_rows=50, buffer_rows=100)
    begun, go, append = threading.Event(), threading.Event(), file_log.append

    def slow(rows: pd.DataFrame) -> int:
        begun.set()
        assert go.wait(30)
        return append(rows)

    monkeypatch.setattr(file_log, "append", slow)
    with buffer.room(60), pytest.raises(BufferFull, match=r"Others are being answered: ask again"):
        buffer.room(41).__enter__()
    storing = threading.Thread(target=buffer.put, args=(ROWS.head(60),))
    storing.start()
    assert begun.wait(30)
    try:
        said = (
            r"nobody was answered\. Another thread has been handing over to the log for \d+\.\d s"
        )
        with pytest.raises(BufferFull, match=said):
            buffer.room(41).__enter__()
        with buffer.room(40):
            assert buffer.put(ROWS.iloc[60:100]) == ""  # others go on meanwhile
    finally:
        go.set()
        storing.join()
    buffer.flush()
    assert stored(file_log) == sorted(ROWS.head(100)["prediction_id"])


def test_the_log_is_asked_once_a_batch(file_log, monkeypatch):
    """Single exposures wait until a batch is full; the rest waits for flush."""
    buffer = ExposureBuffer(file_log, batch_rows=30, buffer_rows=400)
    sizes = []
    append = file_log.append
    monkeypatch.setattr(file_log, "append", lambda rows: sizes.append(len(rows)) or append(rows))
    for part in parts(1, ROWS.head(100)):
        with buffer.room(1):
            assert buffer.put(part) == ""
    assert sizes == [30, 30, 30]
    assert len(buffer) == 10
    assert buffer.flush() == 10
    assert (len(buffer), buffer.flush()) == (0, 0)
    assert stored(file_log) == sorted(ROWS.head(100)["prediction_id"])


@pytest.mark.parametrize("fails", ["before", "after"])
def test_each_is_stored_once_though_the_log_fails(log, fails):
    """Whether it fails before it has stored a batch or after, whose answer is then lost."""
    buffer = ExposureBuffer(log, batch_rows=50, buffer_rows=400)
    told = []
    for number, part in enumerate(parts(20)):
        log.fails = fails if number % 4 < 3 else ""
        with buffer.room(20):
            told.append(buffer.put(part))
    log.fails = ""
    buffer.flush()
    assert stored(log) == sorted(ROWS["prediction_id"])
    faults = [fault for fault in told if fault]
    assert faults
    assert all("exposures wait for the log: LogError: the " in fault for fault in faults)


def test_a_log_that_is_away_is_not_asked_for_every_answer(file_log, monkeypatch):
    """After a failure not before another batch has come: a locked store makes each asker wait."""
    buffer = ExposureBuffer(file_log, batch_rows=10, buffer_rows=400)
    file_log.fails = "before"
    told = []
    for part in parts(1, ROWS.head(50)):
        with buffer.room(1):
            told.append(buffer.put(part))
    assert [number for number, fault in enumerate(told, 1) if fault] == [10, 20, 30, 40, 50]
    with pytest.raises(LogError, match="does not answer"):
        buffer.flush()
    assert len(buffer) == 50


def test_a_full_buffer_gives_no_room_until_the_log_is_back(file_log):
    """It asks the log once more, then refuses and loses nothing; later it goes on by itself."""
    buffer = ExposureBuffer(file_log, batch_rows=10, buffer_rows=100)
    file_log.fails = "before"
    for part in parts(50, ROWS.head(100)):
        with buffer.room(50):
            assert "LogError" in buffer.put(part)
    with pytest.raises(BufferFull, match=r"100 exposures .* buffer_rows == 100; .* LogError"):
        buffer.room(1).__enter__()
    with buffer.room(0):
        pass
    assert len(buffer) == 100
    file_log.fails = ""
    with buffer.room(100):
        assert len(buffer) == 0
    assert stored(file_log) == sorted(ROWS.head(100)["prediction_id"])


def test_more_than_there_is_room_for_is_refused(file_log):
    """However empty it is."""
    buffer = ExposureBuffer(file_log, batch_rows=10, buffer_rows=100)
    with pytest.raises(BufferFull, match=r"101 applications .* Ask with fewer at once"):
        buffer.room(101).__enter__()


def test_promised_room_is_not_promised_twice_and_is_given_back(file_log):
    """Answers on their way count; those that never came do not."""
    buffer = ExposureBuffer(file_log, batch_rows=10, buffer_rows=100)
    with buffer.room(60), pytest.raises(BufferFull, match="41 applications and 60 exposures"):
        buffer.room(41).__enter__()
    with pytest.raises(KeyError), buffer.room(100):
        raise KeyError
    with buffer.room(100):
        pass


def test_what_the_log_cannot_keep_does_not_wait(file_log):
    """One bad row would stand in the way of all that come after it."""
    buffer = ExposureBuffer(file_log, batch_rows=10, buffer_rows=100)
    bad = ROWS.head(3).assign(application_id=["a", " ", "c"])
    with buffer.room(3), pytest.raises(ValueError, match="application_id == ' '"):
        buffer.put(bad)
    assert len(buffer) == 0


def test_threads_share_a_buffer(file_log):
    """Eight threads, a log that is away now and then: every exposure is stored, none twice."""
    buffer = ExposureBuffer(file_log, batch_rows=25, buffer_rows=400)

    def work(mine: list[pd.DataFrame]) -> None:
        for number, part in enumerate(mine):
            file_log.fails = "after" if number == 1 else ""
            with buffer.room(len(part)):
                buffer.put(part)

    mine = parts(10)
    threads = [threading.Thread(target=work, args=(mine[k::8],)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file_log.fails = ""
    buffer.flush()
    assert len(buffer) == 0
    assert stored(file_log) == sorted(ROWS["prediction_id"])

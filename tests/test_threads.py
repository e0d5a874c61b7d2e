"""One thread inside, and as many as before outside."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.ensemble  # noqa: F401 - loads a library with a pool of threads
from threadpoolctl import threadpool_info, threadpool_limits

from mlops_helpers.threads import one_thread


def pools() -> list[int]:
    """Threads that each library would use now."""
    return [pool["num_threads"] for pool in threadpool_info()]


def test_no_library_uses_a_second_thread_inside():
    """Every pool is limited, and gets its size back afterwards."""
    np.eye(2) @ np.eye(2)
    with threadpool_limits(2):
        before = pools()
        assert max(before) == 2
        with one_thread():
            assert set(pools()) == {1}
        assert pools() == before


def test_a_failure_inside_gives_the_threads_back():
    """An exception leaves no limit behind."""
    with threadpool_limits(2):
        before = pools()
        with pytest.raises(ZeroDivisionError), one_thread():
            _ = 1 / 0
        assert pools() == before

"""One thread at a time for numerical libraries, where more would only wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """No numerical library starts threads inside: on a busy machine they wait for one another.

    Some thousand rows gain nothing from a second thread, and gradient boosting, whose threads meet
    after every tree, took twenty times as long where all processors were busy.
    """
    with threadpool_limits(1):
        yield

"""One thread at a time for numerical libraries, where more would only wait for each other."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """No numerical library starts threads inside: on a busy machine they wait for one another.

    Some thousand rows gain nothing from a second thread, and gradient boosting, whose threads meet
    after every tree, took twenty times as long where all processors were busy.
    """
    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@functools.lru_cache(maxsize=1)
def _libraries(_: int) -> ThreadpoolController:
    """The libraries with threads: looking for them takes 3 ms, and an import may bring another."""
    return ThreadpoolController()

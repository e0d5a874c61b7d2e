"""A model that many share is not changed by one of them by accident: its arrays are read-only."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

__all__ = ["frozen"]

T = TypeVar("T")


def frozen(model: T) -> T:
    """The same model, every numpy array in it read-only; `copy.deepcopy` gives one to change.

    Looks into attributes, lists, tuples and dicts. The arrays that a compiled tree of a random
    forest keeps inside are no attributes and stay as they are, and so do plain settings.
    """
    seen: dict[int, object] = {}
    waiting: list[object] = [model]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen[id(found)] = found  # kept, so that no other object gets its id meanwhile
        if isinstance(found, np.ndarray):
            found.setflags(write=False)
            waiting += found.ravel().tolist() if found.dtype == object else []
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, (list, tuple)):
            waiting += found
        elif hasattr(found, "__dict__") and not isinstance(found, type):
            waiting += vars(found).values()
    return model

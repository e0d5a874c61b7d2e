"""What may be the id of a unit, and the text that it is: 12 and "12" are one unit.

A text, a whole number or a UUID. Whatever else would need somebody's choice to become a text (12.0,
True, b"x"), and another reader might choose otherwise: then the unit would be two.
"""

from __future__ import annotations

import numbers
import uuid
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["id_texts"]


def id_texts(units: Iterable[object]) -> NDArray[np.object_]:
    """The ids as texts, in their order.

    Raises `ValueError` for an id that is missing, empty or of another kind (12.0: a column with
    gaps turns whole numbers into such), `TypeError` for what is no list or column.
    """
    given = _as_array(units)
    kind = pd.api.types.infer_dtype(given, skipna=False)
    if kind not in ("string", "integer", "empty"):
        for place, unit in enumerate(given):
            _check_id(unit, place)
    if kind != "string":
        given = np.array([str(unit) for unit in given], dtype=object)
    empty = given == ""
    if empty.any():
        raise ValueError(_without_id(int(empty.argmax()), ""))
    return given


def _as_array(units: Iterable[object]) -> NDArray[np.object_]:
    listed = isinstance(units, Iterable) and getattr(units, "ndim", 1) == 1
    if not listed or isinstance(units, str | bytes | pd.DataFrame | dict):
        raise TypeError(f"units is a {type(units).__name__}, must be a list or column of ids.")
    if isinstance(units, pd.Series | pd.Index):
        return units.to_numpy(dtype=object)
    if isinstance(units, np.ndarray):
        return units.astype(object)
    return np.fromiter(units, dtype=object)


def _check_id(unit: object, place: int) -> None:
    """Raise `ValueError` for what is no id, as the log does (`log_rows`)."""
    if isinstance(unit, str | uuid.UUID):
        return
    if isinstance(unit, numbers.Integral) and not isinstance(unit, bool):
        return
    if unit is None or (pd.api.types.is_scalar(unit) and pd.isna(unit)):
        raise ValueError(_without_id(place, unit))
    raise ValueError(
        f"the id of unit {place} is {unit!r} ({type(unit).__name__}), must be a text or a whole "
        "number. Write it as the text that is meant."
    )


def _without_id(place: int, found: object) -> str:
    return f"unit {place} to assign has no id ({found!r}). Give every application an id."

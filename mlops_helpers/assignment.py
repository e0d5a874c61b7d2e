"""Who meets which model: sticky arms by a keyed hash, a ramp that only adds, a holdout.

Every unit has a position in [0, 1), a keyed hash of its id. An arm owns a slot of that line as wide
as its share. A ramp gives the treatment the first part of its slot and leaves the rest to control:

    split 50 : 25 : 25     control................. b........... c...........
    at half of the ramp    control................. b.....contr. c.....contr.

When the ramp grows each treatment keeps whom it has, with any number of arms.
"""

from __future__ import annotations

import hashlib
import math
import numbers
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from pandas.util import hash_array

from mlops_helpers.unit_ids import id_texts

__all__ = ["Experiment", "Holdout"]

_LONGEST_NAME = 1000  # bytes, as `log_rows` has it of what is indexed
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXPERIMENT, _HOLDOUT = b"", b"holdout"  # a holdout and an experiment of one name are independent


@dataclass(frozen=True)
class Experiment:
    """Arms and their shares; the first arm is the control.

    name: part of the hash, so two experiments split the same units independently; at most 1,000
    bytes.
    arms, split: names of the arms and their planned shares, which sum to 1; lists become tuples.
    cutoff: applications below this probability of default are approved, in every arm.
    salt: changes the assignment of a repeated experiment that has to keep its name.
    ramp: the part of the treatments' shares in use, above 0 and at most 1; control has the rest.
    """

    name: str
    arms: tuple[str, ...] = ("control", "treatment")
    split: tuple[float, ...] = (0.5, 0.5)
    cutoff: float = 0.18
    salt: str = ""
    ramp: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be carried out."""
        _check_names(self.name, self.salt)
        arms, split = self.arms, self.split
        if (
            not isinstance(arms, tuple | list)
            or len(arms) < 2
            or not all(_is_storable(arm) and arm.strip() for arm in arms)
            or len(set(arms)) < len(arms)
        ):
            raise ValueError(
                f"arms is {arms!r}, must be two or more different names: texts that are not blank, "
                "that UTF-8 can write, without the character zero."
            )
        if not isinstance(split, tuple | list | np.ndarray) or not all(map(_is_number, split)):
            raise ValueError(f"split is {split!r}, must be a number for each arm, e.g. (0.5, 0.5).")
        if len(split) != len(arms):
            raise ValueError(
                f"split has {len(split)} shares for {len(arms)} arms. Give one for each."
            )
        if not all(share > 0 for share in split) or not math.isclose(sum(split), 1.0, abs_tol=1e-9):
            raise ValueError(
                f"split is {split!r} and sums to {sum(split):g}, must be shares above 0 "
                "that sum to 1, e.g. (0.5, 0.5)."
            )
        if not _is_number(self.cutoff) or not 0 < self.cutoff < 1:
            raise ValueError(f"cutoff is {self.cutoff!r}, must be a number between 0 and 1.")
        if not _is_number(self.ramp) or not 0 < self.ramp <= 1:
            raise ValueError(
                f"ramp is {self.ramp!r}, must be a number above 0 and at most 1: the part of the "
                "treatments' shares in use. Pause the experiment to treat nobody."
            )
        plain = {"arms": tuple(arms), "split": tuple(map(float, split))}
        for name, value in {
            **plain,
            "cutoff": float(self.cutoff),
            "ramp": float(self.ramp),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def control(self) -> str:
        """The name of the arm that the others are compared with."""
        return self.arms[0]

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of the arms at this ramp, which sum to 1; at the end of the ramp the split."""
        if self.ramp == 1:
            return self.split
        treated = tuple(self.ramp * share for share in self.split[1:])
        return (1.0 - sum(treated), *treated)

    def at(self, ramp: float) -> Experiment:
        """The same experiment at another point of its ramp."""
        return replace(self, ramp=ramp)

    def assign(self, units: Iterable[object]) -> NDArray[np.object_]:
        """The arm of each unit: always the same for a unit, whoever asks, in whatever order.

        An id is a text, a whole number or a UUID; 12 and "12" are one unit. Its SipHash-2-4
        (Aumasson and Bernstein 2012), keyed by name and salt of the experiment and stirred once
        more by `pandas.util.hash_array`, is read as a position in [0, 1). Raises `ValueError` for
        an id that is missing, empty or of another kind (12.0: a column with gaps turns whole
        numbers into such), `TypeError` for what is no list.
        """
        position = _positions(units, _key(self.name, self.salt, _EXPERIMENT))
        starts = np.cumsum(self.split)
        starts[-1] = 1.0
        ends = np.minimum(starts[:-1] + self.ramp * np.diff(starts), starts[1:])
        edges = np.column_stack([starts[:-1], ends]).ravel()
        owners = np.full(len(edges) + 1, self.control, dtype=object)
        owners[1::2] = self.arms[1:]
        return owners[np.searchsorted(edges, position, side="right")]

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values, for storing."""
        return {**asdict(self), "arms": list(self.arms), "split": list(self.split)}


@dataclass(frozen=True)
class Holdout:
    """Units that no experiment ever treats: what all changes together were worth is seen on them.

    name, salt: keys of its hash, which no experiment shares, so its units are like the others.
    share: of the units, between 0 and 1.
    """

    name: str
    share: float
    salt: str = ""

    def __post_init__(self) -> None:
        """Refuse a holdout of nobody or of everybody."""
        _check_names(self.name, self.salt)
        if not _is_number(self.share) or not 0 < self.share < 1:
            raise ValueError(
                f"share is {self.share!r}, must be a number between 0 and 1, e.g. 0.05."
            )
        object.__setattr__(self, "share", float(self.share))

    def holds(self, units: Iterable[object]) -> NDArray[np.bool_]:
        """Whether each unit is held out; ids and errors as in `Experiment.assign`.

        A larger share holds all whom a smaller one held.
        """
        return _positions(units, _key(self.name, self.salt, _HOLDOUT)) < self.share


def _check_names(name: object, salt: object) -> None:
    if not _is_storable(name) or not name.strip():
        raise ValueError(
            f"name is {name!r}, must be a text that is not blank, that UTF-8 can write, without "
            "the character zero."
        )
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"name is {name[:20]!r}… of {len(name.encode())} bytes, must have at most "
            f"{_LONGEST_NAME}: the log finds an experiment by it."
        )
    if not _is_storable(salt):
        raise ValueError(
            f"salt is {salt!r}, must be a text that UTF-8 can write, without the character zero."
        )


def _is_storable(value: object) -> TypeGuard[str]:
    """Is it a text that every store can keep? A zero also stands between name and salt of a key."""
    return isinstance(value, str) and "\0" not in value and not _SURROGATE.search(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _key(name: str, salt: str, kind: bytes) -> str:
    """Sixteen characters, the key of pandas' SipHash; its own default would be everybody's."""
    named = f"{name}\0{salt}".encode()
    return hashlib.blake2b(named, digest_size=8, person=kind).hexdigest()


def _positions(units: Iterable[object], key: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each unit: the upper 53 bits of its hash, as many as a double has."""
    try:
        hashed = hash_array(id_texts(units), hash_key=key, categorize=False)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the id {error.object!r} of a unit is no text that UTF-8 can write. Mend it where it "
            "is read."
        ) from error
    return (hashed >> np.uint64(11)) * 2.0**-53

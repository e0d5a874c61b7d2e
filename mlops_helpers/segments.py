"""How a model does in parts of the portfolio: who it serves worse than the average says.

Sources: the area under the ROC curve with DeLong's interval (`delong`); rates with Wilson's
(1927). Observed to expected is the default rate over the mean probability, and its interval is
Wilson's for the rate over the same mean: it takes the probabilities as given, and is a little too
wide where they differ much within a group.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from mlops_helpers.contracts import TARGET
from mlops_helpers.delong import MIN_PER_CLASS, auc_interval
from mlops_helpers.two_samples import wilson

__all__ = ["SEGMENTS", "Group", "groups_of", "segment_groups", "segment_table", "too_small"]

SEGMENTS: tuple[str, ...] = ("home_ownership", "loan_purpose", "age", "annual_income")
"""The columns by which a portfolio is divided unless others are named."""
AGE_BANDS: dict[str, float] = {"under 26": 26, "26 to 35": 36, "36 to 50": 51, "over 50": np.inf}
"""Ages from the limit before up to, not including, this one (years)."""
UNKNOWN_GROUP = "unknown"
NAMED = 8
"""Groups of one column that a sentence names; of more it says how many."""
COLUMNS = (
    "segment",
    "group",
    "n",
    "defaults",
    "default_rate",
    "default_rate_low",
    "default_rate_high",
    "mean_probability",
    "auc",
    "auc_low",
    "auc_high",
    "observed_to_expected",
    "observed_to_expected_low",
    "observed_to_expected_high",
)


def segment_table(
    scored: pd.DataFrame, *, by: Sequence[str] = SEGMENTS, confidence: float = 0.95
) -> pd.DataFrame:
    """One row for each group of each column in `by`, with the columns of `COLUMNS`.

    `scored` holds `default` (0 or 1, all known), `probability` and the columns of `by`; groups are
    those of `segment_groups`, and a group without rows has no row. With fewer than `MIN_PER_CLASS`
    defaults or repaid loans the AUC and its limits are NaN: one from a handful of loans flatters or
    damns by chance. Rates keep Wilson's interval, which is wide then. Without rows the table is
    empty. Raises ValueError for a missing column, a missing outcome or probability, and values that
    are none.
    """
    if isinstance(by, str):
        by = (by,)
    _check(scored, by, confidence)
    rows = []
    for segment in by:
        groups = segment_groups(scored[segment])
        for group in groups.cat.categories:
            part = scored[(groups == group).to_numpy()]
            rows.append((segment, group, *_figures(part, confidence)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"n": int, "defaults": int})


def segment_groups(values: pd.Series) -> pd.Series:
    """The group of each row, as an ordered category that lists no empty group.

    Words are groups of their own, the most frequent first; a column named `age` is divided at the
    limits of `AGE_BANDS`, any other number at the thirds of the values given. What is missing (or
    infinite) is the group "unknown", which comes last.
    """
    if pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        words = values.astype("object").map(str, na_action="ignore")
        counts = words.value_counts()
        ordered = sorted(counts.index, key=lambda name: (-counts[name], name))
        names = [name for name in ordered if name != UNKNOWN_GROUP]
        found = words.where(words.notna(), UNKNOWN_GROUP)
    else:
        numbers = values.astype(float)
        numbers = numbers.where(np.isfinite(numbers))
        edges = list(AGE_BANDS.values())[:-1] if values.name == "age" else _thirds(numbers)
        names = list(AGE_BANDS) if values.name == "age" else _between(edges)
        place = np.searchsorted(edges, numbers.fillna(-np.inf), side="right")
        found = pd.Series(np.array(names, dtype=object)[place], index=values.index)
        found = found.where(numbers.notna(), UNKNOWN_GROUP)
    present = [name for name in (*names, UNKNOWN_GROUP) if (found == name).any()]
    groups = pd.Categorical(found, categories=present, ordered=True)
    return pd.Series(groups, index=values.index, name=values.name)


@dataclass(frozen=True)
class Group:
    """The rows of one group of one column, and whether they suffice to judge a ranking."""

    segment: str
    name: str
    rows: NDArray[np.bool_]
    ranked: bool

    def __str__(self) -> str:
        """Column and group."""
        return f"{self.segment} {self.name}"


def groups_of(
    frame: pd.DataFrame, outcome: ArrayLike, *, by: Sequence[str] = SEGMENTS
) -> Iterator[Group]:
    """Each group of each column in `by`; a column in which all are alike divides nobody.

    `ranked` is true with `MIN_PER_CLASS` defaults and repaid loans or more. `outcome` is 0 or 1,
    one for each row of `frame`, in its order.
    """
    label = np.asarray(outcome, dtype=float)
    for segment in by:
        members = segment_groups(frame[segment])
        names = members.cat.categories
        for name in names if len(names) > 1 else ():
            inside = (members == name).to_numpy()
            defaults = label[inside].sum()
            enough = min(defaults, inside.sum() - defaults) >= MIN_PER_CLASS
            yield Group(segment, str(name), inside, bool(enough))


def too_small(groups: Sequence[Group], of: int) -> str:
    """A sentence: how many groups of `of` have no ranking judged, and which; empty for none."""
    names: dict[str, list[str]] = {}
    for group in groups:
        names.setdefault(group.segment, []).append(group.name)
    told = "; ".join(f"{segment} {_some(found)}" for segment, found in names.items())
    return f". Too small for a ranking, {len(groups)} of {of}: {told}" if groups else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _thirds(numbers: pd.Series) -> list[float]:
    """Up to two limits that divide the known numbers into thirds; fewer if they coincide."""
    known = numbers.dropna()
    if known.empty:
        return []
    limits = np.unique(known.quantile([1 / 3, 2 / 3]))
    return [float(limit) for limit in limits if known.min() < limit]


def _between(edges: list[float]) -> list[str]:
    """Names of the groups that the limits part: from each limit on is the next group."""
    if not edges:
        return ["all"]
    said = [f"{edge:,.4g}" if abs(edge) < 1000 else f"{edge:,.0f}" for edge in edges]
    inner = [f"{low} to {high}" for low, high in itertools.pairwise(said)]
    return [f"under {said[0]}", *inner, f"{said[-1]} and more"]


def _figures(part: pd.DataFrame, confidence: float) -> Iterator[float]:
    """All of COLUMNS after the group's name."""
    outcome, probability = part[TARGET].astype(float), part["probability"].astype(float)
    defaults, expected = int(outcome.sum()), float(probability.mean())
    rate = wilson(outcome, 1 - confidence)
    auc = (np.nan,) * 3
    if min(defaults, len(part) - defaults) >= MIN_PER_CLASS:
        area = auc_interval(outcome, probability, confidence=confidence)
        auc = area.value, area.low, area.high
    limits = (rate.value, rate.low, rate.high)
    ratios = [limit / expected if expected > 0 else np.nan for limit in limits]
    yield from (len(part), defaults, *limits, expected, *auc, *ratios)


def _check(scored: pd.DataFrame, by: Sequence[str], confidence: float) -> None:
    missing = [name for name in (TARGET, "probability", *by) if name not in scored.columns]
    if missing:
        raise ValueError(
            f"the rows have no column {missing}, only {list(scored.columns)}. "
            "Add it, or name other columns in `by`."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence!r}, must lie between 0 and 1, e.g. 0.95.")
    outcome, probability = scored[TARGET].astype(float), scored["probability"].astype(float)
    if outcome.isna().any() or probability.isna().any():
        raise ValueError(
            f"{TARGET} is missing in {outcome.isna().sum()} rows and probability in "
            f"{probability.isna().sum()}. Leave those rows out, and report how many they are."
        )
    for name, values, sound, rule in (
        (TARGET, outcome, outcome.isin([0, 1]), "must be 0 (repaid) or 1 (defaulted)"),
        ("probability", probability, probability.between(0, 1), "must lie within [0, 1]"),
    ):
        if not sound.all():
            raise ValueError(f"{name} is {values[~sound].iloc[0]:g} in a row, {rule}.")

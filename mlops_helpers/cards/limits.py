"""Limits of a version that follow from what is recorded about it, each as a sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from mlops_helpers.cards.facts import CardFacts
from mlops_helpers.training_rows import told_overlap

__all__ = ["DAYS_OF_A_YEAR", "found_limits", "overlap", "recorded_time"]

DAYS_OF_A_YEAR = 365
MOST_NAMED = 8
"""Groups named in one sentence; of more, the number is told."""


def found_limits(facts: CardFacts) -> list[str]:
    """What the stores say against trusting this version further than they reach."""
    parts = (_records, _gate, _span, _holdout, _columns, _calibration, _groups)
    return [sentence for part in parts for sentence in part(facts)]


def overlap(facts: CardFacts) -> str | None:
    """How the holdout is not later than the training rows; empty if it is, None if unknown."""
    last, first = (recorded_time(facts.tags.get(n)) for n in ("train_until", "holdout_from"))
    return None if last is None or first is None else told_overlap(last, first)


def recorded_time(text: str | None) -> pd.Timestamp | None:
    """A time of the stores; None for none, and for a text that is no time."""
    found = pd.to_datetime(text, utc=True, errors="coerce")
    return None if pd.isna(found) else found


def _records(facts: CardFacts) -> Iterator[str]:
    for what in facts.unreadable:
        yield f"Could not be read, so nothing is said from it: {what}."


def _gate(facts: CardFacts) -> Iterator[str]:
    if facts.gate is None:
        yield "No gate has judged this version. It must not serve before one has."
    elif facts.gate != "passed":
        yield f"The gate did not let this version pass ({facts.gate})."
    if facts.archived:
        yield "It was put aside (archived). It must be restored and judged again before it serves."


def _span(facts: CardFacts) -> Iterator[str]:
    first, last = (recorded_time(facts.tags.get(f"train_{end}")) for end in ("from", "until"))
    if first is None or last is None:
        yield "The time span of the training rows is not recorded."
        return
    days = (last - first).days + 1
    yield (
        f"Trained on {days:,} days of applications, {first:%Y-%m-%d} to {last:%Y-%m-%d}. "
        "It knows no other times" + (", and no whole year." if days < DAYS_OF_A_YEAR else ".")
    )


def _holdout(facts: CardFacts) -> Iterator[str]:
    told = overlap(facts)
    if told is None:
        yield "Whether the holdout came after the training rows is not recorded."
    elif told:
        yield f"{told[0].upper()}{told[1:]}. Its figures say nothing about later loans."


def _columns(facts: CardFacts) -> Iterator[str]:
    profile = facts.profile or {}
    rows, columns = profile.get("rows"), profile.get("columns", {})
    if not rows or not columns:
        yield "Which columns were empty in training is not recorded."
        return
    features = facts.tags.get("features", ", ".join(columns)).split(", ")
    missing = {name: columns[name].get("missing", 0) for name in features if name in columns}
    if empty := sorted(name for name, count in missing.items() if count == rows):
        yield f"Empty in all training rows, so without any influence: {', '.join(empty)}."
    if some := {name: n / rows for name, n in missing.items() if 0 < n < rows}:
        told = ", ".join(f"{name} ({share:.1%})" for name, share in sorted(some.items()))
        yield f"Empty in some training rows, where something had to be put in its place: {told}."


def _calibration(facts: CardFacts) -> Iterator[str]:
    if side := _level_is_off(facts):
        fewer = "fewer" if side == "high" else "more"
        yield (
            f"On the holdout its probabilities were too {side} on average: {fewer} loans defaulted."
        )


def _level_is_off(facts: CardFacts) -> str | None:
    """Whether the probabilities are surely (95 %) too "high" or too "low"; None if neither."""
    low, high = (facts.metrics.get(f"holdout_calibration_intercept_{e}") for e in ("low", "high"))
    if low is None or high is None:
        return None
    return "high" if high < 0 else "low" if low > 0 else None


def _groups(facts: CardFacts) -> Iterator[str]:
    table = facts.segments
    if table is None:
        yield "How it does in groups of applicants is not recorded."
        return
    small = table[table["auc_low"].isna() | table["auc_high"].isna()]
    if len(small):
        yield f"Too few loans to judge the ranking in a group of its own: {_named(small)}."
    low, high = table["observed_to_expected_low"], table["observed_to_expected_high"]
    off = table[(low > 1) | (high < 1)]
    if len(off):
        yield (
            f"Groups in which the defaults differ from the sum of the probabilities by more than "
            f"luck explains (95 %; of {int(low.notna().sum())} intervals, some miss by chance): "
            f"{_named(off)}.{_shared(table, off) if _level_is_off(facts) else ''}"
        )


def _shared(table: pd.DataFrame, off: pd.DataFrame) -> str:
    """How many of the groups that are off are explained by the level of all loans, if most are."""
    one = table[table["segment"] == table["segment"].iloc[0]]
    level = one["defaults"].sum() / (one["n"] * one["mean_probability"]).sum()
    low, high = off["observed_to_expected_low"], off["observed_to_expected_high"]
    explained = int(((low < level) & (level < high)).sum())
    if 2 * explained <= len(off):
        return ""
    return (
        f" Most of this is the level of all loans ({level:.2f} defaults for each one promised): "
        f"it lies in the interval of {explained} of these {len(off)} groups."
    )


def _named(groups: pd.DataFrame) -> str:
    names = [
        f"{row.segment} {row.group} ({row.n:,.0f} loans, {row.defaults:,.0f} defaults)"
        for row in groups.head(MOST_NAMED).itertuples()
    ]
    more = len(groups) - len(names)
    return ", ".join(names) + (f", and {more} more" if more else "")

"""Checks of notebook 4, continued: a model was rolled back; whose decision must be looked at again?

The log of `_log` has a handful of applications for each way of being wrong, and the application's
id says which. It is asked about as it is, with other version numbers, in another order, and empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import Wrong, exercise, kind
from mlops_helpers.exercises.repeated_labels import repeated_labels

Look = Callable[[pd.DataFrame, int, int], Mapping[str, Iterable[str]]]

LENT, TURNED_AWAY, NOT_KNOWN = GROUPS = ("lent", "turned away", "not known")
PROMOTED = pd.Timestamp("2024-03-01", tz="UTC")
ROLLED_BACK = pd.Timestamp("2024-04-15", tz="UTC")
_EACH = 3
_CUTOFFS = {"bad": 0.22, "before": 0.16}


@exercise(
    "4.6",
    title="Rolled back: whom to look at again",
    hints=(
        "Who was decided by the version that was rolled back? The clock does not say it, and a row "
        "of the shadow decided nobody.",
        "Of these: for whom would the version before have decided otherwise? That is written in "
        "its shadow rows, in the column `decision`.",
        "Keep the newest live row and the newest shadow row of each application. Give the one the "
        "decision of the other, by a merge or a map on `application_id`; where there is none, the "
        "two cannot be compared.",
    ),
)
def look_again(answer: Look) -> str:
    """`answer(log, bad, before)` returns application ids by the names of `GROUPS`."""
    log = _log(bad=7, before=6)
    found = _groups(answer, log, 7, 6)
    for trap, (expected, said) in _TRAPS.items():
        ids = {f"{trap}-{number}" for number in range(_EACH)}
        _judge(trap, ids, expected, said, found)
    if found != _groups(answer, repeated_labels(log.sample(frac=1, random_state=3)), 7, 6):
        raise Wrong("with its rows in another order and labels that repeat the log gives others")
    if found != _groups(answer, _log(bad=12, before=9), 12, 9):
        raise Wrong("with versions 12 and 9 instead of 7 and 6 the same log gives other people")
    if any(_groups(answer, log[:0], 7, 6).values()):
        raise Wrong("an empty log, and yet there is somebody to look at")
    return (
        "those who have the money, those who were sent away, and those of whom nobody knows: by "
        "what was decided, not by how it ended"
    )


def _judge(
    trap: str, ids: set[str], expected: str | None, said: str, found: dict[str, set[str]]
) -> None:
    """`Wrong` unless the applications of one trap are where they belong, and nowhere else."""
    for group in GROUPS:
        inside = ids & found[group]
        if group == expected and inside != ids:
            elsewhere = [other for other in GROUPS if other != group and ids & found[other]]
            place = f"are under {elsewhere[0]!r}" if elsewhere else "are not listed"
            raise Wrong(f"{len(ids) - len(inside)} of {len(ids)} applicants {place}: {said}")
        if group != expected and inside:
            raise Wrong(f"{len(inside)} of {len(ids)} applicants are under {group!r}: {said}")


_TRAPS: dict[str, tuple[str | None, str]] = {
    "plain-lent": (
        LENT,
        "approved by the version that was rolled back, declined by the one before",
    ),
    "plain-away": (
        TURNED_AWAY,
        "declined by the version that was rolled back; the one before would have approved",
    ),
    "agreed": (None, "both versions decided alike; whatever was wrong, the rollback mends it not"),
    "early": (
        None,
        "the version was still in the shadow and decided nobody; it only said what it would do",
    ),
    "control": (
        None,
        "the version that serves again decided them itself, at the same time, for an experiment",
    ),
    "arm": (LENT, "it decided them live, as an arm of an experiment: a variant is not a shadow"),
    "late": (
        LENT,
        "a server that had not heard of the rollback let the version decide two hours longer",
    ),
    "repaid": (
        LENT,
        "their loans have been repaid, or it is too early to say. How it ended is not known when "
        "one has to look, and luck does not make a decision right",
    ),
    "no-outcome": (
        TURNED_AWAY,
        "declined applicants never get an outcome; who waits for labels will never see them",
    ),
    "own-cutoff": (
        None,
        "both approved them: each version has a cut-off of its own, and the log has the decision",
    ),
    "own-cutoff-lent": (
        LENT,
        "the two probabilities lie close together, but each version has a cut-off of its own, and "
        "the log has the decision",
    ),
    "third": (
        None,
        "a third version was in the shadow as well, and would have decided otherwise; it is not "
        "the one that serves again",
    ),
    "unseen": (
        NOT_KNOWN,
        "the version before never scored them: nobody knows what it would have decided, and to "
        "know nothing is not to agree",
    ),
    "unseen-by-it": (NOT_KNOWN, "only a third version scored them in the shadow"),
    "retried": (LENT, "they were asked about twice within a minute; each is one applicant"),
    "corrected": (
        LENT,
        "declined at first, then approved with a corrected figure, both by the version that was "
        "rolled back. The newest answer is the one that they live with",
    ),
    "moved": (
        LENT,
        "the version before decided them live, before the promotion and on other figures; of the "
        "figures that were decided later, its shadow speaks",
    ),
    "back": (
        None,
        "both versions declined the same figures. After the rollback they came back with others, "
        "which the version that serves again approved live: that says nothing of the first",
    ),
}
"""By trap: the group that its applications belong to, and what to say of them."""


def _log(*, bad: int, before: int) -> pd.DataFrame:
    """Predictions of March and April 2024, three applications for each trap."""
    rows: list[dict[str, object]] = []

    def add(trap: str, version: int, p: float, *, shadow: bool = False, **more: object) -> None:
        cutoff = _CUTOFFS["bad" if version == bad else "before"]
        at = PROMOTED + pd.Timedelta(days=3 + len(rows) % 30)
        for number in range(_EACH):
            row = {
                "application_id": f"{trap}-{number}",
                "model_version": version,
                "scored_at": at + pd.Timedelta(minutes=number),
                "probability": p + number / 1000,
                "experiment": None,
                "variant": "shadow" if shadow else None,
                "default": np.nan,
            }
            row |= more
            row["decision"] = "approve" if row["probability"] < cutoff else "decline"
            rows.append(row)

    third, defaulted = bad + 1, {"default": 1.0}
    pairs = {  # probabilities of the version that was rolled back, and of the one before
        "plain-lent": (0.08, 0.30),
        "plain-away": (0.30, 0.08),
        "agreed": (0.02, 0.12),
        "arm": (0.08, 0.30),
        "late": (0.08, 0.30),
        "repaid": (0.08, 0.30),
        "no-outcome": (0.30, 0.08),
        "own-cutoff": (0.20, 0.10),
        "own-cutoff-lent": (0.19, 0.18),
        "third": (0.08, 0.08),
        "retried": (0.08, 0.30),
    }
    ended = dict.fromkeys(("plain-lent", "agreed", "arm", "late", "retried", "own-cutoff"), 1.0)
    ended |= {"own-cutoff-lent": 1.0, "plain-away": 0.0, "repaid": 0.0}
    for trap, (p, other) in pairs.items():
        more: dict[str, object] = {"default": ended.get(trap, np.nan)}
        if trap == "arm":
            more |= {"experiment": "spring", "variant": "treatment"}
        if trap == "late":
            more |= {"scored_at": ROLLED_BACK + pd.Timedelta(hours=2)}
        add(trap, bad, p, **more)
        add(trap, before, other, shadow=True)
    add("retried", bad, 0.08, **defaulted)
    _asked_again(add, bad, before)
    add("control", before, 0.08, experiment="spring", variant="control", **defaulted)
    add("control", bad, 0.30, shadow=True)
    add("early", bad, 0.08, shadow=True, scored_at=PROMOTED - pd.Timedelta(days=9))
    add("early", before, 0.30, scored_at=PROMOTED - pd.Timedelta(days=9))
    add("third", third, 0.40, shadow=True)
    add("unseen", bad, 0.08, **defaulted)
    add("unseen-by-it", bad, 0.08)
    add("unseen-by-it", third, 0.40, shadow=True)
    frame = pd.DataFrame(rows)
    frame.insert(0, "prediction_id", [f"p{number:03d}" for number in range(len(frame))])
    return frame.astype({name: "str" for name in ("experiment", "variant")})


def _asked_again(add: Callable[..., None], bad: int, before: int) -> None:
    """Applications that were asked about on two days, with other figures."""

    def both(trap: str, day: int, p: float, other: float) -> None:
        at = PROMOTED + pd.Timedelta(days=day)
        add(trap, bad, p, scored_at=at)
        add(trap, before, other, shadow=True, scored_at=at)

    both("corrected", 5, 0.30, 0.30)
    both("corrected", 6, 0.08, 0.30)
    add("moved", before, 0.08, scored_at=PROMOTED - pd.Timedelta(days=2))
    both("moved", 4, 0.08, 0.30)
    both("back", 8, 0.30, 0.30)
    add("back", before, 0.08, scored_at=ROLLED_BACK + pd.Timedelta(days=3))


def _groups(answer: Look, log: pd.DataFrame, bad: int, before: int) -> dict[str, set[str]]:
    """What the answer lists, or `Wrong` for what cannot be a list of applications."""
    handed = log.copy()
    found = answer(handed, bad, before)
    if not handed.equals(log):
        raise Wrong("it changed the log; what was decided stays as it was decided")
    if not isinstance(found, Mapping) or set(found) != set(GROUPS):
        keys = f" with {sorted(map(str, found))}" if isinstance(found, Mapping) else ""
        raise Wrong(f"it returned {kind(found)}{keys}, must be a dict with {', '.join(GROUPS)}")
    known, listed = set(log["application_id"]), {}
    for group, ids in found.items():
        if isinstance(ids, str | Mapping | pd.DataFrame) or not isinstance(ids, Iterable):
            raise Wrong(f"{group!r} is {kind(ids)}, must be a list of application ids")
        names = list(ids)
        strange = [name for name in names if not isinstance(name, str) or name not in known]
        if strange:
            raise Wrong(f"{group!r} holds {strange[0]!r}, which is no application id of the log")
        if len(set(names)) < len(names):
            twice = max(names, key=names.count)
            raise Wrong(f"{group!r} names one applicant twice ({twice}): who is to write to them?")
        listed[group] = set(names)
    return listed

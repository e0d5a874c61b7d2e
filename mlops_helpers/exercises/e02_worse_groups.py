"""Checks of notebook 2, continued: groups for whom a challenger is surely worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from mlops_helpers.exercises.engine import NotAttempted, Wrong, exercise

WorseGroups = Callable[[pd.DataFrame, float], tuple[list[str], list[str]]]

MARGIN = 0.02


@exercise(
    "2.4",
    title="Surely worse, and for whom?",
    hints=(
        "Part the table in two first: which rows can be judged, and which cannot?",
        "How many groups share the 5 %? Only those that are judged.",
        "Surely worse: even the upper end of the interval lies below -margin.",
    ),
)
def worse_groups(answer: WorseGroups) -> str:
    """The margin, the direction, the correction, and groups that nobody could judge."""
    _judge_groups(answer, _groups())
    answer = _once_more(answer)
    _judge_groups(answer, _groups().iloc[::-1].set_axis(list("zyxwvutsrqpo")))
    few = _groups().assign(defaults=3)
    worse, unjudged = _named(answer(few, MARGIN))
    if worse or set(unjudged) != set(few["group"]):
        raise Wrong(
            f"when every group has 3 defaults none can be judged; it named {len(worse)} worse and "
            f"{len(unjudged)} of {len(few)} not judged"
        )
    pair = _groups()[lambda table: table["group"].isin(["noisy", "open"])]
    if _named(answer(pair, MARGIN))[0] != ["noisy"]:
        raise Wrong(
            "with two groups in all, one of them 2.3 standard errors beyond the margin is surely "
            "worse; is the correction that of another number of groups?"
        )
    return "and whoever reads the result knows which groups nobody looked at"


def _once_more(answer: WorseGroups) -> WorseGroups:
    """The same answer, for which nothing is no longer an untouched stub."""

    def asked(table: pd.DataFrame, margin: float) -> tuple[list[str], list[str]]:
        try:
            return answer(table, margin)
        except NotAttempted as nothing:
            raise Wrong("for another table it answered nothing; it must return two lists") from (
                nothing
            )

    return asked


def _groups() -> pd.DataFrame:
    """Return eight groups that can be judged and four that cannot; each has its trap."""
    rows = (  # group, defaults, standard errors by which it lies below the margin, standard error
        ("clear", 200, 6.0, 0.010),
        ("close", 150, 2.76, 0.012),  # worse among 8 groups, undecided among 12
        ("one side", 100, 2.6, 0.015),  # worse only if the 5 % are spent on one side
        ("noisy", 90, 2.3, 0.025),  # worse alone, undecided among 8
        ("chance", 60, 1.0, 0.030),  # only its estimate lies beyond the margin
        ("small loss", 400, -1.5, 0.003),  # surely below 0, not below -margin
        ("open", 300, -0.5, 0.010),  # the lower end of its interval lies beyond the margin
        ("better", 20, -9.0, 0.010),  # far above the margin: worse for whoever mistakes the sign
        ("thin", 19, 7.0, 0.020),
        ("thinner", 2, 9.0, 0.020),
        ("no difference", 120, np.nan, 0.010),
        ("no error", 80, 5.0, np.nan),
    )
    table = pd.DataFrame(rows, columns=["group", "defaults", "beyond", "standard_error"])
    reach = table["beyond"] * table["standard_error"].fillna(0.01)
    return pd.DataFrame(
        {
            "group": table["group"],
            "n": table["defaults"] * 8,
            "defaults": table["defaults"],
            "difference": -MARGIN - reach,
            "standard_error": table["standard_error"],
        }
    )


def _judge_groups(answer: WorseGroups, table: pd.DataFrame) -> None:
    """Raise `Wrong` for the first thing that is off about the table of `_groups`."""
    kept = table.copy()
    worse, unjudged = _named(answer(table, MARGIN))
    if not table.equals(kept):
        raise Wrong("it changed the table that it was given; work on a copy")
    for name in ("thin", "thinner"):
        if name in worse:
            count = int(table.set_index("group").loc[name, "defaults"])
            raise Wrong(f"a group with {count} defaults was judged; 20 are needed")
    if "better" in worse:
        raise Wrong("a group where the challenger is better was called worse; mind the sign")
    if "clear" not in worse:
        raise Wrong("it misses a group that is worse by 6 standard errors more than the margin")
    if "open" in worse:
        raise Wrong(
            "it names a group whose interval begins beyond the margin and ends within it: which "
            "end decides?"
        )
    if "small loss" in worse:
        raise Wrong("it names a group that surely lost something, but not more than the margin")
    if "chance" in worse:
        raise Wrong(
            "it names a group that lies one standard error beyond the margin; luck alone does that "
            "to a sixth of the groups that lie on it"
        )
    if "noisy" in worse:
        raise Wrong(
            "it names a group that would be worse if it were the only one; the 5 % are shared "
            "among all that are judged"
        )
    if "one side" in worse:
        raise Wrong(
            "it names a group that is worse only if the 5 % are spent on one side of the interval; "
            "a two-sided one was asked for"
        )
    cannot = {"thin", "thinner", "no difference", "no error"}
    if "no error" in worse or "no difference" in worse:
        raise Wrong("a group with a missing figure was called worse; it cannot be judged")
    lost = sorted(cannot - set(unjudged))
    if lost:
        raise Wrong(f"{len(lost)} groups that cannot be judged are in neither list: they vanished")
    if "close" not in worse:
        raise Wrong(
            "it misses a group that is worse when the 5 % are shared among the groups that are "
            "judged; how many are they?"
        )
    if set(unjudged) - cannot:
        raise Wrong(f"{sorted(set(unjudged) - cannot)[0]!r} has all it needs to be judged")


def _named(lists: object) -> tuple[list[str], list[str]]:
    """Return both lists of names, or raise `Wrong`."""
    if not isinstance(lists, tuple | list) or len(lists) != 2:
        raise Wrong("it must return two lists of names: (worse, not_judged)")
    both = []
    for names, what in zip(lists, ("worse", "not_judged"), strict=True):
        if isinstance(names, str | pd.DataFrame) or not isinstance(names, Iterable):
            raise Wrong(f"{what} is a {type(names).__name__}, must be a list of names")
        found = list(names)
        if not all(isinstance(name, str) for name in found):
            raise Wrong(f"{what} holds something that is no group's name")
        if len(set(found)) < len(found):
            raise Wrong(f"{what} holds a name twice")
        both.append(found)
    return both[0], both[1]

"""How often does a detector cry wolf, how often does it notice, and how long does that take?

Months of known worlds are compared with quiet references, and each detector says alarm or not. A
reference that is odd by chance makes all its months look odd, so months that share a reference are
no independent trials: intervals here are Wilson's with the effective number of months, which is
what is left after the spread between references (E. L. Korn and B. I. Graubard, 1998, Survey
Methodology 24, 193-201).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from mlops_helpers.contracts import FEATURES, LIMITS
from mlops_helpers.drift import Reference, adjust
from mlops_helpers.two_sample_classifier import classifier_check
from mlops_helpers.worlds import WORLDS, draw_world, seed_of

__all__ = [
    "DETECTORS",
    "HORIZON",
    "PATIENT",
    "WITH_CLASSIFIER",
    "alarms",
    "detected",
    "false_alarms",
    "months_to_detection",
    "power",
]

ALPHA = 0.05
PATIENT = {"any test twice": "any test at 5 %", "report twice": "report"}
"""Detectors that wait: the month and the one before must both be alarms of another one."""
DETECTORS = (
    "any test at 5 %",
    "any test twice",
    "PSI above 0.1",
    "PSI above 0.25",
    "Benjamini–Hochberg",
    "Holm",
    "report",
    "report twice",
)
WITH_CLASSIFIER = ("classifier", "report and classifier")
"""Scored on demand: they cost more than the others."""
REFERENCE_ROWS = 13_000
HORIZON = 12
"""Months after which a change that nobody noticed counts as missed."""


def alarms(
    reference: Reference,
    month: pd.DataFrame,
    *,
    before: pd.DataFrame | None = None,
    seed: int = 0,
) -> dict[str, bool]:
    """What each detector that needs one month only says of `month`: alarm or not.

    "any test at 5 %" takes each p-value as if it were the only one; "PSI above …" is the rule of
    thumb; Holm and Benjamini–Hochberg adjust for many tests and ask for no effect; "report"
    is a feature that `DriftReport` calls drifted, by evidence and effect together. With the rows of
    the reference as `before`, `WITH_CLASSIFIER` speak as well, drawing by `seed`.
    """
    report = reference.compare(month, alpha=ALPHA, correction="holm")
    table = report.table
    hochberg = adjust(table["p_value"], "fdr_bh", planned=report.planned)
    said = {
        "any test at 5 %": bool((table["p_value"] < ALPHA).any()),
        "PSI above 0.1": bool((table["psi"] > 0.1).any()),
        "PSI above 0.25": bool((table["psi"] > 0.25).any()),
        "Benjamini–Hochberg": bool((hochberg < ALPHA).any()),
        "Holm": bool((table["p_adjusted"] < ALPHA).any()),
        "report": bool(table["drifted"].any()),
    }
    if before is not None:
        row = classifier_check(before, month[list(before)], seed=seed)
        said["classifier"] = bool(row.p_value < ALPHA)
        said["report and classifier"] = bool(report.with_row(row).table["drifted"].any())
    return said


def detected(
    worlds: Iterable[str],
    *,
    seed: int,
    rows: int,
    references: int,
    months: int,
    classifier: bool = False,
) -> pd.DataFrame:
    """Alarms in `months` months of `rows` applications of each world.

    Each of the `references` is a fresh quiet sample of `REFERENCE_ROWS`, the same for all worlds.
    Returns a frame `world, reference, month`, and a column of true and false for each of
    `DETECTORS` and, with `classifier`, `WITH_CLASSIFIER`; `references` x `months` rows a world. The
    first month has no month before, so the patient detectors are silent in it.
    """
    found = []
    for number in range(references):
        quiet = draw_world("quiet", REFERENCE_ROWS, seed=seed_of(seed, number, 0))[list(FEATURES)]
        reference = Reference.fit(quiet, limits=LIMITS)
        before = quiet if classifier else None
        for world in worlds:
            place = 1 + list(WORLDS).index(world)
            drawn = draw_world(world, rows * months, seed=seed_of(seed, number, place, rows))
            for month in range(months):
                part = drawn.iloc[rows * month : rows * (month + 1)]
                head = {"world": world, "reference": number, "month": month}
                of_check = seed_of(seed, number, place, rows, month)
                found.append(head | alarms(reference, part, before=before, seed=of_check))
    frame = pd.DataFrame(found)
    for patient, of in PATIENT.items():
        before = frame.groupby(["world", "reference"])[of].shift(fill_value=False)
        frame[patient] = frame[of] & before
    scored = (*DETECTORS, *WITH_CLASSIFIER) if classifier else DETECTORS
    return frame[["world", "reference", "month", *scored]]


def false_alarms(
    *,
    seed: int,
    months: int = 1000,
    rows: int = 1000,
    references: int = 20,
    classifier: bool = False,
) -> pd.DataFrame:
    """Share of quiet months with an alarm: `detector, share, low, high`.

    `months` (a multiple of `references`) months of `rows` applications; 95 % intervals.
    """
    found = _months("quiet", months, references, seed=seed, rows=rows, classifier=classifier)
    return _shares(found, "share")


def power(
    *,
    worlds: Iterable[str] | None = None,
    rows: int | Sequence[int] = 1000,
    repeats: int = 100,
    seed: int,
    references: int = 10,
    classifier: bool = False,
) -> pd.DataFrame:
    """Share of the months of each world with an alarm: `world, rows, detector, power, low, high`.

    `worlds` (all of `WORLDS` by default) for each number of `rows` in a month; `repeats` (a
    multiple of `references`) months each; 95 % intervals. In the world "quiet" it is the share of
    false alarms.
    """
    sizes = [rows] if isinstance(rows, int) else list(rows)
    parts = []
    for world in WORLDS if worlds is None else worlds:
        for size in sizes:
            found = _months(world, repeats, references, seed=seed, rows=size, classifier=classifier)
            table = _shares(found, "power")
            table.insert(0, "world", world)
            table.insert(1, "rows", size)
            parts.append(table)
    return pd.concat(parts, ignore_index=True)


def months_to_detection(
    *,
    worlds: Iterable[str] | None = None,
    rows: int = 1000,
    sequences: int = 50,
    seed: int,
    horizon: int = HORIZON,
    classifier: bool = False,
) -> pd.DataFrame:
    """How many months after a change the first alarm comes, in `sequences` lives of each world.

    Each life has a reference of its own and `horizon` months of `rows` applications. Returns a
    frame `world, detector, months, low, high, never, never_low, never_high`: the median with its
    interval by ranks (missing: not within the horizon) and the share of lives without any alarm
    within it, with Wilson's. In the world "quiet" it is the wait for the first false alarm.
    """
    chosen = list(WORLDS if worlds is None else worlds)
    sizes = {"rows": rows, "references": sequences, "months": horizon}
    found = detected(chosen, seed=seed, classifier=classifier, **sizes)
    detectors = _detectors(found)
    parts = []
    for (world, _), life in found.groupby(["world", "reference"], sort=False):
        flags = life[detectors].to_numpy()
        first = np.where(flags.any(axis=0), 1.0 + flags.argmax(axis=0), np.inf)
        parts.append(pd.Series(first, index=detectors, name=world))
    waits = pd.DataFrame(parts)
    lines = [
        (world, detector, *_wait(np.sort(waits.loc[[world], detector])))
        for world in chosen
        for detector in detectors
    ]
    columns = ["world", "detector", "months", "low", "high", "never", "never_low", "never_high"]
    return pd.DataFrame(lines, columns=columns)


def _detectors(found: pd.DataFrame) -> list[str]:
    return [name for name in found if name in DETECTORS or name in WITH_CLASSIFIER]


def _months(
    world: str, months: int, references: int, *, seed: int, rows: int, classifier: bool
) -> pd.DataFrame:
    """`months` months of a world, each with a month before it."""
    if references < 2 or months % references or months < references:
        raise ValueError(
            f"months == {months} and references == {references}; give two references or more and "
            "a multiple of them as months, so that each serves as many months as the others."
        )
    sizes = {"rows": rows, "references": references, "months": months // references + 1}
    found = detected([world], seed=seed, classifier=classifier, **sizes)
    return found[found["month"] > 0]


def _shares(found: pd.DataFrame, name: str) -> pd.DataFrame:
    of = found.groupby("reference")
    lines = [(d, *_clustered(of[d].mean(), len(found))) for d in _detectors(found)]
    return pd.DataFrame(lines, columns=["detector", name, "low", "high"])


def _clustered(of_reference: pd.Series, months: int) -> tuple[float, float, float]:
    """Mean of the references' shares, and Wilson's limits for as many months as count."""
    share, clusters = float(of_reference.mean()), len(of_reference)
    effective = float(months)
    if 0 < share < 1:
        alone = share * (1 - share) / months
        together = float(of_reference.var(ddof=1)) / clusters
        wider = stats.t.ppf(0.975, clusters - 1) / stats.norm.ppf(0.975)
        effective = min(months, months * alone / (together * wider**2)) if together else months
    low, high = proportion_confint(share * effective, effective, alpha=0.05, method="wilson")
    return share, max(float(low), 0.0) if share else 0.0, float(high)


def _wait(waits: np.ndarray) -> tuple[float, ...]:
    """Median and its interval by ranks, missing where infinite; the share that is, and Wilson's."""
    n = len(waits)
    rank = int(stats.binom.ppf(0.025, n, 0.5))
    middle = float(np.median(waits)) if np.isfinite(waits[n // 2]) else np.inf
    limits = [middle, float(waits[max(rank - 1, 0)]), float(waits[min(n - rank, n - 1)])]
    told = [value if np.isfinite(value) else np.nan for value in limits]
    never = int(np.isinf(waits).sum())
    low, high = proportion_confint(never, n, alpha=0.05, method="wilson")
    return *told, never / n, float(low), float(high)

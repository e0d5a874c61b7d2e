"""A million rows of thirteen columns against a fitted reference: evidently, SciPy and a bare sort.

The same rows for everybody, with ties, missing values and text. What a comparison needs of the
reference alone is done once (`Reference.fit`) and not timed, and neither is that of the peers.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlops_helpers.drift import Reference
from tests.benchmarks import peers
from tests.benchmarks.measuring import Ratio, paired, seconds

ROWS = 1_000_000
MISSING = {"annual_income": 0.02, "utilisation": 0.05, "months_since_late": 0.3}
PURPOSES = [f"purpose {number}" for number in range(14)]
HOMES = ["rent", "mortgage", "own", "other"]
TEXTS = ["loan_purpose", "home_ownership"]


def rows(n: int, *, seed: int, moved: bool = False) -> pd.DataFrame:
    """Eleven columns of numbers, some with ties and some with holes, and two of text.

    `moved`: a few of them a little, so that not every p-value is 0 or large.
    """
    rng = np.random.default_rng(seed)
    normal, little = rng.standard_normal, 0.002 if moved else 0.0
    frame = pd.DataFrame(
        {
            "annual_income": np.exp(11.0 + little + 0.5 * normal(n)).round(0),
            "loan_amount": 500.0 * rng.integers(2, 71, n),
            "debt_to_income_ratio": 18.0 + 8.0 * normal(n) + 4.0 * little,
            "credit_score": 5 * rng.integers(120, 170, n),
            "interest_rate": (12.0 + 4.0 * normal(n)).round(2),
            "utilisation": rng.beta(2.0, 2.0 - little, n),
            "open_accounts": rng.poisson(10.0, n),
            "late_payments": rng.poisson(0.2, n),
            "months_since_late": rng.exponential(30.0, n).round(0),
            "employment_years": rng.integers(0, 11, n).astype(np.float64),
            "probability": rng.beta(2.0, 12.0, n),
            "loan_purpose": np.array(PURPOSES)[rng.integers(0, 14, n)],
            "home_ownership": np.array(HOMES)[rng.choice(4, n, p=[0.4, 0.45, 0.1, 0.05])],
        }
    )
    for column, share in MISSING.items():
        frame.loc[rng.random(n) < share, column] = np.nan
    return frame


@pytest.fixture(scope="module")
def before() -> pd.DataFrame:
    """The rows of the reference."""
    return rows(ROWS, seed=1)


@pytest.fixture(scope="module")
def now() -> pd.DataFrame:
    """The rows that are compared."""
    return rows(ROWS, seed=2, moved=True)


@pytest.fixture(scope="module")
def reference(before) -> Reference:
    """Fitted once, as in the course."""
    return Reference.fit(before)


def scipy_loop(before: pd.DataFrame, now: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Statistic and p-value of each column, as one writes it down with SciPy."""
    found = {}
    for column in before.columns:
        if column in TEXTS:
            counts = [frame[column].value_counts() for frame in (before, now)]
            table = pd.concat(counts, axis=1).fillna(0).to_numpy()
            test = stats.chi2_contingency(table, correction=False)
        else:
            test = stats.ks_2samp(before[column].dropna(), now[column].dropna(), method="asymp")
        found[column] = float(test.statistic), float(test.pvalue)
    return found


def against(run: Callable[[], object], theirs: list[float], *, times: int = 7) -> Ratio:
    """Their seconds, from a process of their own, against ours."""
    ours = [seconds(run) for _ in range(times)]
    first, second = statistics.median(theirs), statistics.median(ours)
    return Ratio(first / second, first, second, min(len(theirs), times))


def test_statistics_and_p_values_are_those_of_scipy(reference, before, now, figures):
    """To 1e-9, for each of the thirteen columns."""
    table = reference.compare(now).table.set_index("feature")
    worst = 0.0
    for column, expected in scipy_loop(before, now).items():
        found = table.loc[column, ["statistic", "p_value"]].to_numpy(dtype=np.float64)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, err_msg=column)
        worst = max(worst, float(np.abs(found - expected).max()))
    figures.note("drift: largest difference from SciPy", worst, "", f"13 columns, {ROWS:,} rows")


def test_against_a_loop_of_scipy(reference, before, now, figures):
    """At least three times faster than `ks_2samp` and `chi2_contingency` on each column."""
    ratio = paired(lambda: scipy_loop(before, now), lambda: reference.compare(now), times=5)
    figures.bar("drift: SciPy's loop / compare", ratio, at_least=3)


def test_against_the_bare_sort(reference, now, figures):
    """At most twice as long as sorting the numbers of the current rows and nothing else."""
    columns = [now[c].to_numpy(np.float64) for c in now.columns if c not in TEXTS]

    def sort() -> None:
        for values in columns:
            np.sort(values)

    ratio = paired(lambda: reference.compare(now), sort, times=9)
    figures.bar("drift: compare / sorting the current numbers", ratio, at_most=2)


@pytest.fixture(scope="module")
def on_disk(before, now, tmp_path_factory):
    """The same rows, for another process."""
    folder = tmp_path_factory.mktemp("rows")
    for name, frame in (("reference", before), ("current", now)):
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def test_against_evidently(reference, before, now, on_disk, figures):
    """At least thirty times faster than evidently's preset for drift, with the same two tests.

    Its bare drift of each column, without the preset's summary, is noted beside it.
    Its p-values are looked at, so that both did the work. Its chi-square takes the shares of the
    reference for the truth, ours those of a sample; the counts are the same.
    """
    told = peers.ask("evidently", on_disk, times=3)
    expected = {column: p for column, (_, p) in scipy_loop(before, now).items()}
    for column in TEXTS:
        counts = [frame[column].value_counts().sort_index() for frame in (before, now)]
        expected[column] = stats.chisquare(counts[1], counts[0] * len(now) / len(before)).pvalue
    for way in told["ways"].values():
        p_values = {column: p for column, (_, p) in way["found"].items()}
        assert p_values == pytest.approx(expected, rel=1e-6)
    ratios = {
        name: against(lambda: reference.compare(now), way["seconds"])
        for name, way in told["ways"].items()
    }
    name = f"drift: evidently {told['version']}"
    bare = ratios["columns"]
    told_of_bare = f"{bare.first:.3g} s : {bare.second:.3g} s"
    figures.note(f"{name} (bare columns) / compare", bare.value, "times", told_of_bare)
    figures.bar(f"{name} (preset) / compare", ratios["preset"], at_least=30)


def test_beside_nannyml(reference, now, on_disk, figures):
    """A note without a bar: its KS of large samples is read off bins, and it gives no p-values."""
    told = peers.ask("nannyml", on_disk, times=3)
    table = reference.compare(now).table.set_index("feature")
    for name, way in told["ways"].items():
        found = {column: statistic for column, (statistic, _) in way["found"].items()}
        exact = table.loc[list(found), "statistic"].to_dict()
        assert found == pytest.approx(exact, rel=1e-6, abs=1e-4)  # within a bin's share
        ratio = against(lambda: reference.compare(now), way["seconds"])
        label = f"drift: nannyml {told['version']} ({name}) / compare"
        figures.note(label, ratio.value, "times", f"{ratio.first:.3g} s : {ratio.second:.3g} s")


def test_growth(reference, figures):
    """Time grows with the rows to the power of at most 1.1, up to 10,000,000 if they fit."""
    sizes = [10_000, 100_000, 1_000_000]
    if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 12 * 2**30:
        sizes.append(10_000_000)
    spent = []
    for size in sizes:
        current = rows(size, seed=3, moved=True)
        reference.compare(current)
        times = [seconds(lambda rows=current: reference.compare(rows)) for _ in range(5)]
        spent.append(statistics.median(times))
        figures.note(f"drift: compare {size:,} rows", spent[-1] * 1000, "ms")
    exponent = np.polyfit(np.log(sizes), np.log(spent), 1)[0]
    ratio = Ratio(float(exponent), spent[-1], spent[0], 5)
    figures.bar(f"drift: exponent of growth to {sizes[-1]:,} rows", ratio, at_most=1.1)

"""How long evidently or nannyml take for the drift of the same rows; prints one line of JSON.

Run by `bench_drift` with the Python of the peers' own environment: none of it is the course's.

    python measure.py evidently FOLDER TIMES

FOLDER holds reference.parquet and current.parquet. Reading them, the imports, what a library learns
of the reference alone and a first run that warms up are not timed.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

Result = dict[str, tuple[float, float]]  # statistic (NaN if it is not told) and p-value by column
NOT_TOLD = float("nan")


def evidently(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Callable[[], Result]]:
    """Its preset for drift, and the bare drift of each column without the preset's count."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset

    numeric, texts = _kinds(reference)
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=texts)
    before, now = (Dataset.from_pandas(rows, definition) for rows in (reference, current))

    def result(metrics: list) -> Result:
        found = Report(metrics, include_tests=False).run(now, before).dict()["metrics"]
        values = {m["config"].get("column"): m["value"] for m in found}
        return {column: (NOT_TOLD, float(values[column])) for column in numeric + texts}

    def preset() -> Result:
        return result([DataDriftPreset(num_method="ks", cat_method="chisquare")])

    def columns() -> Result:
        each = [ValueDrift(column=c, method="ks") for c in numeric]
        return result(each + [ValueDrift(column=c, method="chisquare") for c in texts])

    return {"preset": preset, "columns": columns}


def nannyml(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, Callable[[], Result]]:
    """Its univariate drift, all rows as one chunk."""
    from nannyml import UnivariateDriftCalculator

    numeric, texts = _kinds(reference)

    calculator = UnivariateDriftCalculator(
        column_names=numeric + texts,
        treat_as_categorical=texts,
        continuous_methods=["kolmogorov_smirnov"],
        categorical_methods=["chi2"],
        chunk_number=1,
    ).fit(reference)

    def run() -> Result:
        table = calculator.calculate(current).filter(period="analysis").to_df()
        method = dict.fromkeys(numeric, "kolmogorov_smirnov") | dict.fromkeys(texts, "chi2")
        return {c: (float(table[c, m, "value"].iloc[0]), NOT_TOLD) for c, m in method.items()}

    return {"univariate": run}


def _kinds(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    numeric = frame.select_dtypes("number").columns.tolist()
    return numeric, [column for column in frame.columns if column not in numeric]


def main(peer: str, folder: str, times: str) -> None:
    """Print version, seconds of each run and what was found, for each way of asking `peer`."""
    rows = (pd.read_parquet(Path(folder) / f"{name}.parquet") for name in ("reference", "current"))
    told = {}
    for name, run in {"evidently": evidently, "nannyml": nannyml}[peer](*rows).items():
        found, spent = run(), []
        for _ in range(int(times)):
            begun = time.perf_counter()
            run()
            spent.append(time.perf_counter() - begun)
        told[name] = {"seconds": spent, "found": found}
    print(json.dumps({"version": version(peer), "ways": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])

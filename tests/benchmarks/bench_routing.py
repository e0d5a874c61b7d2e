"""Serving an experiment: how fast units are assigned, and applications answered by their arms.

The slow peer does for each request what a first attempt at a service does: it asks the registry,
reads the model from its file, opens the log, answers one application and stores one row.
"""

from __future__ import annotations

import hashlib
import itertools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from mlops_helpers import loading
from mlops_helpers import registry as registry_module
from mlops_helpers.assignment import Experiment
from mlops_helpers.contracts import FEATURES
from mlops_helpers.data import simulate_applications
from mlops_helpers.experiment_plan import ExperimentPlan
from mlops_helpers.experiments import Experiments
from mlops_helpers.joint_requests import JointRequests
from mlops_helpers.log_rows import checked
from mlops_helpers.predictions import PredictionLog
from mlops_helpers.registry import Registry
from mlops_helpers.routing import ExperimentRouter, router_for
from mlops_helpers.scoring import score
from mlops_helpers.tables import predictions
from tests.benchmarks.measuring import Ratio, paired, seconds
from tests.contending import easy_gate
from tests.loans_on_record import make_record

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
BATCH, SINGLES, CLIENTS = 1_000, 320, 32
ODD = 12_345.67  # an amount that nobody else asks for
PLAN = ExperimentPlan(
    Experiment("bench", cutoff=0.2),
    {"control": 1, "treatment": 2},
    hypothesis="the bolder model earns more",
    size=1_000,
    smallest_effect=50.0,
)


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """Three finished runs in one store."""
    return make_record(tmp_path_factory.mktemp("routing"))


@pytest.fixture
def registry(record, monkeypatch):
    """Versions 1 and 2; the gate has a benchmark of its own."""
    monkeypatch.setattr(registry_module, "standard_checks", easy_gate)
    registry = Registry(record.tracking_uri, "routing")
    for name in ("cautious", "logistic"):
        registry.register(record.runs[name])
    return registry


@pytest.fixture
def url(tmp_path):
    """A log with a running experiment."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with PredictionLog(url) as log:
        Experiments(log).draft(PLAN, JANUARY)
        Experiments(log).start(PLAN.name, JANUARY)
    return url


def fresh() -> Callable[[int], pd.DataFrame]:
    """So many applications that nobody has asked about yet, each time they are wanted."""
    rows = simulate_applications(BATCH, seed=7, start=JANUARY, months=6)
    numbers = itertools.count()

    def wanted(n: int) -> pd.DataFrame:
        ids = [f"{next(numbers)}" for _ in range(n)]
        return rows.head(n).assign(application_id=ids)

    return wanted


def of_each(slow: Ratio, n: int) -> Ratio:
    """A ratio whose second side did n times the work of its first, for equal work."""
    return Ratio(slow.value * n, slow.first, slow.second / n, slow.pairs)


@pytest.mark.parametrize("kind", ["texts", "whole numbers", "column of texts"])
def test_assigning_a_million_units(figures, kind):
    """At least a million units in a second of one core, whatever they come in."""
    n = 1_000_000
    texts = [f"loan-{number}" for number in range(n)]
    units = {"texts": texts, "whole numbers": np.arange(n), "column of texts": pd.Series(texts)}
    spent = []
    for _ in range(5):
        begun = time.process_time()  # of all threads: what one core would take
        PLAN.experiment.assign(units[kind])
        spent.append(time.process_time() - begun)
    middle = statistics.median(spent)
    figures.bar(
        f"assign, {kind}: millions of units in a second of CPU",
        Ratio(n / middle / 1e6, middle, 1.0, len(spent)),
        at_least=1,
    )


def test_assigning_all_at_once(figures):
    """Against hashing unit by unit in Python, which is as keyed and as sticky."""
    units = [f"loan-{number}" for number in range(100_000)]
    keyed = hashlib.blake2b(key=b"bench", digest_size=8)

    def one_by_one() -> list[str]:
        arms = []
        for unit in units:
            mine = keyed.copy()
            mine.update(unit.encode())
            position = int.from_bytes(mine.digest(), "little") / 2**64
            arms.append("control" if position < 0.5 else "treatment")
        return arms

    ratio = paired(one_by_one, lambda: PLAN.experiment.assign(units), times=5)
    figures.note("assign: unit by unit / all at once", ratio.value, "times")


def naive(record, url: str, wanted: Callable[[int], pd.DataFrame]) -> Callable[[], None]:
    """One request, for which everything is fetched and opened."""

    def request() -> None:
        rows = wanted(1)
        loading._MODELS = loading.Newest(loading.KEPT)
        arm = PLAN.experiment.assign(rows["application_id"])[0]
        version = PLAN.versions[arm]
        model = Registry(record.tracking_uri, "routing").load(version)
        with PredictionLog(url) as log:
            named = {"experiment": PLAN.name, "variant": arm}
            log.append(score(model.pipeline, rows, model_version=version, cutoff=0.2, **named))

    return request


def test_routed_batches(record, registry, url, figures, monkeypatch):
    """At least 300 times as many applications a second, logged, as with everything opened anew."""
    monkeypatch.setattr(loading, "_MODELS", loading._MODELS)
    wanted = fresh()
    with PredictionLog(url) as log, router_for(registry, log, PLAN.name) as router:
        slow = naive(record, url, wanted)
        ratio = paired(slow, lambda: router.decide(wanted(BATCH)), times=9)
        assert router.unlogged == 0
    name = f"one request, all opened anew / one of {BATCH:,} routed"
    figures.bar(name, of_each(ratio, BATCH), at_least=300)


class Failing:
    """A loaded version that cannot take some applications, or any."""

    def __init__(self, loaded, bad: frozenset[float] | None) -> None:
        """Amounts that it cannot take; None for all."""
        self.version, self._inner, self._bad = loaded.version, loaded.pipeline, bad
        self.pipeline = self

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """As the version does, or not at all."""
        if self._bad is None or rows["loan_amount"].isin(self._bad).any():
            raise ConnectionError("unknown")
        return self._inner.predict_proba(rows)


def test_what_a_failing_treatment_costs(registry, url, figures):
    """Beside one that is sound: broken altogether, and unable to take one row of the lot."""
    wanted = fresh()
    models = {arm: registry.load(version) for arm, version in PLAN.versions.items()}
    with PredictionLog(url) as log:

        def lots(bad: frozenset[float] | None):
            given = models | {"treatment": Failing(models["treatment"], bad)}
            router = ExperimentRouter(log, PLAN, given, batch_rows=BATCH)
            return lambda: router.decide(odd(wanted(BATCH)))

        sound = lots(frozenset())
        for told, bad in {"broken": None, "that cannot take one row": frozenset([ODD])}.items():
            ratio = paired(lots(bad), sound, times=5)
            name = f"a lot of {BATCH:,}: a treatment {told} / a sound one"
            figures.note(name, ratio.value, "times")


def odd(rows: pd.DataFrame) -> pd.DataFrame:
    """One treated application in the middle asks for an amount of its own."""
    treated = np.flatnonzero(PLAN.experiment.assign(rows["application_id"]) != "control")
    amounts = rows["loan_amount"].to_numpy("float64", copy=True)
    amounts[treated[len(treated) // 2]] = ODD
    return rows.assign(loan_amount=amounts)


def test_single_requests(record, registry, url, figures, monkeypatch):
    """At least 10 times as many a second from 32 clients at once, storing included.

    Those that come during a pass share the next. One client that asks one after the other has
    nobody to share with: that figure is printed beside it, without a bar.
    """
    monkeypatch.setattr(loading, "_MODELS", loading._MODELS)
    wanted = fresh()
    slow = naive(record, url, wanted)
    with (
        PredictionLog(url) as log,
        router_for(registry, log, PLAN.name, batch_rows=SINGLES) as router,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        joint = JointRequests(router)

        waves = iter([[wanted(1) for _ in range(SINGLES)] for _ in range(6)])

        def at_once() -> None:
            answers = clients.map(joint.decide, next(waves))
            assert all(len(one.predictions) == 1 for one in answers)

        def in_turn() -> None:
            for _ in range(20):
                router.decide(wanted(1))

        in_company, alone = paired(slow, at_once, times=5), paired(slow, in_turn, times=5)
        router.flush()
    lonely = of_each(alone, 20)
    figures.note("one request, all opened anew / one routed alone", lonely.value, "times")
    name = f"one request, all opened anew / one of {CLIENTS} clients' at once"
    figures.bar(name, of_each(in_company, SINGLES), at_least=10)


def test_where_the_time_of_a_single_request_goes(record, registry, url, figures):
    """Each part beside the whole, in turn, so that a busy machine slows all of them alike."""
    wanted, model = fresh(), registry.load(2)
    given = {"model_version": 2, "cutoff": PLAN.experiment.cutoff}
    rounds = 15
    rows, singles = wanted(1), iter([wanted(1) for _ in range(rounds)])
    one = score(model.pipeline, rows, **given)
    exposures = iter([score(model.pipeline, wanted(1), **given) for _ in range(rounds)])
    batches = iter([score(model.pipeline, wanted(BATCH), **given) for _ in range(rounds)])

    def read() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loading, "_MODELS", loading.Newest(loading.KEPT))
            Registry(record.tracking_uri, "routing").load(2)

    with PredictionLog(url) as log:
        router = router_for(registry, log, PLAN.name)
        parts = {
            "all opened anew: reading the model": read,
            "all opened anew: opening the log": lambda: PredictionLog(url).close(),
            "all opened anew: storing one row": lambda: log.append(next(exposures)),
            "one routed alone": lambda: router.decide(next(singles)),
            "one routed alone: assigning": lambda: PLAN.experiment.assign(rows["application_id"]),
            "one routed alone: the model": lambda: model.pipeline.predict_proba(
                rows[list(FEATURES)]
            ),
            "one routed alone: the model, and the row around it": lambda: score(
                model.pipeline, rows, **given
            ),
            "one routed alone: can the log keep it": lambda: checked(one, predictions),
            f"storing {BATCH:,} rows": lambda: log.append(next(batches)),
        }
        spent = [{part: seconds(work) for part, work in parts.items()} for _ in range(rounds)]
        router.flush()
    whole = "one routed alone"
    for part in parts:
        cost = statistics.median(one[part] for one in spent)
        share = statistics.median(one[part] / one[whole] for one in spent)
        told = f"{share:.1%} of the whole" if part.startswith(whole + ":") else ""
        figures.note(part, cost * 1000, "ms", told)

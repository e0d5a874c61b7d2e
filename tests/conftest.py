"""What all tests share: no server of the user's, no telemetry, nothing written into the project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import empty_schema, own_schema, postgres_server, require_postgres

if TYPE_CHECKING:
    import pandas as pd

    from mlops_helpers.retrain_place import RetrainPlace

SERVERS = ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL")


# Files that take a minute or more begin first: what begins last keeps the other worker waiting.
LONGEST = (
    "tests/test_retrain_killed.py",
    "tests/notebooks/test_twice_from_empty.py",
    "tests/test_servers.py",
    "tests/test_retrain_servers.py",
    "tests/notebooks/test_in_jupyterlab.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files: the longest, then by how many tests they have, as xdist would alone."""
    files = [item.nodeid.split("::")[0] for item in items]
    many = Counter(files)
    place = {name: number for number, name in enumerate(LONGEST)}
    rank = {name: (place.get(name, len(place)), -many[name]) for name in many}
    first = {name: files.index(name) for name in many}
    items.sort(key=lambda item: (*rank[(name := item.nodeid.split("::")[0])], first[name]))


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests away from the servers and the outputs of whoever runs them.

    `make test` names a folder with a finished run of the course in MLOPS_ROOT; without it the
    tests get an empty one.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in SERVERS:
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        if "MLOPS_ROOT" not in os.environ:
            patch.setenv("MLOPS_ROOT", str(tmp_path_factory.mktemp("root")))
        yield


@pytest.fixture(scope="session")
def project() -> Path:
    """Return the project's folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def in_ci() -> bool:
    """Return whether this is CI, where nothing may be left out."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.fixture(scope="session")
def postgres_url(in_ci: bool) -> Iterator[str]:
    """Yield a PostgreSQL: a schema of our own in MLOPS_TEST_POSTGRES, or a throw-away server.

    One for each worker: it starts with the first test that asks for it and ends with the last.
    """
    given = os.environ.get("MLOPS_TEST_POSTGRES")
    if given:
        with own_schema(given) as url:
            yield url
    else:
        require_postgres(in_ci=in_ci)
        with postgres_server() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an empty store on each supported database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log.db'}"
    url = request.getfixturevalue("postgres_url")
    empty_schema(url)
    return url


@pytest.fixture(scope="session")
def lender() -> pd.DataFrame:
    """Return the loans of the small lender that is retrained (`tests.retrain_world`)."""
    from tests.retrain_world import loans

    return loans()


@pytest.fixture(scope="session")
def poor_lender(lender: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> RetrainPlace:
    """Return its stores, to be copied: a champion that has learnt nothing serves."""
    from mlops_helpers import registry
    from tests.contending import easy_gate
    from tests.retrain_world import make_place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "standard_checks", easy_gate)
        return make_place(tmp_path_factory.mktemp("lender") / "it", lender)

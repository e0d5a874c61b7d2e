"""What is no name and no address is refused in one sentence, before a library is asked."""

from __future__ import annotations

import pytest

from mlops_helpers.addresses import checked_address, checked_name
from mlops_helpers.store_errors import RegistryError

GOOD = (
    *("sqlite:////data/m.db", "sqlite:///m.db", "sqlite:///file:/m.db?mode=ro&uri=true"),
    *("postgresql://u@host/x", "postgresql+psycopg://u@host/x", "http://a:5000", "https://a/b"),
)
BAD = ("", None, 7, "ftp://x", "file:///tmp/x", "/tmp/x", "mlflow.db", "http://", "databricks")


@pytest.mark.parametrize("address", GOOD)
def test_databases_and_servers_are_addresses(address):
    """They come back as they are."""
    assert checked_address(address) == address


@pytest.mark.parametrize("address", BAD)
def test_what_is_neither_is_refused(address):
    """With examples of what would do."""
    with pytest.raises(RegistryError, match=r"must be a database or a server: sqlite:////data"):
        checked_address(address)


@pytest.mark.parametrize("name", ["", "a/b", "it's", "x" * 500, "-a", "a ", 7, None])
def test_names_that_cannot_be_held(name):
    """Named, shortened; a good one comes back."""
    with pytest.raises(RegistryError, match="must be 1 to 250 letters") as refused:
        checked_name(name)
    assert len(str(refused.value)) < 300
    assert checked_name("Kreditrisiko (Süd)") == "Kreditrisiko (Süd)"

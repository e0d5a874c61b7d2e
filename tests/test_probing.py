"""A PostgreSQL that does not answer is known at once."""

from __future__ import annotations

import time

import pytest
from sqlalchemy.exc import OperationalError

from mlops_helpers.probing import PATIENCE, reach
from mlops_helpers.registry import Registry
from mlops_helpers.store_errors import StoreError
from tests.servers import free_port


def test_nobody_there_is_an_error_at_once(caplog):
    """No hundred seconds of tries, no log of them: one sentence, and the password is not in it."""
    begun = time.monotonic()
    address = f"postgresql+psycopg://ann:geheim@127.0.0.1:{free_port()}/x"
    with pytest.raises(OperationalError):
        reach(address)
    with pytest.raises(StoreError, match=r"ann:\*\*\*@.* does not answer\. See whether"):
        Registry(address)
    assert time.monotonic() - begun < 2 * PATIENCE
    assert caplog.text == ""


def test_other_stores_are_not_asked(tmp_path):
    """Nothing is opened, nothing is made."""
    reach(f"sqlite:///{tmp_path}/new.db")
    reach("http://127.0.0.1:9")
    assert not list(tmp_path.iterdir())

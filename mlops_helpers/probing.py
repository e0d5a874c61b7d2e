"""Is anybody there? Asked of a PostgreSQL once, before MLflow, which tries for 100 seconds."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

__all__ = ["PATIENCE", "reach"]

PATIENCE = 10
"""Seconds to wait for an answer."""


@cache  # keeps that it answered; an exception is not kept
def reach(address: str) -> None:
    """Connect to the PostgreSQL at `address`, if it is one; sqlalchemy's OperationalError if not.

    A server that was reached once in this process is not asked again.
    """
    if address.startswith("postgresql"):
        waiting = {"connect_timeout": PATIENCE}
        engine = sa.create_engine(address, poolclass=NullPool, connect_args=waiting)
        engine.connect().close()

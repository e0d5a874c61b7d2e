"""A log as schema version 2 made it: what version 1 had, owners of alerts, and deliveries."""

from __future__ import annotations

import sqlalchemy as sa

from tests.version_1 import MONTH, make_version_1

CHANGES = (
    "ALTER TABLE alerts ADD COLUMN owner TEXT NOT NULL DEFAULT ''",
    """CREATE TABLE deliveries (
        delivery_id TEXT NOT NULL,
        alert_id TEXT NOT NULL,
        event TEXT NOT NULL,
        event_at BIGINT NOT NULL,
        channel TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        next_attempt_at BIGINT NOT NULL,
        claimed_until BIGINT,
        sent_at BIGINT,
        last_error TEXT DEFAULT '' NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (delivery_id)
    )""",
    "CREATE INDEX deliveries_by_alert ON deliveries (alert_id, channel, event_at)",
    "CREATE INDEX deliveries_by_status ON deliveries (status, next_attempt_at)",
    "CREATE INDEX predictions_by_version ON predictions (model_version, scored_at)",
    "DROP INDEX predictions_by_experiment",
    """CREATE INDEX predictions_by_experiment ON predictions (experiment, scored_at)
        WHERE experiment IS NOT NULL""",
    "UPDATE alerts SET owner = 'Ada'",
    f"""INSERT INTO deliveries VALUES ('d1', 'x1', 'opened', {MONTH[1]}, 'mail', 'pending', 0,
        {MONTH[1]}, NULL, NULL, '', '{{}}')""",
    "UPDATE store SET schema_version = 2",
)


def make_version_2(url: str) -> None:
    """Make the store at an address that holds nothing yet."""
    make_version_1(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in CHANGES:
            connection.exec_driver_sql(statement)
    engine.dispose()

"""A log as schema version 1 made it: its tables written out, with rows of every kind in them."""

from __future__ import annotations

import sqlalchemy as sa

TABLES = (
    """CREATE TABLE predictions (
        prediction_id TEXT NOT NULL,
        application_id TEXT NOT NULL,
        model_version INTEGER NOT NULL,
        scored_at BIGINT NOT NULL,
        probability DOUBLE NOT NULL,
        decision TEXT NOT NULL,
        experiment TEXT,
        variant TEXT,
        latency_ms DOUBLE,
        age DOUBLE,
        annual_income DOUBLE,
        employment_length DOUBLE,
        debt_to_income_ratio DOUBLE,
        credit_history_length DOUBLE,
        num_credit_lines DOUBLE,
        loan_amount DOUBLE,
        loan_purpose TEXT,
        home_ownership TEXT,
        PRIMARY KEY (prediction_id),
        CONSTRAINT probability_is_one CHECK (probability between 0 and 1),
        CONSTRAINT decision_is_known CHECK (decision in ('approve', 'decline'))
    )""",
    "CREATE INDEX predictions_by_time ON predictions (scored_at, model_version)",
    "CREATE INDEX predictions_by_experiment ON predictions (experiment, scored_at)",
    """CREATE TABLE outcomes (
        prediction_id TEXT NOT NULL,
        "default" INTEGER NOT NULL,
        outcome_at BIGINT NOT NULL,
        PRIMARY KEY (prediction_id),
        CONSTRAINT default_is_known CHECK ("default" in (0, 1)),
        FOREIGN KEY(prediction_id) REFERENCES predictions (prediction_id)
    )""",
    """CREATE TABLE metrics (
        metric TEXT NOT NULL,
        subject TEXT NOT NULL,
        model_version INTEGER NOT NULL,
        window_start BIGINT NOT NULL,
        window_end BIGINT NOT NULL,
        value DOUBLE,
        low DOUBLE,
        high DOUBLE,
        reference DOUBLE,
        severity TEXT,
        PRIMARY KEY (metric, subject, model_version, window_start, window_end)
    )""",
    """CREATE TABLE alerts (
        alert_id TEXT NOT NULL,
        rule TEXT NOT NULL,
        metric TEXT NOT NULL,
        subject TEXT NOT NULL,
        model_version INTEGER NOT NULL,
        severity TEXT NOT NULL,
        status TEXT NOT NULL,
        value DOUBLE,
        "limit" DOUBLE,
        times_seen INTEGER NOT NULL,
        opened_at BIGINT NOT NULL,
        last_seen_at BIGINT NOT NULL,
        resolved_at BIGINT,
        action TEXT NOT NULL,
        PRIMARY KEY (alert_id)
    )""",
    "CREATE TABLE experiments (name TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (name))",
    "CREATE TABLE store (schema_version INTEGER NOT NULL, PRIMARY KEY (schema_version))",
)
MONTH = 1_704_067_200_000_000, 1_706_745_600_000_000  # January 2024 in microseconds since 1970
ROWS = (
    f"""INSERT INTO predictions VALUES ('p1', 'a1', 1, {MONTH[0]}, 0.25, 'decline', NULL, NULL,
        1.5, NULL, 50000, 3, 0.2, 10, 4, 9000, 'car', 'RENT')""",
    f"INSERT INTO outcomes VALUES ('p1', 1, {MONTH[1]})",
    f"""INSERT INTO metrics VALUES ('psi', 'age', 1, {MONTH[0]}, {MONTH[1]}, 0.3, NULL, NULL,
        0.01, 'high')""",
    f"""INSERT INTO alerts VALUES ('x1', 'age drifts', 'psi', 'age', 1, 'high', 'open', 0.3, 0.1,
        1, {MONTH[1]}, {MONTH[1]}, NULL, 'look at the feed')""",
    """INSERT INTO experiments VALUES ('first', '{"name": "first"}')""",
    "INSERT INTO store VALUES (1)",
)


def make_version_1(url: str) -> None:
    """Make the store at an address that holds nothing yet."""
    engine = sa.create_engine(url)
    double = "DOUBLE" if engine.dialect.name == "sqlite" else "DOUBLE PRECISION"
    with engine.begin() as connection:
        for statement in TABLES + ROWS:
            connection.exec_driver_sql(statement.replace("DOUBLE", double))
    engine.dispose()

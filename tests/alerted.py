"""Alerts to put into a log, and a program that delivers them, for tests of what is told to whom."""

from __future__ import annotations

import os
import signal
import sys

import pandas as pd

from mlops_helpers.alerts import ALERT_COLUMNS
from mlops_helpers.channels import WebhookChannel
from mlops_helpers.messages import Message
from mlops_helpers.outbox import deliver
from mlops_helpers.predictions import PredictionLog

JANUARY = pd.Timestamp("2024-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


def alert(number: int = 0, *, day: int = 0, opened: int = 0, status: str = "open", seen: int = 1):
    """One alert as a frame: opened on a day, last seen (or resolved) on another."""
    last = JANUARY + day * DAY
    row = {
        "alert_id": f"alert-{number}",
        "rule": "score drift",
        "metric": "psi",
        "subject": f"feature {number}",
        "model_version": 1,
        "severity": "high",
        "status": status,
        "value": 0.3 if status == "open" else 0.0,
        "limit": 0.1,
        "times_seen": seen,
        "opened_at": JANUARY + opened * DAY,
        "last_seen_at": last,
        "resolved_at": last if status == "resolved" else pd.NaT,
        "action": "look at the feed",
        "owner": "credit risk",
    }
    frame = pd.DataFrame([row], columns=list(ALERT_COLUMNS))
    return frame.assign(resolved_at=pd.to_datetime(frame["resolved_at"], utc=True))


def alerts(n: int, **how) -> pd.DataFrame:
    """As many alerts."""
    return pd.concat([alert(number, **how) for number in range(n)], ignore_index=True)


class DiesAfterSending:
    """Posts a message and is killed before anybody can write that down."""

    def __init__(self, url: str) -> None:
        """Post to this address."""
        self.hook = WebhookChannel(url, timeout=10)

    def send(self, message: Message) -> None:
        """Send and die."""
        self.hook.send(message)
        os.kill(os.getpid(), signal.SIGKILL)


def main(store: str, url: str, how: str) -> None:
    """Deliver to a webhook as a process of its own; `how` is "dies", "delivers" or "stores"."""
    with PredictionLog(store) as log:
        if how == "stores":
            log.append_alerts(alerts(3), channels=["hook"])
            os.kill(os.getpid(), signal.SIGKILL)
        channel = DiesAfterSending(url) if how == "dies" else WebhookChannel(url, timeout=10)
        print(len(deliver(log, {"hook": channel}, when=JANUARY + DAY)))


if __name__ == "__main__":
    main(*sys.argv[1:])

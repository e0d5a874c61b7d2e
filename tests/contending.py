"""Real processes that change one registry: killed at a chosen write, or promoting at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pandas as pd

from mlops_helpers import registry as registry_module
from mlops_helpers.gate import Finding
from mlops_helpers.registry import PromotionRefused, Registry

WHEN = pd.Timestamp("2023-12-01", tz="UTC")
CHANGES = ("create_", "set_", "delete_", "update_", "rename_", "transition_", "log_")
NO_ROWS = pd.DataFrame()


def easy_gate(*_: object) -> dict[str, Callable[[], Finding]]:
    """One check that passes: these tests are about who comes first, not about models."""
    return {"passes": lambda: Finding(True, "always")}


class Armed:
    """A client whose process is killed right before its `at`-th call that writes."""

    def __init__(self, client: object, at: int) -> None:
        """At least one."""
        self._client, self._left = client, at

    def __getattr__(self, name: str) -> object:
        """The client's own, if the process lives to use it."""
        if name.startswith(CHANGES):
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self._client, name)


def prepare(registry: Registry, runs: dict[str, str], operation: str) -> None:
    """Version 1 is previous, 2 champion, 3 waits; what `operation` needs beside."""
    for number, name in enumerate(("dummy", "cautious"), start=1):
        assert registry.register(runs[name], when=WHEN) == number
        registry.promote(number, registry.gate(number, NO_ROWS, when=WHEN), when=WHEN)
    if operation != "register":
        registry.register(runs["logistic"], when=WHEN)
    if operation in ("promote", "archive"):
        registry.challenge(3, when=WHEN)


def operate(registry: Registry, runs: dict[str, str], operation: str, at: int = 0) -> None:
    """Do it; with `at`, be killed right before that write."""
    verdict = registry.gate(3, NO_ROWS, when=WHEN) if operation == "promote" else None
    if at:
        registry._versions.client = Armed(registry._versions.client, at)
    told: dict[str, Any] = {"reason": "rehearsal", "by": "a test", "when": WHEN}
    {
        "register": lambda: registry.register(runs["logistic"], when=WHEN),
        "gate": lambda: registry.gate(3, NO_ROWS, when=WHEN),
        "promote": lambda: registry.promote(3, verdict, **told),
        "rollback": lambda: registry.rollback(**told),
        "challenge": lambda: registry.challenge(3, **told),
        "archive": lambda: registry.archive(3, **told),
        "delete": lambda: registry.delete(3, **told),
    }[operation]()


@contextmanager
def killer() -> Iterator[Callable[..., bool]]:
    """A function that has a new process do an operation; comes back with whether it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.contending"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip

    def kill(**order: object) -> bool:
        child.stdin.write(json.dumps(order) + "\n")
        child.stdin.flush()
        code = int(child.stdout.readline())
        assert code in (0, -signal.SIGKILL), f"{order}: ended with {code}"
        return code != 0

    try:
        yield kill
    finally:
        child.stdin.close()
        child.wait(timeout=30)
        child.stdout.close()


def main() -> None:
    """Fork for each order on standard input, before any store is open, and tell how it ended."""
    for line in sys.stdin:
        order = json.loads(line)
        forked = os.fork()
        if not forked:
            registry = Registry(order["uri"], order["name"])
            operate(registry, order["runs"], order["operation"], order["at"])
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]), flush=True)


def contend(
    uri: str, name: str, place: int, rounds: int, start: Barrier, told: Queue[tuple[Any, ...]]
) -> None:
    """In each round, promote one of the two versions that do not serve, at once with the other."""
    registry_module.standard_checks = easy_gate
    registry = Registry(uri, name)
    for number in range(rounds):
        champion = registry.version_of("champion")
        mine = [version for version in (1, 2, 3) if version != champion][place]
        verdict = registry.gate(mine, NO_ROWS, when=WHEN)
        start.wait(60)
        try:
            registry.promote(mine, verdict, by=f"worker {place}", when=WHEN)
            outcome = "promoted"
        except PromotionRefused:
            outcome = "promotion refused"
        start.wait(60)
        told.put((number, mine, outcome, registry._versions.aliases().get("champion")))
        start.wait(60)


if __name__ == "__main__":
    registry_module.standard_checks = easy_gate
    main()

"""The figures of all benchmarks, printed as one table when they are done."""

from __future__ import annotations

import pytest

from tests.benchmarks.measuring import Figures

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """Start with an empty table."""
    config.stash[FIGURES] = Figures()


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where a benchmark puts what it measured."""
    return pytestconfig.stash[FIGURES]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table; nothing if no benchmark ran."""
    table = config.stash[FIGURES]
    if table.rows:
        terminalreporter.section("figures")
        terminalreporter.write_line(str(table))

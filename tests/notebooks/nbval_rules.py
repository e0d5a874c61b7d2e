"""How nbval compares the stored outputs: what `pytest --nbval notebooks/` adds to its defaults.

The root `conftest.py` loads this, so the plain command and `make test` mean the same.

* The kernel is that of the environment pytest runs in, whatever else is installed for the user.
* `sanitize.cfg` beside this file is applied unless another file is given.
* nbval compares stderr like any output, but a cold notebook prepares the phases before it and
  shows its progress there, where a warm one has none. So stderr is not compared; instead a cell
  that warns on it fails, whatever is stored. (That none is stored is a rule in `house_outputs`.)
* nbval itself passes over PNG, JPEG and the ids of widgets; a widget's plain text (its class and
  values) is compared. What it does not know is an Output widget: text printed into one looks to it
  like output of the cell, so `house_outputs` forbids them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

SANITIZE = Path(__file__).with_name("sanitize.cfg")
WARNED = re.compile(
    r"^.*?(?:\b\w*Warning: |\bWARNING\b|\bERROR\b|Traceback \(most recent call last\)).*$",
    re.MULTILINE,
)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the defaults before nbval reads its options."""
    options = config.option
    if not options.nbval_kernel_name:
        options.nbval_current_env = True
    if options.nbval_sanitize_with is None and not options.sanitize_with:
        options.nbval_sanitize_with = str(SANITIZE)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave stderr out of the comparison."""
    if isinstance(item, IPyNbCell) and isinstance(item.parent, IPyNbFile):
        compared_without = item.parent.skip_compare
        if "stderr" not in compared_without:
            item.parent.skip_compare = (*compared_without, "stderr")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item):
    """Fail a cell that warned while it ran."""
    result = yield
    if isinstance(item, IPyNbCell):
        warned = warnings_in(item.test_outputs or [])
        if warned:
            item.raise_cell_error("The cell warned on stderr", "\n".join(warned))
    return result


def warnings_in(outputs: list) -> list[str]:
    """Return the lines on stderr that are warnings or open a traceback."""
    return [
        match[0]
        for output in outputs
        if output.output_type == "stream" and output.name == "stderr"
        for match in WARNED.finditer(output.text)
    ]

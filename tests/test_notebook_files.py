"""A file that is not quite a notebook is refused with what is missing."""

import json

import pytest

from mlops_helpers.notebook_files import malformed
from mlops_helpers.parameters import Refused, read_notebook

PHASE = "03_monitoring"

CELL = {"cell_type": "code", "metadata": {}, "source": "1"}
BROKEN_CELLS = [
    {**CELL, "metadata": None},
    {**CELL, "metadata": {"tags": None}},
    {**CELL, "source": None},
    {**CELL, "source": [1]},
    {**CELL, "cell_type": None},
    {key: CELL[key] for key in ("cell_type", "source")},
    3,
]


@pytest.mark.parametrize("cell", BROKEN_CELLS, ids=str)
def test_a_malformed_cell_is_refused(tmp_path, cell):
    """The notebook is named, without a traceback of the reader."""
    path = tmp_path / f"{PHASE}.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    with pytest.raises(Refused, match=r"03_monitoring\.ipynb is not a notebook"):
        read_notebook(path)


def test_a_proper_notebook_has_no_problem():
    """Source may be one text or lines; markdown and code cells are looked at alike."""
    cells = [CELL, {**CELL, "cell_type": "markdown", "source": ["a\n", "b"]}]
    assert malformed({"cells": cells, "metadata": {}, "nbformat": 4}) is None
    assert malformed({"cells": cells, "metadata": {}, "nbformat": 3}) == "nbformat == 3"

"""A learner's first minutes: JupyterLab in a real browser, *Restart Kernel and Run All Cells*."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.notebooks.samples import cell_named, good_notebook
from tools.browse_notebooks import SYSTEM_BROWSERS, browser_path, look

NOTEBOOK = "01_experiment_tracking"

pytestmark = pytest.mark.slow


@pytest.fixture
def _browser(in_ci: bool) -> None:
    """Skip without a browser, but never in CI."""
    if browser_path() is None and not in_ci:
        pytest.skip(f"no browser: none of {', '.join(SYSTEM_BROWSERS)} is installed")


@pytest.mark.usefixtures("_browser")
def test_a_notebook_runs_in_jupyterlab(tmp_path: Path):
    """The first notebook, opened cold in JupyterLab, runs to its end without a fault to be seen."""
    (seen,) = look([NOTEBOOK], timeout=240, environment={"MLOPS_ROOT": str(tmp_path)})
    assert seen.faults == []
    assert len(seen.counts) > 5


@pytest.mark.usefixtures("_browser")
def test_the_look_sees_faults(tmp_path: Path):
    """A cell that warns and one that fails are seen: the test above can be red."""
    notebook = good_notebook()
    cell_named(notebook, "count-run").source = "import warnings\nwarnings.warn('beware')\ntotal = 2"
    cell_named(notebook, "pitfall-run").source = "total / 0"
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "planted.ipynb")
    (seen,) = look(["planted"], notebooks=tmp_path / "notebooks", timeout=60)
    assert "UserWarning: beware" in seen.faults[1]
    assert seen.faults[0] == "cell 4: ZeroDivisionError: division by zero"
    assert seen.counts[:4] == (1, 2, 3, 4)
    assert seen.counts[4] is None


def test_a_missing_notebook_names_those_there_are(monkeypatch, tmp_path: Path):
    """A misspelt name is answered with the names that exist, before any server is started."""
    monkeypatch.setenv("CHROMIUM", "/bin/true")
    (tmp_path / "03_monitoring.ipynb").touch()
    with pytest.raises(FileNotFoundError, match="there are: 03_monitoring"):
        list(look(["3_monitoring"], notebooks=tmp_path))

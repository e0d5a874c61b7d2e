"""What must turn the suite red does: each fault is planted in a tiny notebook, and found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.notebooks.comparing import differences
from tests.notebooks.samples import (
    ALT,
    PARAMETERS,
    cell_named,
    code,
    good_notebook,
    notebook_of,
    printed,
    shown,
    text,
)

PROJECT = Path(__file__).resolve().parents[2]
PHASE = "01_experiment_tracking"

pytestmark = pytest.mark.slow


def tiny() -> NotebookNode:
    """Return a notebook whose stored outputs are those of a run."""
    picture = (
        "from IPython.display import display\n"
        f"alt = {ALT!r}\n"
        "html = '<img src=\"data:image/png;base64,{}\">'\n"
        "display({'text/plain': alt, 'text/html': html.format('iVBORw0KGgo='),"
        " 'image/png': 'iVBORw0KGgo='}, raw=True)"
    )
    other_pixels = {
        "text/plain": ALT,
        "text/html": '<img src="data:image/png;base64,AAAA">',
        "image/png": "AAAA",
    }
    return notebook_of(
        text("title", "# Tiny"),
        code("parameters", PARAMETERS, tags=("parameters",)),
        code("count", "total = 1 + 1\nprint(total)", printed("2")),
        code("double", "print(total * 2)", printed("4")),
        code("progress", "import sys\nprint('preparing …', file=sys.stderr)"),
        code("picture", picture, shown(other_pixels)),
    )


def store(notebook: NotebookNode, folder: Path) -> Path:
    """Write a notebook as the only one of a folder of notebooks, and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{PHASE}.ipynb"
    nbformat.write(notebook, path)
    return path


def run(*arguments: str, notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Run a module of Python in the project, with other notebooks in the place of the course's."""
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment["MLOPS_NOTEBOOKS"] = str(notebooks)
    environment["MLOPS_ROOT"] = str(notebooks.parent)
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env=environment,
        timeout=300,
        check=False,
    )


def nbval(notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Compare a folder's stored outputs as `pytest --nbval notebooks/` does the course's."""
    configured = ("-c", "pyproject.toml", "--rootdir", str(PROJECT), "-p", "no:cacheprovider")
    rules = ("-p", "tests.notebooks.nbval_rules")
    return run("pytest", *configured, *rules, "-n0", "--nbval", str(notebooks), notebooks=notebooks)


def house_format(notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Check a folder's notebooks against the house format, as the suite does the course's."""
    test = "tests/notebooks/test_house_format.py"
    chosen = ("-k", "test_notebook_keeps or test_parameters_are_sound")
    return run("pytest", "-p", "no:cacheprovider", "-n0", test, *chosen, notebooks=notebooks)


def raise_an_exception(notebook: NotebookNode) -> None:
    """Let a cell divide by zero."""
    cell_named(notebook, "double").source = "1 / 0"


def plant_a_wrong_output(notebook: NotebookNode) -> None:
    """Store another number than the cell prints."""
    cell_named(notebook, "double").outputs[0].text = "5\n"


def plant_a_wrong_caption(notebook: NotebookNode) -> None:
    """Store another alternative text than the picture's cell computes."""
    cell_named(notebook, "picture").outputs[0].data["text/plain"] = "Bars: all is well."


def forget_an_output(notebook: NotebookNode) -> None:
    """Store no output where the cell prints one."""
    cell_named(notebook, "double").outputs.clear()


def warn(notebook: NotebookNode) -> None:
    """Let a cell warn, with the warning stored, so that the comparison finds nothing."""
    cell = cell_named(notebook, "double")
    cell.source = "import warnings\nwarnings.warn('beware', stacklevel=1)"
    cell.outputs = [printed("UserWarning: beware", stream="stderr")]


def use_an_output_widget(notebook: NotebookNode) -> None:
    """Print into an Output widget: nbval takes that for output of the cell."""
    source = "import ipywidgets\nbox = ipywidgets.Output()\nwith box:\n    print('inside')\nbox"
    cell_named(notebook, "double").update(source=source, outputs=[])


def store_out_of_order(notebook: NotebookNode) -> None:
    """Put the cell that uses a name before the one that makes it; both ran, the other way round."""
    cells = notebook.cells
    at = cells.index(cell_named(notebook, "count"))
    cells[at], cells[at + 1] = cells[at + 1], cells[at]


def test_an_honest_notebook_is_green(tmp_path):
    """What is right stays green: also with progress on stderr and other pixels in a picture."""
    store(tiny(), tmp_path / "notebooks")
    done = nbval(tmp_path / "notebooks")
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (plant_a_wrong_output, "'5\\n' == '4\\n'"),
        (plant_a_wrong_caption, "Bars: all is well."),
        (forget_an_output, "Unexpected output fields"),
        (raise_an_exception, "ZeroDivisionError"),
        (warn, "The cell warned on stderr"),
        (use_an_output_widget, "Unexpected output fields"),
        (store_out_of_order, "NameError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nbval_is_red(plant: Callable[[NotebookNode], None], says: str, tmp_path):
    """A planted fault fails the comparison, and the report names it."""
    notebook = tiny()
    plant(notebook)
    store(notebook, tmp_path / "notebooks")
    done = nbval(tmp_path / "notebooks")
    assert done.returncode == 1
    assert says in done.stdout


def test_cells_stored_out_of_order_break_the_house_format(tmp_path):
    """Cells that happen to work in the other order are found by their counts."""
    notebook = good_notebook()
    path = store(notebook, tmp_path / "notebooks")
    path.with_name("02_next.ipynb").write_bytes(path.read_bytes())  # which the sample links to
    assert house_format(tmp_path / "notebooks").returncode == 0
    first, second = cell_named(notebook, "count-run"), cell_named(notebook, "look-run")
    first.execution_count, second.execution_count = 3, 2
    store(notebook, tmp_path / "notebooks")
    done = house_format(tmp_path / "notebooks")
    assert done.returncode == 1
    assert "restart and run all" in done.stdout


def test_a_misspelt_parameter_is_refused_by_the_runner(tmp_path):
    """`-p sede 1` ends with exit code 2 and the name that was meant; nothing is written."""
    store(tiny(), tmp_path / "notebooks")
    done = run("mlops_helpers", "run", PHASE, "-p", "sede", "1", notebooks=tmp_path / "notebooks")
    assert done.returncode == 2
    assert "'sede'" in done.stderr
    assert "'seed'" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notebooks"]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("parameters", "seed: int", "sede: int", "must begin with"),
        ("count-run", "total =", "seed = 7\ntotal =", "'seed' is assigned again"),
    ],
)
def test_a_notebook_that_loses_its_parameter_is_red(name, old, new, says, tmp_path):
    """A parameter misspelt in its own cell, or assigned again later, fails the suite."""
    notebook = good_notebook()
    cell = cell_named(notebook, name)
    cell.source = cell.source.replace(old, new)
    store(notebook, tmp_path / "notebooks")
    done = house_format(tmp_path / "notebooks")
    assert done.returncode == 1
    assert says in done.stdout


def test_two_runs_that_differ_are_told_apart(tmp_path):
    """The comparison of two runs sees a changed number, a lost cell, and no changed pixel."""
    first = store(tiny(), tmp_path / "first")
    same, wrong, lost = tiny(), tiny(), tiny()
    cell_named(same, "picture").outputs[0].data["image/png"] = "BBBB"
    plant_a_wrong_output(wrong)
    lost.cells.remove(cell_named(lost, "double"))
    assert differences(first, store(same, tmp_path / "same")) == []
    assert "4" in differences(first, store(wrong, tmp_path / "wrong"))[0]
    assert "'double'" in differences(first, store(lost, tmp_path / "lost"))[0]

"""Stored outputs are cold, complete and the same every time."""

import json
import os

import pytest

from mlops_helpers.parameters import Refused
from mlops_helpers.places import PHASES
from mlops_helpers.storing import store
from tests.tiny import outputs_text, write_course, write_phase

FIRST, SECOND = PHASES[:2]


@pytest.fixture(autouse=True)
def notebooks(tmp_path, monkeypatch):
    """Two tiny notebooks, and an outputs folder that must stay untouched."""
    monkeypatch.setenv("MLOPS_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("MLOPS_NOTEBOOKS", str(tmp_path / "notebooks"))
    return write_course(tmp_path / "notebooks", 2)


def test_outputs_are_stored_and_come_out_the_same_again(notebooks, tmp_path):
    """Twice from cold gives the same bytes; the usual outputs folder is not used."""
    assert store() is None
    once = [(notebooks / f"{name}.ipynb").read_bytes() for name in (FIRST, SECOND)]
    assert outputs_text(notebooks / f"{SECOND}.ipynb") == ["2 steps, seed 42\n"]
    assert once[0].endswith(b"}\n")
    assert not (tmp_path / "root").exists()
    assert store() is None
    assert [(notebooks / f"{name}.ipynb").read_bytes() for name in (FIRST, SECOND)] == once


def test_only_what_nbval_compares_is_stored(notebooks):
    """Counts 1 to n; no stderr, no timings, no widget views; stdout in one piece; ids are kept."""
    noisy = (
        "import sys, time\nimport ipywidgets\n"
        "print('one', flush=True)\ntime.sleep(.3)\nprint('notice', file=sys.stderr, flush=True)\n"
        "time.sleep(.3)\nprint('two', flush=True)\ntime.sleep(.3)\nprint('three')\n"
        "display(ipywidgets.IntSlider(3))"
    )
    path = write_phase(notebooks, FIRST, noisy)
    before = [cell["id"] for cell in json.loads(path.read_text())["cells"]]
    assert store([FIRST]) is None
    stored = json.loads(path.read_text())
    code = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert [cell["id"] for cell in stored["cells"]] == before
    text, widget = next(cell for cell in code if "ipywidgets" in "".join(cell["source"]))["outputs"]
    assert "".join(text["text"]) == "one\ntwo\nthree\n"
    assert list(widget["data"]) == ["text/plain"]
    assert code[0]["metadata"] == {"tags": ["parameters"]}
    assert all(not cell["metadata"] for cell in code[1:])
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}
    assert "version" not in stored["metadata"]["language_info"]


def test_a_failure_changes_no_file(notebooks):
    """When a later notebook fails, the earlier ones stay as they were too."""
    write_phase(notebooks, SECOND, "1 / 0")
    before = [path.read_bytes() for path in sorted(notebooks.iterdir())]
    problem = store()
    assert f"{SECOND}.ipynb, cell [4]: ZeroDivisionError" in problem
    assert [path.read_bytes() for path in sorted(notebooks.iterdir())] == before


def test_only_the_named_notebooks_are_written(notebooks):
    """What a named notebook needs is executed, but not stored."""
    before = (notebooks / f"{FIRST}.ipynb").read_bytes()
    assert store(["02"]) is None
    assert (notebooks / f"{FIRST}.ipynb").read_bytes() == before
    assert outputs_text(notebooks / f"{SECOND}.ipynb") == ["2 steps, seed 42\n"]


def test_the_dashboard_picture_is_kept_for_the_readme(notebooks, tmp_path):
    """What the last phase draws lands in `docs/` beside the notebooks' folder."""
    write_phase(notebooks, FIRST, '(ws.folder / "dashboard.png").write_bytes(b"drawn")')
    assert store([FIRST]) is None
    assert (tmp_path / "docs" / "dashboard.png").read_bytes() == b"drawn"


def test_each_notebook_runs_in_its_own_folder(notebooks):
    """The working folder is the one JupyterLab and nbval use, and own servers are left alone."""
    write_phase(notebooks, FIRST, "from pathlib import Path\nprint(Path.cwd().name)")
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    try:
        assert store([FIRST]) is None
    finally:
        assert os.environ.pop("MLFLOW_TRACKING_URI") == "http://127.0.0.1:9"
    assert outputs_text(notebooks / f"{FIRST}.ipynb")[-1] == "notebooks\n"


def test_unknown_notebooks_are_refused():
    """The nearest known name is told."""
    with pytest.raises(Refused, match="Did you mean '01_experiment_tracking'"):
        store(["01_experiment"])

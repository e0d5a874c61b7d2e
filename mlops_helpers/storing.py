"""Execute the notebooks from cold and store their outputs in the files themselves.

Stored outputs are what nbval compares and what GitHub shows, so they must come out the same on
every machine: each notebook runs in its own folder with the defaults of its parameters, on a state
made from nothing, and what varies from run to run (notices, timings, versions) is left out. The
dashboard's picture goes to `docs/`, where the README shows it.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_helpers.executing import Progress, execute
from mlops_helpers.parameters import read_notebook
from mlops_helpers.places import PICTURE, find_notebook, notebooks_folder, write_atomically
from mlops_helpers.planning import choose, course_names

WIDGET = "application/vnd.jupyter.widget-view+json"
ENVIRONMENT = ("MLFLOW_TRACKING_URI", "MLOPS_DATABASE_URL")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def store(notebooks: Sequence[str] = (), *, progress: Progress | None = None) -> str | None:
    """Execute the course up to the last of `notebooks` and store the outputs of those named.

    None comes back when all went well; else which notebook failed, where and why, and no file was
    changed. Raises `Refused` if a notebook is unknown or breaks a rule of the runner.
    """
    import nbformat

    progress = progress or Progress()
    names = course_names()
    chosen = choose(notebooks, names)
    needed = names[: names.index(chosen[-1]) + 1]
    paths = [read_notebook(find_notebook(name)).path for name in needed]
    executed: dict[Path, str] = {}
    with tempfile.TemporaryDirectory() as root, _cold(root):
        for position, path in enumerate(paths, 1):
            progress.begin(position, len(paths), path.stem)
            target = Path(root) / "executed" / path.name
            done = execute(path, target, parameters={}, on_cell=progress.cell)
            progress.end(f"failed at {done.failure}" if done.failure else f"{done.seconds:.1f} s")
            if done.failure:
                return f"{path.name}, {done.failure}"
            if path.stem in chosen:
                notebook = nbformat.read(target, as_version=4)
                executed[path] = nbformat.writes(tidy(notebook)) + "\n"
        pictures = [found.read_bytes() for found in Path(root).glob(f"outputs/state/*/*/{PICTURE}")]
    for path, text in executed.items():
        write_atomically(path, text)
    for picture in pictures:  # at most one: the last phase draws it
        write_atomically(notebooks_folder().parent / "docs" / PICTURE, picture)
    return None


def tidy(notebook: Any) -> Any:  # noqa: ANN401 - a NotebookNode
    """`notebook` without what varies from run to run; it is changed in place and comes back."""
    for key in list(notebook.metadata):
        del notebook.metadata[key]
    notebook.metadata.update(METADATA)
    for cell in notebook.cells:
        for key in ("execution", "papermill", "collapsed", "scrolled", "lines_to_next_cell"):
            cell.metadata.pop(key, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = _tidy_outputs(cell.outputs)
    return notebook


def _tidy_outputs(outputs: list[Any]) -> list[Any]:
    """`outputs` without stderr and widget views, text of the same stream in one piece."""
    kept: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        output.get("data", {}).pop(WIDGET, None)  # it points at a model that lives in one run only
        if kept and output.get("name") == "stdout" == kept[-1].get("name"):
            kept[-1].text += output.text
            continue
        kept.append(output)
    return kept


@contextmanager
def _cold(root: str) -> Iterator[None]:
    """Relative outputs go to `root`, and servers of one's own are left alone."""
    before = dict(os.environ)
    for name in ENVIRONMENT:
        os.environ.pop(name, None)
    os.environ["MLOPS_ROOT"] = root
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

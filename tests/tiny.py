"""Tiny notebooks in the place of the course's own, for tests of the machinery around them."""

import json
from pathlib import Path

import nbformat

from mlops_helpers.places import PHASES

PARAMETERS = 'applications: str = "simulated"\nseed: int = 42\noutputs: str = "outputs"'
BEGIN = (
    "import sqlite3\n"
    "from mlops_helpers.workspace import Workspace\n"
    'ws = Workspace.begin("{phase}", applications=applications, seed=seed, outputs=outputs)'
)
COUNT = (
    'with sqlite3.connect(ws.folder / "course.db") as connection:\n'
    '    connection.execute("create table if not exists steps (phase text)")\n'
    '    connection.execute("insert into steps values (?)", [ws.phase])\n'
    '    steps = [row[0] for row in connection.execute("select phase from steps")]\n'
    "connection.close()\n"
    'print(len(steps), "steps, seed", seed)'
)
FINISH = 'ws.finish({"Steps": str(len(steps))});'


def write_notebook(
    folder: Path, phase: str, *cells: str, parameters: str | None = PARAMETERS, extra: str = ""
) -> Path:
    """Write a notebook of `cells`; its parameters cell is left untagged if `parameters` is None."""
    new = nbformat.v4
    parts = [new.new_markdown_cell(f"# The phase {phase}", id="title")]
    tagged = new.new_code_cell((parameters or PARAMETERS) + extra, id="parameters")
    if parameters is not None:
        tagged.metadata["tags"] = ["parameters"]
    parts.append(tagged)
    parts += [new.new_code_cell(cell, id=f"cell-{n}") for n, cell in enumerate(cells)]
    notebook = new.new_notebook(cells=parts)
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    path = folder / f"{phase}.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_phase(folder: Path, phase: str, *middle: str, extra: str = "") -> Path:
    """Write a whole phase: begin, count the steps so far, `middle`, finish."""
    cells = (BEGIN.format(phase=phase), COUNT, *middle, FINISH)
    return write_notebook(folder, phase, *cells, extra=extra)


def write_course(folder: Path, phases: int = 2) -> Path:
    """Write the first `phases` phases into `folder`, which comes back."""
    for phase in PHASES[:phases]:
        write_phase(folder, phase)
    return folder


def outputs_text(path: Path) -> list[str]:
    """What the code cells of an executed notebook printed."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return ["".join(output["text"]) for output in outputs if output.get("name") == "stdout"]

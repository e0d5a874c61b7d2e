"""The rules of the house about what a notebook stores: outputs, counts, metadata, pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nbformat import NotebookNode

from tests.notebooks.house_format import code_cells, headings_of, tags

IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
WIDGET = "application/vnd.jupyter.widget-view+json"
NOTEBOOK_METADATA = {"kernelspec", "language_info"}
CELL_METADATA = {"tags", "jupyter", "reason"}

_WIDGET_TEXT = re.compile(  # how ipywidgets write themselves: IntSlider(value=3, description=…)
    r"(?:interactive|Output|[HV]Box|GridBox|Box|Tab|Accordion|HTML|Image|Label|Text|Checkbox|Dropdown"
    r"|Button|Select\w*|Toggle\w+|Radio\w+|\w+Slider|\w+Text|\w+Picker)"
    r"\((?:\)|\w+=)"
)
_TRACES = {
    "a path of the machine": re.compile(
        r"(?<![\w.])/(?:home|root|tmp|Users|work|var)/\w+|[A-Z]:\\\w+"
    ),
    "the address of an object": re.compile(r"\b0x[0-9a-f]{6,}\b"),
    "a random id": re.compile(
        r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![0-9a-f])"
    ),
}


def stored_executed(notebook: NotebookNode) -> list[str]:
    """The code cells were executed once each, from top to bottom, in a fresh kernel."""
    counts = [cell.execution_count for _, cell in code_cells(notebook)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    for expected, (number, cell) in enumerate(code_cells(notebook), start=1):
        if cell.execution_count is None:
            return [
                f"cell {number}: was not executed; store the notebook executed (make notebooks)"
            ]
        if cell.execution_count != expected:
            return [
                f"cell {number}: execution count {cell.execution_count}, must be {expected}; "
                "restart and run all, then store"
            ]
    return []


def no_stderr_nor_errors(notebook: NotebookNode) -> list[str]:
    """Nothing on stderr and no exception is stored."""
    faults = []
    for number, output in outputs(notebook):
        if output.output_type == "error":
            faults.append(f"cell {number}: stores the exception {output.ename}: {output.evalue}")
        elif output.output_type == "stream" and output.name == "stderr":
            faults.append(f"cell {number}: stores stderr {output.text.strip()[:60]!r}")
    return faults


def pictures_have_text(notebook: NotebookNode) -> list[str]:
    """A stored picture has alternative text, which is also its plain-text twin."""
    faults = []
    for number, output in outputs(notebook):
        for kind in IMAGES:
            if kind not in output.get("data", {}):
                continue
            alt = str(output.metadata.get(kind, {}).get("alt", "")).strip()
            twin = str(output.data.get("text/plain", "")).strip()
            if len(alt.split()) < 4:
                faults.append(
                    f"cell {number}: the picture's alternative text is {alt!r}; "
                    'show it with plots.show(…, alt="what it says")'
                )
            elif twin != alt:
                faults.append(
                    f"cell {number}: the picture's plain text is {twin[:40]!r}, "
                    "must be its alternative text, so that it is compared"
                )
    return faults


def tables_behind_pictures(notebook: NotebookNode) -> list[str]:
    """The section that shows a picture shows the table behind it."""
    faults = []
    for first, cells in _sections(notebook):
        stored = [output for cell in cells for output in cell.get("outputs", [])]
        pictures = any(kind in output.get("data", {}) for output in stored for kind in IMAGES)
        tables = any(
            "<table" in str(output.get("data", {}).get("text/html", "")) for output in stored
        )
        if pictures and not tables:
            faults.append(f"cell {first}: this section shows a picture but no table behind it")
    return faults


def widgets_have_twins(notebook: NotebookNode) -> list[str]:
    """A widget is never the only carrier: its cell shows the same content without it."""
    faults = []
    for number, cell in code_cells(notebook):
        widgets = [out for out in cell.outputs if _is_widget(out)]
        if widgets and len(widgets) == len(cell.outputs):
            faults.append(f"cell {number}: shows a widget only; show its content beside it as well")
        if any("Output()" in str(out.data.get("text/plain", "")) for out in widgets):
            faults.append(
                f"cell {number}: an Output widget (or interact) cannot be compared; "
                "write into an HTML or Image widget instead"
            )
    return faults


def no_traces(notebook: NotebookNode) -> list[str]:
    """No output holds what differs from machine to machine or from run to run."""
    faults = []
    for number, output in outputs(notebook):
        texts = [output.get("text", "")]
        texts += [
            str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/")
        ]
        for what, pattern in _TRACES.items():
            match = next(filter(None, map(pattern.search, texts)), None)
            if match:
                faults.append(f"cell {number}: prints {what}: {match[0]!r}")
    return faults


def plain_metadata(notebook: NotebookNode) -> list[str]:
    """Kernel and language are named; nothing about the run that stored the notebook is."""
    faults = []
    kernel = notebook.metadata.get("kernelspec", {})
    if (kernel.get("name"), kernel.get("language")) != ("python3", "python"):
        faults.append(f"kernelspec is {dict(kernel)}, must name python3 and the language python")
    if notebook.metadata.get("language_info", {}).get("name") != "python":
        faults.append("language_info does not name python")
    extra = sorted(set(notebook.metadata) - NOTEBOOK_METADATA)
    if extra:
        faults.append(f"the notebook's metadata holds {', '.join(extra)}; make notebooks strips it")
    for number, cell in enumerate(notebook.cells, start=1):
        extra = sorted(set(cell.metadata) - CELL_METADATA)
        if extra:
            faults.append(f"cell {number}: its metadata holds {', '.join(extra)}")
    return faults


def named_cells(notebook: NotebookNode) -> list[str]:
    """Cell ids are unique and mean something, so that a change shows as a change of that cell."""
    faults, seen = [], set()
    for number, cell in enumerate(notebook.cells, start=1):
        name = cell.get("id", "")
        if not name or re.fullmatch(r"[0-9a-f]{6,}(-[0-9a-f]+)*", name):
            faults.append(f"cell {number}: its id is {name!r}; give it a short name")
        elif name in seen:
            faults.append(f"cell {number}: the id {name!r} is taken by another cell")
        seen.add(name)
    return faults


def folded_solutions(notebook: NotebookNode) -> list[str]:
    """A stub is followed by its solution, folded."""
    faults, stub = [], None
    for number, cell in code_cells(notebook):
        if "exercise" in tags(cell):
            if stub is not None:
                faults.append(f"cell {stub}: no solution follows this exercise")
            stub = number
        elif "solution" in tags(cell):
            if stub is None:
                faults.append(f"cell {number}: this solution follows no exercise")
            if not cell.metadata.get("jupyter", {}).get("source_hidden"):
                faults.append(f"cell {number}: the solution is not folded (jupyter.source_hidden)")
            stub = None
    if stub is not None:
        faults.append(f"cell {stub}: no solution follows this exercise")
    return faults


def outputs(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Yield the stored outputs with the number of their cell."""
    for number, cell in code_cells(notebook):
        for output in cell.outputs:
            yield number, output


def _is_widget(output: NotebookNode) -> bool:
    """Tell a widget by its view, or by its plain text where the view was not stored."""
    data = output.get("data", {})
    return WIDGET in data or (
        set(data) == {"text/plain"} and bool(_WIDGET_TEXT.match(data["text/plain"]))
    )


def _sections(notebook: NotebookNode) -> Iterator[tuple[int, list[NotebookNode]]]:
    """Yield each run of cells that begins at a cell with a heading of level two or higher."""
    first, cells = 1, []
    for number, cell in enumerate(notebook.cells, start=1):
        opens = cell.cell_type == "markdown" and any(
            level <= 2 for level, _ in headings_of(cell.source)
        )
        if opens and cells:
            yield first, cells
            first, cells = number, []
        cells.append(cell)
    yield first, cells

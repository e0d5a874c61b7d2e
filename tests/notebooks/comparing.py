"""The text outputs of a notebook, cell by cell, as nbval compares them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOT_TEXT = re.compile(r"image/|application/vnd\.jupyter\.widget-view")
PIXELS = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=\s]+")


def text_outputs(path: Path) -> dict[str, list[str]]:
    """Return what each code cell of an executed notebook shows as text, by the cell's id.

    Left out are stderr (progress), pictures (their alternative text is in) and the cell that
    Papermill injects.
    """
    cells = nbformat.read(path, as_version=4).cells
    return {
        cell.id: _texts(cell)
        for cell in cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    }


def differences(first: Path, second: Path) -> list[str]:
    """Return a sentence for each cell whose text outputs differ between two runs of a notebook."""
    one, other = text_outputs(first), text_outputs(second)
    if list(one) != list(other):
        return [f"{first.name}: the cells differ: {sorted(set(one) ^ set(other))}"]
    return [
        f"{first.name}, cell {name!r}: {one[name]} became {other[name]}"
        for name in one
        if one[name] != other[name]
    ]


def _texts(cell: NotebookNode) -> list[str]:
    printed = "".join(
        out.text for out in cell.outputs if out.output_type == "stream" and out.name == "stdout"
    )
    shown = [
        f"{kind}: {PIXELS.sub('', str(value))}"
        for out in cell.outputs
        for kind, value in sorted(out.get("data", {}).items())
        if not NOT_TEXT.match(kind)
    ]
    raised = [f"{out.ename}: {out.evalue}" for out in cell.outputs if out.output_type == "error"]
    return [printed, *shown, *raised]

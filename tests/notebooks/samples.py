"""Small notebooks for the tests of the tests: one without fault, to be spoilt in one place each."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ALT = "Bars: the default rate of each month lies between 12 and 16 percent."
PARAMETERS = 'applications: str = "simulated"\nseed: int = 42\noutputs: str = "outputs"'
PROSE = (
    "A lender decides about loans every day, and each decision rests on a number that somebody "
    "has to trust. Here is why the next cell looks at that number before anything is built on it."
)


def text(name: str, source: str) -> NotebookNode:
    """Return a markdown cell."""
    return new_markdown_cell(source, id=name)


def code(
    name: str, source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()
) -> NotebookNode:
    """Return a code cell with its stored outputs; `numbered` gives it its execution count."""
    metadata: dict[str, object] = {"tags": list(tags)} if tags else {}
    if "solution" in tags:
        metadata["jupyter"] = {"source_hidden": True}
    return new_code_cell(source, id=name, outputs=list(outputs), metadata=metadata)


def printed(line: str, *, stream: str = "stdout") -> NotebookNode:
    """Return the output of a print."""
    return new_output("stream", name=stream, text=f"{line}\n")


def shown(data: dict[str, str], metadata: dict[str, object] | None = None) -> NotebookNode:
    """Return a displayed output."""
    return new_output("display_data", data=data, metadata=metadata or {})


def picture() -> NotebookNode:
    """Return a stored picture with its alternative text."""
    data = {"image/png": "iVBORw0KGgo=", "text/plain": ALT}
    return shown(data, {"image/png": {"alt": ALT}})


def numbered(notebook: NotebookNode) -> NotebookNode:
    """Return the notebook with execution counts as a fresh run leaves them."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(cells, start=1):
        cell.execution_count = count
    return notebook


def notebook_of(*cells: NotebookNode) -> NotebookNode:
    """Return an executed notebook of these cells."""
    metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    return numbered(new_notebook(cells=list(cells), metadata=metadata))


def good_notebook() -> NotebookNode:
    """Return a notebook in the house format, its outputs as a run prints them."""
    table = "| prerequisites | minutes | starts from |\n|---|---|---|\n| none | 5 | nothing |"
    questions = "\n\n".join(
        f"**{n}. Why?**\n\n<details><summary>Answer {n}</summary>\n\n"
        "Because it must be so.\n\n</details>"
        for n in (1, 2, 3)
    )
    return notebook_of(
        text("title", f"# A sample\n\n{PROSE}"),
        text("able", f"## You will be able to\n\n- count\n- compare\n\n{table}"),
        code("parameters", PARAMETERS, tags=("parameters",)),
        text("count", f"## Counting\n\n{PROSE}\n\n```python\n# not a title\n```"),
        code("count-run", "total = 1 + 1\nprint(total)", printed("2")),
        text("look", f"## Looking\n\n{PROSE}"),
        code(
            "look-run",
            "total",
            shown({"text/html": "<table></table>", "text/plain": "2"}),
            picture(),
        ),
        text("pitfall", f"### Pitfall: counting twice\n\n{PROSE}"),
        code("pitfall-run", "print(total + total)", printed("4")),
        text("exercises", f"## Exercises\n\n{PROSE}"),
        code("stub", "answer: int = ...", tags=("exercise",)),
        code("solution", "solution = 2", tags=("solution",)),
        text("shown", f"## What we showed, and what we did not\n\n{PROSE}"),
        text("questions", f"## Questions\n\n{questions}"),
        text(
            "next", "## Next\n\nThe [next notebook](02_next.ipynb) goes on, see [here](#counting)."
        ),
    )


def cell_named(notebook: NotebookNode, name: str) -> NotebookNode:
    """Return the cell with this id."""
    return next(cell for cell in notebook.cells if cell.id == name)

"""Every notebook keeps the house format, and every rule of it catches what it is there for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_output

from mlops_helpers.parameters import read_notebook
from mlops_helpers.places import PHASES, notebooks_folder
from tests.notebooks import house_format as words_of
from tests.notebooks import house_outputs as stored
from tests.notebooks.samples import (
    ALT,
    PARAMETERS,
    PROSE,
    cell_named,
    code,
    good_notebook,
    numbered,
    printed,
    shown,
)

NOTEBOOKS = notebooks_folder()  # the project's own, unless MLOPS_NOTEBOOKS names others
Rule = Callable[..., list[str]]
RULES: tuple[Rule, ...] = (
    words_of.one_title,
    words_of.headings_in_order,
    words_of.parameters_first,
    words_of.short_cells,
    words_of.text_before_code,
    words_of.prose_ratio,
    words_of.required_sections,
    words_of.questions_with_answers,
    words_of.no_silenced_warnings,
    words_of.excuses_have_reasons,
    words_of.links_lead_somewhere,
    words_of.written_images_have_text,
    stored.stored_executed,
    stored.no_stderr_nor_errors,
    stored.pictures_have_text,
    stored.tables_behind_pictures,
    stored.widgets_have_twins,
    stored.no_traces,
    stored.plain_metadata,
    stored.named_cells,
    stored.folded_solutions,
)


def faults(rule: Rule, notebook: NotebookNode, folder: Path) -> list[str]:
    """Return what one rule finds."""
    takes_folder = "folder" in inspect.signature(rule).parameters
    return rule(notebook, folder) if takes_folder else rule(notebook)


def test_the_six_core_notebooks_are_there():
    """The course is complete: its six phases have a notebook each."""
    assert set(PHASES) <= {path.stem for path in NOTEBOOKS.glob("*.ipynb")}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_keeps(path: Path, rule: Rule):
    """A notebook keeps each rule of the house format."""
    found = faults(rule, nbformat.read(path, as_version=4), path.parent)
    assert not found, f"{path.name}, {rule.__doc__}\n" + "\n".join(found)


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_parameters_are_sound(path: Path):
    """The runner accepts the notebook: parameters are plain values, and none is assigned again."""
    assert read_notebook(path).parameters


def edit(name: str, old: str, new: str) -> Callable[[NotebookNode], None]:
    """Return a plant that replaces text in one cell."""

    def plant(notebook: NotebookNode) -> None:
        cell = cell_named(notebook, name)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return plant


def rewrite(name: str, source: str) -> Callable[[NotebookNode], None]:
    """Return a plant that gives a cell another source."""
    return lambda notebook: cell_named(notebook, name).update(source=source)


def move_to_end(name: str) -> Callable[[NotebookNode], None]:
    """Return a plant that moves a cell to the end."""

    def plant(notebook: NotebookNode) -> None:
        cell = cell_named(notebook, name)
        notebook.cells.remove(cell)
        notebook.cells.append(cell)

    return plant


def add_output(name: str, output: NotebookNode) -> Callable[[NotebookNode], None]:
    """Return a plant that stores one more output."""
    return lambda notebook: cell_named(notebook, name).outputs.append(output)


def put(position: int, cell: NotebookNode) -> Callable[[NotebookNode], None]:
    """Return a plant that inserts a cell and counts anew."""

    def plant(notebook: NotebookNode) -> None:
        notebook.cells.insert(position, cell)
        numbered(notebook)

    return plant


def drop(name: str) -> Callable[[NotebookNode], None]:
    """Return a plant that removes a cell and counts anew."""

    def plant(notebook: NotebookNode) -> None:
        notebook.cells.remove(cell_named(notebook, name))
        numbered(notebook)

    return plant


def tag(name: str, *tags: str, **metadata: object) -> Callable[[NotebookNode], None]:
    """Return a plant that gives a cell other tags and metadata."""
    return lambda notebook: cell_named(notebook, name).metadata.update(tags=list(tags), **metadata)


def swap_counts(notebook: NotebookNode) -> None:
    """Store two cells as if they had run in the other order."""
    first, second = cell_named(notebook, "count-run"), cell_named(notebook, "look-run")
    first.execution_count, second.execution_count = second.execution_count, first.execution_count


def forget_to_run(notebook: NotebookNode) -> None:
    """Store a cell as never run."""
    cell_named(notebook, "look-run").execution_count = None


def rename_twin(notebook: NotebookNode) -> None:
    """Give a picture another text twin than its alternative text."""
    cell_named(notebook, "look-run").outputs[1].data["text/plain"] = "<Figure size 640x480>"


def widget(twin: str) -> NotebookNode:
    """Return the output of a widget."""
    return shown({stored.WIDGET: "{}", "text/plain": twin})


IMAGE_WITHOUT_ALT = shown({"image/png": "iVBORw0KGgo=", "text/plain": ALT})
FRAME = "<table></table>"
PLANTED: list[tuple[Rule, Callable[[NotebookNode], object], str]] = [
    (words_of.one_title, edit("look", "## Looking", "# Looking"), "2 titles"),
    (words_of.one_title, edit("title", "# A sample", "A sample"), "does not open with the title"),
    (words_of.headings_in_order, edit("count", "## Counting", "#### Counting"), "level 4"),
    (words_of.parameters_first, tag("parameters"), "0 cells are tagged"),
    (words_of.parameters_first, tag("look-run", "parameters"), "2 cells are tagged"),
    (words_of.parameters_first, edit("parameters", "seed: int = 42", "seed = 42"), "'seed = 42'"),
    (words_of.parameters_first, edit("parameters", "seed: int", "seed: str"), "must begin with"),
    (words_of.parameters_first, put(1, code("early", "import os")), "must be the first code cell"),
    (words_of.short_cells, edit("count-run", "print(total)", "total\n" * 25), "26 lines"),
    (words_of.short_cells, put(3, code("void", " ")), "is empty"),
    (words_of.text_before_code, rewrite("look", "## Looking"), "'Looking'"),
    (words_of.text_before_code, rewrite("look", f"{PROSE}\n\n### Bare"), "'Bare'"),
    (words_of.prose_ratio, rewrite("count-run", "total\n" * 60), "lines of code"),
    (words_of.required_sections, edit("shown", "showed", "sold"), "what we showed"),
    (words_of.required_sections, edit("pitfall", "Pitfall", "Trap"), "'pitfall'"),
    (words_of.required_sections, edit("able", "minutes", "hours"), "no table"),
    (words_of.required_sections, move_to_end("able"), "comes too early"),
    (words_of.questions_with_answers, edit("questions", "details", "div"), "0 folded answers"),
    (words_of.questions_with_answers, edit("questions", "Because it must be so.", ""), "is empty"),
    (
        words_of.no_silenced_warnings,
        edit("count-run", "total = 1 + 1", "import warnings\nwarnings.simplefilter('ignore')"),
        "simplefilter",
    ),
    (
        words_of.no_silenced_warnings,
        edit("count-run", "total = ", "%%capture\ntotal = "),
        "%%capture",
    ),
    (words_of.excuses_have_reasons, tag("look-run", "nbval-ignore-output"), "without a 'reason'"),
    (words_of.excuses_have_reasons, edit("look-run", "total", "# NBVAL_SKIP\ntotal"), "NBVAL_SKIP"),
    (words_of.links_lead_somewhere, edit("next", "02_next", "03_gone"), "'03_gone.ipynb'"),
    (words_of.written_images_have_text, edit("count", "A lender", "![](x.png)"), "x.png"),
    (words_of.written_images_have_text, edit("count", "A lender", '<img src="x" alt="">'), "<img"),
    (stored.stored_executed, swap_counts, "restart and run all"),
    (stored.stored_executed, forget_to_run, "was not executed"),
    (stored.no_stderr_nor_errors, add_output("count-run", printed("hm", stream="stderr")), "'hm'"),
    (
        stored.no_stderr_nor_errors,
        add_output("count-run", new_output("error", ename="KeyError", evalue="'x'")),
        "KeyError",
    ),
    (
        stored.pictures_have_text,
        add_output("look-run", IMAGE_WITHOUT_ALT),
        "alternative text is ''",
    ),
    (stored.pictures_have_text, rename_twin, "must be its alternative text"),
    (
        stored.tables_behind_pictures,
        lambda notebook: cell_named(notebook, "look-run").outputs.pop(0),
        "no table behind it",
    ),
    (stored.widgets_have_twins, add_output("stub", widget("IntSlider(value=3)")), "a widget only"),
    (
        stored.widgets_have_twins,
        add_output("stub", shown({"text/plain": "VBox(children=(A(),))"})),
        "",
    ),
    (stored.widgets_have_twins, add_output("count-run", widget("Output()")), "Output widget"),
    (stored.no_traces, add_output("count-run", printed("saved in /tmp/x")), "'/tmp/x'"),
    (stored.no_traces, add_output("count-run", printed("<f at 0x7f00aa11bb22>")), "0x7f00"),
    (stored.no_traces, add_output("count-run", printed(f"run {'0a' * 16} done")), "a random id"),
    (
        stored.plain_metadata,
        lambda notebook: notebook.metadata.update(papermill={"duration": 1}),
        "papermill",
    ),
    (stored.plain_metadata, lambda notebook: notebook.metadata.pop("kernelspec"), "kernelspec"),
    (stored.plain_metadata, tag("count-run", collapsed=True), "collapsed"),
    (stored.named_cells, lambda notebook: notebook.cells[3].update(id="0a1b2c3d"), "'0a1b2c3d'"),
    (stored.named_cells, lambda notebook: notebook.cells[3].update(id="title"), "is taken"),
    (stored.folded_solutions, drop("solution"), "no solution follows"),
    (stored.folded_solutions, drop("stub"), "follows no exercise"),
    (stored.folded_solutions, tag("solution", "solution", jupyter={}), "is not folded"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds what the sample links to."""
    (tmp_path / "02_next.ipynb").touch()
    return tmp_path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_has_no_faults(rule: Rule, folder: Path):
    """The sample keeps every rule: none cries wolf."""
    assert faults(rule, good_notebook(), folder) == []


@pytest.mark.parametrize(
    ("rule", "plant", "says"),
    PLANTED,
    ids=[f"{n}-{rule.__name__}" for n, (rule, _, _) in enumerate(PLANTED)],
)
def test_a_planted_fault_is_found(rule: Rule, plant, says: str, folder: Path):
    """Each rule finds a fault planted in the sample and says which."""
    notebook = good_notebook()
    plant(notebook)
    found = faults(rule, notebook, folder)
    assert found
    assert says in " ".join(found)


def test_every_rule_has_a_planted_fault():
    """No rule goes unproved, and no rule of the two files is left out."""
    assert {rule for rule, _, _ in PLANTED} == set(RULES)
    written = {
        function
        for module in (words_of, stored)
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and inspect.signature(function).return_annotation == "list[str]"
    }
    assert written == set(RULES)


def test_the_objectives_may_stand_in_bold():
    """*You will be able to* need not be a heading."""
    notebook = good_notebook()
    able = cell_named(notebook, "able")
    able.source = able.source.replace("## You will be able to", "**You will be able to**")
    assert words_of.required_sections(notebook) == []


def test_a_reason_excuses():
    """A cell with a reason may go without comparison, and the parameters may be more than three."""
    notebook = good_notebook()
    cell_named(notebook, "look-run").metadata.update(
        tags=["nbval-ignore-output"], reason="prints how long the run took"
    )
    cell_named(notebook, "parameters").source = f"{PARAMETERS}\ncutoff: float = 0.2  # of default"
    assert words_of.excuses_have_reasons(notebook) == []
    assert words_of.parameters_first(notebook) == []

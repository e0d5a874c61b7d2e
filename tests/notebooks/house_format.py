"""The house format of a notebook as rules: each takes a notebook, returns its faults as sentences.

Here are the rules about what an author writes; `house_outputs` has those about what is stored. A
fault names the cell by its number among all cells, counted from 1, and says what to do.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

LONGEST_CELL = 25  # lines
WORDS_PER_LINE = 8
FEWEST_WORDS = 5  # that make a reason
QUESTIONS = (3, 5)
PARAMETERS = (("applications", "str"), ("seed", "int"), ("outputs", "str"))
REQUIRED = (  # in this order; a heading contains the words, in any case of letters
    "you will be able to",
    "pitfall",
    "exercises",
    "what we showed, and what we did not",
    "questions",
    "next",
)
TABLE = ("prerequisites", "minutes", "starts from")

_HEADING = re.compile(r"^(#{1,6})\s+(.+?)\s*#*\s*$")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
_HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_SILENCERS = {
    "filterwarnings",
    "simplefilter",
    "catch_warnings",
    "captureWarnings",
    "capture_output",
}
_SILENCING_TEXT = re.compile(r"^\s*%%?capture\b|redirect_stderr|logging\.disable", re.MULTILINE)
_EXCUSES = {"nbval-skip", "nbval-ignore-output", "nbval-raises-exception", "raises-exception"}
_EXCUSING_COMMENT = re.compile(r"^\s*#\s*(NBVAL_|PYTEST_VALIDATE_)\w+", re.MULTILINE)


@dataclass(frozen=True)
class Heading:
    """One heading: the number of its cell, its level and its text."""

    cell: int
    level: int
    text: str


def one_title(notebook: NotebookNode) -> list[str]:
    """Exactly one H1, and it opens the first cell."""
    titles = [heading for heading in headings(notebook) if heading.level == 1]
    faults = []
    if len(titles) != 1:
        where = ", ".join(str(title.cell) for title in titles) or "no cell"
        faults.append(f"{len(titles)} titles (# …) in {where}; must be one, in cell 1")
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not re.match(r"#\s", first.source):
        faults.append("cell 1 does not open with the title; begin it with '# …'")
    return faults


def headings_in_order(notebook: NotebookNode) -> list[str]:
    """No level of heading is jumped over."""
    faults, level = [], 0
    for heading in headings(notebook):
        if heading.level > level + 1:
            faults.append(
                f"cell {heading.cell}: {heading.text!r} is of level {heading.level}, "
                f"must be <= {level + 1} here"
            )
        level = heading.level
    return faults


def parameters_first(notebook: NotebookNode) -> list[str]:
    """One cell tagged `parameters`, annotated assignments only, the three common ones first."""
    tagged = [(n, cell) for n, cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(tagged) != 1:
        return [f"{len(tagged)} cells are tagged 'parameters', must be 1"]
    number, cell = tagged[0]
    if number != next(n for n, _ in code_cells(notebook)):
        return [f"cell {number}: the parameters must be the first code cell"]
    body = ast.parse(cell.source).body
    plain = [ast.unparse(node) for node in body if not isinstance(node, ast.AnnAssign)]
    if plain:
        return [f"cell {number}: {plain[0]!r} is no annotated parameter such as 'seed: int = 42'"]
    found = tuple((ast.unparse(node.target), ast.unparse(node.annotation)) for node in body)
    if found[: len(PARAMETERS)] != PARAMETERS:
        expected = ", ".join(f"{name}: {kind}" for name, kind in PARAMETERS)
        return [f"cell {number}: the parameters must begin with {expected}"]
    return []


def short_cells(notebook: NotebookNode) -> list[str]:
    """No empty cell, and no code cell over 25 lines."""
    faults = []
    for number, cell in enumerate(notebook.cells, start=1):
        lines = len(cell.source.splitlines())
        if not cell.source.strip():
            faults.append(f"cell {number}: is empty")
        elif cell.cell_type == "code" and lines > LONGEST_CELL:
            faults.append(f"cell {number}: {lines} lines of code, must be <= {LONGEST_CELL}")
    return faults


def text_before_code(notebook: NotebookNode) -> list[str]:
    """In each section some prose stands before the first code."""
    faults, section, said = [], None, 0
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            found = [text for _, text in headings_of(cell.source)]
            if found:
                section, said = found[-1], 0
            said += words(_below_headings(cell.source))
        elif cell.cell_type == "code" and said < FEWEST_WORDS:
            faults.append(f"cell {number}: code before text in section {section!r}; say why first")
            said = FEWEST_WORDS  # once a section
    return faults


def prose_ratio(notebook: NotebookNode) -> list[str]:
    """At least eight words of prose for each line of visible code."""
    spoken = sum(words(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    lines = sum(
        sum(bool(line.strip()) for line in cell.source.splitlines())
        for _, cell in code_cells(notebook)
        if not tags(cell) & {"parameters", "solution"}
    )
    if spoken >= WORDS_PER_LINE * lines:
        return []
    return [f"{spoken} words for {lines} lines of code, must be >= {WORDS_PER_LINE * lines} words"]


def required_sections(notebook: NotebookNode) -> list[str]:
    """What opens and closes a notebook is there, in order."""
    faults, position = [], 0
    texts = [heading.text.lower() for heading in headings(notebook)]
    for cell in notebook.cells:  # the first of them may stand in bold letters
        if cell.cell_type == "markdown" and re.search(
            r"^[*_]+you will be", cell.source, re.I | re.M
        ):
            texts.insert(1, REQUIRED[0])
    for required in REQUIRED:
        at = [index for index, text in enumerate(texts) if required in text]
        if not at:
            faults.append(f"no heading says {required!r}")
        elif required != "pitfall":  # which may come in any section
            if at[-1] < position:
                faults.append(f"the heading {required!r} comes too early")
            position = max(position, at[-1])
    table_rows = [
        line.lower()
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.lstrip().startswith("|")
    ]
    if not any(all(title in row for title in TABLE) for row in table_rows):
        faults.append(f"no table with the columns {' | '.join(TABLE)}")
    return faults


def questions_with_answers(notebook: NotebookNode) -> list[str]:
    """Three to five questions, each with a folded answer."""
    text, inside = "", False
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for line in cell.source.splitlines():
            match = _HEADING.match(line)
            if match:
                inside = "questions" in match[2].lower() or (inside and len(match[1]) > 2)
            text += f"{line}\n" if inside else ""
    folded = re.findall(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", text, re.DOTALL)
    low, high = QUESTIONS
    faults = []
    if not low <= len(folded) <= high:
        faults.append(
            f"{len(folded)} folded answers (<details><summary>…</summary>…</details>) below "
            f"'Questions', must be {low} to {high}"
        )
    faults += [
        f"the answer folded below {summary.strip()!r} is empty"
        for summary, answer in folded
        if words(answer) < 3
    ]
    return faults


def no_silenced_warnings(notebook: NotebookNode) -> list[str]:
    """No cell filters warnings or captures its own output: what warns is mended."""
    faults = []
    for number, cell in code_cells(notebook):
        names = {
            node.attr if isinstance(node, ast.Attribute) else node.id
            for node in ast.walk(ast.parse(_without_magics(cell.source)))
            if isinstance(node, (ast.Attribute, ast.Name))
        }
        found = sorted(names & _SILENCERS) + sorted(
            match[0].strip() for match in _SILENCING_TEXT.finditer(cell.source)
        )
        if found:
            faults.append(f"cell {number}: silences warnings or output with {', '.join(found)}")
    return faults


def excuses_have_reasons(notebook: NotebookNode) -> list[str]:
    """A cell that nbval does not compare says why, in its metadata under `reason`."""
    faults = []
    for number, cell in code_cells(notebook):
        excused = sorted(tags(cell) & _EXCUSES)
        if excused and words(str(cell.metadata.get("reason", ""))) < 3:
            faults.append(
                f"cell {number}: tagged {excused[0]!r} without a 'reason' in its metadata"
            )
        comment = _EXCUSING_COMMENT.search(cell.source)
        if comment:
            faults.append(
                f"cell {number}: {comment[0].strip()!r}; use a tag and a 'reason' in the metadata"
            )
    return faults


def links_lead_somewhere(notebook: NotebookNode, folder: Path) -> list[str]:
    """A link to another file of the project leads to a file."""
    faults = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "markdown":
            continue
        for _, _, target in _LINK.findall(cell.source):
            path = target.partition("#")[0]
            elsewhere = "://" in path or path.startswith(("mailto:", "attachment:"))
            if path and not elsewhere and not (folder / path).exists():
                faults.append(f"cell {number}: the link to {path!r} leads nowhere")
    return faults


def written_images_have_text(notebook: NotebookNode) -> list[str]:
    """An image in the prose has alternative text."""
    faults = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "markdown":
            continue
        blank = [
            target for mark, alt, target in _LINK.findall(cell.source) if mark and not alt.strip()
        ]
        blank += [
            tag
            for tag in _HTML_IMAGE.findall(cell.source)
            if not re.search(r"""\balt=(["'])\s*\S.*?\1""", tag)
        ]
        faults += [f"cell {number}: the image {image} has no alternative text" for image in blank]
    return faults


def headings(notebook: NotebookNode) -> list[Heading]:
    """Return all headings, in order; code fences are passed over."""
    return [
        Heading(number, level, text)
        for number, cell in enumerate(notebook.cells, start=1)
        if cell.cell_type == "markdown"
        for level, text in headings_of(cell.source)
    ]


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Yield the code cells with their number among all cells, counted from 1."""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            yield number, cell


def tags(cell: NotebookNode) -> set[str]:
    """Return the tags of a cell."""
    return set(cell.metadata.get("tags", []))


def words(markdown: str) -> int:
    """Return the number of words that a reader reads: no code fences, tags, addresses or marks."""
    text = re.sub(r"```.*?```", " ", markdown, flags=re.DOTALL)
    text = re.sub(r"<[^>]+>", " ", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W_][\w'’.,-]*", text))


def headings_of(source: str) -> Iterator[tuple[int, str]]:
    """Yield level and text of the headings of one cell; code fences are passed over."""
    fenced = False
    for line in source.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        match = None if fenced else _HEADING.match(line)
        if match:
            yield len(match[1]), match[2]


def _below_headings(source: str) -> str:
    """Return what stands below the last heading of a cell."""
    lines = re.sub(r"```.*?```", "", source, flags=re.DOTALL).splitlines()
    last = max((n for n, line in enumerate(lines) if _HEADING.match(line)), default=-1)
    return "\n".join(lines[last + 1 :])


def _without_magics(source: str) -> str:
    return "\n".join(
        "" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()
    )

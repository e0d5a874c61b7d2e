"""The content of a card as Markdown and as one HTML page; both show the same sections.

Names come from outside (a run may be called anything), so each text is escaped for the form it is
written in. Neither form can be opened up by a name: no markup, no line or column of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Section", "Table", "as_html", "as_markdown", "escaped", "one_line"]

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_MARKS = re.compile(r"(?=[\\`*_\[\]~$#])|^(?=[-+=](?:[-+=\s]|$))")
_LIST = re.compile(r"^(\d+)([.)]\s)")


@dataclass(frozen=True)
class Table:
    """A table of texts. The first column names its row; `numbers` are columns of figures."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Section:
    """A heading with sentences, points and a table below it, each of which may be missing."""

    title: str
    words: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    table: Table | None = None


def one_line(text: object) -> str:
    """The text on one line, without control or invisible characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def escaped(text: object) -> str:
    """The text for Markdown: nothing in it is markup, mathematics or the end of a table's cell."""
    marked = _LIST.sub(r"\1\\\2", _MARKS.sub(r"\\", one_line(text)))
    return "".join(_ENTITIES.get(c, c) for c in marked)


def as_markdown(title: str, sections: Sequence[Section], *, level: int = 1) -> str:
    """The card as Markdown; the title is a heading of `level`, left out if it is empty."""
    lines = [f"{'#' * level} {escaped(title)}", ""] if title else []
    for section in sections:
        lines += [f"{'#' * (level + 1)} {escaped(section.title)}", ""]
        for sentence in section.words:
            lines += [escaped(sentence), ""]
        if section.points:
            lines += [*(f"- {escaped(point)}" for point in section.points), ""]
        if section.table:
            lines += [*_markdown_table(section.table), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def as_html(title: str, sections: Sequence[Section]) -> str:
    """The card as a page that asks for nothing from the network."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=one_line,
    )
    source = Path(__file__).with_name("card.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(title=title, sections=sections)


def _markdown_table(table: Table) -> list[str]:
    marks = ["---:" if n in table.numbers else "---" for n in range(len(table.columns))]
    body = [[escaped(cell) for cell in row] for row in (table.columns, *table.rows)]
    lines = [" | ".join(cells) for cells in (body[0], marks, *body[1:])]
    return [f"*{escaped(table.caption)}*", "", *(f"| {line} |" for line in lines)]

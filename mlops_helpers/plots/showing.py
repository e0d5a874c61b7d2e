"""How a figure gets into a notebook: once, with alternative text; and a table of sentences."""

from __future__ import annotations

import base64
import html
import io
import itertools
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from mlops_helpers.plots.base import figure_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Picture", "picture", "show", "show_table"]

DPI, CSS_DPI = 144, 96


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure as PNG with its alternative text; a notebook shows it wherever it is displayed.

    JupyterLab 4 and nbconvert's `lab` template ignore an `alt` in the metadata of `image/png`, so
    the bundle also holds HTML whose `img` carries it; the metadata serve the tools that do read
    them (nbconvert's `classic` template, nbsphinx). The text twin is the alternative text itself.
    """

    png: bytes
    alt: str
    width: int

    def __repr__(self) -> str:
        """The alternative text: what a reader without pictures gets."""
        return self.alt

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        data = base64.b64encode(self.png).decode("ascii")
        image = (
            f'<img alt="{html.escape(self.alt)}" width="{self.width}" '
            f'src="data:image/png;base64,{data}">'
        )
        bundle = {"text/plain": self.alt, "text/html": image, "image/png": data}
        return bundle, {"image/png": {"alt": self.alt, "width": self.width}}


def picture(ax_or_fig: Axes | Figure, *, alt: str, dpi: int = DPI) -> Picture:
    """Render an Axes' figure (or a figure) to a `Picture`; raises ValueError without a real `alt`.

    The PNG is reduced to 256 colours: charts lose nothing, and stored notebooks stay small.
    """
    if not alt.strip():
        raise ValueError(
            f"alt == {alt!r}, must say in words what the figure shows; "
            "compute the sentence from the frame behind it."
        )
    figure = figure_of(ax_or_fig)
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=dpi, facecolor="white")
    small = io.BytesIO()
    Image.open(raw).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        small, format="PNG", optimize=True
    )
    width = round(figure.get_size_inches()[0] * CSS_DPI)
    return Picture(png=small.getvalue(), alt=" ".join(alt.split()), width=width)


def show(ax_or_fig: Axes | Figure, *, alt: str) -> None:
    """Display a figure once, with `alt` as its alternative text and its text twin.

    The figure is closed afterwards, so a figure made with pyplot does not appear a second time.
    """
    from IPython.display import display

    display(picture(ax_or_fig, alt=alt))
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure_of(ax_or_fig))


def show_table(frame: pd.DataFrame) -> None:
    """Display a frame without its index, its columns of text aligned to the left.

    Notebooks align every cell to the right, which makes sentences hard to read. The style stands in
    each cell: nothing in it varies between runs, and every viewer keeps it.
    """
    from IPython.display import display

    text = [pd.api.types.is_string_dtype(kind) for kind in frame.dtypes]
    sides = itertools.cycle("left" if is_text else "right" for is_text in text)
    page = frame.to_html(index=False, border=0)  # escapes: a tag in it is its own
    aligned = re.sub(
        "<(t[hd])>", lambda cell: f'<{cell[1]} style="text-align: {next(sides)};">', page
    )
    wide = {name: max(map(len, map(str, frame[name])), default=0) for name in frame.columns[text]}
    plain = frame.to_string(
        index=False,
        formatters={name: f"{{!s:<{width}}}".format for name, width in wide.items()},
        justify="left",
    )
    display({"text/html": aligned, "text/plain": plain}, raw=True)

# SPDX-License-Identifier: Apache-2.0
"""What all figures share: paper, ink, letters, legends, and the way from a figure to pixels."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from boxwright.drawing.captions import legible, text_width
from boxwright.drawing.palette import colour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

DPI = 160
POINTS_PER_INCH = 72.0
EDGE_INCHES = 0.1  # of white around panels
INK = "#333333"  # titles and numbers
FAINT = "#8a8a8a"  # notes and axes
GRID = "#e6e6e6"
ACCENT = "#0072b2"  # the first colour of the palette
SECOND = "#d55e00"  # the second
SHADES = ("#ffffff", "#cfe2f0", "#7fb5d8", "#0072b2", "#00395c")
TITLE_PT, LABEL_PT, TICK_PT, NOTE_PT = 11.0, 9.5, 8.5, 8.0
AXIS_ENDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
STEPS = (1, 2, 5, 10)  # of an axis, times a power of ten: 0.05 and 0.1 are read at a glance, 0.059 is not
MAX_NAME = 22  # letters of a class name in a legend

_ONE_AT_A_TIME = threading.Lock()  # the figure library shares caches between figures and promises nothing to threads


def rendered(size_inches: tuple[float, float], draw: Callable[[Figure], None], *, arranged: bool = True) -> np.ndarray:
    """The pixels of a figure of this width and height that `draw` fills. -> (H, W, 3) uint8

    Room is made for what is written around panels, unless `draw` has arranged them itself.
    """
    with _ONE_AT_A_TIME:
        layout = ConstrainedLayoutEngine(w_pad=EDGE_INCHES, h_pad=EDGE_INCHES) if arranged else None
        figure = Figure(figsize=size_inches, dpi=DPI, facecolor="white", layout=layout)
        canvas: Any = FigureCanvasAgg(figure)  # its drawing has no types
        draw(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def dressed(axes: Axes, title: str = "", x_label: str = "", y_label: str = "", *, grid: bool = True) -> Axes:
    """The house style on a panel: two thin axes, a light grid behind, and its title at the left."""
    axes.set_facecolor("white")
    axes.set_title(plain(title), loc="left", fontsize=TITLE_PT, color=INK, pad=8)
    axes.set_xlabel(plain(x_label), fontsize=LABEL_PT, color=INK)
    axes.set_ylabel(plain(y_label), fontsize=LABEL_PT, color=INK)
    axes.tick_params(labelsize=TICK_PT, colors=FAINT, labelcolor=INK, length=3, width=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(FAINT)
        spine.set_linewidth(0.8)
    axes.set_axisbelow(True)
    axes.grid(False)
    if grid:
        axes.grid(color=GRID, linewidth=0.8)
    return axes


def note(axes: Axes, text: str) -> None:
    """A word in the middle of a panel that has nothing to show."""
    axes.text(0.5, 0.5, plain(text), transform=axes.transAxes, ha="center", va="center", fontsize=LABEL_PT, color=FAINT)


def add_legend(place: Axes | Figure, handles: Sequence[Artist], labels: Sequence[str], **where: Any) -> None:
    """A legend without a frame.

    A label is lines of legible text, also one that the figure library would take for a command.
    """
    legend = place.legend(
        list(handles), ["."] * len(handles), frameon=False, fontsize=NOTE_PT, labelcolor=INK, handlelength=1.6, **where
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_text(_no_formula(label))
    legend.get_title().set_fontsize(NOTE_PT)
    legend.get_title().set_color(FAINT)


def plain(text: str) -> str:
    """Any text, as it is: every character is in the font and none starts a formula."""
    return _no_formula(legible(text))


def _no_formula(text: str) -> str:
    return text.replace("$", r"\$")


def name_of(names: Sequence[str], number: int, limit: int = MAX_NAME) -> str:
    """The name of a class as it can be drawn, cut to so many letters; its number where it has no name."""
    name = legible(names[number]) if 0 <= number < len(names) else f"class {number}"
    end = limit // 3  # what tells long names apart is often their end
    return name if len(name) <= limit else f"{name[: limit - 1 - end].rstrip()}…{name[-end:].lstrip()}"


def caption_of(names: Sequence[str], number: int) -> str:
    """What stands at a box of a class: its name where there are several, nothing where there is one."""
    return "" if len(names) == 1 else name_of(names, number)


def axis_end(values: np.ndarray) -> float:
    """The round number up to which an axis of shares has to go: 1, or less where all values are small."""
    high = float(np.max(values, initial=0.0))
    return next(end for end in AXIS_ENDS if high <= end or end == 1)


def inches_of(text: str, size_pt: float) -> float:
    """The width of a plain text in letters of this size."""
    return text_width(legible(text), max(round(size_pt * DPI / POINTS_PER_INCH), 1)) / DPI


def class_colour(number: int) -> tuple[float, float, float]:
    """The colour of a class, as on all pictures, as the figure library takes it."""
    red, green, blue = colour(number)
    return red / 255, green / 255, blue / 255


def shades() -> LinearSegmentedColormap:
    """From white to the first colour of the palette and beyond: few to many."""
    return LinearSegmentedColormap.from_list("few to many", SHADES)


def thinned(count: int, most: int) -> np.ndarray:
    """At most so many of `count` positions, evenly spread from the first on."""
    return np.arange(0, count, max(-(-count // max(most, 1)), 1))

# SPDX-License-Identifier: Apache-2.0
"""A laid-out network as SVG text or as pixels: the same boxes, lines and words."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from boxwright.drawing.palette import Colour
from boxwright.errors import SettingError, printable
from boxwright.model.spec import ModelSpec
from boxwright.model.summary import Summary
from boxwright.report.canvas import plain, rendered
from boxwright.report.network_layout import Box, Drawing, Way, Words, laid_out
from boxwright.system.files import write_image, write_text

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CORNER = 8.0  # radius of a line's corners
LINE, ARROW = 1.4, 6.0  # width of lines, length of arrows
UNITS_PER_INCH = 96  # as screens count
POINTS_PER_UNIT = 72 / UNITS_PER_INCH
FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', sans-serif"  # Verdana has the same widths
BASELINE = 0.36  # of the letter height, from the middle of a line down to its baseline

MAX_PIXEL_ROWS = 250  # more rows make a picture that no viewer opens

Point = tuple[float, float]


def require_kind(out: Path) -> None:
    """Refuse a picture of a kind that is not drawn here. Raises SettingError."""
    if out.suffix.lower() not in {".svg", ".png"}:
        raise SettingError(
            f"--out {out}",
            f"'{out.suffix}' is no kind of picture that is drawn here",
            "End the name in .svg or .png",
        )


def write_network(out: Path, spec: ModelSpec, summary: Summary) -> tuple[int, int]:
    """Draw a network into a file, SVG or PNG; returns the size of the picture. Raises SettingError."""
    as_text = out.suffix.lower() == ".svg"
    if not as_text and len(spec.rows) > MAX_PIXEL_ROWS:
        raise SettingError(f"--out {out}", f"{len(spec.rows)} rows are too many for pixels", "End the name in .svg")
    drawing = laid_out(spec, summary)
    if as_text:
        write_text(out, as_svg(drawing))
    else:
        write_image(out, as_pixels(drawing))
    return drawing.width, drawing.height


def as_svg(drawing: Drawing) -> str:
    """The picture as SVG."""
    w, h = drawing.width, drawing.height
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" font-family="{FONTS}">'
    )
    return "\n".join([head, *(_svg(item) for item in drawing.items), "</svg>"]) + "\n"


def _svg(item: Box | Way | Words) -> str:
    match item:
        case Box():
            stroke = "" if item.stroke is None else f' stroke="{_hex(item.stroke)}" stroke-width="1.2"'
            place = f'x="{item.x:g}" y="{item.y:g}" width="{item.w:g}" height="{item.h:g}" rx="{item.radius:g}"'
            return f'<rect {place} fill="{_hex(item.fill)}"{stroke}/>'
        case Way():
            dashes = ' stroke-dasharray="3 4"' if item.dashed else ""
            line = (
                f'<path d="{_data(_rounded(item))}" fill="none" '
                f'stroke="{_hex(item.colour)}" '
                f'stroke-width="{LINE}"{dashes}/>'
            )
            tip = " ".join(f"{x:g},{y:g}" for x, y in _tip(item))
            return line + (f'<polygon points="{tip}" fill="{_hex(item.colour)}"/>' if item.arrow else "")
        case Words():
            place = (
                f'x="{item.x:g}" y="{item.y + BASELINE * item.size:g}" '
                f'font-size="{item.size}" '
                f'text-anchor="{item.anchor}" fill="{_hex(item.colour)}"'
            )
            weight = ' font-weight="bold"' if item.bold else ""
            return f"<text {place}{weight}>{html.escape(printable(item.text))}</text>"


def as_pixels(drawing: Drawing) -> np.ndarray:
    """The picture as pixels. -> (H, W, 3) uint8"""

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, drawing.width)
        axes.set_ylim(drawing.height, 0)
        for item in drawing.items:
            _put(axes, item)

    return rendered((drawing.width / UNITS_PER_INCH, drawing.height / UNITS_PER_INCH), draw, arranged=False)


def _put(axes: Axes, item: Box | Way | Words) -> None:
    match item:
        case Box():
            style = f"round,pad=0,rounding_size={item.radius}"
            edge = "none" if item.stroke is None else _hex(item.stroke)
            axes.add_patch(
                FancyBboxPatch(
                    (item.x, item.y),
                    item.w,
                    item.h,
                    boxstyle=style,
                    facecolor=_hex(item.fill),
                    edgecolor=edge,
                    linewidth=0.9,
                )
            )
        case Way():
            steps = _rounded(item)
            codes = [
                Curve.MOVETO if kind == "M" else Curve.LINETO if kind == "L" else Curve.CURVE3
                for kind, points in steps
                for _ in points
            ]
            curve = Curve([point for _, points in steps for point in points], codes)
            dashes = (0, (2.5, 3)) if item.dashed else "solid"
            width = LINE * POINTS_PER_UNIT
            axes.add_patch(
                PathPatch(
                    curve, fill=False, edgecolor=_hex(item.colour), linewidth=width, linestyle=dashes, capstyle="butt"
                )
            )
            if item.arrow:
                axes.fill(*zip(*_tip(item), strict=True), color=_hex(item.colour), linewidth=0)
        case Words():
            side = {"start": "left", "middle": "center", "end": "right"}[item.anchor]
            weight = "bold" if item.bold else "normal"
            size = item.size * POINTS_PER_UNIT
            axes.text(
                item.x,
                item.y + BASELINE * item.size,
                plain(item.text),
                size=size,
                color=_hex(item.colour),
                ha=side,
                va="baseline",
                weight=weight,
            )


def _rounded(way: Way) -> list[tuple[str, list[Point]]]:
    """A line as steps M, L and Q, its corners cut by curves; it ends where the arrow begins."""
    points = list(way.points)
    if way.arrow:
        points[-1] = _toward(points[-1], points[-2], ARROW - 1)
    steps: list[tuple[str, list[Point]]] = [("M", [points[0]])]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        steps += [("L", [_toward(corner, before, radius)]), ("Q", [corner, _toward(corner, after, radius)])]
    return [*steps, ("L", [points[-1]])]


def _toward(start: Point, end: Point, length: float) -> Point:
    share = length / max(math.dist(start, end), 1e-9)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _tip(way: Way) -> list[Point]:
    """The triangle at the end of a line."""
    (x, y), (bx, by) = way.points[-1], _toward(way.points[-1], way.points[-2], ARROW)
    across = (y - by) * 0.55, (bx - x) * 0.55
    return [(x, y), (bx + across[0], by + across[1]), (bx - across[0], by - across[1])]


def _data(steps: list[tuple[str, list[Point]]]) -> str:
    return " ".join(kind + " ".join(f"{x:g},{y:g}" for x, y in points) for kind, points in steps)


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

# SPDX-License-Identifier: Apache-2.0
"""results.csv as curves, and all of them in one picture."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.report.canvas import INK, add_legend, class_colour, dressed, rendered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure

PANELS = ("mAP50", "mAP50-95", "train/box_loss", "val/box_loss")
COLUMNS = {"mAP50": "metrics/mAP_0.5", "mAP50-95": "metrics/mAP_0.5:0.95"}


@dataclass(frozen=True)
class Curve:
    """The columns of a results.csv."""

    columns: dict[str, list[float]]

    def __getitem__(self, panel: str) -> list[float]:
        return self.columns[COLUMNS.get(panel, panel)]

    @property
    def best(self) -> tuple[float, float]:
        """mAP50 and mAP50-95 of the epoch with the best mixture of both, which best.pt holds."""
        rows = list(zip(self["mAP50"], self["mAP50-95"], strict=True))
        return max(rows, key=lambda row: 0.1 * row[0] + 0.9 * row[1])


def read_curve(path: Path) -> Curve:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    return Curve({name.strip(): [float(row[name]) for row in rows] for name in rows[0]})


def curves_figure(original: Curve, curves: Mapping[str, Curve]) -> np.ndarray:
    """Ours in colour, the original in black. -> (H, W, 3) uint8"""

    def draw(figure: Figure) -> None:
        lines = []
        for place, panel in enumerate(PANELS):
            axes = dressed(figure.add_subplot(2, 2, place + 1), panel, "epoch" if place > 1 else "")
            lines = [axes.plot(original[panel], color=INK, linewidth=2, linestyle=(0, (4, 2)))[0]]
            lines += [
                axes.plot(curve[panel], color=class_colour(number), linewidth=1.4)[0]
                for number, curve in enumerate(curves.values())
            ]
            axes.set_ylim(bottom=0)
        add_legend(figure, lines, ["the original program, bccd, seed 0", *curves], loc="outside lower center", ncols=3)

    return rendered((12.0, 8.0), draw)

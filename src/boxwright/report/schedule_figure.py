# SPDX-License-Identifier: Apache-2.0
"""The plan of a run: learning rates, momentum, accumulation and the moving average over its batches. N batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from boxwright.report.canvas import add_legend, class_colour, dressed, note, rendered, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_INCHES = (12.0, 10.5)
MAX_POINTS = 3000  # more than the picture is wide
FEW_POINTS = 12  # up to here each batch is a dot
CLOSE_UP = 0.25  # of the run: a shorter warm-up gets panels of its own
TITLES = ("Learning rate", "Momentum", "Batches per step", "Share of the average that stays")


def schedule_figure(rows: Sequence[dict[str, Any]], ema_decay: Sequence[float]) -> np.ndarray:
    """Four curves over the run; its warm-up has panels of its own where it is short. -> (H, W, 3) uint8

    One row per batch with "lr" (a number per group), "momentum" and "accumulate"; `ema_decay` by batch.
    """
    warm = _warmup_length(rows)
    spans = [(0, len(rows))] if not 0 < warm < CLOSE_UP * len(rows) else [(0, warm + 1), (warm, len(rows))]
    words = ("",) if len(spans) == 1 else (" in the warm-up", " after the warm-up")

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(TITLES), len(spans), squeeze=False, width_ratios=(2, 3)[-len(spans) :])
        for column, (start, end) in enumerate(spans):
            for line, title in enumerate(TITLES):
                dressed(panels[line, column], title + words[column], "batch" if line == len(TITLES) - 1 else "")
            _fill(list(panels[:, column]), rows, ema_decay, start + thinned(end - start, MAX_POINTS))

    return rendered(SIZE_INCHES, draw)


def _warmup_length(rows: Sequence[dict[str, Any]]) -> int:
    """Batches until momentum and accumulation stay."""
    moving = [
        i
        for i, row in enumerate(rows)
        if (row["momentum"], row["accumulate"]) != (rows[-1]["momentum"], rows[-1]["accumulate"])
    ]
    return moving[-1] + 1 if moving else 0


def _fill(
    panels: Sequence[Axes], rows: Sequence[dict[str, Any]], ema_decay: Sequence[float], chosen: np.ndarray
) -> None:
    rates, momentum, accumulate, average = panels
    if not len(chosen):
        for axes in panels:
            note(axes, "no batches")
        return
    curves = _merged({group: np.array([rows[i]["lr"][group] for i in chosen]) for group in rows[0]["lr"]})
    style: dict[str, Any] = {"linewidth": 1.8, "marker": "o" if len(chosen) <= FEW_POINTS else ""}
    lines = [
        rates.plot(chosen, values, color=class_colour(number), **style)[0]
        for number, values in enumerate(curves.values())
    ]
    add_legend(rates, lines, list(curves), loc="best")
    momentum.plot(chosen, [rows[i]["momentum"] for i in chosen], color=class_colour(0), **style)
    accumulate.plot(
        chosen, [rows[i]["accumulate"] for i in chosen], color=class_colour(0), drawstyle="steps-mid", **style
    )
    average.plot(chosen, [ema_decay[i] for i in chosen], color=class_colour(0), **style)
    for axes in panels:
        axes.margins(x=0.01)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.ticklabel_format(style="plain", useOffset=False)
    accumulate.set_ylim(min(accumulate.get_ylim()[0], 0.5), accumulate.get_ylim()[1])
    accumulate.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


def _merged(curves: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Groups with the same rates share a line: it bears all their names."""
    merged: dict[str, np.ndarray] = {}
    for group, values in curves.items():
        same = next((name for name, others in merged.items() if np.array_equal(others, values)), "")
        if same:
            merged = {f"{name}, {group}" if name == same else name: others for name, others in merged.items()}
        else:
            merged[group] = values
    return merged

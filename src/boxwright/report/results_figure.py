# SPDX-License-Identifier: Apache-2.0
"""The course of a training: ten panels over the epochs, from the columns of results.csv. E epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from boxwright.metrics.scores import FITNESS_WEIGHTS
from boxwright.report.canvas import ACCENT, FAINT, INK, NOTE_PT, SECOND, STEPS, add_legend, dressed, note, rendered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (
    *("train/box_loss", "train/obj_loss", "train/cls_loss", "metrics/precision", "metrics/recall"),
    *("val/box_loss", "val/obj_loss", "val/cls_loss", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95"),
)
SCORES = (
    "metrics/precision",
    "metrics/recall",
    "metrics/mAP_0.5",
    "metrics/mAP_0.5:0.95",
)  # in the order of the fitness weights
CLASS_LOSSES = ("train/cls_loss", "val/cls_loss")
SIZE_INCHES = (15.0, 6.4)
SMOOTHING = 0.025  # standard deviation of the smoothing, as a share of the epochs
MIN_SMOOTHING = 1.5  # in epochs
MIN_SMOOTHED = 5  # values below which a smoothed line says nothing
VALUE_STYLE: dict[str, Any] = {"color": ACCENT, "alpha": 0.45, "linewidth": 0.9, "marker": "o", "markeredgewidth": 0}
SMOOTH_STYLE: dict[str, Any] = {"color": INK, "linewidth": 1.6, "solid_capstyle": "round"}
BEST_STYLE: dict[str, Any] = {
    "color": SECOND,
    "marker": "o",
    "markersize": 6.5,
    "markeredgecolor": "white",
    "markeredgewidth": 1.2,
    "linestyle": "none",
}


def figure_of(table: Mapping[str, Sequence[float | None]], best: int | None = None) -> np.ndarray:
    """The figure of a results.csv as it was read, empty cells None. -> (H, W, 3) uint8

    `best` is the number of the best epoch as the table counts it, where the run has one of its own.
    """
    return results_figure(
        {key: [np.nan if value is None else value for value in values] for key, values in table.items()}, best
    )


def results_figure(columns: Mapping[str, Sequence[float]], best_of_run: int | None = None) -> np.ndarray:
    """Losses and scores of every epoch, smoothed lines over them, the best epoch marked. -> (H, W, 3) uint8

    Columns of E values each under the names of results.csv; NaN where there is none, and "epoch", which counts from 0,
    may be missing. Epochs are shown as people count them, from 1. A loss that is 0 throughout, as that of a single
    class, has no panel.
    """
    values = {name: _finite(column) for name, column in columns.items()}
    epochs = values.get(
        "epoch", np.arange(max((len(column) for column in values.values()), default=0), dtype=np.float64)
    )
    own = np.flatnonzero(epochs == best_of_run) if best_of_run is not None else np.empty(0)
    best = int(own[0]) if len(own) else best_epoch(values)
    panels = [name for name in PANELS if not _dead(name, values.get(name, np.empty(0)))]

    def draw(figure: Figure) -> None:
        beside = len(panels) // 2
        for place, name in enumerate(panels):
            axes = dressed(figure.add_subplot(2, beside, place + 1), name, "epoch" if place >= beside else "")
            _fill(axes, epochs + 1, values.get(name, np.empty(0)), best)
            if name in SCORES:
                _within_shares(axes, values.get(name, np.empty(0)))
        legend = [(Line2D([], [], markersize=4, **VALUE_STYLE), "each epoch")]
        if len(epochs) >= MIN_SMOOTHED:
            legend.append((Line2D([], [], **SMOOTH_STYLE), "smoothed"))
        if best is not None:
            legend.append((Line2D([], [], **BEST_STYLE), f"best epoch: {epochs[best] + 1:g} of {len(epochs)}"))
        add_legend(figure, *zip(*legend, strict=True), loc="outside lower center", ncols=3)

    return rendered((SIZE_INCHES[0] * len(panels) / len(PANELS), SIZE_INCHES[1]), draw)


def _dead(name: str, values: np.ndarray) -> bool:
    """Whether this is the loss of classes in a training with one class."""
    return name in CLASS_LOSSES and len(values) > 0 and not np.nan_to_num(values).any()


def _within_shares(axes: Axes, values: np.ndarray) -> None:
    """A score of 0 throughout stands at the bottom of an axis that goes up."""
    if not np.nan_to_num(values).any():
        axes.set_ylim(-0.02, 1)


def best_epoch(columns: Mapping[str, np.ndarray]) -> int | None:
    """The row with the highest fitness, the first of equal ones, and of zeros the last, as a run counts its best.

    None where no epoch has one.
    """
    weighted = [
        (columns.get(name, np.empty(0)), weight) for name, weight in zip(SCORES, FITNESS_WEIGHTS, strict=True) if weight
    ]
    length = min(len(column) for column, _ in weighted)
    fitness = sum((_finite(column[:length]) * weight for column, weight in weighted), np.zeros(length))
    known = np.flatnonzero(np.isfinite(fitness))
    if not len(known):
        return None
    return int(np.nanargmax(fitness)) if np.nanmax(fitness) > 0 else int(known[-1])


def smoothed(values: np.ndarray) -> np.ndarray:
    """At each place the line that fits its neighbours best, those nearby most: means alone would flatten both ends.

    (E,) finite -> (E,)
    """
    width = max(len(values) * SMOOTHING, MIN_SMOOTHING)
    away = np.arange(len(values))[None, :] - np.arange(len(values))[:, None]
    bell = np.exp(-((away / width) ** 2) / 2)
    s0, s1, s2 = bell.sum(axis=1), (bell * away).sum(axis=1), (bell * away**2).sum(axis=1)
    line: np.ndarray = (s2 * (bell @ values) - s1 * ((bell * away) @ values)) / (s0 * s2 - s1**2)
    return line


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    array = np.asarray(values, np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def _fill(axes: Axes, epochs: np.ndarray, values: np.ndarray, best: int | None) -> None:
    if not np.isfinite(values).any():
        note(axes, "no values")
        axes.set(xticks=[], yticks=[])
        return
    there = np.flatnonzero(np.isfinite(values))  # a gap is bridged: with rare validations the values still are one line
    shown, known = epochs[there], values[there]
    axes.plot(shown, known, markersize=float(np.clip(200 / len(values), 1.5, 4.5)), **VALUE_STYLE)
    if len(known) >= MIN_SMOOTHED:
        axes.plot(shown, smoothed(known), **SMOOTH_STYLE)
    if best is not None and best in there:
        axes.plot(epochs[best : best + 1], values[best : best + 1], zorder=5, **BEST_STYLE)
        axes.set_title(f"{values[best]:.4g}", loc="right", fontsize=NOTE_PT, color=SECOND)
        axes.axvline(epochs[best], color=FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
    if len(shown) == 1:
        axes.set_xlim(shown[0] - 0.9, shown[0] + 0.9)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.ticklabel_format(style="plain", useOffset=False)

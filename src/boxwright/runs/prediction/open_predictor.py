# SPDX-License-Identifier: Apache-2.0
"""A predictor from checkpoints, run folders or exported networks."""

from __future__ import annotations

from boxwright.errors import SettingError
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.predictor import Predictor
from boxwright.runs.inputs.class_match import Matching, together
from boxwright.runs.inputs.open_weights import (
    fixed_size_of,
    kind_of,
    open_together,
    rectangle_of,
    size_of_use,
)
from boxwright.system.device import choose_device
from boxwright.system.precision import Precision, half_of

DEFAULT_SIZE = 640


def predictor_of(
    weights: tuple[str, ...],
    device: str,
    imgsz: int | None,
    *,
    batch: int | None = None,
    threads: int = 0,
    augment: bool = False,
    half: bool = False,
    size_hw: tuple[int, int] | None = None,
    matching: Matching = "refuse",
) -> tuple[Predictor, tuple[str, ...]]:
    """A predictor from a checkpoint or run folder, or from several that predict together, and notes.

    `size_hw`: height and width, where the largest canvas is to be no square. `matching`: how the classes of several
    belong together that call them differently; the first one's names are used. `batch`, `imgsz`: what the user asks
    for; None leaves it to the file.
    """
    if not weights:
        raise SettingError("--weights", "no checkpoint was given", "Give a checkpoint or a run folder")
    opened, detectors, notes = open_together(weights, batch=batch, image_size=imgsz)
    where = choose_device(device)
    fixed = fixed_size_of(detectors, imgsz, augment=augment)
    grid, size, note = size_of_use(opened[0].checkpoint.evaluation, detectors[0], imgsz, DEFAULT_SIZE)
    size, note = (fixed, "") if fixed else (size, note)
    canvas_hw = rectangle_of(detectors, size_hw, grid)
    precision, plain = half_of(where) if half else ("fp32", "")
    first = opened[0]
    others = [together(weights, first.names, str(first.path), matching) for weights in opened[1:]]
    network = Ensemble(detectors, where, augment=augment, columns=(None, *others))
    kind = kind_of(opened, detectors[0])
    predictor = Predictor(
        network,
        opened[0].names,
        where,
        size,
        grid,
        Precision(precision, where),
        square=fixed is not None,
        kind=kind,
        threads=threads,
        size_hw=canvas_hw,
    )
    return predictor, tuple(n for n in (*notes, note, plain) if n)

# SPDX-License-Identifier: Apache-2.0
"""A predictor from checkpoints, run folders or exported networks."""

from __future__ import annotations

from boxwright.errors import SettingError
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.predictor import Predictor
from boxwright.runs.inputs.open_weights import fitting_size, fixed_size_of, grid_of, kind_of, open_together
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
) -> tuple[Predictor, tuple[str, ...]]:
    """A predictor from a checkpoint or run folder, or from several that predict together, and notes.

    `batch`, `imgsz`: what the user asks for himself; None leaves it to the file.
    """
    if not weights:
        raise SettingError("--weights", "no checkpoint was given", "Give a checkpoint or a run folder")
    opened, detectors, notes = open_together(weights, batch=batch, image_size=imgsz)
    where = choose_device(device)
    grid = grid_of(detectors[0])
    fixed = fixed_size_of(detectors, imgsz, augment=augment)
    size, note = (
        (fixed, "") if fixed else fitting_size(imgsz or opened[0].checkpoint.evaluation.imgsz or DEFAULT_SIZE, grid)
    )
    precision, plain = half_of(where) if half else ("fp32", "")
    network = Ensemble(detectors, where, augment=augment)
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
    )
    return predictor, tuple(n for n in (*notes, note, plain) if n)

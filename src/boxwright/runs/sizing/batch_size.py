# SPDX-License-Identifier: Apache-2.0
"""Batch size -1: as many images as the worst step of this training can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from boxwright.config.schema.train import TrainSettings
from boxwright.data.index.index import Index
from boxwright.engine.autobatch import FALLBACK, SHARE, fitting_batch
from boxwright.engine.multi_scale import largest_size
from boxwright.model.detector import Detector
from boxwright.runs.inputs.open_weights import grid_of
from boxwright.runs.sizing.trial_steps import Trial
from boxwright.system.device import free_device_memory, is_cuda, is_out_of_memory, peak_device_memory, release_memory
from boxwright.system.precision import Precision, candidates

if TYPE_CHECKING:
    from collections.abc import Callable

MOSAIC_TILES = 4  # images whose objects can come together in one
GIB = 2**30


def chosen_batch(
    settings: TrainSettings, detector: Detector, index: Index, device: torch.device, sizes: tuple[int, int]
) -> tuple[int, str]:
    """The batch size and how it came about, in words. `sizes`: training and validation image size, on the grid."""
    if not is_cuda(device):
        return (
            FALLBACK,
            f"batch size {FALLBACK}: memory of a {device.type} device cannot be measured, so the usual number is taken",
        )
    free = free_device_memory(device)
    found = fitting_batch(_probe(settings, detector, index, device, sizes), free)
    return (
        found,
        (
            f"batch size {found}: its worst step was measured to fit in {SHARE:.0%} of the {free / GIB:.1f} GiB that "
            "are "
            "free"
        ),
    )


def _probe(
    settings: TrainSettings, detector: Detector, index: Index, device: torch.device, sizes: tuple[int, int]
) -> Callable[[int], float | None]:
    """A function that runs one worst step of so many images and says how much memory it took."""
    size = largest_size(sizes[0], grid_of(detector, settings.least_grid)) if settings.multi_scale else sizes[0]
    objects = int(np.bincount(index.image_of_object, minlength=1).max(initial=1)) * MOSAIC_TILES
    precision = Precision(candidates(settings.amp, device, on_cpu=settings.amp_on_cpu)[0], device)

    def measure(batch: int) -> float | None:
        try:
            return peak_device_memory(
                device, lambda: _worst_step(settings, detector, precision, (batch, size, objects), sizes[1])
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None
        finally:
            release_memory(device)

    return measure


def _worst_step(
    settings: TrainSettings, detector: Detector, precision: Precision, extent: tuple[int, int, int], val_size: int
) -> None:
    """Forward, backward, optimizer, average, and a validation batch; on copies.

    `extent`: images, their side, objects in each.
    """
    batch, size, objects = extent
    trial = Trial.of(settings, detector, precision, size)
    targets = torch.full((batch * objects, 6), 0.5, device=precision.device)
    targets[:, 0], targets[:, 1] = torch.arange(batch, device=precision.device).repeat_interleave(objects), 0
    trial.learn(_images(detector, batch, size, precision.device), targets)
    trial.step()
    trial.look(_images(detector, batch * settings.val_batch_factor, val_size, precision.device))


def _images(detector: Detector, batch: int, size: int, device: torch.device) -> torch.Tensor:
    return torch.full((batch, detector.spec.in_channels, size, size), 0.5, device=device).contiguous(
        memory_format=torch.channels_last
    )

# SPDX-License-Identifier: Apache-2.0
"""An exported file is read back as everybody reads it, run on pictures beside the network, and compared."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from boxwright.data.drawn.sample_set import draw
from boxwright.data.pixels.image_files import BrokenImageError, read_rgb
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.listing import listed
from boxwright.errors import UserError
from boxwright.export_formats.comparison import FULL, HALF, Comparison
from boxwright.geometry.letterbox import fit, rounded_up
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.exported import Exported, is_exported, open_exported
from boxwright.infer.predictor import placed
from boxwright.runs.inputs.open_data import locate_data
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.structures.passport import Passport
from boxwright.system import torchscript_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PICTURES = 8  # enough for several hundred boxes of some set, and a second of time
DRAWN_SEED = 0
CPU = torch.device("cpu")


def pictures(data: str, *, asked: bool) -> tuple[list[np.ndarray], str]:
    """Some pictures of a data set, evenly over its validation split, and where they are from.

    A recorded set that is gone gives way to drawn ones.
    """
    if data:
        with contextlib.nullcontext() if asked else contextlib.suppress(UserError, OSError):
            found = _of_data(data)
            if found:
                return found, f"images of {data}"
    return [draw(DRAWN_SEED, "val", number).image_rgb for number in range(PICTURES)], "drawn images"


def _of_data(data: str) -> list[np.ndarray]:
    dataset = read_dataset(locate_data(data), needed=("val",))
    files = [file for source in dataset.sources["val"] for file in listed(source, "val", 0.0).files]
    found = []
    for place in np.linspace(0, len(files) - 1, min(PICTURES, len(files))).astype(int):
        with contextlib.suppress(BrokenImageError):
            found.append(read_rgb(files[place]))
    return found


def batches(images_rgb: Sequence[np.ndarray], passport: Passport) -> list[torch.Tensor]:
    """The pictures as the file takes them, and with dynamic axes also other shapes and numbers.

    (B, 3, H, W) each
    """
    (height, width), grid = passport.size_hw, max(passport.strides)
    shapes = [(len(images_rgb), (height, width))]
    if passport.dynamic:
        shapes += [(1, (height, width + grid)), (3, (rounded_up(height / 2, grid), width))]
    return [_batch(images_rgb[:count], canvas_hw, passport.input_channels) for count, canvas_hw in shapes]


def _batch(images_rgb: Sequence[np.ndarray], canvas_hw: tuple[int, int], channels: int) -> torch.Tensor:
    stacked = np.stack([placed(image, fit((image.shape[0], image.shape[1]), canvas_hw)) for image in images_rgb])
    batch = torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255
    return batch.repeat(1, -(-channels // 3), 1, 1)[:, :channels].contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def compared(
    path: Path, reference: Ensemble, passport: Passport, pixels: Sequence[torch.Tensor], rules: NmsRules
) -> Comparison:
    """The file beside the network it was made from. Raises WeightsError when it cannot even be read or run."""
    if not is_exported(path):
        return _compared(
            Ensemble([network_of_weights(open_weights(str(path)))], CPU), reference, passport, pixels, rules
        )
    exported = open_exported(path, own=True)
    found = _compared(exported, reference, passport, pixels, rules)
    if path.suffix == torchscript_file.SUFFIX and not found.fault:  # others run it by the framework's own loader
        theirs = Exported(path, exported.passport, torchscript_file.own_module(path.read_bytes()))
        return max(
            (found, _compared(theirs, reference, passport, pixels, rules)),
            key=lambda one: (bool(one.fault), one.distance or 0.0),
        )
    return found


def _compared(
    network: Exported | Ensemble,
    reference: Ensemble,
    passport: Passport,
    pixels: Sequence[torch.Tensor],
    rules: NmsRules,
) -> Comparison:
    result = Comparison(HALF if passport.half else FULL)
    for batch in pixels:
        expected = reference(batch).decoded
        if isinstance(network, Exported) and network.passport.suppression is not None:
            result.take_rows(expected, network.answers(batch), rules)
        else:
            result.take_predictions(expected, network(batch).decoded, rules)
    return result

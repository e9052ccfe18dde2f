# SPDX-License-Identifier: Apache-2.0
"""Exported networks: run by another engine than ours, asked like a network of ours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from boxwright.errors import WeightsError
from boxwright.geometry.boxes import xyxy_to_cxcywh
from boxwright.infer.traced.network import TracedNetwork, open_archive, read_extra, read_traced
from boxwright.model.head import Inference
from boxwright.model.weights import require_numbers
from boxwright.structures.maps import DenseMaps
from boxwright.structures.passport import KEY, Passport, read_passport
from boxwright.system import onnx_file, openvino_file, torchscript_file
from boxwright.system.graphs.costs import MOST_STATED
from boxwright.system.onnx_file import OnnxFile
from boxwright.system.openvino_file import OpenVinoFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ROW = ("x1", "y1", "x2", "y2", "score", "class")
SUFFIXES = (onnx_file.SUFFIX, torchscript_file.SUFFIX, openvino_file.SUFFIX)


class Exported:
    """A file that answers images (B, C, H, W) in 0..1.

    One of a fixed size takes batches of any length: short ones are filled up.
    """

    def __init__(self, path: Path, passport: Passport, engine: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.path, self.passport, self._engine = path, passport, engine
        self.num_classes, self.strides, self.in_channels = (
            len(passport.names),
            passport.strides,
            passport.input_channels,
        )
        self.grid = max(passport.strides)

    @property
    def fixed_size(self) -> int | None:
        """The longer side of the only images it takes; None: any that fit the grid."""
        return None if self.passport.dynamic else self.passport.image_size

    @property
    def fixed_hw(self) -> tuple[int, int] | None:
        """Height and width of the only images it takes, where these are no squares."""
        return None if self.passport.dynamic else self.passport.image_hw

    def to(self, device: torch.device) -> Exported:
        """The same on a device, as far as its engine knows devices; answers come back to where the images are."""
        if isinstance(self._engine, torch.nn.Module | TracedNetwork):
            self._engine = self._engine.to(device)
        return self

    def __call__(self, images: torch.Tensor) -> Inference:
        """Predictions (B, P, 5 + C).

        Detections of a graph with suppression come as certain predictions of their class.
        """
        answers = self.answers(images)
        return Inference(
            answers if self.passport.suppression is None else as_predictions(answers, self.num_classes), DenseMaps(())
        )

    def answers(self, images: torch.Tensor) -> torch.Tensor:
        """What the file itself answers: predictions, or rows of detections.

        Raises WeightsError where that is something else than it says.
        """
        try:
            answers = (
                torch.cat([self._filled(part) for part in torch.split(images, self.passport.batch)])
                if self.fixed_size
                else self._engine(images)
            )
        except Exception as error:  # noqa: BLE001 -- every engine raises its own kinds
            raise WeightsError(
                str(self.path),
                f"fails on images of {tuple(images.shape)} ({' '.join(str(error).split())[:160]})",
                "Export it anew",
            ) from None
        columns = self.num_classes + 5 if self.passport.suppression is None else len(ROW)
        if (
            answers.dim() != 3  # noqa: PLR2004 -- image, prediction, number
            or (len(answers), answers.shape[2]) != (len(images), columns)
            or not answers.is_floating_point()
        ):
            raise WeightsError(
                str(self.path),
                f"answers in the shape {tuple(answers.shape)}, and says it has {self.num_classes} classes",
                "Export it anew",
            )
        return answers.to(images.device)

    def _filled(self, images: torch.Tensor) -> torch.Tensor:
        filled = functional.pad(images, (0, 0, 0, 0, 0, 0, 0, self.passport.batch - len(images)))
        return self._engine(filled)[: len(images)]


def as_predictions(rows: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Rows x1, y1, x2, y2, score, class as predictions. Empty ones have score 0. (B, M, 6) -> (B, M, 5 + C)"""
    scores, classes = rows[..., 4:5], rows[..., 5].long().clamp(0, num_classes - 1)
    certain = functional.one_hot(classes, num_classes).to(rows.dtype) * scores
    return torch.cat((xyxy_to_cxcywh(rows[..., :4]), (scores > 0).to(rows.dtype), certain), -1)


def _first_images(passport: Passport, image_size: int | None) -> tuple[int, int, int, int]:
    """Images (B, C, H, W) that a file says it takes; of any number and size, one of the size that is asked for."""
    if passport.dynamic:
        size_hw = (image_size, image_size) if image_size else passport.size_hw
        return 1, passport.input_channels, *size_hw
    return passport.batch, passport.input_channels, *passport.size_hw


def _require_asked_for(path: Path, images: Sequence[int], batch: int | None, image_size: int | None) -> None:
    """A file alone must not fill memory: as many and as large images as it says are made before it is run."""
    number, channels, side = images[0], images[1], max(images[2:])
    asked = number <= (batch or 1) and side <= (image_size or 0)
    if math.prod(images) > MOST_STATED and not asked:
        raise WeightsError(
            str(path),
            f"takes {number} images of {side} pixels and {channels} channels at a time, more than a file may ask for "
            "by itself",
            f"Give --batch {number} --imgsz {side} to run it",
        )


def is_exported(path: Path) -> bool:
    """Whether a file is an exported network, by its name."""
    return path.suffix in SUFFIXES


def open_exported(
    path: Path, *, batch: int | None = None, image_size: int | None = None, own: bool = False
) -> Exported:
    """A network that `boxwright export` wrote. Raises WeightsError for files of others, in one line.

    `batch`, `image_size` (pixels): what the user asks for himself; a file may ask for little more without.
    `own`: this process has just written it, so it may ask for images of any size and number.
    """
    if not path.is_file():
        raise WeightsError(
            f"--weights {path}", "there is no such file", "Give the path of a checkpoint or an exported network"
        )
    if path.suffix == torchscript_file.SUFFIX:
        archive = open_archive(path)
        passport = read_passport(read_extra(archive, path, KEY), str(path))
        if not own:
            _require_asked_for(path, _first_images(passport, image_size), batch, image_size)
        network, tensors = read_traced(archive, path)
        require_numbers(tensors, str(path))
        return Exported(path, passport, network)
    graph = OpenVinoFile(path) if path.suffix == openvino_file.SUFFIX else OnnxFile(path)
    passport = read_passport(graph.metadata.get(KEY), str(path))
    images = _first_images(passport, image_size)
    if not own:
        _require_asked_for(path, images, batch, image_size)
    require_numbers(graph.tensors(), str(path))
    graph.open(images)
    return Exported(path, passport, graph)

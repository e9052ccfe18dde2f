# SPDX-License-Identifier: Apache-2.0
"""The Python face: the same verbs as functions, and a trained network as something to call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from boxwright.commands import val as validation
from boxwright.commands.predict import predictor_of
from boxwright.config.assemble import resolve_train, resolve_verb
from boxwright.config.load import Layer
from boxwright.config.schema.val import ValSettings
from boxwright.data.index.index import Index
from boxwright.data.pixels.channels import Kind, of_picture, read_pixels
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.errors import DataError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.predictor import Predictor
from boxwright.runs.inputs import open_data as opening
from boxwright.runs.result import TrainResult
from boxwright.runs.training import train as run_training
from boxwright.structures.detections import Detections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Image = str | Path | np.ndarray | torch.Tensor
Weights: TypeAlias = "str | Path | Sequence[str | Path]"


def train(*, observers: Sequence[object] = (), **settings: Any) -> TrainResult:
    """Train; keywords are the settings of `boxwright train`. Returns where the run lies and what it came to.

    `observers` are objects with methods named after the moments of a run, such as `on_fit_epoch_end(values, epoch,
    best_fitness, fitness)`.
    """
    return run_training(resolve_train(settings), observers)


def validate(weights: Weights, **settings: Any) -> dict[str, Any]:
    """Validate a checkpoint or run folder, or several that predict together.

    Keywords are the settings of `boxwright val`. Returns what `val --json` prints.
    """
    layer = Layer("python", {"noplots": True, **settings, "weights": _listed(weights)})
    document: dict[str, Any] = validation.run(resolve_verb(ValSettings, layer, Layer("python", {}))).document
    return document


def open_data(path: str | Path) -> Mapping[str, Index]:
    """The splits of a data set as sequences of records."""
    file = opening.locate_data(str(path))
    present = opening.splits_of(file)
    return opening.open_data(str(file), present).splits


def load(weights: Weights, *, device: str = "", imgsz: int | None = None, augment: bool = False) -> Model:
    """A trained network, or several that predict together, ready to be called on images.

    `augment`: each looks at three sizes.
    """
    predictor, _ = predictor_of(_listed(weights), device, imgsz, augment=augment)
    return Model(predictor)


def _listed(weights: Weights) -> tuple[str, ...]:
    return (str(weights),) if isinstance(weights, str | Path) else tuple(map(str, weights))


@dataclass(frozen=True)
class Model:
    """A trained network.

    Call it with a path, an RGB array (H, W, 3) uint8, a tensor (3, H, W) in 0..1 or uint8, or a list of these.

    One that takes other pictures is given all of its channels, of 8 or 16 bits or in 0..1.
    """

    predictor: Predictor

    @property
    def names(self) -> tuple[str, ...]:
        """Class names."""
        return self.predictor.names

    def __call__(
        self, images: Image | Sequence[Image], *, min_score: float = 0.25, max_iou: float = 0.45, max_det: int = 1000
    ) -> Detections | list[Detections]:
        """Detections of one image, or a list of them for a list of images."""
        many = isinstance(images, list | tuple)
        listed: list[Image] = list(images) if isinstance(images, list | tuple) else [images]  # type: ignore[list-item]  # one image
        paths = [str(image) if isinstance(image, str | Path) else "" for image in listed]
        found = self.predictor(
            [_pixels(image, self.predictor.kind) for image in listed], NmsRules(min_score, max_iou, max_det), paths
        )
        return found if many else found[0]


def _pixels(image: Image, kind: Kind) -> np.ndarray:
    """Any image as one of this kind. (H, W, C)"""
    if isinstance(image, str | Path):
        try:
            return read_pixels(str(image), kind)
        except BrokenImageError as error:
            raise DataError(str(image), str(error), "Give an image that can be opened") from None
    return _rgb(image) if kind.usual else _planes(image, kind)


def _planes(image: np.ndarray | torch.Tensor, kind: Kind) -> np.ndarray:
    """An array (H, W, C) or a tensor (C, H, W), of any depth. (H, W, C)"""
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu().permute(1, 2, 0).numpy() if image.dim() == 3 else image.detach().cpu().numpy()  # noqa: PLR2004 -- channels, height, width
    if image.ndim == 2:  # noqa: PLR2004 -- one channel
        image = image[..., None]
    if image.ndim != 3:  # noqa: PLR2004 -- height, width, channels
        raise DataError(
            "image",
            f"an array of shape {image.shape} is no picture",
            f"Give (H, W, {kind.channels}), or a tensor ({kind.channels}, H, W)",
        )
    try:
        return of_picture(image, kind)
    except BrokenImageError as error:
        raise DataError("image", str(error), f"Give (H, W, {kind.channels}) of 8 or 16 bits, or in 0..1") from None


def _rgb(image: np.ndarray | torch.Tensor) -> np.ndarray:
    """An array or a tensor as RGB uint8. (H, W, 3)"""
    if isinstance(image, torch.Tensor):
        image = (
            image.detach().cpu().permute(1, 2, 0).numpy()
            if image.dim() == 3 and image.shape[0] in {1, 3}  # noqa: PLR2004 -- channels first
            else image.detach().cpu().numpy()
        )
    if image.dtype != np.uint8:
        image = (np.asarray(image, np.float32).clip(0, 1) * 255).round().astype(np.uint8)
    if image.ndim == 2 or image.shape[2] == 1:  # noqa: PLR2004 -- grey
        image = np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3:  # noqa: PLR2004 -- height, width, colours
        raise DataError(
            "image", f"an array of shape {image.shape} is no picture", "Give (H, W, 3) RGB, or a tensor (3, H, W)"
        )
    return np.ascontiguousarray(image)

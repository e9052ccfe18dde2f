# SPDX-License-Identifier: Apache-2.0
"""What the numbers of a validation depend on beside the network: one value, for a training, for `val`, for reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import ValSettings
from boxwright.data.index.index import Index
from boxwright.data.sampling.batches import RectangularBatches, SquareBatches
from boxwright.geometry.nms import NmsRules
from boxwright.infer.evaluator import VALIDATION_RULES, LabelRules
from boxwright.runs.inputs.open_data import OpenData
from boxwright.system.device import usable_cores
from boxwright.system.precision import Name

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a checkpoint keeps of it, in this order.
STORED = (
    *("data", "imgsz", "batch_size", "pad", "grid", "conf_thres", "iou_thres", "max_det", "single_cls", "dtype"),
    *("precision", "threads"),
)
# What `val` tells of it beside its numbers, in this order.
SHOWN = (
    *("imgsz", "batch_size", "conf_thres", "iou_thres", "pad", "precision", "max_det", "augment", "split", "data"),
    *("single_cls", "agnostic_nms", "nms", "hybrid", "square", "classes"),
)
GIVEN = ("imgsz", "batch_size", "conf_thres", "iou_thres")  # settings of `val` that are as in training unless given
SPEED = {"conf_thres": 0.25, "iou_thres": 0.45}  # as a detector is used, not as it is judged
TASK_SPLITS = {"speed": "val", "study": "val"}

Order = RectangularBatches | SquareBatches


class Training(Protocol):
    """What is read of the plan of a training."""

    @property
    def settings(self) -> TrainSettings:
        """All settings."""
        ...

    @property
    def data(self) -> OpenData:
        """The data set."""
        ...

    @property
    def grid(self) -> int:
        """Image sides are multiples of this, in pixels."""
        ...

    @property
    def val_size(self) -> int:
        """Image size of the validation, in pixels."""
        ...


@dataclass(frozen=True)
class EvaluationPlan:
    """How a network is validated. `imgsz` and `grid` are pixels, `pad` is in grid cells, `classes` () means all.

    The defaults are those of a checkpoint that says nothing.
    """

    data: str = ""
    imgsz: int = 640
    batch_size: int = 32
    pad: float = 0.5
    grid: int = 32
    conf_thres: float = VALIDATION_RULES.min_score
    iou_thres: float = VALIDATION_RULES.max_iou
    max_det: int = VALIDATION_RULES.max_det
    single_cls: bool = False
    dtype: Literal["uint8", "uint16"] = "uint8"
    precision: Name = "fp32"
    threads: int = 0  # compute threads on a CPU: the last digits depend on how many there are
    split: str = "val"
    square: bool = False
    augment: bool = False
    agnostic_nms: bool = False
    nms: Literal["exact", "parity"] = "exact"
    hybrid: bool = False
    classes: tuple[int, ...] = ()
    half_difference: float | None = None  # of mAP50-95 between precisions, where they were compared

    @classmethod
    def of_training(cls, training: Training) -> EvaluationPlan:
        """How a training validates; precision and threads are known once its network is on the device."""
        settings, data = training.settings, training.data
        return cls(
            data=settings.data,
            imgsz=training.val_size,
            batch_size=settings.batch_size * settings.val_batch_factor,
            pad=settings.val_pad,
            grid=training.grid,
            iou_thres=settings.val_iou,
            single_cls=settings.single_cls,
            dtype=data.dataset.kind.depth,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> EvaluationPlan:
        """The plan that lies in a checkpoint. What it does not say is as by default."""
        return cls(**{key: document[key] for key in STORED if key in document})

    @classmethod
    def from_settings(cls, settings: ValSettings, stored: Mapping[str, Any]) -> EvaluationPlan:
        """What `val` is asked for, and the rest as in the training.

        Classes, the grid and what follows from the data set are filled in when it is open.
        """
        kept = cls.from_document({**stored, **(SPEED if settings.task == "speed" else {})})
        given = {key: value for key in GIVEN if (value := getattr(settings, key)) is not None}
        return replace(
            kept,
            **given,
            max_det=settings.max_det,
            data=settings.data or kept.data,
            single_cls=settings.single_cls or kept.single_cls,
            threads=settings.threads or min(kept.threads, usable_cores()),
            split=TASK_SPLITS.get(settings.task, settings.task),
            square=settings.square or settings.task == "speed",
            augment=settings.augment,
            agnostic_nms=settings.agnostic_nms,
            nms=settings.nms,
            hybrid=settings.save_hybrid,
        )

    def document(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that `val` can repeat the number of its training."""
        return {key: getattr(self, key) for key in STORED}

    def shown(self) -> dict[str, Any]:
        """What `val` says that its numbers depend on."""
        compared = {} if self.half_difference is None else {"half_difference": self.half_difference}
        return {key: getattr(self, key) for key in SHOWN} | compared

    def order(self, index: Index) -> Order:
        """The batches of a split: by shape, or square in the order of the index."""
        if self.square:
            return SquareBatches(len(index), self.batch_size, self.imgsz)
        return RectangularBatches(index.sizes_wh, self.batch_size, self.imgsz, self.grid, self.pad)

    def rules(self) -> NmsRules:
        """What counts as a detection."""
        return replace(
            VALIDATION_RULES,
            min_score=self.conf_thres,
            max_iou=self.iou_thres,
            max_det=self.max_det,
            classes=self.classes or None,
            agnostic=self.agnostic_nms or self.single_cls,
            parity=self.nms == "parity",
        )

    def labels(self) -> LabelRules:
        """What labels and classes are taken for."""
        return LabelRules(merged=self.single_cls, hybrid=self.hybrid)

    def same_batches(self, other: EvaluationPlan) -> bool:
        """Whether another plan reads the same images in the same batches."""
        return self._batches() == other._batches()

    def _batches(self) -> tuple[Any, ...]:
        return self.data, self.split, self.imgsz, self.batch_size, self.pad, self.grid, self.square, self.single_cls

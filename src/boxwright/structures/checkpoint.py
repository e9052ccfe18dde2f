# SPDX-License-Identifier: Apache-2.0
"""A checkpoint as a value: what is None or empty was not in the file.

`checkpoint_keys.py` beside this reads and writes it; everything else asks for attributes.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

STRIPPED_EPOCH = -1  # of a checkpoint that is for use and not for going on
Tensors = dict[str, torch.Tensor]
Row = dict[str, float | None]


class Origin(enum.Enum):
    """Who wrote a file of weights, and so what it can hold."""

    OURS = "boxwright"
    LEGACY = "legacy"  # the original program
    EXPORTED = "exported"  # a graph for another engine: it has no tensors to take over
    TENSORS = "safetensors"


@dataclass(frozen=True)
class NetworkRecord:
    """The description of a network. `text` is its YAML; None where a file holds tensors alone."""

    text: str | None = None
    name: str = ""
    names: tuple[str, ...] = ()  # of the classes
    strides: tuple[int, ...] | None = None


@dataclass(frozen=True)
class EvaluationRecord:
    """How a run validated, as far as the file says. None: it does not."""

    data: str | None = None
    imgsz: int | None = None
    batch_size: int | None = None
    pad: float | None = None
    grid: int | None = None
    conf_thres: float | None = None
    iou_thres: float | None = None
    max_det: int | None = None
    single_cls: bool | None = None
    dtype: str | None = None
    precision: str | None = None
    threads: int | None = None

    def given(self) -> dict[str, Any]:
        """What the file says, by the name of the setting."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, how: Mapping[str, Any]) -> EvaluationRecord:
        """From values by the name of the setting; others are left out."""
        return cls(**{one.name: how[one.name] for one in fields(cls) if one.name in how})


@dataclass(frozen=True)
class PlanRecord:
    """The settings of a run, and where each was written."""

    settings: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataRecord:
    """The data of a run: its YAML and, by split, what tells it from others.

    `contents` and `prints` (N, 3) int32 cover what is in the files; earlier versions kept `fingerprints` alone.
    `folder` is where the run lay, `started_in` where its command was given: from there paths are found again.
    """

    yaml: str
    fingerprints: dict[str, str]
    contents: dict[str, str] = field(default_factory=dict)
    prints: Tensors = field(default_factory=dict)
    folder: str = ""
    started_in: str = ""


@dataclass(frozen=True)
class PatienceRecord:
    """Early stopping."""

    epochs: int
    best_fitness: float = 0.0
    best_epoch: int = 0
    last_epoch: int = -1


@dataclass(frozen=True)
class Position:
    """Where a run stands: `epoch` and `batch` name the next batch to train, `last_step` the batch of the last step."""

    patience: PatienceRecord
    epoch: int = 0
    batch: int = 0
    last_step: int = -1
    best_fitness: float = -1.0
    best_epoch: int = -1
    results: Row = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    class_maps: list[float] = field(default_factory=list)
    parts: int = 1
    skipped_in_a_row: int = 0
    skipped: int = 0
    restored: int = 0


@dataclass(frozen=True)
class OptimizerRecord:
    """The optimizer's memory by name of the parameter."""

    memory: dict[str, dict[str, object]]
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PrecisionRecord:
    """How numbers were held; `scaler` is empty where gradients are not scaled."""

    name: Literal["fp32", "bf16", "fp16"]
    scaler: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunningRecord:
    """Sums of the loss items of an epoch so far. sums (3,)"""

    sums: torch.Tensor
    batches: int


@dataclass(frozen=True)
class ExactState:
    """What only a run of this program keeps: with it a run goes on to the bit.

    `gradients` of batches that no step has used yet; `balance` (levels,) of the loss.
    """

    gradients: Tensors
    precision: PrecisionRecord
    balance: torch.Tensor
    running: RunningRecord
    torch_rng: torch.Tensor


@dataclass(frozen=True)
class RankRecord:
    """What one of several processes had for itself: statistics of its images, gradients that waited for a step."""

    buffers: Tensors
    gradients: Tensors


@dataclass(frozen=True)
class Checkpoint:
    """A network with everything that its file says about it. With `position` a run can go on from it."""

    model: Tensors = field(default_factory=dict)
    ema: Tensors | None = None
    network: NetworkRecord = NetworkRecord()
    evaluation: EvaluationRecord = EvaluationRecord()
    origin: Origin = Origin.OURS
    epoch: int = STRIPPED_EPOCH
    stripped_from_epoch: int | None = None
    date: str | None = None
    program: str | None = None
    plan: PlanRecord | None = None
    data: DataRecord | None = None
    machine: dict[str, str | int] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)  # confidences to use it at
    bests: dict[str, float] = field(default_factory=dict)  # the highest so far, by what else is kept
    logged: dict[str, Any] | None = None  # the last batch of an epoch that was not over
    sinks: dict[str, Any] = field(
        default_factory=dict
    )  # what sinks want to find again, such as ids of runs at trackers
    position: Position | None = None
    ema_updates: float | None = None
    optimizer: OptimizerRecord | None = None
    exact: ExactState | None = None
    ranks: tuple[RankRecord, ...] = ()  # of a run of several processes, in their order
    others: dict[str, Any] = field(default_factory=dict)  # keys of another version, kept as they are

    @property
    def used(self) -> Tensors:
        """The tensors that a network is used with: the average where there is one."""
        return self.ema or self.model

    @property
    def is_legacy(self) -> bool:
        """Whether the original program wrote it."""
        return self.origin is Origin.LEGACY

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the run; none in a file that is of no run."""
        return {} if self.plan is None else self.plan.settings

    @property
    def sources(self) -> dict[str, str]:
        """Where each setting of the run was written."""
        return {} if self.plan is None else self.plan.sources

    @property
    def precision(self) -> PrecisionRecord | None:
        """How numbers were held in the run that goes on."""
        return None if self.exact is None else self.exact.precision

    def stripped(self) -> Checkpoint:
        """For use, not for going on: the average as the model, no training state. Which epoch it is of stays known."""
        assert self.ema is not None  # of a run
        return replace(
            self,
            model=self.ema,
            epoch=STRIPPED_EPOCH,
            stripped_from_epoch=self.epoch,
            data=None if self.data is None else replace(self.data, prints={}),
            ema=None,
            ema_updates=None,
            position=None,
            optimizer=None,
            exact=None,
            ranks=(),
        )

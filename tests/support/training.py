# SPDX-License-Identifier: Apache-2.0
"""A small real training: the tiny network, batches drawn by key, and services that remember what was asked of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch

from boxwright.config.schema.loop import LoopSettings
from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.accelerator import Accelerator
from boxwright.engine.ema import Ema
from boxwright.engine.loop import BatchShape, Machinery, Trainer
from boxwright.engine.optimizer import make_optimizer, parameter_groups
from boxwright.engine.patience import Patience
from boxwright.engine.schedule import Schedule
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.keyed import Purpose, generator
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules, balance_for
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec
from boxwright.structures.batch import Batch
from boxwright.system.distributed.world import World
from boxwright.system.precision import Precision
from boxwright.track.events import Event
from tests.support.networks import tiny_spec

CPU = torch.device("cpu")
BATCHES_PER_EPOCH = 5
BATCH_SIZE = 2
SIZE = 64
WEIGHT_DECAY = 0.0005
CLIP_NORM = 10.0


def batch(epoch: int, number: int) -> Batch:
    """The batch of this place: noise with objects that fit the anchors."""
    draw = generator(0, Purpose.DRAWING, epoch, number)
    images = torch.from_numpy(draw.integers(0, 256, (BATCH_SIZE, 3, SIZE, SIZE), dtype=np.uint8))
    count = 3
    columns = (
        draw.integers(0, BATCH_SIZE, count),
        draw.integers(0, 3, count),
        *draw.uniform(0.3, 0.7, (2, count)),
        *draw.uniform(0.2, 0.5, (2, count)),
    )
    return Batch(images, torch.from_numpy(np.stack(columns, 1).astype(np.float32)), tuple(range(BATCH_SIZE)))


def batches(epoch: int, first: int):
    """An epoch's batches from one on."""
    return (batch(epoch, number) for number in range(first, BATCHES_PER_EPOCH))


def loss_of(detector: Detector, kind: type[DetectionLoss] = DetectionLoss) -> DetectionLoss:
    levels = len(detector.strides)
    rules = LossRules(balance=balance_for(levels, (4.0, 1.0, 0.25, 0.06, 0.02)))
    return kind(rules, detector.head.anchors, detector.strides, detector.head.num_classes)


def schedule(**settings: object) -> Schedule:
    """A run of a few epochs whose accumulation grows from 1 to 4 batches while it warms up."""
    values = {"epochs": 3, "warmup_epochs": 0.0, "warmup_min_batches": 8, "nominal_batch": 8, "lr0": 0.02} | settings
    return Schedule(ScheduleSettings.model_validate(values), BATCHES_PER_EPOCH, BATCH_SIZE)


def machines(
    plan: Schedule | None = None,
    *,
    optimizer: str = "SGD",
    precision: str = "fp32",
    seed: int = 0,
    loss: type[DetectionLoss] = DetectionLoss,
    network: ModelSpec | None = None,
) -> Machinery:
    plan = plan or schedule()
    detector = build(network or tiny_spec(), seed=seed).to(memory_format=torch.channels_last)
    settings = OptimizerSettings(optimizer=optimizer)
    groups = parameter_groups(detector, settings.decay_rule)
    made = make_optimizer(detector, settings, groups, momentum=plan.settings.momentum, weight_decay=WEIGHT_DECAY)
    accelerator = Accelerator(Precision(precision, CPU))
    return Machinery(detector, Ema(detector), loss_of(detector, loss), made, accelerator, plan, clip_norm=CLIP_NORM)


def shape(*, multi_scale: bool = False, images_in_one: int = 1) -> BatchShape:
    return BatchShape(SIZE, 32, multi_scale, images_in_one)


@dataclass
class Watch:
    """Services that write down what they are asked, in order."""

    fitness: list[float] = field(default_factory=list)  # of one epoch after the other; then 0.5
    stops: list[str] = field(default_factory=list)  # what each question for a stop is answered; then ''
    save_within: bool = False  # whether a save inside an epoch is always due
    told: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    saved: list[tuple[str, int, int, int]] = field(
        default_factory=list
    )  # kind, epoch, and epoch and batch of the state
    on_save: object = None
    batches: object = staticmethod(batches)
    begins: object = None
    ended: object = None
    on_report: object = None
    on_put_back: object = None
    state: TrainState = field(default_factory=lambda: TrainState(Patience(0)))
    world: World = field(default_factory=World)

    def of(self, state: TrainState) -> Watch:
        """The same, for the trainer of this state."""
        self.state = state
        return self

    def tell(self, event: Event) -> None:
        self.told.append(event)
        self.log.append(type(event).__name__)

    def validate(self, _network: Detector, epoch: int, *, final: bool):
        self.log.append(f"validate {epoch}{' final' if final else ''}")
        fitness = self.fitness[epoch] if epoch < len(self.fitness) else 0.5
        return {"metrics/mAP_0.5": fitness}, fitness

    def save(self, kind: str, epoch: int) -> None:
        self.log.append(f"save {kind}")
        self.saved.append((kind, epoch, self.state.epoch, self.state.batch))
        if self.on_save is not None:
            self.on_save(kind)

    def save_due(self) -> bool:
        return self.save_within

    def stop_requested(self) -> str:
        return self.stops.pop(0) if self.stops else ""

    def agree(self, reason: str, name: str) -> str:
        return self.world.agree(reason, name)

    def put_back(self) -> bool:
        return self.on_put_back is not None and self.on_put_back()

    def batch_begins(self, number: int, batch: Batch) -> None:
        if self.begins is not None:
            self.begins(number, batch)

    def batch_ended(self, number: int, pixels: torch.Tensor, batch: Batch) -> None:
        if self.ended is not None:
            self.ended(number, pixels, batch)

    def report_batch(self, number: int, batch: Batch) -> str:
        return "" if self.on_report is None else self.on_report(number, batch)


def trainer(
    made: Machinery,
    watch: Watch | None = None,
    *,
    patience: int = 0,
    state: TrainState | None = None,
    running: RunningLosses | None = None,
    multi_scale: bool = False,
    clip_norm: float = CLIP_NORM,
    clear_gradients_each_epoch: bool = True,
    **settings: object,
) -> Trainer:
    made.clip_norm, made.clear_gradients_each_epoch = clip_norm, clear_gradients_each_epoch
    state = state or TrainState(Patience(patience))
    services = (watch or Watch()).of(state)
    return Trainer(
        made, LoopSettings.model_validate(settings), shape(multi_scale=multi_scale), services, state, running
    )


def frozen(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's state, apart from it."""
    return copy.deepcopy(network.state_dict())


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal to the last bit, NaN and the sign of zero included."""
    assert one.keys() == other.keys()
    return all(bits_of(one[name]) == bits_of(other[name]) for name in one)


def bits_of(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()

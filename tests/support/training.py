# SPDX-License-Identifier: Apache-2.0
"""A small real training: the tiny network, batches drawn by key, and doors that remember what went through them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch

from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.keyed import Purpose, generator
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules, balance_for
from boxwright.model.detector import Detector, build
from boxwright.structures.batch import Batch
from boxwright.system.precision import Precision
from boxwright.track.events import Event
from boxwright.train.ema import Ema
from boxwright.train.loop import Doors, LoopRules, Machinery, Trainer
from boxwright.train.optim import make_optimizer, parameter_groups
from boxwright.train.schedule import Schedule
from boxwright.train.state import TrainState
from boxwright.train.stopping import Patience
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
    columns = (draw.integers(0, BATCH_SIZE, count), draw.integers(0, 3, count), *draw.uniform(0.3, 0.7, (2, count)), *draw.uniform(0.2, 0.5, (2, count)))
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
    plan: Schedule | None = None, *, optimizer: str = "SGD", precision: str = "fp32", seed: int = 0, loss: type[DetectionLoss] = DetectionLoss
) -> Machinery:
    plan = plan or schedule()
    detector = build(tiny_spec(), seed=seed).to(memory_format=torch.channels_last)
    settings = OptimizerSettings(optimizer=optimizer)
    groups = parameter_groups(detector, settings.decay_rule)
    made = make_optimizer(detector, settings, groups, momentum=plan.settings.momentum, weight_decay=WEIGHT_DECAY)
    return Machinery(detector, Ema(detector), loss_of(detector, loss), made, Precision(precision, CPU), plan, CPU)


def loop_rules(**changes: object) -> LoopRules:
    usual = {
        "epochs": 3,
        "clip_norm": CLIP_NORM,
        "max_nonfinite_steps": 20,
        "clear_gradients_each_epoch": True,
        "validate_each_epoch": True,
        "save_each_epoch": True,
        "early_stopping": True,
        "best_in_final_epoch": True,
        "save_period": 0,
        "seed": 0,
        "grid": 32,
        "image_size": SIZE,
        "multi_scale": False,
    }
    return LoopRules(**(usual | changes))


@dataclass
class Watch:
    """Doors that write down what they are asked, in order."""

    fitness: list[float] = field(default_factory=list)  # of one epoch after the other; then 0.5
    stops: list[str] = field(default_factory=list)  # what each question for a stop is answered; then ''
    save_within: bool = False  # whether a save inside an epoch is always due
    told: list[Event] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    saved: list[tuple[str, int, int, int]] = field(default_factory=list)  # kind, epoch, and epoch and batch of the state
    on_save: object = None
    batches: object = staticmethod(batches)

    def doors(self, state: TrainState) -> Doors:
        def tell(event: Event) -> None:
            self.told.append(event)
            self.log.append(type(event).__name__)

        def validate(_network: Detector, epoch: int, final: bool):
            self.log.append(f"validate {epoch}{' final' if final else ''}")
            fitness = self.fitness[epoch] if epoch < len(self.fitness) else 0.5
            return {"metrics/mAP_0.5": fitness}, fitness

        def save(kind: str, epoch: int) -> None:
            self.log.append(f"save {kind}")
            self.saved.append((kind, epoch, state.epoch, state.batch))
            if self.on_save is not None:
                self.on_save(kind)

        return Doors(
            batches=self.batches,
            validate=validate,
            save=save,
            tell=tell,
            stop_requested=lambda: self.stops.pop(0) if self.stops else "",
            save_due=lambda: self.save_within,
        )


def trainer(made: Machinery, watch: Watch | None = None, *, patience: int = 0, **changes: object) -> Trainer:
    state = TrainState(Patience(patience))
    return Trainer(made, loop_rules(epochs=made.schedule.settings.epochs, **changes), (watch or Watch()).doors(state), state)


def frozen(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's state, apart from it."""
    return copy.deepcopy(network.state_dict())


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two states are equal to the last bit, NaN and the sign of zero included."""
    assert one.keys() == other.keys()
    return all(bits_of(one[name]) == bits_of(other[name]) for name in one)


def bits_of(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()

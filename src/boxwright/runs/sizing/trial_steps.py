# SPDX-License-Identifier: Apache-2.0
"""Steps on copies of what trains, which teach nothing: to see how much memory a step takes and how long it lasts."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from boxwright.config.schema.loss import LossSettings
from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.engine.accelerator import place
from boxwright.engine.ema import Ema
from boxwright.engine.optimizer import make_optimizer, parameter_groups
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import rules_for
from boxwright.model.detector import Detector
from boxwright.system.precision import Precision


@dataclass(frozen=True)
class Trial:
    """A network, its average, loss and optimizer, apart from those of the run."""

    network: Detector
    average: Ema[Detector]
    optimizer: torch.optim.Optimizer
    loss: DetectionLoss
    precision: Precision

    @classmethod
    def of(cls, settings: TrainSettings, detector: Detector, precision: Precision, image_size: int) -> Trial:
        """Copies of a network and of what these settings would train it with."""
        network = place(copy.deepcopy(detector), precision.device).train()
        groups = parameter_groups(network, settings.decay_rule)
        optimizer = make_optimizer(
            network, settings.part(OptimizerSettings), groups, momentum=settings.momentum, weight_decay=0.0
        )
        classes = network.head.num_classes
        rules = rules_for(
            settings.part(LossSettings), num_classes=classes, num_levels=len(network.strides), image_size=image_size
        )
        return cls(
            network,
            Ema(network),
            optimizer,
            DetectionLoss(rules, network.head.anchors, network.strides, classes),
            precision,
        )

    def learn(self, images: torch.Tensor, targets: torch.Tensor) -> None:
        """Forward and backward. images (B, C, H, W) in 0..1; targets (N, 6)"""
        with self.precision.autocast():
            total = self.loss(self.network(images), targets).total
        self.precision.backward(total)

    def step(self) -> None:
        """The optimizer's step and that of the average."""
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.network)

    def look(self, images: torch.Tensor) -> None:
        """What a validation does to a batch before suppression."""
        with torch.inference_mode(), self.precision.autocast():
            self.average.network(images)

# SPDX-License-Identifier: Apache-2.0
"""Validation: a network over a split, to metrics, losses and speed. Knows nothing of training."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boxwright.data.sampling.samples import PlainSamples
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px
from boxwright.geometry.nms import NmsRules, detections
from boxwright.infer.ensemble import Ensemble
from boxwright.loss.detection import DetectionLoss
from boxwright.metrics.flat import Flat
from boxwright.metrics.meter import Meter, Metrics
from boxwright.model.detector import Detector
from boxwright.structures.batch import Batch
from boxwright.system.device import synchronize
from boxwright.system.distributed.world import World
from boxwright.system.transfer import PixelBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VALIDATION_RULES = NmsRules(min_score=0.001, max_iou=0.6, max_det=300, multi_label=True)


class IncompleteError(Exception):
    """Another process left before it was through with its share."""


@dataclass(frozen=True)
class Seen:
    """One batch as the network answered it, for pictures and files: rows (M, 6) of each image in canvas pixels."""

    number: int
    batch: Batch
    rows: list[np.ndarray]


@dataclass(frozen=True)
class Evaluation:
    """What a validation gives.

    `losses` are the mean box, objectness and class loss, None when they were not asked for.
    """

    metrics: Metrics
    losses: tuple[float, ...] | None
    speed_ms: dict[str, float]
    capped: dict[int, int]  # by image number: candidates that the cap of suppression left out


@dataclass(frozen=True)
class LabelRules:
    """`merged` makes one class of all; `hybrid` lets labels join the predictions as certain ones."""

    merged: bool = False
    hybrid: bool = False


class Evaluator:
    """Runs a network over batches of a split.

    `samples` say how an image lies on a canvas, to bring boxes back to native pixels, and what to ignore.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        rules: NmsRules,
        samples: PlainSamples,
        autocast: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
        seen: Callable[[Seen], None] | None = None,
        labels: LabelRules | None = None,
    ) -> None:
        self.num_classes, self.rules, self.samples, self.autocast = num_classes, rules, samples, autocast
        self.seen, self.labels = seen, labels or LabelRules()

    @torch.inference_mode()
    def run(
        self,
        detector: Detector | Ensemble,
        batches: Iterable[Batch],
        device: torch.device,
        loss: DetectionLoss | None = None,
        world: World | None = None,
    ) -> Evaluation:
        """Validate a network in evaluation mode.

        Answers are gone through in a thread of their own while the network sees the next batch, in order. With a
        `world` the batches are those of this process, every size-th from its rank on, and the answer is that of all.
        """
        meter, clock, buffer = Meter(self.num_classes), _Clock(device), PixelBuffer(device)
        items, images, capped = list[torch.Tensor](), 0, dict[int, int]()
        under_way: Future[list[np.ndarray]] | None = None
        with ThreadPoolExecutor(1, "after-network") as after:
            for number, batch in enumerate(batches):
                with clock.timing("pre-process"):
                    pixels = buffer.of(batch.images)
                with clock.timing("inference"), self.autocast():
                    answer = detector(pixels)
                if loss is not None:
                    regions = None if batch.regions is None else batch.regions.to(device)
                    items.append(loss(answer.maps, batch.targets.to(device), regions).items * len(batch))
                if under_way is not None:
                    under_way.result()  # one at a time: two batches of answers is the most that is ever held
                under_way = after.submit(self._finish, batch, answer.decoded, meter=meter, clock=clock, capped=capped)
                if self.seen is not None:
                    self.seen(
                        Seen(number, batch, under_way.result())
                    )  # now: the next batch is written over these pixels
                images += len(batch)
            if under_way is not None:
                under_way.result()
        speed = clock.per_image(images)
        if world is not None and world.is_several:
            items, images, capped = _together(meter, items, images, capped, world)
        losses = torch.zeros(3, device=device)
        for one in items:  # in the order of the batches, whoever saw them
            losses += one
        mean = tuple((losses / max(images, 1)).tolist()) if loss is not None else None
        return Evaluation(meter.compute(), mean, speed, capped)

    @torch.inference_mode()
    def _finish(
        self, batch: Batch, decoded: torch.Tensor, *, meter: Meter, clock: _Clock, capped: dict[int, int]
    ) -> list[np.ndarray]:
        """From the answer to a batch to rows in the meter; these rows, in canvas pixels.

        Reads no pixels of the batch.
        """
        with clock.timing("NMS"):
            found = [
                detections(one, self.rules, prior)
                for one, prior in zip(decoded.float(), self._priors(batch, decoded.device), strict=True)
            ]
        rows = [self._relabelled(kept.cpu().numpy()) for kept, _ in found]
        capped |= {image: over for image, (_, over) in zip(batch.image_numbers, found, strict=True) if over}
        self._take(meter, batch, rows)
        return rows

    def _priors(self, batch: Batch, device: torch.device) -> list[torch.Tensor | None]:
        """The labels of each image as suppression takes them, in canvas pixels, where they are to join in."""
        if not self.labels.hybrid:
            return [None] * len(batch)
        height, width = batch.images.shape[2:]
        gain = torch.tensor([1, width, height, width, height])
        return [(batch.targets[batch.targets[:, 0] == place, 1:] * gain).to(device) for place in range(len(batch))]

    def _relabelled(self, rows: np.ndarray) -> np.ndarray:
        if self.labels.merged:
            rows[:, 5] = 0
        return rows

    def _wanted(self, classes: np.ndarray) -> np.ndarray:
        """Labels of the classes that are looked at."""
        return np.ones(len(classes), bool) if self.rules.classes is None else np.isin(classes, self.rules.classes)

    def _take(self, meter: Meter, batch: Batch, rows: list[np.ndarray]) -> None:
        """Detections and labels of a batch in native pixels."""
        height, width = batch.images.shape[2:]
        targets = batch.targets.numpy()
        for place, (image, found) in enumerate(zip(batch.image_numbers, rows, strict=True)):
            box = self.samples.to_source(image, (height, width))
            all_of_it = targets[targets[:, 0] == place]
            wanted = self._wanted(all_of_it[:, 1])
            mine = all_of_it[wanted]
            corners = box.boxes_to_source(cxcywh_norm_to_xyxy_px(mine[:, 2:], (height, width)))
            native = np.concatenate((box.boxes_to_source(found[:, :4]), found[:, 4:]), axis=1)
            areas = self.samples.index.areas_in(image)[wanted] if len(self.samples.index.areas_px) else None
            meter.update(
                image,
                native,
                np.concatenate((mine[:, 1:2], corners), axis=1),
                regions=self.samples.regions(image),
                areas_px=areas,
            )


def _together(
    meter: Meter, items: list[torch.Tensor], images: int, capped: dict[int, int], world: World
) -> tuple[list[torch.Tensor], int, dict[int, int]]:
    """What all processes saw, the same in each of them; the meter takes over what it did not see itself."""
    own = {
        **meter.flat().arrays(),
        "items": np.stack([one.cpu().numpy() for one in items]) if items else np.zeros((0, 3), np.float32),
        "validated": np.array(images),
        "capped": np.array([*capped.items()], np.int64).reshape(-1, 2),
    }
    everyone = [dict(arrays) for arrays in world.gather_arrays(own, "validation")]
    if not all(everyone):
        raise IncompleteError
    apart = [(one.pop("items"), int(one.pop("validated")), one.pop("capped").tolist()) for one in everyone]
    for arrays in everyone:
        meter.merge(Flat.from_arrays(arrays))
    rows = [losses for losses, _, _ in apart]
    in_order = [
        torch.from_numpy(each[turn]) for turn in range(max(map(len, rows))) for each in rows if turn < len(each)
    ]
    device = items[0].device if items else torch.device("cpu")
    merged = {image: over for _, _, pairs in apart for image, over in pairs}
    return [one.to(device) for one in in_order], sum(count for _, count, _ in apart), dict(sorted(merged.items()))


class _Clock:
    """Seconds per stage. It times what happened; nothing is decided by it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def timing(self, stage: str) -> Any:
        begin = self._now()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + self._now() - begin

    def _now(self) -> float:
        synchronize(self.device)
        return time.perf_counter()

    def per_image(self, images: int) -> dict[str, float]:
        return {stage: seconds * 1e3 / max(images, 1) for stage, seconds in self.seconds.items()}

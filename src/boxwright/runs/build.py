# SPDX-License-Identifier: Apache-2.0
"""From a plan to machines that run: network on its device, loss, optimizer, schedule, loaders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from boxwright.config.schema.augment import AugmentSettings
from boxwright.config.schema.loss import LossSettings
from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.data.augment.albumentations_set import Plug
from boxwright.data.augment.copy_paste import choose
from boxwright.data.augment.partner_pool import Pool
from boxwright.data.augment.planner import Planner
from boxwright.data.index.index import Index
from boxwright.data.sampling.batches import RectangularBatches, ShuffledBatches
from boxwright.data.sampling.class_balance import adapted_class_weights, image_weights
from boxwright.data.sampling.loader import AHEAD, Loader
from boxwright.data.sampling.quad import GROUP, QuadBatches, QuadSamples
from boxwright.data.sampling.samples import Address, TrainingSamples
from boxwright.data.sampling.shares import Share
from boxwright.data.splits.open_split import sampling_weights
from boxwright.data.stores.image_store import ImageStore, Keeping
from boxwright.engine.accelerator import Accelerator, place
from boxwright.engine.ema import Ema
from boxwright.engine.loop import BatchShape, Machinery
from boxwright.engine.optimizer import Groups, make_optimizer, parameter_groups
from boxwright.engine.precision_check import answers_of
from boxwright.engine.schedule import Schedule
from boxwright.engine.shared_batch_norm import share_batch_norm
from boxwright.engine.step_exchange import StepExchange, numbers_of
from boxwright.errors import SettingError
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules, class_weights_of, rules_for
from boxwright.model.detector import Detector
from boxwright.runs.anchors import check_anchors
from boxwright.runs.evaluation.evaluate import ValidationData, prepare
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.runs.plan import TrainPlan
from boxwright.structures.batch import Batch
from boxwright.system.device import CACHE_SHARE, free_memory_bytes, is_cuda, loader_threads
from boxwright.system.distributed.world import World
from boxwright.system.precision import Precision, candidates, not_offered
from boxwright.system.precision import choose as choose_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALL = Share()
Order = ShuffledBatches | RectangularBatches | QuadBatches
KEPT: dict[str, Keeping] = {"ram": "memory", "disk": "disk"}  # the word of --cache -> how images are kept
SPARE_SHARE = 0.25  # of free memory that decoded images may take unasked


@dataclass(frozen=True)
class TrainingData:
    """The training side of the data."""

    loader: Loader
    samples: TrainingSamples
    batches: Order
    by_weight: bool = False  # images of rare and badly found classes are drawn more often
    share: Share = ALL  # of each batch, that this process draws

    def shares(self, epoch: int, first: int, class_maps: list[float]) -> Iterator[Batch]:
        """What this process draws of the batches of an epoch from one on."""
        whole = self.addresses(epoch, first, class_maps)
        if self.share.size == 1:
            yield from self.loader(whole)
            return
        mine = [self.share.of(batch) for batch in whole]
        drawn = iter(self.loader([addresses for addresses in mine if addresses]))
        for batch, addresses in zip(whole, mine, strict=True):
            yield next(drawn) if addresses else self._without_images(batch[0].output_hw)

    def _without_images(self, size_hw: tuple[int, int]) -> Batch:
        """The share of a batch that has fewer images than there are processes."""
        kind = self.samples.store.kind
        images = torch.empty((0, kind.channels, *size_hw), dtype=getattr(torch, kind.depth))
        return Batch(images, torch.empty((0, 6)), ())

    def addresses(self, epoch: int, first: int, class_maps: list[float]) -> list[list[Address]]:
        """The batches of an epoch from one on. `class_maps` are those of the last validation, [] before the first."""
        batches = self.batches
        if self.by_weight and isinstance(batches, ShuffledBatches):
            weights = weights_of_images(self.samples.index, class_maps)
            batches = replace(
                batches, image_weights=weights if batches.image_weights is None else weights * batches.image_weights
            )
        return batches.batches(epoch, first)


def training_data(plan: TrainPlan, warn: Callable[[str], None], share: Share = ALL) -> TrainingData:
    """Samples, order and loader of the training split; `share` is what this process draws of each batch."""
    settings, index = plan.settings, plan.data.splits["train"]
    kind = plan.data.dataset.kind
    store = _training_store(plan)
    paste = partial(choose, index, settings.copy_paste) if settings.copy_paste > 0 else None
    planner = Planner(
        settings.part(AugmentSettings),
        index.sizes_wh,
        plan.train_size,
        mosaic_allowed=not settings.rect,
        paste=paste,
        grid=plan.grid,
    )
    closed = settings.epochs - settings.close_mosaic if settings.close_mosaic else None
    samples = TrainingSamples(planner, index, store, seed=settings.seed, closed_from=closed, report=warn)
    samples.plug = Plug() if settings.albumentations else None
    order = _order(plan)
    samples.pool = _pool(plan, order)
    drawn = QuadSamples(samples, order, settings.seed) if isinstance(order, QuadBatches) else samples
    loader = Loader(drawn, threads=loader_threads(settings.workers), pinned=is_cuda(plan.device), kind=kind)
    return TrainingData(loader, samples, order, settings.image_weights, share)


def _training_store(plan: TrainPlan) -> ImageStore:
    """The pixels, kept as the settings say. Raises SettingError where there is no memory for it."""
    settings, index = plan.settings, plan.data.splits["train"]
    spare = int(min(settings.decoded_memory * 2**30, free_memory_bytes() * SPARE_SHARE))
    pooled = settings.decode_pool + (AHEAD + 1) * settings.batch_size if 0 < settings.decode_pool < len(index) else 0
    keep, kind = KEPT.get(settings.cache, "no"), plan.data.dataset.kind
    store = ImageStore(index, plan.train_size, keep=keep, smooth=False, kind=kind, spare_bytes=spare, pool=pooled)
    if settings.cache == "ram":
        _require_memory("cache", store, len(index))
    elif pooled:
        _require_memory("decode_pool", store, min(pooled, len(index)))
    return store


def _pool(plan: TrainPlan, order: Order) -> Pool | None:
    """Where mosaics take their images from, if not from all."""
    size, images = plan.settings.decode_pool, len(plan.data.splits["train"])
    if isinstance(order, RectangularBatches) or not 0 < size < images:
        return None
    single = order.inner if isinstance(order, QuadBatches) else order
    return Pool(single.order, size)


def _order(plan: TrainPlan) -> Order:
    settings, index = plan.settings, plan.data.splits["train"]
    if settings.rect:
        return RectangularBatches(index.sizes_wh, settings.batch_size, plan.train_size, plan.grid, 0.0)
    weights = sampling_weights(plan.data.dataset, "train", index)
    order = ShuffledBatches(len(index), settings.batch_size, plan.train_size, settings.seed, weights)
    return QuadBatches(order) if settings.quad else order


def weights_of_images(index: Index, class_maps: list[float]) -> np.ndarray:
    """How often each image is drawn. (N,)"""
    num_classes = max(int(index.classes.max(initial=0)) + 1, len(class_maps))
    counts = np.bincount(index.classes.astype(np.int64), minlength=num_classes)
    maps = np.zeros(num_classes)
    maps[: len(class_maps)] = class_maps
    return image_weights(
        index.classes.astype(np.int64), index.image_of_object, len(index), adapted_class_weights(counts, maps)
    )


def validation_data(plan: TrainPlan, warn: Callable[[str], None], promised: int = 0) -> ValidationData:
    """Samples, order and loader of the validation split.

    `promised`: bytes of memory that training images are going to take.
    """
    settings, index = plan.settings, plan.data.splits["val"]
    word = {"val": "ram"}.get(settings.cache, settings.cache)
    keep = "no" if settings.noval else KEPT.get(word, "no")
    threads = loader_threads(settings.workers)
    found = prepare(EvaluationPlan.of_training(plan), plan.data, plan.device, threads=threads, keep=keep, report=warn)
    if keep == "memory":
        _require_memory("cache", found.samples.store, len(index), promised)
    return found


def _require_memory(setting: str, store: ImageStore, images: int, promised: int = 0) -> None:
    """Raise where keeping this many images decoded would take too much."""
    needed, free = store.bytes_needed() * images // len(store.index), max(free_memory_bytes() - promised, 0)
    if needed > free * CACHE_SHARE:
        what = f"keeping {images} images in memory takes {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
        raise SettingError(setting, what, f"Leave --{setting.replace('_', '-')} out or choose a smaller --imgsz")


def machines_of(
    plan: TrainPlan,
    batches_per_epoch: int,
    tell: Callable[[str], None],
    warn: Callable[[str], None],
    world: World | None = None,
) -> Machinery:
    """The network and everything that trains it, and lines about it."""
    world = world or World()
    settings = plan.settings
    detector = plan.detector
    if plan.resumed is None or settings.autoanchor_on_resume:
        world.alone(lambda: _fit_anchors(plan, tell), "AutoAnchor")
    if plan.resumed is None and settings.round_start_to_half:
        round_to_half(detector)
    detector = place(detector, plan.device)
    world.send_(detector.state_dict().values(), "weights")
    schedule = Schedule(settings.part(ScheduleSettings), batches_per_epoch, settings.batch_size)
    groups = parameter_groups(detector, settings.decay_rule)
    decay = settings.weight_decay * schedule.weight_decay_factor
    optimizer = make_optimizer(
        detector, settings.part(OptimizerSettings), groups, momentum=settings.momentum, weight_decay=decay
    )
    loss = DetectionLoss(loss_rules(plan), detector.head.anchors, detector.strides, plan.data.num_classes)
    precision = _precision(plan, detector, loss, warn)
    tell(_about_optimizer(settings.optimizer, groups, decay, schedule))
    average = Ema(detector, limit=settings.ema_decay, ramp=settings.ema_ramp)
    exchange, shared = StepExchange(world, numbers_of(detector)), settings.sync_bn and world.is_several
    if world.is_several:
        loss.across = partial(exchange.sum, name="counts of the loss")
    if shared:
        share_batch_norm(detector, exchange)
    return Machinery(
        detector,
        average,
        loss,
        optimizer,
        Accelerator(precision, exchange),
        schedule,
        plan.frozen.still,
        settings.clip_norm,
        settings.clear_gradients_each_epoch,
        shared,
    )


def loss_rules(plan: TrainPlan) -> LossRules:
    """What the loss of this training is made of."""
    settings, data, levels = plan.settings, plan.data, len(plan.detector.strides)
    weights = class_weights_of(settings.class_weights, data.names)
    return rules_for(
        settings.part(LossSettings),
        num_classes=data.num_classes,
        num_levels=levels,
        image_size=plan.train_size,
        class_weights=weights,
    )


def _fit_anchors(plan: TrainPlan, tell: Callable[[str], None]) -> None:
    settings = plan.settings
    if settings.noautoanchor:
        if plan.detector.spec.placeholder_anchors:
            raise SettingError(
                "noautoanchor",
                "the network asks for anchors to be found, and finding them is switched off",
                "Leave --noautoanchor out",
            )
        return
    index = plan.data.splits["train"]
    threshold = settings.autoanchor_threshold
    tell(
        check_anchors(
            plan.detector,
            index,
            image_size=plan.train_size,
            anchor_t=settings.anchor_t,
            threshold=threshold,
            seed=settings.seed,
        )
    )


@torch.no_grad()
def round_to_half(detector: torch.nn.Module) -> None:
    """Round every floating tensor once through half precision, as the trainers from 2021 on start."""
    for tensor in detector.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())


def _precision(plan: TrainPlan, detector: Detector, loss: DetectionLoss, warn: Callable[[str], None]) -> Precision:
    names = candidates(plan.settings.amp, plan.device, on_cpu=plan.settings.amp_on_cpu)
    if plan.resumed is not None and plan.resumed.precision is not None:
        return Precision(plan.resumed.precision.name, plan.device)
    precision, note = choose_precision(names, plan.device, answers_of(detector, loss, plan.grid))
    note = note or not_offered(plan.settings.amp, precision)
    if note:
        warn(note)
    return precision


def _about_optimizer(name: str, groups: Groups, decay: float, schedule: Schedule) -> str:
    return (
        f"optimizer: {name}, {groups}; weight decay {decay:.6g}, accumulate {schedule.accumulate}, "
        "warm-up "
        f"{schedule.warmup_batches} batches"
    )


def batch_shape(plan: TrainPlan) -> BatchShape:
    """How batches come to the loop."""
    settings = plan.settings
    return BatchShape(plan.train_size, plan.grid, settings.multi_scale, GROUP if settings.quad else 1)

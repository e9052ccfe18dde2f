# SPDX-License-Identifier: Apache-2.0
"""The plan of a training: flags, data, network, weights and device, checked in this order before anything is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from boxwright.config.conflicts import place_of
from boxwright.config.load import Resolved
from boxwright.config.not_yet import refuse_what_cannot_act
from boxwright.config.origin import MEASURED
from boxwright.config.run_paths import with_whole_paths
from boxwright.config.schema.model import ModelSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.data.augment.partner_pool import MANY
from boxwright.engine.freezing import Frozen, freeze, in_words
from boxwright.errors import SettingError, WeightsError
from boxwright.loss.rules import class_weights_of
from boxwright.model.class_names import ClassPairs, same_classes
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec
from boxwright.model.weights import head_tensors, load_exactly, require_fit, transfer
from boxwright.runs.carried_state import Carried, carried_of, epochs_after
from boxwright.runs.inputs.bucket_run import require_bucket
from boxwright.runs.inputs.class_match import Matching, as_in_run, matching_of, require_names, require_same
from boxwright.runs.inputs.fetch_data import ensure_present
from boxwright.runs.inputs.open_data import OpenData, open_data, require_training_objects
from boxwright.runs.inputs.open_weights import (
    fitting_size,
    grid_of,
    open_weights,
    single_size,
    spec_of_cfg,
    spec_of_weights,
)
from boxwright.runs.inputs.run_place import place_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.sizing.batch_size import chosen_batch
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.device import choose_device

if TYPE_CHECKING:
    import torch

DEFAULT_CFG = "yolov5s"


@dataclass(frozen=True)
class TrainPlan:
    """A training, ready to be assembled. `resumed` is the checkpoint it goes on from."""

    resolved: Resolved[TrainSettings]
    data: OpenData
    detector: Detector
    device: torch.device
    grid: int
    train_size: int
    val_size: int
    resumed: Checkpoint | None
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    frozen: Frozen
    carried: Carried | None = None
    starts: tuple[Path, ...] = ()  # where the command of a resumed run was given
    earlier_rows: tuple[str, ...] = ()  # of a results table of 2020, of the run whose state goes on here
    own_changes: tuple[tuple[str, object], ...] = ()  # settings that the program itself changed
    replanned: bool = False  # a resumed run whose plan differs from the stored one

    @property
    def settings(self) -> TrainSettings:
        """All settings."""
        return self.resolved.settings

    @property
    def first_epoch(self) -> int:
        """The epoch in which a run begins or goes on."""
        return 0 if self.resumed is None or self.resumed.position is None else self.resumed.position.epoch

    @property
    def run_name(self) -> str:
        """The name of the run: 'cfg' stands for that of its network."""
        return self.detector.spec.name if self.settings.name == "cfg" else self.settings.name

    @property
    def name_suffix(self) -> str:
        """What the trainers of 2020 put behind names of files of a run that is done.

        _NAME, a number without the stroke, nothing without a name or in later years.
        """
        name = PurePath(self.run_name).name if self.settings.rename_with_name else ""
        return name if name.isdecimal() or not name else f"_{name}"


def plan_of(
    resolved: Resolved[TrainSettings],
    resumed: OpenWeights | None,
    matching: Matching = "refuse",
    starts: tuple[Path, ...] = (),
) -> TrainPlan:
    """Check everything, in order. Raises for the first thing that cannot work.

    `matching`: how classes belong together that a resumed run and its data call differently; `starts`: where a run was
    started that begins anew.
    """
    settings = asked = resolved.settings
    refuse_what_cannot_act(resolved)
    require_bucket(settings)
    writing = not settings.dry_run
    fetched = ensure_present(settings.data) if settings.allow_download and writing else ()
    starts = starts if resumed is None else place_of_run(resumed).starts
    data = open_data(
        settings.data,
        ("train", "val"),
        single_class=settings.single_cls,
        strict=settings.strict,
        trusting=settings.trust_cache,
        writing=writing,
        starts=starts,
    )
    if resumed is not None:
        data = as_in_run(data, resumed.names, matching)
    require_training_objects(data)
    about_data = [*_fitting_data(resolved, data), *_without_effect(resolved, data)]
    weights = open_weights(settings.weights) if settings.weights and resumed is None else None
    detector, lines = _network(settings, data, weights, resumed)
    carried, about_state = carried_of(settings, weights) if weights is not None else (None, [])
    if carried is not None and weights is not None:
        carried = replace(carried, classes=_shared_classes(matching_of(settings), weights, data.names))
        epochs, line = epochs_after(settings, carried)
        lines += [line, *carried.lines]
        settings = settings.model_copy(update={"epochs": epochs})
        resolved = replace(resolved, settings=settings)
    device = choose_device(settings.device)
    grid = grid_of(detector, settings.least_grid)
    sizes, about_sizes = _sizes(settings, detector, grid, len(data.splits["train"]))
    notes = [*resolved.notes, *fetched, *data.notes, *about_data, *about_state, *detector.spec.notes, *about_sizes]
    frozen = freeze(detector, settings.freeze, statistics=settings.freeze_bn)
    lines += [line for line in (in_words(detector),) if line]
    if settings.batch_size == -1:
        batch, line = chosen_batch(settings, detector, data.splits["train"], device, (sizes[0], sizes[1]))
        lines.append(line)
        changed = settings.model_copy(update={"batch_size": batch})
        resolved = replace(resolved, settings=changed, sources={**resolved.sources, "batch_size": MEASURED})
    return TrainPlan(
        with_whole_paths(resolved),  # only now: what is wrong with one is said in the words of the command
        data,
        detector,
        device,
        grid,
        sizes[0],
        sizes[1],
        None if resumed is None else resumed.checkpoint,
        tuple(lines),
        tuple(notes),
        frozen,
        carried,
        starts,
        () if carried is None else carried.rows,
        _own_changes(asked, resolved.settings, sizes),
    )


def _own_changes(asked: TrainSettings, now: TrainSettings, sizes: tuple[int, int]) -> tuple[tuple[str, object], ...]:
    """What the program set otherwise than it was asked to: batch size, epochs, image sizes on the grid."""
    changed: list[tuple[str, object]] = [
        (key, getattr(now, key)) for key in ("batch_size", "epochs") if getattr(asked, key) != getattr(now, key)
    ]
    fitted = sizes[: len(asked.imgsz)]
    return (*changed, *([("imgsz", fitted)] if fitted != asked.imgsz else []))


def _sizes(settings: TrainSettings, detector: Detector, grid: int, images: int) -> tuple[tuple[int, int], list[str]]:
    """Training and validation size on the grid, and what to say. Raises SettingError for one that cannot be trained."""
    fitted = [fitting_size(size, grid, settings.least_size_in_grids) for size in single_size(settings.imgsz)]
    train, val = (size for size, _ in fitted)
    if settings.multi_scale and train // 2 < grid:
        raise SettingError(
            "multi_scale + imgsz", f"half of {train} is less than a cell of {grid} pixels", "Give a larger --imgsz"
        )
    alone = settings.batch_size > 0 and images % settings.batch_size == 1 % settings.batch_size
    if train <= max(detector.strides) and (alone or settings.batch_size == -1):
        raise SettingError(
            "imgsz",
            f"an image of {train} pixels is a single cell, and a batch of one image has nothing to be normalised by",
            "Give a larger --imgsz, or a --batch-size that leaves no image alone",
        )
    return (train, val), list(dict.fromkeys(note for _, note in fitted if note))


def _fitting_data(resolved: Resolved[TrainSettings], data: OpenData) -> list[str]:
    """Refuse settings that cannot act on this data; say which of the recipe's do not."""
    settings, kind = resolved.settings, data.dataset.kind
    class_weights_of(settings.class_weights, data.names, resolved.sources["class_weights"].place)
    if settings.albumentations and not kind.usual:
        raise SettingError(
            "albumentations",
            f"it changes pictures of 3 channels of 8 bits, and these have {kind.channels} of {kind.depth}",
            "Leave it out",
        )
    about_pool = _about_pool(settings.decode_pool, len(data.splits["train"]))
    if kind.usual or settings.aug == "none" or not any((settings.hsv_h, settings.hsv_s, settings.hsv_v)):
        return about_pool
    return [
        *about_pool,
        (
            f"hsv_h, hsv_s and hsv_v are off: images have {kind.channels} channels of {kind.depth}, and hue is for "
            "colour "
            "pictures of 8 bits"
        ),
    ]


def _without_effect(resolved: Resolved[TrainSettings], data: OpenData) -> list[str]:
    """Hyperparameters that cannot act here: an error where they were typed for this run, else a note.

    A file of hyperparameters names them all, whether they are meant or not.
    """
    settings = resolved.settings
    mixing = ("mixup", "copy_paste") if settings.mosaic == 0 and not settings.rect and settings.aug != "none" else ()
    found = [
        f"{key} ({resolved.sources[key]}) is without effect: it works on mosaics, and mosaic is 0"
        for key in mixing
        if getattr(settings, key) > 0
    ]
    if settings.copy_paste > 0 and not data.splits["train"].has_polygons:
        what = "no label of the training split is an outline, and only outlines can be pasted"
        remedy = "Leave copy_paste out, or use labels with outlines (class x1 y1 x2 y2 ...)"
        if resolved.sources["copy_paste"].typed:
            raise SettingError(place_of(resolved, "copy_paste"), what, remedy)
        found.append(f"copy_paste {settings.copy_paste:g} ({resolved.sources['copy_paste']}) is without effect: {what}")
    return found


def _about_pool(size: int, images: int) -> list[str]:
    """What to say of a pool that changes nothing, or perhaps too much."""
    if size >= images:
        return [f"decode_pool {size} holds all {images} images of the training split: mosaics are drawn as without it"]
    if 0 < size < MANY:
        return [f"decode_pool {size} is small: the same images meet each other often; {MANY} or more is usual"]
    return []


def _network(
    settings: TrainSettings, data: OpenData, weights: OpenWeights | None, resumed: OpenWeights | None
) -> tuple[Detector, list[str]]:
    """The network, with its weights, and what to say about it."""
    if resumed is not None:
        detector = build(
            spec_of_weights(resumed),
            fits=lambda shape: require_fit(shape, resumed.checkpoint.model, str(resumed.path)),
        )
        load_exactly(detector, resumed.checkpoint.model, str(resumed.path))
        return detector, []
    spec, lines = _spec(settings, data, weights)
    detector = build(spec, seed=settings.seed)
    if weights is not None:
        lines += _transferred(detector, weights, settings, data.names)
    return detector, lines


def _transferred(
    detector: Detector, weights: OpenWeights, settings: TrainSettings, names: tuple[str, ...]
) -> list[str]:
    """Take weights over, and say what came and what did not. Raises WeightsError when nothing that was learnt fits."""
    matching, stored = matching_of(settings), weights.checkpoint
    classes = _shared_classes(matching, weights, names)
    state = stored.model if settings.weights_start_from == "model" and stored.model else stored.used
    moved = transfer(detector, state, skip=_skipped(settings), classes=classes, classes_by=matching)
    judged = matching == "refuse" and not settings.single_cls  # one class made of many has no name to compare
    if judged and not set(head_tensors(detector)).isdisjoint(moved.matched):
        require_same(weights.names, names, str(weights.path), settings.data)
    account = [f"{moved} from {weights.path}", *moved.account()]
    if moved.unused and settings.unknown_weights == "refuse":
        raise WeightsError(
            str(weights.path),
            f"holds {len(moved.unused)} tensors that the network {detector.spec.name} does not have, such as "
            f"{moved.unused[0]}",
            "Give weights of this network, its description with --cfg, or --weights '' to train from scratch",
        )
    if not moved.learnt:
        what = (
            f"does not fit the network: {len(moved.matched)} of {moved.total} tensors match by name and shape, "
            "and "
            "none of them was learnt"
        )
        raise WeightsError(str(weights.path), what, "Give weights of this network, or its description with --cfg")
    return account


def _shared_classes(matching: Matching, weights: OpenWeights, names: tuple[str, ...]) -> ClassPairs | None:
    """Pairs of a class of the data and one of the weights whose rows it takes over; None: all, if they fit."""
    if matching == "name":
        require_names(weights.names, str(weights.path))
        return same_classes(names, weights.names)
    if matching == "position" and weights.names and len(weights.names) != len(names):
        return tuple((number, number) for number in range(min(len(weights.names), len(names))))
    return None


def _spec(settings: ModelSettings, data: OpenData, weights: OpenWeights | None) -> tuple[ModelSpec, list[str]]:
    anchors = round(settings.anchors) or None
    channels = data.dataset.kind.channels
    described = weights is not None and weights.checkpoint.network.text is not None
    from_weights = described and not settings.cfg and not settings.cfg_always_builds
    if from_weights and weights is not None:
        spec = spec_of_weights(weights, num_classes=data.num_classes, in_channels=channels, anchors_per_level=anchors)
        stated = spec_of_weights(weights).num_classes
    else:
        cfg = settings.cfg or DEFAULT_CFG
        spec = spec_of_cfg(cfg, num_classes=data.num_classes, in_channels=channels, anchors_per_level=anchors)
        stated = spec_of_cfg(cfg).num_classes
    note = (
        f"nc {stated} of the network becomes {data.num_classes}, the data set's" if stated != data.num_classes else ""
    )
    return spec, [note] if note else []


def _skipped(settings: ModelSettings) -> tuple[str, ...]:
    """Words of tensor names that are not taken over from weights: anchors, when others were asked for."""
    by_cfg, by_hyp = bool(settings.cfg), settings.anchors > 0
    skip = {"cfg-or-hyp": by_cfg or by_hyp, "cfg": by_cfg, "never": False}[settings.skip_anchors_with]
    return ("anchor",) if skip else ()

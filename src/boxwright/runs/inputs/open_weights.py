# SPDX-License-Identifier: Apache-2.0
"""Networks and their weights as several verbs open them, and image sizes that fit a network's grid."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.config import packaged
from boxwright.config.schema.val import PredictSettings, ValSettings
from boxwright.data.pixels.channels import Kind
from boxwright.documents import parse_yaml, read_yaml
from boxwright.errors import SettingError, WeightsError
from boxwright.geometry.letterbox import rounded_up
from boxwright.infer.ensemble import Member, require_alike
from boxwright.infer.exported import Exported, is_exported, open_exported
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec, read_spec
from boxwright.model.weights import load_exactly, require_fit, require_numbers
from boxwright.runs.inputs.bucket_run import weights_here
from boxwright.runs.inputs.weight_files import OpenWeights, read_weights
from boxwright.structures.checkpoint import Checkpoint, EvaluationRecord, NetworkRecord, Origin
from boxwright.system.buckets.address import is_address
from boxwright.system.run_folder import checkpoint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_GRID = 32
LEAST_GRIDS = 2  # of the grid, in an image size
MAX_NAME = 64  # characters


def named_weights(settings: ValSettings | PredictSettings) -> tuple[str, ...]:
    """The checkpoints that a command line names, that of its first word first."""
    return (settings.run, *settings.weights) if settings.run else settings.weights


def open_weights(name: str, flag: str = "--weights") -> OpenWeights:
    """Read a weights file: ours, a checkpoint of the original program, or safetensors; `flag` asked for it.

    A run folder stands for its best checkpoint.

    Raises WeightsError.
    """
    path = Path(best_of(name))
    if Path(name).is_dir() and not path.is_file():
        raise WeightsError(
            f"{flag} {name}",
            f"is a folder, and no run: there is no {path.relative_to(name)} in it",
            "Give a run folder or a weights file",
        )
    if not path.is_file():
        raise WeightsError(
            f"{flag} {name}", "there is no such file", "Give the path of a checkpoint; nothing is fetched"
        )
    if is_exported(path):
        raise WeightsError(
            f"{flag} {name}",
            "is an exported network: `val` and `predict` use it, nothing else can",
            "Give the checkpoint it was made from",
        )
    return read_weights(path)


def spec_of_weights(
    weights: OpenWeights,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    anchors_per_level: int | None = None,
) -> ModelSpec:
    """The network that a weights file describes. Raises WeightsError when it holds tensors alone."""
    network = weights.checkpoint.network
    if network.text is None:
        raise WeightsError(
            str(weights.path),
            "holds tensors, but does not say of which network",
            "Train from it with --weights and --cfg",
        )
    document = parse_yaml(network.text, str(weights.path))
    spec = read_spec(document, num_classes=num_classes, in_channels=in_channels, anchors_per_level=anchors_per_level)
    own = re.sub(r"[^\w.-]+|^\.+", "-", network.name)[:MAX_NAME]  # a run folder may be named after it
    return replace(spec, name=own or spec.name)


def network_of_weights(weights: OpenWeights) -> Detector:
    """The network for use: the average where there is one, in evaluation mode.

    Raises WeightsError where a value is no number.
    """
    state = weights.checkpoint.used
    detector = build(spec_of_weights(weights), fits=lambda shape: require_fit(shape, state, str(weights.path)))
    load_exactly(detector, state, str(weights.path))
    require_numbers(detector.state_dict(), str(weights.path))
    if len(weights.names) != detector.num_classes:
        what = f"names {len(weights.names)} classes, and its network tells {detector.num_classes} apart"
        raise WeightsError(str(weights.path), what, "Give an unchanged checkpoint")
    stored = weights.checkpoint.network.strides
    if stored and stored != detector.strides:
        raise WeightsError(
            str(weights.path),
            f"says its strides are {list(stored)}, and its network has {detector.strides}",
            "Give an unchanged checkpoint",
        )
    return detector.eval()


def open_together(
    names: tuple[str, ...], *, batch: int | None = None, image_size: int | None = None
) -> tuple[list[OpenWeights], list[Member], list[str]]:
    """Checkpoints, run folders with their best one, or exported networks that predict together, and notes.

    `batch`, `image_size`: what the user asks for himself, and so may be larger than a file may ask for.
    Raises WeightsError where they do not agree.
    """
    paths = [best_of(name) for name in names]
    networks = [
        open_exported(Path(path), batch=batch, image_size=image_size) if is_exported(Path(path)) else None
        for path in paths
    ]
    opened = [
        _as_weights(exported) if exported else open_weights(path)
        for path, exported in zip(paths, networks, strict=True)
    ]
    detectors = [exported or network_of_weights(weights) for weights, exported in zip(opened, networks, strict=True)]
    require_alike(detectors, [str(weights.path) for weights in opened])
    return opened, detectors, [weights.note for weights in opened if weights.note]


def kind_of(opened: Sequence[OpenWeights], member: Member) -> Kind:
    """What pictures networks take that predict together.

    16 bits where any of them was trained on them, which lose nothing of 8.
    """
    depths = {weights.checkpoint.evaluation.dtype for weights in opened}
    return Kind(member.in_channels, "uint16" if "uint16" in depths else "uint8")


def best_of(name: str) -> str:
    """The best checkpoint of a run folder, a file here for one in a bucket; any other name as it is."""
    if is_address(name):
        return best_of(weights_here(name))
    return str(checkpoint_of(Path(name), "best")) if Path(name).is_dir() else name


def _as_weights(network: Exported) -> OpenWeights:
    """An exported network as a checkpoint without tensors."""
    passport = network.passport
    evaluation = replace(EvaluationRecord.of(passport.evaluation), imgsz=passport.image_size)
    if network.fixed_size:
        evaluation = replace(evaluation, batch_size=passport.batch)
    record = NetworkRecord(names=passport.names, strides=passport.strides)
    return OpenWeights(network.path, Checkpoint(origin=Origin.EXPORTED, network=record, evaluation=evaluation))


def fixed_size_of(members: Sequence[Member], asked: int | None, *, augment: bool) -> int | None:
    """The only image size that exported networks among these take; None: any.

    Raises SettingError for what they cannot do.
    """
    exported = [member for member in members if isinstance(member, Exported)]
    if exported and augment:
        raise SettingError(
            "--augment",
            f"{exported[0].path} is an exported network and looks once",
            "Leave --augment out, or give the checkpoint",
        )
    sizes = {member.fixed_size: member.path for member in exported if member.fixed_size}
    wanted = {*sizes, *([asked] if asked else [])}
    if not sizes or len(wanted) == 1:
        return next(iter(sizes), None)
    size, path = next((size, path) for size, path in sizes.items() if size != asked)
    raise SettingError(
        f"--imgsz {asked}" if asked else str(path),
        f"{path} takes images of {size} pixels alone",
        "Leave --imgsz out, or export with --dynamic",
    )


def rectangle_of(members: Sequence[Member], asked_hw: tuple[int, int] | None, grid: int) -> tuple[int, int] | None:
    """Height and width of canvases that are no squares: what exported networks take alone, else what was asked for.

    Raises SettingError where an exported network takes another shape.
    """
    exported = [member for member in members if isinstance(member, Exported) and member.fixed_size]
    if not exported:
        return None if asked_hw is None else (fitting_size(asked_hw[0], grid)[0], fitting_size(asked_hw[-1], grid)[0])
    shapes = {member.passport.size_hw: member.path for member in exported}
    for (height, width), path in shapes.items():
        if (asked_hw is not None and asked_hw != (height, width)) or len(shapes) > 1:
            raise SettingError(
                str(path),
                f"takes images of {height} x {width} pixels alone",
                "Leave --imgsz out, or export with --dynamic",
            )
    return exported[0].fixed_hw


def require_squares(members: Sequence[Member]) -> None:
    """Refuse networks that take no square images: a validation is one of squares. Raises WeightsError."""
    for member in members:
        if isinstance(member, Exported) and member.fixed_hw is not None:
            height, width = member.fixed_hw
            raise WeightsError(
                str(member.path),
                f"takes images of {height} x {width} pixels alone, and a validation needs squares",
                "Export with one --imgsz or with --dynamic, or validate the checkpoint",
            )


def spec_of_cfg(
    cfg: str, *, num_classes: int | None = None, in_channels: int | None = None, anchors_per_level: int | None = None
) -> ModelSpec:
    """The network of a model YAML, by path or packaged name."""
    return read_spec(
        read_yaml(packaged.locate("models", cfg, "--cfg")),
        num_classes=num_classes,
        in_channels=in_channels,
        anchors_per_level=anchors_per_level,
    )


def fitting_size(size: int, grid: int, least: int = LEAST_GRIDS) -> tuple[int, str]:
    """The image size on the network's grid, at least so many cells of it, and a note when it had to change."""
    fitted = max(rounded_up(size, grid), least * grid)
    if fitted == size:
        return size, ""
    return fitted, f"imgsz {size} does not fit a network whose grid is {grid} pixels; {fitted} is used"


def grid_of(detector: Member, least: int = MIN_GRID) -> int:
    """Image sides are multiples of this: the largest stride, and mostly at least 32."""
    return max(detector.grid, least)


def size_of_use(how: EvaluationRecord, detector: Member, asked: int | None, usual: int) -> tuple[int, int, str]:
    """Grid and image size of a network for use, and a note when the size had to change.

    Both are as in its training, where `how` says so; 2020 had no least size.
    """
    grid = grid_of(detector, how.grid or MIN_GRID)
    trained = asked is None and how.grid is not None
    return grid, *fitting_size(asked or how.imgsz or usual, grid, 1 if trained else LEAST_GRIDS)


def sizes_of_use(
    how: EvaluationRecord, detector: Member, asked: Sequence[int], usual: int
) -> tuple[tuple[int, int], list[str]]:
    """Height and width of a network for use, from one number, two or none, and notes on what had to change."""
    found = [size_of_use(how, detector, size, usual)[1:] for size in asked or (None,)]
    return (found[0][0], found[-1][0]), list(dict.fromkeys(note for _, note in found if note))


def single_size(imgsz: tuple[int, ...]) -> tuple[int, int]:
    """Training and validation size from one or two numbers."""
    if len(imgsz) not in {1, 2}:
        raise SettingError("imgsz", f"imgsz is {imgsz}", "Give one size, or two for training and validation")
    return imgsz[0], imgsz[-1]

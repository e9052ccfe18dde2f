# SPDX-License-Identifier: Apache-2.0
"""What several verbs open first: a data set with its splits, a network with its weights, sizes that fit its grid."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.config import packaged
from boxwright.config.schema.val import PredictSettings, ValSettings
from boxwright.data.index.fingerprint import Fingerprint, fingerprint_of
from boxwright.data.index.index import Index
from boxwright.data.labels.findings import summary
from boxwright.data.pixels.channels import Kind
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.open_split import open_split, require_no_findings, require_objects, sampling_weights
from boxwright.documents import parse_yaml, read_yaml
from boxwright.errors import SettingError, WeightsError
from boxwright.geometry.letterbox import rounded_up
from boxwright.infer.ensemble import Member, require_alike
from boxwright.infer.exported import Exported, is_exported, open_exported
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec, read_spec
from boxwright.model.weights import load_exactly, require_fit, require_numbers
from boxwright.paths import is_file, is_folder, is_there
from boxwright.runs.inputs.sample_set import is_drawn, sample_yaml
from boxwright.runs.inputs.weight_files import read_weights
from boxwright.system.device import usable_cores
from boxwright.system.run_folder import checkpoint_of
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

SINGLE_CLASS_NAME = "item"
ONLY_PLACES = np.array([0, 1, 1, 1, 1], np.float32)  # of regions to ignore: their class becomes the first
MIN_GRID = 32
MAX_NAME = 64  # characters
MAX_SHOWN_FINDINGS = 10


@dataclass(frozen=True)
class OpenData:
    """A data set with the splits that were asked for, classes checked, one class made of many where asked."""

    dataset: Dataset
    splits: dict[str, Index]
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """Classes of the labels as they are now."""
        return len(self.names)


def locate_data(name: str, *, writing: bool = True) -> Path:
    """The YAML that --data means.

    A file, a packaged name, or the drawn sample set, which is drawn on first use where that is allowed.
    """
    if name == "sample":
        if not writing and not is_drawn():
            raise SettingError(
                "--data sample",
                "the sample set is not drawn yet, and nothing is written now",
                "Draw it with `boxwright data sample`",
            )
        return sample_yaml()
    if not is_there(Path(name)) and name in packaged.names("data"):
        return packaged.locate("data", name, "--data")
    if is_there(Path(name)) and not is_file(Path(name)) and not is_folder(Path(name)):
        raise SettingError(f"--data {name}", "is neither a file nor a folder", "Give the YAML of a data set")
    return Path(name)


def open_data(
    name: str,
    splits: tuple[str, ...],
    *,
    single_class: bool = False,
    strict: bool = False,
    trusting: bool = False,
    writing: bool = True,
) -> OpenData:
    """Open splits and check their labels against the classes; without `writing` no cache is kept.

    Raises DataError before anything is made.
    """
    dataset = read_dataset(locate_data(name, writing=writing), needed=splits)
    found: dict[str, Index] = {}
    notes = list(dataset.notes)
    for split in splits:
        progress = Progress(f"reading split '{split}' of {dataset.file}")
        index = open_split(
            dataset, split, threads=usable_cores(), cached=writing or "read", trusting=trusting, progress=progress
        )
        if strict:
            require_no_findings(index, split)
        notes += _lines_about(index, split)
        found[split] = (
            replace(index, classes=np.zeros_like(index.classes), ignored=index.ignored * ONLY_PLACES)
            if single_class
            else index
        )
    names = dataset.names if not single_class or dataset.num_classes == 1 else (SINGLE_CLASS_NAME,)
    return OpenData(dataset, found, names, tuple(notes))


def fingerprint_in(data: OpenData, split: str) -> Fingerprint:
    """The fingerprint of a split with its classes as they are now."""
    index = data.splits[split]
    return fingerprint_of(index, data.names, data.dataset.kind, sampling_weights(data.dataset, split, index))


def splits_of(file: Path) -> tuple[str, ...]:
    """The splits that a data set YAML names."""
    return tuple(read_dataset(file, needed=()).sources)


def require_training_objects(data: OpenData) -> None:
    """A training split without objects teaches nothing. Raises DataError."""
    require_objects(data.splits["train"], data.dataset, "train")


def _lines_about(index: Index, split: str) -> list[str]:
    """The first findings in full, and all of them counted."""
    serious = [finding for finding in index.findings if finding.severity != "note"]
    lines = [str(finding) for finding in serious[:MAX_SHOWN_FINDINGS]]
    if len(serious) > MAX_SHOWN_FINDINGS:
        lines.append(f"split '{split}': {len(serious) - MAX_SHOWN_FINDINGS} more findings")
    if serious:
        lines.append(f"split '{split}': {summary(serious)}")
    return lines + [str(finding) for finding in index.findings if finding.severity == "note"]


# -- networks


@dataclass(frozen=True)
class OpenWeights:
    """A weights file as a document of ours: where it lies, and a note when an older generation had to serve."""

    path: Path
    document: dict[str, Any]
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Class names stored with the network."""
        return tuple(self.document["names"])


def named_weights(settings: ValSettings | PredictSettings) -> tuple[str, ...]:
    """The checkpoints that a command line names, that of its first word first."""
    return (settings.run, *settings.weights) if settings.run else settings.weights


def open_weights(name: str, flag: str = "--weights") -> OpenWeights:
    """Read a weights file: ours, a checkpoint of the original program, or safetensors; `flag` asked for it.

    Raises WeightsError.
    """
    path = Path(name)
    if path.is_dir():
        raise WeightsError(
            f"{flag} {name}",
            "is a folder, and weights are a file",
            f"Give the file in it, such as {checkpoint_of(path, 'best')}",
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
    return OpenWeights(*read_weights(path))


def spec_of_weights(
    weights: OpenWeights,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    anchors_per_level: int | None = None,
) -> ModelSpec:
    """The network that a weights file describes. Raises WeightsError when it holds tensors alone."""
    if not isinstance(weights.document.get("network"), str):
        raise WeightsError(
            str(weights.path),
            "holds tensors, but does not say of which network",
            "Train from it with --weights and --cfg",
        )
    document = parse_yaml(weights.document["network"], str(weights.path))
    spec = read_spec(document, num_classes=num_classes, in_channels=in_channels, anchors_per_level=anchors_per_level)
    stored = weights.document.get("network_name")
    own = (
        re.sub(r"[^\w.-]+|^\.+", "-", stored)[:MAX_NAME] if isinstance(stored, str) else ""
    )  # a run folder may be named after it
    return replace(spec, name=own or spec.name)


def network_of_weights(weights: OpenWeights) -> Detector:
    """The network for use: the average where there is one, in evaluation mode.

    Raises WeightsError where a value is no number.
    """
    state = weights.document.get("ema") or weights.document["model"]
    detector = build(spec_of_weights(weights), fits=lambda shape: require_fit(shape, state, str(weights.path)))
    load_exactly(detector, state, str(weights.path))
    require_numbers(detector.state_dict(), str(weights.path))
    if len(weights.names) != detector.num_classes:
        what = f"names {len(weights.names)} classes, and its network tells {detector.num_classes} apart"
        raise WeightsError(str(weights.path), what, "Give an unchanged checkpoint")
    stored = weights.document.get("strides")
    if stored and tuple(stored) != detector.strides:
        raise WeightsError(
            str(weights.path),
            f"says its strides are {stored}, and its network has {detector.strides}",
            "Give an unchanged checkpoint",
        )
    return detector.eval()


def open_together(names: tuple[str, ...]) -> tuple[list[OpenWeights], list[Member], list[str]]:
    """Checkpoints, run folders with their best one, or exported networks that predict together, and notes.

    Raises WeightsError where they do not agree.
    """
    paths = [best_of(name) for name in names]
    networks = [open_exported(Path(path)) if is_exported(Path(path)) else None for path in paths]
    opened = [
        _as_weights(exported) if exported else open_weights(path)
        for path, exported in zip(paths, networks, strict=True)
    ]
    detectors = [exported or network_of_weights(weights) for weights, exported in zip(opened, networks, strict=True)]
    require_alike(detectors, [str(weights.path) for weights in opened])
    notes = [weights.note for weights in opened if weights.note]
    differing = [str(weights.path) for weights in opened if weights.names != opened[0].names]
    return (
        opened,
        detectors,
        notes + [f"{path} names its classes differently; the names of {opened[0].path} are used" for path in differing],
    )


def kind_of(opened: Sequence[OpenWeights], member: Member) -> Kind:
    """What pictures networks take that predict together.

    16 bits where any of them was trained on them, which lose nothing of 8.
    """
    depths = {weights.document.get("evaluation", {}).get("dtype") for weights in opened}
    return Kind(member.in_channels, "uint16" if "uint16" in depths else "uint8")


def best_of(name: str) -> str:
    """The best checkpoint of a run folder; any other name as it is."""
    return str(checkpoint_of(Path(name), "best")) if Path(name).is_dir() else name


def _as_weights(network: Exported) -> OpenWeights:
    passport = network.passport
    sizes = (
        {"imgsz": passport.image_size, "batch_size": passport.batch}
        if network.fixed_size
        else {"imgsz": passport.image_size}
    )
    return OpenWeights(
        network.path,
        {"names": list(passport.names), "strides": list(passport.strides), "evaluation": passport.evaluation | sizes},
    )


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


def fitting_size(size: int, grid: int, *, lower_bound: bool = True) -> tuple[int, str]:
    """The image size on the network's grid, and a note when it had to change."""
    fitted = rounded_up(size, grid)
    if lower_bound:
        fitted = max(fitted, 2 * grid)
    if fitted == size:
        return size, ""
    return fitted, f"imgsz {size} does not fit a network whose grid is {grid} pixels; {fitted} is used"


def grid_of(detector: Member) -> int:
    """Image sides are multiples of this: the largest stride, at least 32."""
    return max(detector.grid, MIN_GRID)


def single_size(imgsz: tuple[int, ...]) -> tuple[int, int]:
    """Training and validation size from one or two numbers."""
    if len(imgsz) not in {1, 2}:
        raise SettingError("imgsz", f"imgsz is {imgsz}", "Give one size, or two for training and validation")
    return imgsz[0], imgsz[-1]

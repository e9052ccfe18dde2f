# SPDX-License-Identifier: Apache-2.0
"""A data set with the splits that were asked for, opened and checked before anything is made of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boxwright.config import packaged
from boxwright.data.index.fingerprint import Fingerprint, fingerprint_of
from boxwright.data.index.index import Index
from boxwright.data.labels.findings import summary
from boxwright.data.splits.bucket_data import data_of_bucket
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.open_split import (
    about_no_objects,
    guesses,
    open_split,
    require_no_findings,
    require_objects,
    sampling_weights,
)
from boxwright.data.splits.overlap import overlaps
from boxwright.errors import FindingsError, SettingError
from boxwright.paths import is_file, is_folder, is_there
from boxwright.runs.inputs.sample_set import SAMPLE, is_drawn, sample_yaml
from boxwright.system.addresses import shown
from boxwright.system.buckets.address import is_address
from boxwright.system.device import usable_cores
from boxwright.track.sinks.console import Progress

SINGLE_CLASS_NAME = "item"
ONLY_PLACES = np.array([0, 1, 1, 1, 1], np.float32)  # of regions to ignore: their class becomes the first
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


def locate_data(name: str, *, writing: bool = True, trusting: bool = False) -> Path:
    """The YAML that --data means.

    A file, a packaged name, an address in a bucket, or the drawn sample set, which is drawn on first use where that is
    allowed. Without `writing`, and when `trusting`, a bucket is not looked at.
    """
    if name == SAMPLE:
        if not writing and not is_drawn():
            raise SettingError(
                "--data sample",
                "the sample set is not drawn yet, and nothing is written now",
                "Draw it with `boxwright data sample`",
            )
        return sample_yaml()
    if not is_there(Path(name)) and name in packaged.names("data"):
        return packaged.locate("data", name, "--data")
    if is_address(name):
        return data_of_bucket(name, "--data", Progress(f"fetching {name}"), looking=writing and not trusting)
    if "://" in name and not is_there(Path(name)):
        raise SettingError(
            f"--data {shown(name)}",
            "is an address, and data is read from files",
            "Write it into a data set YAML as 'download: https://...'; `boxwright data fetch FILE.yaml` fetches it",
        )
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
    starts: tuple[Path, ...] = (),
) -> OpenData:
    """Open splits and check their labels against the classes; without `writing` no cache is kept.

    `starts` are folders where the command of a run was given, to which the data set's own path may be relative.
    Raises DataError before anything is made.
    """
    dataset = read_dataset(locate_data(name, writing=writing, trusting=trusting), needed=splits, starts=starts)
    return open_splits(dataset, splits, single_class=single_class, strict=strict, trusting=trusting, writing=writing)


def open_splits(
    dataset: Dataset,
    splits: tuple[str, ...],
    *,
    single_class: bool = False,
    strict: bool = False,
    trusting: bool = False,
    writing: bool = True,
) -> OpenData:
    """The same of a data set that was read. Raises DataError before anything is made."""
    found: dict[str, Index] = {}
    notes = list(dataset.lines)
    for split in splits:
        progress = Progress(f"reading split '{split}' of {dataset.file}")
        index = open_split(
            dataset, split, threads=usable_cores(), cached=writing or "read", trusting=trusting, progress=progress
        )
        if strict:
            require_no_findings(index, split)
        notes += _lines_about(index, split)
        if not len(index.classes):
            notes.append(f"split '{split}': {'. '.join(about_no_objects(index, dataset, split))}")
        notes += [f"split '{split}': {guess.text}. {guess.fix}" for guess in guesses(dataset, split, index)]
        found[split] = (
            replace(index, classes=np.zeros_like(index.classes), ignored=index.ignored * ONLY_PLACES)
            if single_class
            else index
        )
    shared = [finding for _, finding in overlaps(dataset, found)]
    if shared and strict:
        raise FindingsError(str(dataset.file), shared[0].text, shared[0].fix)
    notes += [f"{finding}. {finding.fix}" for finding in shared]
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

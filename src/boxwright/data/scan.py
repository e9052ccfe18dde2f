# SPDX-License-Identifier: Apache-2.0
"""From files to an index: every image inspected, every label file read, every fault a finding."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.data import index_cache
from boxwright.data.dataset import Dataset
from boxwright.data.findings import Finding
from boxwright.data.images import BrokenImageError, inspect
from boxwright.data.index import Index
from boxwright.data.labels import NO_LABELS, Labels, parse_labels
from boxwright.data.listing import image_files, label_file
from boxwright.errors import DataError, FindingsError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LABEL_BYTES = 64 << 20


class Scanned(NamedTuple):
    """What one image file came to; no size means that it cannot be used."""

    size_wh: tuple[int, int] | None
    labels: Labels
    findings: tuple[Finding, ...]


def open_split(dataset: Dataset, split: str, *, threads: int = 4, cached: bool = True, progress: Callable[[int, int], None] | None = None) -> Index:
    """The index of a split, from the cache when nothing has changed. Raises DataError when nothing can be used."""
    files, findings = image_files(dataset.sources[split], dataset.root, split)
    key = index_cache.content_key(files, [label_file(file) for file in files])
    index = index_cache.load(files, split, key) if cached else None
    if index is None:
        index = _assembled(files, _scanned(files, threads, progress))
        index_cache.store(files, split, key, index)
    index = replace(index, findings=(*findings, *index.findings, *_about_labels(files)), skipped=index.skipped + len(findings))
    if not len(index):
        first = f" ({index.findings[0]})" if index.findings else ""
        raise DataError(f"split '{split}'", f"none of its {len(files)} images can be used{first}", "Mend them or name another folder")
    return index


def require_classes(index: Index, dataset: Dataset, split: str) -> None:
    """Refuse labels of classes that have no name: nearly always the class list is wrong. Raises DataError."""
    wrong = np.flatnonzero(index.classes >= dataset.num_classes)
    if len(wrong):
        number = int(index.classes[wrong[0]])
        image = int(np.searchsorted(index.first_object, wrong[0], side="right") - 1)
        file = label_file(index.paths[image])
        what = f"Label class {number} exceeds nc={dataset.num_classes} in {dataset.file} (split '{split}'; {len(wrong)} such labels)"
        raise DataError(_line_of_class(file, number), what, f"Possible classes are 0 to {dataset.num_classes - 1}; add names or correct the label")


def require_objects(index: Index, split: str) -> None:
    """Refuse a training split without a single object. Raises DataError."""
    if not len(index.classes):
        where = label_file(index.paths[0])
        raise DataError(f"split '{split}'", f"none of its {len(index)} images has a label (looked for {where}, for example)", "Check where the label files are")


def require_no_findings(index: Index, split: str) -> None:
    """For --strict: every finding is an error. Raises FindingsError."""
    serious = [finding for finding in index.findings if finding.severity != "note"]
    if serious:
        raise FindingsError(f"split '{split}'", f"{len(serious)} findings under --strict, first: {serious[0]}", "`boxwright data check` lists them all")


def _line_of_class(file: str, number: int) -> str:
    lines = Path(file).read_bytes().splitlines()
    for line, text in enumerate(lines, 1):
        words = text.removeprefix(b"\xef\xbb\xbf").split()
        if words and words[0].split(b".")[0] == str(number).encode():
            return f"{file}:{line}"
    return file


# -- scanning


def _scanned(files: list[str], threads: int, progress: Callable[[int, int], None] | None) -> list[Scanned]:
    results = []
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for done, result in enumerate(pool.map(_scan_one, files, chunksize=16), 1):
            results.append(result)
            if progress is not None:
                progress(done, len(files))
    return results


def _scan_one(file: str) -> Scanned:
    try:
        header = inspect(file)
    except BrokenImageError as error:
        finding = Finding(file, None, "unreadable", "warning", str(error), "image skipped", "Replace the file or remove it")
        return Scanned(None, NO_LABELS, (finding,))
    labels = _read_labels(label_file(file))
    return Scanned(header.size_wh, labels, labels.findings)


def _read_labels(file: str) -> Labels:
    try:
        if os.stat(file).st_size > MAX_LABEL_BYTES:  # noqa: PTH116 -- a path object for each of a million files is felt
            text = f"larger than {MAX_LABEL_BYTES >> 20} MiB"
            return replace(NO_LABELS, findings=(Finding(file, None, "size", "warning", text, "box dropped", "Check what this file is"),))
        return parse_labels(Path(file).read_bytes(), file)
    except FileNotFoundError:
        return NO_LABELS
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return replace(NO_LABELS, findings=(Finding(file, None, "unreadable", "warning", reason, "box dropped", "Make the file readable"),))


def _assembled(files: list[str], scanned: list[Scanned]) -> Index:
    usable = [(file, one) for file, one in zip(files, scanned, strict=True) if one.size_wh is not None]
    labels = [one.labels for _, one in usable]
    outlines = [outline for label in labels for outline in label.polygons]
    return Index(
        paths=tuple(file for file, _ in usable),
        sizes_wh=np.array([one.size_wh for _, one in usable], np.int32).reshape(-1, 2),
        first_object=_starts([len(label) for label in labels]),
        classes=np.concatenate([label.classes for label in labels] or [np.zeros(0, np.int32)]),
        boxes=np.concatenate([label.boxes for label in labels] or [np.zeros((0, 4), np.float32)]),
        first_point=_starts([len(outline) for outline in outlines]),
        points=np.concatenate(outlines or [np.zeros((0, 2), np.float32)]),
        findings=tuple(finding for one in scanned for finding in one.findings),
        skipped=len(files) - len(usable),
    )


def _starts(lengths: list[int]) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)


def _about_labels(files: list[str]) -> list[Finding]:
    """Label files that two images share, and label files without an image."""
    labels = [label_file(file) for file in files]
    shared = [file for file, count in Counter(labels).items() if count > 1]
    findings = []
    for label in shared:
        images = ", ".join(Path(file).name for file, mine in zip(files, labels, strict=True) if mine == label)
        findings.append(Finding(label, None, "shared", "note", f"several images use this one label file: {images}", "kept", "Give the images different names"))
    known = set(labels)
    for folder in sorted({os.path.dirname(label) for label in labels}):  # noqa: PTH120 -- as above
        if os.path.isdir(folder):  # noqa: PTH112 -- as above
            orphans = [entry.path for entry in os.scandir(folder) if entry.name.endswith(".txt") and entry.path not in known]
            if orphans and "/labels/" in f"{folder}/":
                text = f"{len(orphans)} label files without an image, such as {Path(min(orphans)).name}"
                findings.append(Finding(folder, None, "orphan", "note", text, "kept", "Check the image folder"))
    return findings

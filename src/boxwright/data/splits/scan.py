# SPDX-License-Identifier: Apache-2.0
"""From files to an index: every image inspected, every annotation read, every fault a finding."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from boxwright.data.formats.annotated import NO_REGIONS, Annotated, Listed
from boxwright.data.index.index import DIGEST_BYTES, Index
from boxwright.data.index.index_file import Stored
from boxwright.data.index.selection import starts
from boxwright.data.labels.findings import Finding
from boxwright.data.labels.label_file import NO_LABELS, Labels
from boxwright.data.pixels.channels import Kind, inspect_channels
from boxwright.data.pixels.image_files import BrokenImageError, inspect
from boxwright.data.splits import index_cache
from boxwright.data.splits.listing import listed
from boxwright.data.splits.source import Source
from boxwright.paths import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable


SHOWN = 8  # images that are named as sharing a label file
CHUNK = 32  # files that a thread takes at once: handing over each one costs as much as reading it
PIECE_BYTES = 1 << 20  # read at once for a digest


class Scanned(NamedTuple):
    """What one image file came to; no size means that it cannot be used."""

    size_wh: tuple[int, int] | None
    labels: Labels
    ignored: np.ndarray
    findings: tuple[Finding, ...]
    digest: bytes = b""


@dataclass(frozen=True)
class Scan:
    """How to scan. `cached`: an index is looked for and kept; "read": only looked for.

    `trusting`: a cache counts without a look at the files; `clip_margin` as the policy says; `kind` of pixels expected.
    """

    threads: int = 4
    cached: bool | Literal["read"] = True
    trusting: bool = False
    clip_margin: float = 0.01
    kind: Kind = Kind()  # noqa: RUF009 -- a frozen value
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class Opened:
    """An index in native class numbers, and what these are called."""

    index: Index
    names: tuple[str, ...]


def open_source(source: Source, split: str, scan: Scan) -> Opened:
    """The index of one source, from the cache when nothing has changed; only changed files are read again.

    A cache counts for nothing until the stamps in it are those of files here: only then is more of it read than these.
    """
    key = index_cache.identity(source, split, (scan.clip_margin, scan.kind))
    cache = index_cache.find(source, key) if scan.cached else index_cache.NOWHERE
    if cache.there and scan.trusting and (known := cache.whole(None)) is not None:
        return Opened(known.index, known.names)
    origin = index_cache.stamp(str(source.place)) if source.format == "coco" else ""
    if cache.there and origin and cache.origin == origin:
        known = cache.whole(index_cache.most_bytes(0, [origin]))
        if known is not None and np.array_equal(index_cache.look(list(known.listed), source).stamps, known.stamps):
            return Opened(known.index, known.names)
    listing = listed(source, split, scan.clip_margin)
    look = index_cache.look(listing.files, source) if scan.cached else index_cache.NO_LOOK
    known = cache.whole(look.most_bytes) if cache.there and _have_any_in_common(cache.stamps, look.stamps) else None
    about = (*cache.findings, *listing.findings, *_about_labels(listing.files, source))
    if (
        known is not None
        and tuple(listing.files) == known.listed
        and listing.names == known.names
        and np.array_equal(look.stamps, known.stamps)
    ):
        return Opened(_with_listing(known.index, listing, about), known.names)
    scanned = _scanned(listing, scan, _reusable(known, listing, look.stamps, source))
    index = _assembled(listing.files, scanned)
    if scan.cached is True:
        index_cache.store(source, key, Stored(index, listing.names, tuple(listing.files), look.stamps, origin))
    return Opened(_with_listing(index, listing, about), listing.names)


def _have_any_in_common(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((len(one) == len(other) and (one == other).any()) or np.isin(one, other).any())


def _with_listing(index: Index, listing: Listed, about: tuple[Finding, ...]) -> Index:
    """The index with what only the listing can tell; that is looked at anew each time."""
    return replace(index, findings=(*about, *index.findings), skipped=index.skipped + len(listing.findings))


# -- scanning


def _scanned(listing: Listed, scan: Scan, known: dict[str, Scanned]) -> list[Scanned]:
    files = [file for file in listing.files if file not in known]
    fresh: dict[str, Scanned] = {}
    chunks = [files[first : first + CHUNK] for first in range(0, len(files), CHUNK)]
    with ThreadPoolExecutor(max(scan.threads, 1)) as pool:
        for chunk, results in zip(
            chunks, pool.map(lambda chunk: [_scan_one(file, listing, scan.kind) for file in chunk], chunks), strict=True
        ):
            for file, result in zip(chunk, results, strict=True):
                fresh[file] = result
                if scan.progress is not None:
                    scan.progress(len(fresh), len(files))
    return [known.get(file) or fresh[file] for file in listing.files]


def _scan_one(file: str, listing: Listed, kind: Kind) -> Scanned:
    try:
        size_wh = inspect(file).size_wh if kind.usual else inspect_channels(file, kind)
        digest = digest_of(file)
    except BrokenImageError as error:
        finding = Finding(
            file,
            None,
            "unreadable",
            "warning",
            str(error),
            "image skipped",
            error.remedy or "Replace the file or remove it",
        )
        return Scanned(None, NO_LABELS, NO_REGIONS, (finding,))
    found: Annotated = listing.read(file, size_wh)
    lost = [finding for finding in found.labels.findings if finding.action == "box dropped"]
    if lost and not len(found.labels) and not len(found.ignored):
        text = f"no object in {lost[0].file} can be used, and without them the image would teach that nothing is there"
        finding = Finding(
            file,
            None,
            "no-usable-label",
            "warning",
            text,
            "image skipped",
            "Mend its labels; an empty label file says that nothing is there",
        )
        return Scanned(None, NO_LABELS, NO_REGIONS, (*found.labels.findings, finding))
    return Scanned(size_wh, found.labels, found.ignored, found.labels.findings, digest)


def digest_of(file: str) -> bytes:
    """The digest of a file's bytes, as many as there are when it is opened. Raises BrokenImageError."""
    # SHA-256, since it is the fastest of its kind where processors know it. It lets go of the interpreter: other
    # threads read meanwhile.
    digest = hashlib.sha256()
    try:
        with open_regular(file) as stream:
            left = os.fstat(stream.fileno()).st_size
            while left > 0 and (part := stream.read(min(left, PIECE_BYTES))):
                digest.update(part)
                left -= len(part)
    except OSError as error:
        raise BrokenImageError((error.strerror or str(error)).lower()) from None
    return digest.digest()[:DIGEST_BYTES]


def _reusable(known: Stored | None, listing: Listed, stamps: np.ndarray, source: Source) -> dict[str, Scanned]:
    """What a stored index says about files that are as they were."""
    if known is None or known.names != listing.names:
        return {}
    before = dict(zip(known.listed, known.stamps.tolist(), strict=True))
    same = {file for file, now in zip(listing.files, stamps.tolist(), strict=True) if before.get(file) == now}
    findings: dict[str, list[Finding]] = defaultdict(list)
    for finding in known.index.findings:
        findings[finding.file].append(finding)
    found = {}
    for number, file in enumerate(known.index.paths):
        if file in same:
            record = known.index[number]
            mine = tuple(dict.fromkeys(findings[source.label_of(file)]))  # images may share a label file
            labels = Labels(record.classes, record.boxes_cxcywh_norm, record.polygons, mine, record.areas_px)
            found[file] = Scanned(record.size_wh, labels, record.ignored, mine, known.index.digests[number].tobytes())
    return found


def _assembled(files: list[str], scanned: list[Scanned]) -> Index:
    usable = [(file, one) for file, one in zip(files, scanned, strict=True) if one.size_wh is not None]
    labels = [one.labels for _, one in usable]
    outlines = [outline for label in labels for outline in label.polygons]
    regions = [one.ignored for _, one in usable]
    return Index(
        paths=tuple(file for file, _ in usable),
        sizes_wh=np.array([one.size_wh for _, one in usable], np.int32).reshape(-1, 2),
        first_object=starts([len(label) for label in labels]),
        classes=np.concatenate([label.classes for label in labels] or [np.zeros(0, np.int32)]),
        boxes=np.concatenate([label.boxes for label in labels] or [np.zeros((0, 4), np.float32)]),
        first_point=starts([len(outline) for outline in outlines]),
        points=np.concatenate(outlines or [np.zeros((0, 2), np.float32)]),
        findings=tuple(finding for one in scanned for finding in one.findings),
        skipped=len(files) - len(usable),
        ignored=np.concatenate(regions or [NO_REGIONS]),
        image_of_ignored=np.repeat(np.arange(len(usable)), [len(region) for region in regions] if regions else 0),
        areas_px=_areas(labels),
        digests=np.frombuffer(b"".join(one.digest for _, one in usable), np.uint8).reshape(-1, DIGEST_BYTES),
    )


def _areas(labels: list[Labels]) -> np.ndarray:
    """Stated areas of all objects, empty where there are none."""
    if all(label.areas_px is None for label in labels):
        return np.zeros(0, np.float32)
    areas = np.concatenate(
        [np.full(len(label), np.nan, np.float32) if label.areas_px is None else label.areas_px for label in labels]
    )
    return areas if np.isfinite(areas).any() else areas[:0]


def _about_labels(files: list[str], source: Source) -> list[Finding]:
    """Label files that two images share, and label files without an image."""
    if source.format == "coco":
        return []
    labels = [source.label_of(file) for file in files]
    sharing: dict[str, list[str]] = defaultdict(list)
    often = {label for label, count in Counter(labels).items() if count > 1}
    for file, label in zip(files, labels, strict=True):
        if label in often:
            sharing[label].append(file)
    findings = []
    for label, mine in sharing.items():
        images = ", ".join(Path(file).name for file in mine[:SHOWN]) + (
            f" and {len(mine) - SHOWN} more" if len(mine) > SHOWN else ""
        )
        findings.append(
            Finding(
                label,
                None,
                "shared",
                "note",
                f"several images use this one label file: {images}",
                "kept",
                "Give the images different names",
            )
        )
    if source.format == "yolo" and all(place.is_dir() for place in (source.place, *source.more)):
        findings += _orphans(set(labels))
    return findings


def _orphans(known: set[str]) -> list[Finding]:
    findings = []
    for folder in sorted({os.path.dirname(label) for label in known}):  # noqa: PTH120 -- a path object for each of a million files is felt
        if os.path.isdir(folder):  # noqa: PTH112 -- as above
            orphans = [
                entry.path for entry in os.scandir(folder) if entry.name.endswith(".txt") and entry.path not in known
            ]
            if orphans and "/labels/" in f"{folder}/":
                text = f"{len(orphans)} label files without an image, such as {Path(min(orphans)).name}"
                findings.append(Finding(folder, None, "orphan", "note", text, "kept", "Check the image folder"))
    return findings

# SPDX-License-Identifier: Apache-2.0
"""A split of a data set as one index: its sources scanned, classes in final numbers, the policy applied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from boxwright.data.formats.yolo import MAX_LABEL_BYTES
from boxwright.data.index.index import Index
from boxwright.data.index.selection import joined, with_classes, with_images, with_objects
from boxwright.data.labels.class_names import class_map
from boxwright.data.labels.findings import Finding
from boxwright.data.labels.misread import Guess
from boxwright.data.splits import layout
from boxwright.data.splits.dataset import Dataset
from boxwright.data.splits.misread_split import guesses_of
from boxwright.data.splits.scan import Opened, Scan, open_source
from boxwright.data.splits.source import Source
from boxwright.errors import DataError, FindingsError, nearest
from boxwright.paths import is_there, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_NUMBER = 18  # digits of a class; more are no class, which the reader of labels has said


MOST_DIGITS = 20  # of a class number: what has more was dropped as no class


def open_split(
    dataset: Dataset,
    split: str,
    *,
    threads: int = 4,
    cached: bool | Literal["read"] = True,
    trusting: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Index:
    """The index of a split.

    Raises DataError when nothing can be used, a class has no number, or the policy refuses a finding.
    """
    index = findings_of(
        dataset, split, Scan(threads, cached, trusting, dataset.policy.clip_margin, dataset.kind, progress)
    )
    require_policy(index, dataset, split)
    if not len(index):
        first = f" ({index.findings[0]})" if index.findings else ""
        guess = next(iter(guesses(dataset, split, index)), None)
        raise DataError(
            f"split '{split}'",
            f"none of its {index.skipped} images can be used{first}" if guess is None else guess.text,
            "Mend them or name another folder" if guess is None else guess.fix,
        )
    return index


def findings_of(dataset: Dataset, split: str, scan: Scan) -> Index:
    """The index of a split with everything that was found, nothing refused yet."""
    parts = []
    for source in dataset.sources[split]:
        opened = open_source(source, split, scan)
        parts.append(_mapped(dataset, source, opened))
    index = parts[0] if len(parts) == 1 else joined(parts)
    return _by_policy(dataset, split, index)


def _mapped(dataset: Dataset, source: Source, opened: Opened) -> Index:
    """A source's index in final class numbers; label numbers beyond its classes are taken out and named."""
    index, names = opened.index, opened.names
    wrong = index.classes >= len(names)
    if wrong.any():
        index = replace(
            with_objects(index, ~wrong), findings=(*index.findings, *_beyond(dataset, source, index, names))
        )
    try:
        return with_classes(index, class_map(names, source.edits, dataset.names))
    except KeyError as error:
        name = str(error.args[0])
        near = nearest(name, dataset.names)
        remedy = f"{f'Did you mean {near!r} there? ' if near else ''}Add it to 'names', or name it under 'drop'"
        raise DataError(source.called, f"class '{name}' is not among the names of {dataset.file}", remedy) from None


def _beyond(dataset: Dataset, source: Source, index: Index, names: tuple[str, ...]) -> list[Finding]:
    """One finding for every label whose class has no name: nearly always the class list is wrong."""
    wrong = np.flatnonzero(index.classes >= len(names))
    images = np.searchsorted(index.first_object, wrong, side="right") - 1
    found: list[Finding] = []
    for image in np.unique(images).tolist():
        file = source.label_of(index.paths[image])
        text = f"exceeds nc={len(names)} in {dataset.file}"
        fix = f"Possible classes are 0 to {len(names) - 1}; add names or correct the label"
        lines = _lines_of_classes(file, len(names))
        found += [
            Finding(file, line, "class-range", "error", f"Label class {number} {text}", "refused", fix)
            for line, number in lines
        ]
    return found


def _lines_of_classes(file: str, limit: int) -> list[tuple[int | None, int]]:
    """Line and number of the labels beyond a limit."""
    found: list[tuple[int | None, int]] = []
    for line, text in enumerate(read_regular(file, MAX_LABEL_BYTES).splitlines(), 1):
        words = text.removeprefix(b"\xef\xbb\xbf").split()
        number = words[0].split(b".")[0] if words else b""
        if number.isdigit() and len(number) <= LONGEST_NUMBER and int(number) >= limit:
            found.append((line, int(number)))
    return found


def _by_policy(dataset: Dataset, split: str, index: Index) -> Index:
    """Findings as the policy wants them; images that it leaves out are gone."""
    policy = dataset.policy
    findings = index.findings
    if policy.of("no-label-file") != "keep":
        findings = (*findings, *_without_labels(dataset, split, index))
    findings = policy.applied(findings)
    refused = {finding.file for finding in findings if finding.action == "image skipped"}
    if not refused:
        return replace(index, findings=findings)
    gone = np.array(
        [
            path in refused or label_of(dataset, split, index, number) in refused
            for number, path in enumerate(index.paths)
        ],
        bool,
    )
    if not gone.any():
        return replace(index, findings=findings)
    return replace(
        with_images(index, np.flatnonzero(~gone)), findings=findings, skipped=index.skipped + int(gone.sum())
    )


def _without_labels(dataset: Dataset, split: str, index: Index) -> list[Finding]:
    empty = np.flatnonzero(np.diff(index.first_object) == 0).tolist()
    files = [(index.paths[number], label_of(dataset, split, index, number)) for number in empty]
    fix = "Write a label file, or an empty one if there is nothing on the image"
    return [
        Finding(image, None, "no-label-file", "warning", f"there is no {label}", "kept", fix)
        for image, label in files
        if not is_there(Path(label))
    ]


def label_of(dataset: Dataset, split: str, index: Index, image: int) -> str:
    """The file that holds the annotations of an image of a split."""
    return source_of(dataset, split, index, image).label_of(index.paths[image])


def source_of(dataset: Dataset, split: str, index: Index, image: int) -> Source:
    """Where an image of a split comes from."""
    number = int(index.source_of_image[image]) if len(index.source_of_image) else 0
    return dataset.sources[split][number]


def guesses(dataset: Dataset, split: str, index: Index) -> list[Guess]:
    """What the labels of a split seem to mean instead, where many of them do not fit."""
    return guesses_of(index, dataset.num_classes, lambda image: label_of(dataset, split, index, image))


def sampling_weights(dataset: Dataset, split: str, index: Index) -> np.ndarray | None:
    """How often each image is drawn, when sources have weights: each source gets its share, its images alike. (N,)"""
    weights = [source.weight for source in dataset.sources[split]]
    if all(weight is None for weight in weights) or not len(index.source_of_image):
        return None
    counts = np.bincount(index.source_of_image, minlength=len(weights))
    shares = np.array([1.0 if weight is None else weight for weight in weights]) / np.maximum(counts, 1)
    found: np.ndarray = shares[index.source_of_image]
    return found


# -- what is refused


def require_policy(index: Index, dataset: Dataset, split: str) -> None:
    """Refuse what the policy does not let pass; most often labels whose class has no name.

    Raises DataError or FindingsError.
    """
    refused = [finding for finding in index.findings if finding.action == "refused"]
    if not refused:
        return
    first = refused[0]
    place = first.file if first.line is None else f"{first.file}:{first.line}"
    more = f" (split '{split}'; {len(refused)} such findings)"
    guess = next(iter(guesses(dataset, split, index)), None) if first.rule == "class-range" else None
    if guess is not None:
        more, first = f"{more}; {guess.text}", replace(first, fix=guess.fix)
    kind = DataError if first.rule == "class-range" and "class-range" not in dataset.policy.chosen else FindingsError
    raise kind(place, f"{first.text}{more}", first.fix)


def require_objects(index: Index, dataset: Dataset, split: str) -> None:
    """Refuse a training split without a single object. Raises DataError."""
    if not len(index.classes):
        for guess in guesses(dataset, split, index):
            raise DataError(f"split '{split}'", guess.text, guess.fix)
        raise DataError(f"split '{split}'", *about_no_objects(index, dataset, split))


def about_no_objects(index: Index, dataset: Dataset, split: str) -> tuple[str, str]:
    """What a split without a single object is, and what to do about it. It has at least one image."""
    labels = [label_of(dataset, split, index, number) for number in range(len(index))]
    there = [label for label in labels if is_there(Path(label))]
    if not there:
        what = f"none of its {len(index)} images has a label (looked for {labels[0]}, for example)"
        remedy = layout.about_no_labels(source_of(dataset, split, index, 0), index.paths[0])
        return what, remedy or f"Check where the label files are. If all are backgrounds: {_taught(split).lower()}"
    files = len(set(there))
    where = f"{there[0]} names none" if files == 1 else f"{files} label files hold none (such as {there[0]})"
    without = f", {len(index) - len(there)} have no label file" if len(there) < len(index) else ""
    what = f"none of its {len(index)} images has an object: {where}{without}. All of them are backgrounds"
    return what, f"{_taught(split)}. Label objects in some of them"


def _taught(split: str) -> str:
    """What comes of a split of backgrounds alone."""
    if split == "train":
        return "A network that sees only backgrounds learns to find nothing anywhere"
    return "With nothing to find every number is 0, and no epoch is better than another"


def require_no_findings(index: Index, split: str) -> None:
    """For --strict: every finding is an error. Raises FindingsError."""
    serious = [finding for finding in index.findings if finding.severity != "note"]
    if serious:
        raise FindingsError(
            f"split '{split}'",
            f"{len(serious)} findings under --strict, first: {serious[0]}",
            "`boxwright data check` lists them all",
        )

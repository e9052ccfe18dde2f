# SPDX-License-Identifier: Apache-2.0
"""Label files beside or opposite their images: one object a line, boxes and outlines mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.data.findings import Finding
from boxwright.data.formats.annotated import NOTHING, Annotated
from boxwright.data.labels import NO_LABELS, parse_labels

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LABEL_BYTES = 8 << 20  # two hundred thousand objects of one image
USUAL_BYTES = 1 << 16  # a larger buffer is not set aside for every file


def reader(place: Callable[[str], str], clip_margin: float) -> Callable[[str, tuple[int, int]], Annotated]:
    """Reads the label file of an image; `place` says which it is."""
    return lambda image, _size_wh: read_file(place(image), clip_margin)


def read_file(file: str, clip_margin: float) -> Annotated:
    """The objects of one label file."""
    try:
        with open(file, "rb", buffering=0) as stream:  # noqa: PTH123 -- a path object for each of a million files is felt
            content = stream.read(USUAL_BYTES)
            if len(content) == USUAL_BYTES:
                content += stream.read(MAX_LABEL_BYTES)
        if len(content) > MAX_LABEL_BYTES:
            return _failed(file, "size", f"larger than {MAX_LABEL_BYTES >> 20} MiB", "Check what this file is")
        return Annotated(parse_labels(content, file, clip_margin=clip_margin))
    except FileNotFoundError:
        return NOTHING._replace(missing=True)
    except OSError as error:
        return _failed(file, "unreadable", (error.strerror or str(error)).lower(), "Make the file readable")


def _failed(file: str, rule: str, text: str, fix: str) -> Annotated:
    return Annotated(replace(NO_LABELS, findings=(Finding(file, None, rule, "warning", text, "box dropped", fix),)))

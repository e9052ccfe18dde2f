# SPDX-License-Identifier: Apache-2.0
"""Label files beside or opposite their images: one object a line, boxes and outlines mixed."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.data.formats.annotated import NOTHING, Annotated
from boxwright.data.labels.findings import Finding
from boxwright.data.labels.label_file import NO_LABELS, parse_labels
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LABEL_BYTES = 8 << 20  # two hundred thousand objects of one image


def reader(place: Callable[[str], str], clip_margin: float) -> Callable[[str, tuple[int, int]], Annotated]:
    """Reads the label file of an image; `place` says which it is."""
    return lambda image, _size_wh: read_file(place(image), clip_margin)


def read_file(file: str, clip_margin: float) -> Annotated:
    """The objects of one label file."""
    try:
        content = read_regular(file, MAX_LABEL_BYTES)
    except FileNotFoundError:
        return NOTHING._replace(missing=True)
    except OSError as error:
        if error.errno == errno.EFBIG:
            return _failed(file, "size", error.strerror or str(error), "Check what this file is")
        return _failed(file, "unreadable", (error.strerror or str(error)).lower(), "Make the file readable")
    return Annotated(parse_labels(content, file, clip_margin=clip_margin))


def _failed(file: str, rule: str, text: str, fix: str) -> Annotated:
    return Annotated(replace(NO_LABELS, findings=(Finding(file, None, rule, "warning", text, "box dropped", fix),)))

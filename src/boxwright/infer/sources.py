# SPDX-License-Identifier: Apache-2.0
"""Where images to predict on come from: files, folders, patterns, list files, videos, paths on standard input."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.data.pixels.channels import USUAL, Kind, of_picture, read_pixels
from boxwright.data.pixels.image_files import OTHER_PICTURES, SUFFIXES, BrokenImageError, require_whole
from boxwright.data.pixels.video import VIDEO_SUFFIXES, frames
from boxwright.data.splits.listing import ARRAY_SUFFIX, MOST_LIST_BYTES
from boxwright.errors import SettingError, UserError
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

STANDARD_INPUT = "-"
MIN_SIDE_PX = 2


@dataclass(frozen=True)
class Frame:
    """One picture: an image file, or a frame of a video with its number and the frame rate of the video."""

    path: str
    number: int | None = None
    frames_per_second: float = 0.0

    @property
    def name(self) -> str:
        """What to call its results: the file's name, with the frame's number behind it."""
        path = Path(self.path)
        return path.name if self.number is None else f"{path.stem}_{self.number}.jpg"

    @property
    def title(self) -> str:
        """What to call it in a line for people."""
        return self.path if self.number is None else f"{self.path} frame {self.number}"


def image_paths(
    sources: tuple[str, ...], standard_input: Iterable[str] = (), kind: Kind = USUAL
) -> tuple[list[str], list[UserError]]:
    """Every image and video of the sources, in order; arrays too, where pixels are not the usual ones.

    And what is wrong with those that hold none.

    Raises SettingError when no source holds any.
    """
    found: list[str] = []
    wrong: list[UserError] = []
    for source in sources:
        try:
            found += (
                [line.strip() for line in standard_input if line.strip()]
                if source == STANDARD_INPUT
                else _expanded(source, kind)
            )
        except UserError as error:
            wrong.append(error)
    if wrong and not found:
        raise wrong[0]
    if not found:
        raise SettingError(
            "--source",
            "nothing to predict on was given",
            "Give images, folders, patterns, list files, videos, or - for paths on standard input",
        )
    return found, wrong


def _expanded(source: str, kind: Kind) -> list[str]:
    path = Path(source)
    if os.path.isdir(source):  # noqa: PTH112 -- which holds a name that no file can have for one that is not there
        images = SUFFIXES if kind.usual else SUFFIXES | {ARRAY_SUFFIX}
        inside = sorted(
            str(p)
            for p in path.rglob("*")
            if p.suffix.lower() in images | OTHER_PICTURES | VIDEO_SUFFIXES and not p.is_dir()
        )
        if not inside:
            raise SettingError(
                f"--source {source}", "the folder holds no images", f"Images end in {' '.join(sorted(images))}"
            )
        return inside
    if os.path.lexists(source) and path.suffix.lower() == ".txt":
        return _of_list(path)
    if os.path.lexists(source):
        return [source]
    if matching := sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 -- a pattern may start anywhere
        return matching
    what = "no file matches this pattern" if glob.has_magic(source) else "there is no such file or folder"
    raise SettingError(f"--source {source}", what, "Give images, folders, patterns, list files or videos")


def _of_list(file: Path) -> list[str]:
    """What a list file names; relative names begin beside it. Raises SettingError."""
    try:
        text = read_regular(file, MOST_LIST_BYTES).decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read ({(error.strerror or str(error)).lower()})"
        raise SettingError(f"--source {file}", what, "Give a text file with one image path per line") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no path holds it, other encodings and binary files do
        raise SettingError(
            f"--source {file}", "is not a text file with one image path per line", "Give a list file in UTF-8"
        )
    return [str(file.parent / line.strip()) for line in text.splitlines() if line.strip()]


def frames_of(
    paths: list[str], stride: int, kind: Kind = USUAL
) -> Iterator[tuple[Frame, np.ndarray | BrokenImageError]]:
    """Every picture with its pixels, (H, W, C) of this kind, or why there are none.

    Of a video every `stride`-th frame.
    """
    for path in paths:
        try:
            if Path(path).suffix.lower() in VIDEO_SUFFIXES:
                for number, frame_rate, pixels in frames(path, stride):
                    yield Frame(path, number, frame_rate / stride), of_picture(pixels, kind)
            else:
                yield Frame(path), _opened(path, kind)
        except BrokenImageError as error:
            yield Frame(path), error


def _opened(path: str, kind: Kind) -> np.ndarray:
    """The upright pixels. (H, W, C). Raises BrokenImageError."""
    require_whole(path)
    image = read_pixels(path, kind)
    if min(image.shape[:2]) < MIN_SIDE_PX:
        raise BrokenImageError(f"{image.shape[1]} x {image.shape[0]} pixels hold nothing")
    return image

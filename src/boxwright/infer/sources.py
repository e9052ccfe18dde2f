# SPDX-License-Identifier: Apache-2.0
"""Where images to predict on come from: files, folders, patterns, list files, videos, streams, standard input."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.data.pixels.channels import USUAL, Kind, of_picture, read_pixels
from boxwright.data.pixels.image_files import OTHER_PICTURES, SUFFIXES, BrokenImageError, require_whole
from boxwright.data.pixels.stream import is_address, is_stream, require_known, shown
from boxwright.data.pixels.video import VIDEO_SUFFIXES, frames
from boxwright.data.splits.listing import ARRAY_SUFFIX, MOST_LIST_BYTES
from boxwright.errors import SettingError, UserError
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np

STANDARD_INPUT = "-"
STREAM_LIST = ".streams"  # ending of a file that names streams alone
MIN_SIDE_PX = 2


class UnreadableListError(SettingError):
    """A list file that cannot be read."""


@dataclass(frozen=True)
class Frame:
    """One picture: an image file, or a frame of a video with its number and the frame rate of the video.

    `is_live`: of a stream, whose `path` is how it may be shown.
    """

    path: str
    number: int | None = None
    frames_per_second: float = 0.0
    is_live: bool = False

    @property
    def name(self) -> str:
        """What to call its results: the file's name, with the frame's number behind it."""
        path = Path(plain_name(self.path) if self.is_live else self.path)
        return path.name if self.number is None else f"{path.stem}_{self.number}.jpg"

    @property
    def title(self) -> str:
        """What to call it in a line for people."""
        return self.path if self.number is None else f"{self.path} frame {self.number}"


def plain_name(stream: str) -> str:
    """A stream as the name of a file: letters and digits of its address."""
    return re.sub(r"\W+", "_", stream.removeprefix("***@"), flags=re.ASCII).strip("_") or "stream"


def stream_words(sources: tuple[str, ...]) -> list[str]:
    """The streams that the user named: as a source, or in a list file that is one.

    Raises SettingError for a word that could be a file too, and for addresses of a kind that no stream has.
    """
    found: list[str] = []
    for source in sources:
        if _is_list(source):
            with contextlib.suppress(UnreadableListError):  # `image_paths` names it
                found += [line for line in _lines_of(Path(source)) if _is_stream_line(source, line)]
        elif is_stream(source):
            if os.path.lexists(source):
                what = "means a camera or the screen, and there is a file or folder of this name"
                raise SettingError(f"--source {source}", what, f"Write ./{source} for the file, or move it away")
            found.append(source)
    for word in found:
        require_known(word)
    return found


def require_no_stream(sources: tuple[str, ...]) -> None:
    """Refuse streams where all pictures are waited for. Raises SettingError."""
    for word in stream_words(sources):
        what = f"{shown(word)} is a stream, and may have no end"
        raise SettingError("argument source", what, "Take its pictures from `boxwright.load(WEIGHTS).stream(SOURCE)`")


def _is_list(source: str) -> bool:
    is_one = Path(source).suffix.lower() in {".txt", STREAM_LIST} and os.path.lexists(source)
    return is_one and not os.path.isdir(source)  # noqa: PTH112 -- see below


def _is_stream_line(file: str, line: str) -> bool:
    """In a list of files only addresses are streams; in one of streams every line is."""
    if Path(file).suffix.lower() == STREAM_LIST and not is_stream(line):
        raise SettingError(
            f"--source {file}", f"'{line[:80]}' is no stream", "Give one camera number or address a line"
        )
    return is_address(line) or Path(file).suffix.lower() == STREAM_LIST


def image_paths(
    sources: tuple[str, ...], standard_input: Iterable[str] = (), kind: Kind = USUAL, *, beside_streams: bool = False
) -> tuple[list[str], list[UserError]]:
    """Every image and video of the sources, in order; arrays too, where pixels are not the usual ones.

    And what is wrong with those that hold none.

    Raises SettingError when no source holds any, unless there are streams to go on with.
    """
    found: list[str] = []
    wrong: list[UserError] = []
    for source in sources:
        try:
            found += (
                [line.strip() for line in standard_input if line.strip()]
                if source == STANDARD_INPUT
                else []
                if is_stream(source)
                else _expanded(source, kind)
            )
        except UserError as error:
            wrong.append(error)
    if beside_streams:
        return found, wrong
    if wrong and not found:
        raise wrong[0]
    if not found:
        raise SettingError(
            "--source",
            "nothing to predict on was given",
            "Give images, folders, patterns, list files, videos, streams, or - for paths on standard input",
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
    if _is_list(source):
        return [str(path.parent / line) for line in _lines_of(path) if not _is_stream_line(source, line)]
    if os.path.lexists(source):
        return [source]
    if matching := sorted(glob.glob(source, recursive=True)):  # noqa: PTH207 -- a pattern may start anywhere
        return matching
    what = "no file matches this pattern" if glob.has_magic(source) else "there is no such file or folder"
    raise SettingError(f"--source {source}", what, "Give images, folders, patterns, list files or videos")


def _lines_of(file: Path) -> list[str]:
    """What a list file names; relative names of files begin beside it. Raises SettingError."""
    try:
        text = read_regular(file, MOST_LIST_BYTES).decode("utf-8-sig")
    except OSError as error:
        what = f"cannot be read ({(error.strerror or str(error)).lower()})"
        raise UnreadableListError(f"--source {file}", what, "Give a text file with one image path per line") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no path holds it, other encodings and binary files do
        raise UnreadableListError(
            f"--source {file}", "is not a text file with one image path per line", "Give a list file in UTF-8"
        )
    return [line.strip() for line in text.splitlines() if line.strip()]


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

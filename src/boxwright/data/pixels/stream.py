# SPDX-License-Identifier: Apache-2.0
"""Pictures that go on coming, one after the other: a camera, an address on the network, the screen.

Only what the user named is opened. A network stream is read by OpenCV's FFmpeg, which is given a list of protocols and
formats: no file, no playlist, no redirect.
"""

from __future__ import annotations

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.video import USUAL_FRAME_RATE, require_size
from boxwright.errors import SettingError
from boxwright.system.places import only_streams

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "tcp", "udp", "rtp")
SCREEN = "screen"
PATIENCE_MS = 10_000  # for a server that does not answer, or stops in the middle
MAX_FRAME_RATE = 240.0  # some streams say 90000, their clock
MOST_DIGITS = 3  # of the number of a camera
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*)://.+", re.DOTALL)
_SECRET = re.compile(r"(?<=://)[^/@\s]*@")
_SCREEN_NUMBERS = (0, 1, 4, 5)  # how many may follow the word


@dataclass(frozen=True)
class StreamFormat:
    """What a stream says of itself. `frames`: how many there are of a recording, None of what is live."""

    frames_per_second: float
    frames: int | None = None


@dataclass
class OpenStream:
    """An open stream: its format, and its pictures as RGB (H, W, 3) uint8. They end when it breaks off."""

    format: StreamFormat
    pictures: Iterator[np.ndarray]


def is_stream(word: str) -> bool:
    """Whether a word means a stream: the number of a camera, an address, or the screen."""
    return is_camera(word) or is_address(word) or is_screen(word)


def is_camera(word: str) -> bool:
    """Whether a word is the number of a camera."""
    return word.isascii() and word.isdecimal() and len(word) <= MOST_DIGITS


def is_address(word: str) -> bool:
    """Whether a word is an address with a scheme, known here or not."""
    return _SCHEME.fullmatch(word) is not None


def is_screen(word: str) -> bool:
    """Whether a word means the screen, or a part of it: `screen`, `screen 1`, `screen 0 0 640 480`."""
    first, *numbers = word.split() or [""]
    return first == SCREEN and len(numbers) in _SCREEN_NUMBERS and all(one.isdecimal() for one in numbers)


def shown(word: str) -> str:
    """A stream as it may be printed and written: without the name and password in its address."""
    return f"camera {word}" if is_camera(word) else _SECRET.sub("***@", word)


def require_known(word: str) -> None:
    """Refuse addresses that are no streams, before anything is opened. Raises SettingError."""
    scheme = _SCHEME.fullmatch(word)
    if scheme and scheme[1].lower() not in SCHEMES:
        raise SettingError(
            f"--source {shown(word)}",
            f"streams are not opened by {scheme[1]}://",
            f"Known are {', '.join(SCHEMES)}; a file is given by its path",
        )
    if is_screen(word):
        _screen_package()


@contextmanager
def opened_stream(word: str) -> Iterator[OpenStream]:
    """A stream for reading. Raises BrokenImageError where it cannot be opened."""
    if is_screen(word):
        with _screen() as screen:
            yield OpenStream(StreamFormat(USUAL_FRAME_RATE), _grabbed(screen, _part_of(screen, word)))
        return
    capture = _captured(word)
    try:
        if not capture.isOpened():
            raise BrokenImageError(
                "there is no such camera, or another program has it"
                if is_camera(word)
                else "no video came from this address within the time, or none of a known kind"
            )
        require_size(capture)
        yield OpenStream(_format_of(capture), _pictures(capture))
    finally:
        capture.release()


def _captured(word: str) -> cv2.VideoCapture:
    if is_camera(word):
        return cv2.VideoCapture(int(word))
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, PATIENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE_MS]
    with only_streams():
        return cv2.VideoCapture(word, cv2.CAP_FFMPEG, limits)


def _format_of(capture: cv2.VideoCapture) -> StreamFormat:
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    known = math.isfinite(rate) and 0 < rate <= MAX_FRAME_RATE
    return StreamFormat(rate if known else USUAL_FRAME_RATE, int(count) if math.isfinite(count) and count > 0 else None)


def _pictures(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while capture.grab():
        require_size(capture)
        there, pixels = capture.retrieve()
        if there:
            yield np.ascontiguousarray(pixels[..., ::-1])


# -- the screen


@contextmanager
def _screen() -> Iterator[Any]:
    """What takes pictures of the screen. Raises BrokenImageError where there is none, or no such part of it."""
    package = _screen_package()
    try:
        newer = getattr(package, "MSS", None)  # since version 10.2
        with newer() if newer else package.mss() as screen:
            yield screen
    except package.exception.ScreenShotError as error:
        raise BrokenImageError(f"no picture of it can be taken ({' '.join(str(error).split())})") from None


def _screen_package() -> Any:
    """The package that takes pictures of the screen. Raises SettingError where it is missing."""
    try:
        import mss  # noqa: PLC0415 -- not a dependency: whoever looks at the screen installs it
    except ImportError as error:
        raise SettingError(
            "--source screen", f"the package mss cannot be imported ({error})", "Install it: pip install mss"
        ) from None
    return mss


def _part_of(screen: Any, word: str) -> dict[str, int]:
    """The part that the numbers behind the word mean: SCREEN, or LEFT TOP WIDTH HEIGHT, or all five."""
    numbers = [int(one) for one in word.split()[1:]]
    number = numbers.pop(0) if len(numbers) in {1, 5} else 0
    if number >= len(screen.monitors):
        raise BrokenImageError(f"there is no screen {number}")
    monitor = screen.monitors[number]
    if not numbers:
        return {side: int(monitor[side]) for side in ("left", "top", "width", "height")}
    left, top, width, height = numbers
    return {"left": monitor["left"] + left, "top": monitor["top"] + top, "width": width, "height": height}


def _grabbed(screen: Any, part: dict[str, int]) -> Iterator[np.ndarray]:
    while True:
        yield np.ascontiguousarray(np.asarray(screen.grab(part))[..., 2::-1])  # blue, green, red, nothing

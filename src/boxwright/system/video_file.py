# SPDX-License-Identifier: Apache-2.0
"""Films that are written: one picture after the other, in the container that is asked for where it can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.system.files import WriteError, remove
from boxwright.system.terminal import libraries_silenced

if TYPE_CHECKING:
    from pathlib import Path

H264 = ("avc1", "H264")
# The codecs of a container, as OpenCV spells them, the wanted one first.
CODECS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".ts"), ("avc1", "mp4v")),
    ".avi": ("H264", "XVID"),
    ".webm": ("VP80",),
    **dict.fromkeys((".wmv", ".asf"), ("WMV2",)),
    **dict.fromkeys((".mpg", ".mpeg"), ("mpg2",)),
}
USUAL = ".mp4"
NO_H264 = "videos are written as MPEG-4: the OpenCV of this machine has no encoder for H.264"


class VideoFile:
    """A film that grows by one picture after the other; the first one decides its size.

    `path` is where it lies once a picture is in it, with another ending where its container cannot be written. `notes`
    say so, and which codec had to do.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path, self.pace = path, frames_per_second
        self.notes: list[str] = []
        self.size_hw: tuple[int, ...] = ()
        self._writer: cv2.VideoWriter | None = None

    def add(self, image_rgb: np.ndarray) -> None:
        """Append a picture. (H, W, 3) uint8. Raises WriteError."""
        if self._writer is None:
            self.size_hw = image_rgb.shape[:2]
            self._writer = self._opened()
        self._writer.write(np.ascontiguousarray(image_rgb[..., ::-1]))

    def close(self) -> None:
        """Finish the film."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def _opened(self) -> cv2.VideoWriter:
        asked = self.path
        for path in dict.fromkeys((asked, asked.with_suffix(USUAL))):
            for codec in CODECS.get(path.suffix.lower(), ()):
                writer = self._tried(path, codec)
                if writer.isOpened():
                    self.path = path
                    if path != asked:
                        remove(asked)  # what the attempts before left
                        self.notes.append(
                            f"{asked.name} is written as {path.name}: its container cannot be written here"
                        )
                    if codec not in H264 and CODECS[path.suffix.lower()][0] in H264:
                        self.notes.append(NO_H264)
                    return writer
        raise WriteError(str(asked), "cannot be written as a film", "Choose another place, or --nosave")

    def _tried(self, path: Path, codec: str) -> cv2.VideoWriter:
        height, width = self.size_hw
        remove(path)  # an older film, or a link that would lead to another file
        with libraries_silenced():
            return cv2.VideoWriter(
                str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), self.pace, (width, height)
            )

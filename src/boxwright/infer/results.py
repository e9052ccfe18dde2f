# SPDX-License-Identifier: Apache-2.0
"""Detections together with the image they are of: drawn, saved, shown, cut out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from PIL import Image, ImageShow

from boxwright.data.pixels.channels import USUAL, Kind, for_eyes, read_visible
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.video import frames
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.errors import DataError, SettingError
from boxwright.structures.detections import Detections, data_frame
from boxwright.system.files import fitting, make_folder, write_image

if TYPE_CHECKING:
    import numpy as np

PICTURES = (".png", ".jpg", ".jpeg")  # what can be written


@dataclass(frozen=True)
class ImageDetections(Detections):
    """Detections that know their image.

    `image` holds its pixels (H, W, C) when it was given as an array; one that came from a file is read again from
    `path`, and of a video the frame of this number.
    """

    image: np.ndarray | None = field(default=None, repr=False, compare=False)
    kind: Kind = USUAL
    frame: int | None = None

    @classmethod
    def of(
        cls, found: Detections, image: np.ndarray | None = None, kind: Kind = USUAL, frame: int | None = None
    ) -> Self:
        """Detections with their image."""
        plain = {one.name: getattr(found, one.name) for one in fields(Detections)}
        return cls(**plain, image=image, kind=kind, frame=frame)

    def plot(self, *, line_width: int | None = None, labels: bool = True, scores: bool = True) -> np.ndarray:
        """The image with boxes and captions on it. (H, W, 3) uint8 RGB"""
        captions = [
            " ".join(filter(None, (record["name"], f"{record['score']:.2f}" if scores else ""))) if labels else ""
            for record in self.records()
        ]
        colours = [colour(int(number)) for number in self.classes]
        return draw_boxes(self.pixels(), self.boxes_xyxy_px, captions, colours, line_width)

    def save(self, path: str | Path, *, line_width: int | None = None) -> Path:
        """Write what `plot` draws, as .png or .jpg; returns where. A file that is there is replaced."""
        target = Path(path)
        if target.suffix.lower() not in PICTURES:
            raise SettingError(str(path), "is no name of a picture", f"End it in {' or '.join(PICTURES[:2])}")
        if self.path and target.resolve() == Path(self.path).resolve():
            raise SettingError(str(path), "is the image itself, which stays as it is", "Give another name")
        make_folder(target.parent)
        write_image(target, self.plot(line_width=line_width))
        return target

    def show(self) -> None:
        """Show what `plot` draws: in a notebook, or with the picture viewer of the machine.

        Raises SettingError where there is none.
        """
        if not ImageShow.show(Image.fromarray(self.plot()), self.path or "detections"):
            raise SettingError("show", "nothing on this machine shows pictures", "Write it with save('NAME.png')")

    def crop(self) -> list[np.ndarray]:
        """What each box holds, in whole pixels, in the order of the detections. (h, w, 3) uint8 RGB each"""
        pixels = self.pixels()
        height, width = pixels.shape[:2]
        cut = []
        for x1, y1, x2, y2 in self.boxes_xyxy_px.tolist():
            left, top = (min(max(math.floor(low), 0), side - 1) for low, side in ((x1, width), (y1, height)))
            right, bottom = min(max(math.ceil(x2), left + 1), width), min(max(math.ceil(y2), top + 1), height)
            cut.append(pixels[top:bottom, left:right].copy())
        return cut

    def pixels(self) -> np.ndarray:
        """The image for eyes. (H, W, 3) uint8 RGB. Raises DataError when its file is gone."""
        if self.image is not None:
            return for_eyes(self.image)
        try:
            pixels = read_visible(self.path, self.kind) if self.frame is None else self._frame()
        except BrokenImageError as error:
            raise DataError(self.path, str(error), "Keep the image as long as its detections are drawn") from None
        if pixels.shape[:2] != self.size_hw:
            raise DataError(
                self.path, "is another image by now: its size has changed", "Predict on it again before it is drawn"
            )
        return pixels

    def _frame(self) -> np.ndarray:
        """The frame of the video, decoded anew."""
        for number, _, pixels in frames(self.path, 1):
            if number == self.frame:
                return pixels
        raise BrokenImageError(f"has no frame {self.frame}")


@dataclass(frozen=True)
class Predictions(Sequence[ImageDetections]):
    """What a prediction found: the detections of each image, in order, and where pictures and files of them lie.

    `folder` is None when nothing was to be written; `left_out` names what could not be read and why.
    """

    found: tuple[ImageDetections, ...]
    folder: Path | None = None
    left_out: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, place: int) -> ImageDetections: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ImageDetections, ...]: ...
    def __getitem__(self, place: int | slice) -> ImageDetections | tuple[ImageDetections, ...]:
        return self.found[place]

    def __len__(self) -> int:
        return len(self.found)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, ready for JSON."""
        left_out = [dict(one) for one in self.left_out]
        return {"images": [one.to_dict() for one in self.found], "left_out": left_out}

    def to_pandas(self) -> Any:
        """One pandas.DataFrame of all images, with the columns path and frame before those of each.

        Raises SettingError when pandas is not installed.
        """
        columns: dict[str, list[Any]] = {"path": [], "frame": []}
        for one in self.found:
            own: dict[str, list[Any]] = {
                "path": [one.path] * len(one),
                "frame": [one.frame] * len(one),
                **one.columns(),
            }
            for name, values in own.items():
                columns.setdefault(name, []).extend(values)
        return data_frame(columns)

    pandas = to_pandas

    def save(self, folder: str | Path) -> list[Path]:
        """Write what `plot` draws of each image into a folder; returns where. Names that come twice are numbered."""
        found: list[Path] = []
        for one in self.found:
            plain = fitting(Path(one.path).stem) or "image"
            stem = plain if one.frame is None else f"{plain}_{one.frame}"
            target, number = Path(folder) / f"{stem}.png", 1
            while target in found:
                number += 1
                target = Path(folder) / f"{stem}_{number}.png"
            found.append(one.save(target))
        return found

    def _repr_html_(self) -> str:
        """The tables of all images, for notebooks."""
        return "".join(one._repr_html_() for one in self.found)

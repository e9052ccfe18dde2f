# SPDX-License-Identifier: Apache-2.0
"""What `predict` writes: drawn pictures and videos, label files, crops, feature maps, a table, JSON."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from boxwright.config.schema.val import PredictSettings
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.infer.features import RowMaps
from boxwright.infer.sources import Frame, plain_name
from boxwright.report.feature_sheet import feature_sheet
from boxwright.structures.answer import text_cell
from boxwright.structures.detections import Detections
from boxwright.system.files import append_line, fitting, make_folder, remove, write_image, write_json, write_text
from boxwright.system.video_file import VideoFile
from boxwright.system.window import NoWindowError, Window

TABLE = "predictions.csv"
TABLE_HEAD = "Image Name,Prediction,Confidence,Class,x1,y1,x2,y2,Frame"  # the first three as the family has them
DRAWN_AS_THEMSELVES = {".jpg", ".jpeg", ".png"}  # endings; pictures of other kinds are drawn as PNG


class PredictionWriter:
    """Writes the predictions of one call into a folder, which is made with the first picture."""

    def __init__(self, folder: Path, settings: PredictSettings) -> None:
        self.folder = folder
        self.settings = settings
        self._stems: dict[str, int] = {}  # of files written so far
        self._videos: dict[str, VideoFile] = {}  # by source; of files one is open at a time
        self._video_names: set[str] = set()  # without endings
        self._tables: set[str] = set()  # that were begun
        self._notes: list[str] = []
        self._window = self._opened_window() if settings.view_img else None

    @property
    def is_asked(self) -> bool:
        """Whether anything is to be written."""
        asked = self.settings
        tables = asked.save_txt or asked.save_json or asked.save_csv
        return not asked.nosave or tables or asked.save_crop or asked.visualize

    @property
    def is_wanted(self) -> bool:
        """Whether whoever looks on has not closed the window."""
        return self._window is None or self._window.is_open

    @property
    def notes(self) -> list[str]:
        """What to say about windows and videos, each once."""
        return list(dict.fromkeys(self._notes + [note for video in self._videos.values() for note in video.notes]))

    def write(self, frame: Frame, found: Detections, image_rgb: np.ndarray) -> str:
        """The files of one picture, (H, W, 3) uint8; returns the name they bear."""
        settings = self.settings
        if self.is_asked:  # at the first picture: what cannot be read leaves no folder
            make_folder(self.folder / "labels" if settings.save_txt else self.folder)
        source = Path(frame.name)
        needs_name = settings.save_crop or settings.save_txt or settings.visualize or frame.number is None
        stem = self._free(fitting(source.stem)) if needs_name else source.stem
        if settings.save_crop:
            write_crops(found, image_rgb, self.folder / "crops", stem)
        if not settings.nosave or self._window is not None:
            self._draw(frame, found, image_rgb, f"{stem}{source.suffix}")
        if settings.save_txt:
            rows = corner_rows if settings.save_format else label_rows
            write_text(self.folder / "labels" / f"{stem}.txt", rows(found, confidences=settings.save_conf))
        if settings.save_csv:
            self._append(TABLE, [*([] if TABLE in self._tables else [TABLE_HEAD]), *table_rows(frame, found)])
        return stem

    def write_live(self, record: dict[str, Any]) -> None:
        """The detections of one picture of a stream as a line of JSON, where JSON is asked for."""
        if self.settings.save_json:
            self._append("predictions.jsonl", [json.dumps(record)])

    def _append(self, name: str, lines: list[str]) -> None:
        """Add lines to a table that grows; one of an earlier prediction is begun anew."""
        if name not in self._tables:
            make_folder(self.folder)
            remove(self.folder / name)
            self._tables.add(name)
        if lines:
            append_line(self.folder / name, "\n".join(lines))

    def write_features(self, rows: dict[int, RowMaps], place: int, name: str) -> None:
        """What each row of the network said of one picture of a batch."""
        for row in rows.values():
            folder = self.folder / "features" / name
            make_folder(folder)
            maps = row.maps[place].numpy()
            title = (
                f"row {row.number}, {row.block}: {len(maps)} of {row.of} maps, {maps.shape[2]} x {maps.shape[1]}, "
                "each from its least to its greatest value"
            )
            write_image(folder / f"row_{row.number:02}_{row.block}.png", feature_sheet(maps, title))

    def write_records(self, records: list[dict[str, Any]]) -> None:
        """All detections as one JSON document, where that is asked for."""
        if self.settings.save_json:
            make_folder(self.folder)
            write_json(self.folder / "predictions.json", records)

    def close(self) -> None:
        """Finish what is open."""
        for video in self._videos.values():
            video.close()
        if self._window is not None:
            self._window.close()

    def _opened_window(self) -> Window | None:
        try:
            return Window("boxwright predict")
        except NoWindowError as error:
            self._notes.append(f"--view-img: no window can be opened here ({error}); it goes on without")
            return None

    def _free(self, stem: str) -> str:
        """The stem that the files of a picture bear.

        Its own, and numbered where another has it, so that no file takes another's place.
        """
        found = stem
        while found in self._stems:
            self._stems[stem] += 1
            found = f"{stem}_{self._stems[stem]}"
        self._stems[found] = 1
        return found

    def _draw(self, frame: Frame, found: Detections, image_rgb: np.ndarray, name: str) -> None:
        captions = [self._caption(record) for record in found.records()]
        colours = [colour(int(number)) for number in found.classes]
        drawn = draw_boxes(image_rgb, found.boxes_xyxy_px, captions, colours, self.settings.line_thickness)
        if self._window is not None:
            self._window.show(drawn)
        if self.settings.nosave:
            return
        if frame.number is None:
            usual = Path(name).suffix.lower() in DRAWN_AS_THEMSELVES
            write_image(self.folder / (name if usual else f"{name}.png"), drawn)
        else:
            self._video(frame, drawn.shape[:2]).add(drawn)

    def _video(self, frame: Frame, size_hw: tuple[int, ...]) -> VideoFile:
        """The video that a frame belongs into: one of its source, and another where the size changes."""
        video = self._videos.get(frame.path)
        if video is not None and video.size_hw in {(), size_hw}:
            return video
        if video is not None:
            self._notes += [*video.notes, f"{frame.path}: its pictures change their size, and go on in another file"]
            video.close()
        if not frame.is_live:
            for done in self._videos.values():
                done.close()
        place = Path(f"{plain_name(frame.path)}.mp4") if frame.is_live else Path(frame.path)
        stem, number = fitting(place.stem), 1
        while stem.lower() in self._video_names:
            number += 1
            stem = f"{fitting(place.stem)}_{number}"
        self._video_names.add(stem.lower())
        self._videos[frame.path] = VideoFile(self.folder / f"{stem}{place.suffix}", frame.frames_per_second)
        return self._videos[frame.path]

    def _caption(self, record: dict[str, Any]) -> str:
        if self.settings.hide_labels:
            return ""
        return str(record["name"]) if self.settings.hide_conf else f"{record['name']} {record['score']:.2f}"


def label_rows(found: Detections, *, confidences: bool) -> str:
    """Lines `class cx cy w h [confidence]`, boxes in shares of the picture."""
    boxes = xyxy_px_to_cxcywh_norm(found.boxes_xyxy_px, found.size_hw)
    rows = [
        f"{int(number)} " + " ".join(f"{value:.6f}" for value in box) + (f" {score:.6f}" if confidences else "")
        for number, box, score in zip(found.classes, boxes, found.scores, strict=True)
    ]
    return "".join(f"{row}\n" for row in rows)


def corner_rows(found: Detections, *, confidences: bool) -> str:
    """Lines `class x1 y1 x2 y2 [confidence]`, corners in pixels of the picture."""
    rows = [
        f"{int(number)} " + " ".join(f"{value:.2f}" for value in box) + (f" {score:.6f}" if confidences else "")
        for number, box, score in zip(found.classes, found.boxes_xyxy_px, found.scores, strict=True)
    ]
    return "".join(f"{row}\n" for row in rows)


def table_rows(frame: Frame, found: Detections) -> list[str]:
    """A row for each detection of a picture, as `TABLE_HEAD` says."""
    number = "" if frame.number is None else str(frame.number)
    return [
        ",".join(
            (
                text_cell(Path(frame.path).name if not frame.is_live else frame.path),
                text_cell(one["name"]),
                f"{one['score']:.6f}",
                str(one["class"]),
                *(f"{value:.2f}" for value in one["box_xyxy_px"]),
                number,
            )
        )
        for one in found.records()
    ]


def write_crops(found: Detections, image_rgb: np.ndarray, folder: Path, stem: str) -> None:
    """What each box holds, in a folder per class."""
    height, width = image_rgb.shape[:2]
    for number, record in enumerate(found.records()):
        x1, y1, x2, y2 = (round(value) for value in record["box_xyxy_px"])
        held = image_rgb[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
        if held.size:
            home = folder / crop_folders(found.names)[record["class"]]
            make_folder(home)
            write_image(home / f"{stem}_{number}.jpg", np.ascontiguousarray(held))


@functools.lru_cache(maxsize=8)
def crop_folders(names: tuple[str, ...]) -> tuple[str, ...]:
    """A folder for each class, one of its own.

    Its name in letters that lead nowhere else, numbered where it would be another's.
    """
    found: dict[str, str] = {}
    for name in names:
        stem = free = (
            fitting("".join(letter if letter.isalnum() or letter in " -_" else "_" for letter in name).strip()) or "_"
        )
        number = 1
        while free.lower() in found:
            number += 1
            free = f"{stem}_{number}"
        found[free.lower()] = free
    return tuple(found.values())

# SPDX-License-Identifier: Apache-2.0
"""Settings of the verbs that work on data sets."""

from __future__ import annotations

from typing import Literal

from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import Slice, Spelling, setting

DATA_HELP = "Data set: a YAML, a COCO JSON, a folder in VOC or COCO layout, or a packaged name."


class CheckSettings(Slice):
    """`boxwright data check`: every fault with file and line, what is done about it, and how to mend it."""

    data: str = setting("", DATA_HELP, Spelling(positional=True), min_length=1)
    strict: bool = setting(
        default=False,
        help_text="Exit with 3 for every finding, not only for those that the policy refuses.",
        spelling=Spelling(),
    )


class ConvertSettings(Slice):
    """`boxwright data convert`: the same data in another format, in a folder of its own."""

    data: str = setting("", DATA_HELP, Spelling(positional=True), min_length=1)
    to: Literal["yolo", "coco", "voc"] = setting("yolo", "Format to write.", Spelling())
    out: str = setting(
        "", "Folder to write into; it must not hold anything yet.", Spelling(metavar="DIR"), min_length=1
    )
    images: Literal["copy", "link"] = setting(
        "copy", "Whether images are copied, or linked to where they are.", Spelling()
    )


class SplitSettings(Slice):
    """`boxwright data split`: lists of images for training, validation and test; no image is moved."""

    data: str = setting(
        "",
        "Data set whose splits are pooled, or a folder of images with their labels.",
        Spelling(positional=True),
        min_length=1,
    )
    out: str = setting(
        "",
        "Folder for the lists and their data.yaml; it must not hold anything yet.",
        Spelling(metavar="DIR"),
        min_length=1,
    )
    val: float = setting(0.2, "Share of images for validation.", Spelling(), gt=0, lt=1)
    test: float = setting(0.0, "Share of images for the test.", Spelling(), ge=0, lt=1)
    group: str = setting(
        "",
        "What stays together: 'folder', or a pattern whose first group is taken from each path.",
        Spelling(metavar="PATTERN"),
    )
    names: tuple[str, ...] = setting(
        (),
        "Names of the classes, for a folder that has none (default: its classes.txt).",
        Spelling(many=True, metavar="NAME"),
    )
    seed: int = setting(0, "Another seed divides otherwise.", Spelling(), ge=0)


class ReportSettings(Slice):
    """`boxwright data report`: what is in a data set, as one page that needs no network and as JSON."""

    data: str = setting("", DATA_HELP, Spelling(positional=True), min_length=1)
    out: str = setting("", "Folder for report.html and report.json (default: runs/data/NAME).", Spelling(metavar="DIR"))
    imgsz: int = setting(640, "Image size that box sizes are given at.", Spelling(names=("img",)), ge=32)
    cfg: str = setting("yolov5s", "Network whose anchors are compared with the boxes.", Spelling(metavar="YAML"))


class FetchSettings(Slice):
    """`boxwright data fetch`.

    Fetch the archive that a YAML names under `download:` and unpack it below the YAML's folder.
    """

    data: str = setting(
        "", "Data set YAML with a 'download: https://...' entry.", Spelling(positional=True), min_length=1
    )
    to: str = setting(
        "",
        "Folder for the data, which must not hold anything yet (default: 'path' of the YAML).",
        Spelling(metavar="DIR"),
    )
    sha256: str = setting(
        "",
        "What the archive must hash to (default: 'checksum:' of the YAML, else what the first fetch found).",
        Spelling(metavar="HEX"),
    )
    max_gib: float = setting(
        20.0, "Most that may be fetched, and most that may be unpacked, in GiB.", Spelling(metavar="GIB"), gt=0, le=1e6
    )


class PreviewSettings(TrainSettings):
    """`boxwright data preview`: training samples as the trainer draws them, with their boxes and how they were made."""

    data: str = setting("sample", DATA_HELP, Spelling(positional=True))
    out: str = setting("", "Folder for the pictures (default: runs/preview).", Spelling(metavar="DIR"))
    epoch: int = setting(0, "Epoch to look at, from 0.", Spelling(metavar="N"), ge=0)
    index: tuple[int, ...] = setting(
        (),
        "Numbers of images in the training split (default: the first ones of the epoch).",
        Spelling(many=True, metavar="N"),
    )
    count: int = setting(8, "How many samples, where no index is given.", Spelling(metavar="N"), ge=1, le=1000)

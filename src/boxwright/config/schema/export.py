# SPDX-License-Identifier: Apache-2.0
"""Settings of `boxwright export`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from boxwright.config.schema.data import MAX_IMAGE_SIZE
from boxwright.config.setting import Slice, Spelling, setting

OPSETS = (13, 17)  # between them the operators of these networks mean the same; the newest is known well
Format = Literal["safetensors", "torchscript", "onnx", "yolov5", "openvino", "coreml"]


class ExportSettings(Slice):
    """`boxwright export`."""

    run: str = setting("", "Checkpoint or run folder, as the first word.", Spelling(positional=True))
    weights: str = setting("", "Checkpoint or run folder (its best.pt).", Spelling(original=True, metavar="PT"))
    format: tuple[Format, ...] = setting(
        (),
        "One or several formats to write: onnx, torchscript, openvino, safetensors, yolov5.",
        Spelling(many=True, names=("include",), metavar="FORMAT"),
        min_length=1,
    )
    out: str = setting("", "Folder to write into (default: beside the weights).", Spelling(metavar="DIR"))
    imgsz: tuple[Annotated[int, Field(ge=32, le=MAX_IMAGE_SIZE)], ...] = setting(
        (),
        "Image size: one, or height and width (default: as in training, else 640).",
        Spelling(original=True, names=("img",), renamed=("img_size",), many=True, metavar="PX"),
        max_length=2,
    )
    batch: int = setting(1, "Images per batch.", Spelling(original=True, names=("batch_size",)), ge=1, le=4096)
    dynamic: bool = setting(
        default=False, help_text="Take any number of images of any size on the grid.", spelling=Spelling(original=True)
    )
    half: bool = setting(default=False, help_text="Write half precision.", spelling=Spelling(original=True))
    opset: int | None = setting(
        None,
        "Version of the operators of an onnx file (default: 17).",
        Spelling(original=True),
        ge=OPSETS[0],
        le=OPSETS[1],
    )
    nms: bool = setting(
        default=False,
        help_text="Suppression in the graph, a fixed number of rows out (onnx and openvino).",
        spelling=Spelling(original=True),
    )
    conf_thres: float = setting(
        0.25, "Least confidence of a detection: of the comparison, and of --nms.", Spelling(original=True), ge=0, lt=1
    )
    iou_thres: float = setting(
        0.45, "IoU threshold of NMS: of the comparison, and of --nms.", Spelling(original=True), gt=0, lt=1
    )
    max_det: int = setting(300, "Rows per image with --nms.", Spelling(names=("topk_all",)), ge=1, le=30_000)
    candidates: int = setting(1000, "Best scored predictions per image that enter --nms.", Spelling(), ge=1, le=30_000)
    agnostic_nms: bool = setting(
        default=False,
        help_text="With --nms: let boxes of all classes suppress each other.",
        spelling=Spelling(original=True),
    )
    licence: str = setting(
        "", "Licence of your weights, for the metadata.", Spelling(names=("license",)), max_length=1000
    )
    data: str = setting(
        "",
        "Data set whose images are compared on (default: that of the training, else drawn ones).",
        Spelling(original=True, metavar="YAML"),
    )
    threads: int = setting(
        0, "Compute threads; 0 = as many as there are cores for this process.", Spelling(metavar="N"), ge=0, le=1024
    )
    exist_ok: bool = setting(default=False, help_text="Replace files that exist.", spelling=Spelling())

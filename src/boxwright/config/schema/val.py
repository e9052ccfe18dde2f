# SPDX-License-Identifier: Apache-2.0
"""Settings of `boxwright val`. What is not given comes from the checkpoint, so that a run's number repeats."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from boxwright.config.schema.class_names import NamesSettings
from boxwright.config.schema.data import MAX_IMAGE_SIZE
from boxwright.config.setting import Spelling, setting


class ValSettings(NamesSettings):
    """`boxwright val`."""

    weights: tuple[str, ...] = setting(
        (),
        "Checkpoint, run folder (its best.pt) or exported network; several predict together.",
        Spelling(original=True, many=True, metavar="PT"),
    )
    run: str = setting("", "Checkpoint, run folder or exported network, as the first word.", Spelling(positional=True))
    data: str = setting(
        "",
        "Data set: a YAML or a packaged name (default: that of the training).",
        Spelling(original=True, metavar="YAML"),
    )
    batch_size: int | None = setting(
        None,
        "Images per batch (default: as in training, else 32).",
        Spelling(original=True, names=("batch",)),
        ge=1,
        le=1 << 21,
    )
    imgsz: int | None = setting(
        None,
        "Image size (default: as in training, else 640).",
        Spelling(original=True, names=("img",), renamed=("img_size",)),
        ge=32,
        le=MAX_IMAGE_SIZE,
    )
    conf_thres: float | None = setting(
        None, "Least confidence of a prediction (default: 0.001; 0.25 for speed).", Spelling(original=True), ge=0, lt=1
    )
    iou_thres: float | None = setting(
        None,
        "IoU threshold of NMS (default: as in training, else 0.6; 0.45 for speed).",
        Spelling(original=True),
        gt=0,
        lt=1,
    )
    max_det: int = setting(300, "Most detections per image.", Spelling(original=True), ge=1)
    task: Literal["train", "val", "test", "speed", "study"] = setting(
        "val",
        "Split to validate on; speed times square batches, study goes through image sizes.",
        Spelling(original=True),
    )
    device: str = setting(
        "", "cpu, mps, 0, or 0,1 to share the images; '' = the first GPU, else the CPU.", Spelling(original=True)
    )
    processes: int = setting(
        0,
        "Processes on this machine that share the images; 0 = one for each of several devices, else one.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )
    result_file: str = setting("", "Write what is told into this file instead, as JSON.", Spelling(metavar="PATH"))
    threads: int = setting(
        0,
        "Compute threads on a CPU; 0 = as many as there are cores for this process.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )
    workers: int = setting(8, "Loader threads.", Spelling(original=True), ge=0, le=1024)
    single_cls: bool = setting(default=False, help_text="Treat all classes as one.", spelling=Spelling(original=True))
    augment: bool = setting(
        default=False,
        help_text="Test-time augmentation: look at three sizes of every image, one mirrored.",
        spelling=Spelling(original=True),
    )
    square: bool = setting(
        default=False,
        help_text="Square images of exactly the image size, as exports of a fixed size see them.",
        spelling=Spelling(),
    )
    half: bool = setting(
        default=False,
        help_text="Validate in half precision if the first images say the same in it.",
        spelling=Spelling(original=True),
    )
    classes: tuple[int | str, ...] = setting(
        (), "Only these classes, by number or name.", Spelling(many=True, metavar="CLASS")
    )
    agnostic_nms: bool = setting(
        default=False,
        help_text="Class-agnostic NMS: let boxes of all classes suppress each other.",
        spelling=Spelling(),
    )
    nms: Literal["exact", "parity"] = setting(
        "exact", "Keep classes apart exactly, or by the family's shift of 7680 pixels in float32.", Spelling()
    )
    at_conf: float | None = setting(
        None, "Also count what a user of this confidence gets.", Spelling(metavar="CONF"), ge=0, lt=1
    )
    ci: int = setting(
        0,
        "Also give confidence intervals, from so many draws of the images (bare: 1000).",
        Spelling(bare=1000, metavar="ROUNDS"),
        ge=0,
    )
    errors: bool = setting(
        default=False,
        help_text="Write what became of every object, and lists of images to look at.",
        spelling=Spelling(),
    )
    save_txt: bool = setting(default=False, help_text="Write a label file per image.", spelling=Spelling(original=True))
    save_hybrid: bool = setting(
        default=False,
        help_text="The same with the labels among the predictions, as certain ones.",
        spelling=Spelling(original=True),
    )
    save_conf: bool = setting(
        default=False, help_text="Write the confidence as sixth number of a row.", spelling=Spelling(original=True)
    )
    save_json: bool = setting(default=False, help_text="Write COCO results.", spelling=Spelling(original=True))
    ids: str = setting(
        "", "File that states image and category ids of COCO results: an annotation file.", Spelling(metavar="JSON")
    )
    verbose: bool = setting(default=False, help_text="Show every class.", spelling=Spelling(original=True))
    project: str = setting("runs/val", "Folder of the results.", Spelling(original=True), min_length=1)
    name: str = setting("exp", "Name of the results; numbered on when it exists.", Spelling(original=True))
    exist_ok: bool = setting(
        default=False, help_text="Use the folder even if it exists.", spelling=Spelling(original=True)
    )
    noplots: bool = setting(default=False, help_text="Draw no pictures.", spelling=Spelling())


class PredictSettings(NamesSettings):
    """`boxwright predict`."""

    run: str = setting("", "Checkpoint, run folder or exported network, as the first word.", Spelling(positional=True))
    weights: tuple[str, ...] = setting(
        (),
        "Checkpoint, run folder (its best.pt) or exported network; several predict together.",
        Spelling(original=True, many=True, metavar="PT"),
    )
    source: tuple[str, ...] = setting(
        (),
        "Images, folders, patterns, list files, videos; - = paths on standard input; 0 = a camera, rtsp:// or http:// "
        "= a stream, screen; a list file may name streams.",
        Spelling(original=True, many=True, metavar="PATH"),
    )
    data: str = setting(
        "",
        "Data set that names the classes, where the weights do not.",
        Spelling(original=True, metavar="YAML"),
    )
    imgsz: tuple[Annotated[int, Field(ge=32, le=MAX_IMAGE_SIZE)], ...] = setting(
        (),
        "Image size: one, or height and width (default: as in training, else 640).",
        Spelling(original=True, names=("img",), renamed=("img_size",), many=True, metavar="PX"),
        max_length=2,
    )
    conf_thres: float = setting(0.25, "Least confidence of a detection.", Spelling(original=True), ge=0, lt=1)
    iou_thres: float = setting(0.45, "IoU threshold of NMS.", Spelling(original=True), gt=0, lt=1)
    max_det: int = setting(1000, "Most detections per image.", Spelling(original=True), ge=1)
    classes: tuple[int | str, ...] = setting(
        (), "Only these classes, by number or name.", Spelling(original=True, many=True, metavar="CLASS")
    )
    augment: bool = setting(
        default=False,
        help_text="Test-time augmentation: look at three sizes of every image, one mirrored.",
        spelling=Spelling(original=True),
    )
    agnostic_nms: bool = setting(
        default=False,
        help_text="Class-agnostic NMS: let boxes of all classes suppress each other.",
        spelling=Spelling(original=True),
    )
    half: bool = setting(
        default=False, help_text="Use half precision where the device has it.", spelling=Spelling(original=True)
    )
    batch: int = setting(1, "Images per batch.", Spelling(), ge=1)
    device: str = setting("", "cpu, mps, 0; '' = the first GPU, else the CPU.", Spelling(original=True))
    threads: int = setting(
        0,
        "Compute threads on a CPU; 0 = as many as there are cores for this process.",
        Spelling(metavar="N"),
        ge=0,
        le=1024,
    )
    save_txt: bool = setting(default=False, help_text="Write a label file per image.", spelling=Spelling(original=True))
    save_format: Literal[0, 1] = setting(
        0,
        "What --save-txt writes of a box: 0 = centre and sides in shares of the picture, 1 = x1 y1 x2 y2 in pixels.",
        Spelling(original=True),
    )
    save_conf: bool = setting(
        default=False, help_text="Write the confidence as sixth number of a row.", spelling=Spelling(original=True)
    )
    save_csv: bool = setting(
        default=False, help_text="Write all detections as one table, predictions.csv.", spelling=Spelling(original=True)
    )
    save_json: bool = setting(default=False, help_text="Write all detections as one JSON file.", spelling=Spelling())
    save_crop: bool = setting(
        default=False, help_text="Write what each box holds, by class.", spelling=Spelling(original=True)
    )
    vid_stride: int = setting(1, "Of a video or stream take every so-manyth frame.", Spelling(original=True), ge=1)
    every_frame: bool = setting(
        default=False, help_text="Of streams take every frame, not the newest.", spelling=Spelling()
    )
    reconnect: int = setting(
        3, "How often to try a stream again that broke off, before it counts as ended.", Spelling(), ge=0, le=1000
    )
    view_img: bool = setting(
        default=False, help_text="Show every picture in a window; q ends.", spelling=Spelling(original=True)
    )
    nosave: bool = setting(default=False, help_text="Write no pictures.", spelling=Spelling(original=True))
    visualize: bool = setting(
        default=False,
        help_text="Also draw what each row of the (first) network says.",
        spelling=Spelling(original=True),
    )
    line_thickness: int | None = setting(
        None, "Line width in pixels (default: by image size).", Spelling(original=True), ge=1
    )
    hide_labels: bool = setting(default=False, help_text="Draw boxes without names.", spelling=Spelling(original=True))
    hide_conf: bool = setting(
        default=False, help_text="Draw names without confidences.", spelling=Spelling(original=True)
    )
    project: str = setting(
        "runs/detect", "Folder of the results.", Spelling(original=True, renamed=("output",)), min_length=1
    )
    name: str = setting("exp", "Name of the results; numbered on when it exists.", Spelling(original=True))
    exist_ok: bool = setting(
        default=False, help_text="Use the folder even if it exists.", spelling=Spelling(original=True)
    )

# SPDX-License-Identifier: Apache-2.0
"""Every flag of the training, validation, detection and export programs of this family, and what each does here.

The parser reads from it what has no effect or is refused; a test passes every row to the parser, and holds
docs/reference/flags.md equal to it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Outcome(Enum):
    """What becomes of a flag; the text is what the page says."""

    TAKEN = "works"
    RENAMED = "works, spelt otherwise"
    WITHOUT_EFFECT = "no effect, and says so"
    NOT_YET = "refused: not offered yet"
    REFUSED = "refused"


T, R, W, N, X = Outcome.TAKEN, Outcome.RENAMED, Outcome.WITHOUT_EFFECT, Outcome.NOT_YET, Outcome.REFUSED

# The trainers of the years; a flag of detection or export is listed under the trainer that it came with.
ERAS = ("2020.7", "2020.8", "6.0", "6.2", "7.0")


class FamilyFlag(NamedTuple):
    """One flag of one program. `words` follow it in an example; `key` is the setting that it sets.

    `about` says what differs, has no effect, or why it is refused; `remedy` what to do instead.
    """

    verb: str
    flag: str
    eras: str  # the first and the last, or the only one
    words: str
    outcome: Outcome
    key: str = ""
    about: str = ""
    remedy: str = ""


_TRACKED = "--track names a tracker, and --bbox-interval says how often it gets images."
_TENSORRT = "It is for TensorRT engines, and none are written."
_TENSORFLOW = "It is for TensorFlow files, and none are written"

TRAIN = (
    FamilyFlag(
        "train", "--weights", "2020.7-7.0", "w.pt", T, "weights", "A checkpoint, or a run folder (its best.pt)."
    ),
    FamilyFlag("train", "--cfg", "2020.7-7.0", "yolov5n", T, "cfg"),
    FamilyFlag("train", "--data", "2020.7-7.0", "sample", T, "data"),
    FamilyFlag("train", "--hyp", "2020.7-7.0", "small-data", T, "hyp"),
    FamilyFlag("train", "--epochs", "2020.7-7.0", "3", T, "epochs"),
    FamilyFlag("train", "--batch-size", "2020.7-7.0", "8", T, "batch_size", "Over all processes."),
    FamilyFlag("train", "--batch", "6.0-7.0", "8", T, "batch_size"),
    FamilyFlag("train", "--total-batch-size", "2020.8", "8", R, "batch_size"),
    FamilyFlag("train", "--img-size", "2020.7-7.0", "640 480", R, "imgsz"),
    FamilyFlag("train", "--img", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("train", "--imgsz", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("train", "--rect", "2020.7-7.0", "", T, "rect"),
    FamilyFlag("train", "--resume", "2020.7-7.0", "runs/train/exp", T, "resume"),
    FamilyFlag("train", "--nosave", "2020.7-7.0", "", T, "nosave"),
    FamilyFlag("train", "--notest", "2020.7-2020.8", "", R, "noval"),
    FamilyFlag("train", "--noval", "6.0-7.0", "", T, "noval"),
    FamilyFlag("train", "--noautoanchor", "2020.7-7.0", "", T, "noautoanchor"),
    FamilyFlag("train", "--noplots", "6.2-7.0", "", T, "noplots"),
    FamilyFlag("train", "--evolve", "2020.7-7.0", "10", T, "evolve"),
    FamilyFlag("train", "--evolve_population", "7.0", "sets", T, "evolve_population"),
    FamilyFlag("train", "--resume_evolve", "7.0", "population.yaml", T, "resume_evolve"),
    FamilyFlag("train", "--bucket", "2020.7-7.0", "gs://mine", T, "bucket"),
    FamilyFlag("train", "--cache-images", "2020.7-2020.8", "", R, "cache"),
    FamilyFlag("train", "--cache", "6.0-7.0", "disk", T, "cache"),
    FamilyFlag("train", "--image-weights", "2020.8-7.0", "", T, "image_weights"),
    FamilyFlag("train", "--device", "2020.7-7.0", "cpu", T, "device", "One device, or several: a process for each."),
    FamilyFlag("train", "--multi-scale", "2020.7-7.0", "", T, "multi_scale"),
    FamilyFlag("train", "--single-cls", "2020.7-7.0", "", T, "single_cls"),
    FamilyFlag("train", "--adam", "2020.7-6.0", "", T, "optimizer", "The same as --optimizer Adam."),
    FamilyFlag("train", "--optimizer", "6.2-7.0", "AdamW", T, "optimizer"),
    FamilyFlag("train", "--sync-bn", "2020.8-7.0", "", T, "sync_bn"),
    FamilyFlag("train", "--workers", "2020.8-7.0", "2", T, "workers", "Threads, not processes."),
    FamilyFlag("train", "--logdir", "2020.8", "runs", R, "project"),
    FamilyFlag("train", "--project", "6.0-7.0", "runs", T, "project"),
    FamilyFlag("train", "--name", "2020.7-7.0", "mine", T, "name"),
    FamilyFlag("train", "--exist-ok", "6.0-7.0", "", T, "exist_ok"),
    FamilyFlag("train", "--quad", "6.0-7.0", "", T, "quad"),
    FamilyFlag("train", "--linear-lr", "6.0", "", T, "linear_lr"),
    FamilyFlag("train", "--cos-lr", "6.2-7.0", "", T, "cos_lr"),
    FamilyFlag("train", "--label-smoothing", "6.0-7.0", "0.1", T, "label_smoothing"),
    FamilyFlag("train", "--patience", "6.0-7.0", "20", T, "patience"),
    FamilyFlag("train", "--freeze", "6.0-7.0", "10", T, "freeze", "Row numbers, or name patterns."),
    FamilyFlag("train", "--save_period", "6.0", "5", T, "save_period"),
    FamilyFlag("train", "--save-period", "6.2-7.0", "5", T, "save_period"),
    FamilyFlag("train", "--seed", "6.2-7.0", "3", T, "seed"),
    FamilyFlag("train", "--local_rank", "2020.8-7.0", "0", W, "", "The environment that torchrun sets decides."),
    FamilyFlag("train", "--log-imgs", "2020.8", "16", W, "", _TRACKED),
    FamilyFlag("train", "--log-artifacts", "2020.8", "", W, "", _TRACKED),
    FamilyFlag("train", "--entity", "6.0-7.0", "me", T, "entity"),
    FamilyFlag("train", "--upload_dataset", "6.0-7.0", "val", N, "upload_dataset"),
    FamilyFlag("train", "--bbox_interval", "6.0-7.0", "2", T, "bbox_interval"),
    FamilyFlag("train", "--artifact_alias", "6.0-7.0", "v2", T, "artifact_alias"),
    FamilyFlag("train", "--ndjson-console", "7.0", "", T, "ndjson_console"),
    FamilyFlag("train", "--ndjson-file", "7.0", "", T, "ndjson_file"),
    FamilyFlag("train", "--quiet", "7.0", "", T, "quiet"),
)

VAL = (
    FamilyFlag("val", "--weights", "2020.7-7.0", "w.pt", T, "weights"),
    FamilyFlag("val", "--data", "2020.7-7.0", "sample", T, "data"),
    FamilyFlag("val", "--batch-size", "2020.7-7.0", "8", T, "batch_size"),
    FamilyFlag("val", "--img-size", "2020.7-7.0", "320", R, "imgsz"),
    FamilyFlag("val", "--img", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("val", "--imgsz", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("val", "--conf-thres", "2020.7-7.0", "0.01", T, "conf_thres"),
    FamilyFlag("val", "--iou-thres", "2020.7-7.0", "0.5", T, "iou_thres"),
    FamilyFlag("val", "--max-det", "6.2-7.0", "100", T, "max_det"),
    FamilyFlag("val", "--task", "2020.7-7.0", "test", T, "task"),
    FamilyFlag("val", "--device", "2020.7-7.0", "cpu", T, "device"),
    FamilyFlag("val", "--workers", "6.2-7.0", "2", T, "workers"),
    FamilyFlag("val", "--single-cls", "2020.7-7.0", "", T, "single_cls"),
    FamilyFlag("val", "--augment", "2020.7-7.0", "", T, "augment"),
    FamilyFlag(
        "val",
        "--merge",
        "2020.7-2020.8",
        "",
        X,
        "",
        "boxes that suppress each other are not averaged",
        "Leave it out",
    ),
    FamilyFlag("val", "--verbose", "2020.7-7.0", "", T, "verbose"),
    FamilyFlag("val", "--save-txt", "2020.8-7.0", "", T, "save_txt"),
    FamilyFlag("val", "--save-hybrid", "6.0-7.0", "", T, "save_hybrid"),
    FamilyFlag("val", "--save-conf", "6.0-7.0", "", T, "save_conf"),
    FamilyFlag("val", "--save-json", "2020.7-7.0", "", T, "save_json"),
    FamilyFlag("val", "--project", "6.0-7.0", "runs", T, "project"),
    FamilyFlag("val", "--name", "6.0-7.0", "mine", T, "name"),
    FamilyFlag("val", "--exist-ok", "6.0-7.0", "", T, "exist_ok"),
    FamilyFlag("val", "--half", "6.0-7.0", "", T, "half"),
    FamilyFlag("val", "--dnn", "6.2-7.0", "", W, "", "ONNX files are run by ONNX Runtime."),
)

PREDICT = (
    FamilyFlag("predict", "--weights", "2020.7-7.0", "w.pt", T, "weights"),
    FamilyFlag("predict", "--source", "2020.7-7.0", "a.jpg", T, "source"),
    FamilyFlag("predict", "--data", "6.2-7.0", "sample", T, "data"),
    FamilyFlag("predict", "--output", "2020.7-2020.8", "found", R, "project", "Results lie in a folder below it."),
    FamilyFlag("predict", "--img-size", "2020.7-7.0", "320", R, "imgsz"),
    FamilyFlag("predict", "--img", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("predict", "--imgsz", "6.0-7.0", "320 256", T, "imgsz"),
    FamilyFlag("predict", "--conf-thres", "2020.7-7.0", "0.4", T, "conf_thres"),
    FamilyFlag("predict", "--iou-thres", "2020.7-7.0", "0.5", T, "iou_thres"),
    FamilyFlag("predict", "--max-det", "6.0-7.0", "100", T, "max_det"),
    FamilyFlag("predict", "--fourcc", "2020.7", "mp4v", W, "", "Videos are H.264 where this machine can, else MPEG-4."),
    FamilyFlag("predict", "--device", "2020.7-7.0", "cpu", T, "device"),
    FamilyFlag("predict", "--view-img", "2020.7-7.0", "", T, "view_img", "Without a display it says so and goes on."),
    FamilyFlag("predict", "--save-txt", "2020.7-7.0", "", T, "save_txt"),
    FamilyFlag("predict", "--save-format", "7.0", "1", T, "save_format", "With --save-txt."),
    FamilyFlag("predict", "--save-csv", "7.0", "", T, "save_csv"),
    FamilyFlag("predict", "--save-conf", "6.0-7.0", "", T, "save_conf", "With --save-txt."),
    FamilyFlag("predict", "--save-crop", "6.0-7.0", "", T, "save_crop"),
    FamilyFlag("predict", "--nosave", "6.0-7.0", "", T, "nosave"),
    FamilyFlag("predict", "--classes", "2020.7-7.0", "0 2", T, "classes"),
    FamilyFlag("predict", "--agnostic-nms", "2020.7-7.0", "", T, "agnostic_nms"),
    FamilyFlag("predict", "--augment", "2020.7-7.0", "", T, "augment"),
    FamilyFlag("predict", "--visualize", "6.0-7.0", "", T, "visualize"),
    FamilyFlag(
        "predict",
        "--update",
        "2020.8-7.0",
        "",
        W,
        "",
        "No file of yours is changed; `boxwright weights strip` writes a smaller copy.",
    ),
    FamilyFlag("predict", "--project", "6.0-7.0", "runs", T, "project"),
    FamilyFlag("predict", "--name", "6.0-7.0", "mine", T, "name"),
    FamilyFlag("predict", "--exist-ok", "6.0-7.0", "", T, "exist_ok"),
    FamilyFlag("predict", "--line-thickness", "6.0-7.0", "2", T, "line_thickness"),
    FamilyFlag("predict", "--hide-labels", "6.0-7.0", "", T, "hide_labels"),
    FamilyFlag("predict", "--hide-conf", "6.0-7.0", "", T, "hide_conf"),
    FamilyFlag("predict", "--half", "6.0-7.0", "", T, "half"),
    FamilyFlag("predict", "--dnn", "6.2-7.0", "", W, "", "ONNX files are run by ONNX Runtime."),
    FamilyFlag("predict", "--vid-stride", "6.2-7.0", "2", T, "vid_stride"),
)

EXPORT = (
    FamilyFlag("export", "--weights", "2020.7-7.0", "w.pt", T, "weights"),
    FamilyFlag(
        "export",
        "--include",
        "6.0-7.0",
        "onnx torchscript",
        T,
        "format",
        "Other words are refused, coreml with a reason.",
    ),
    FamilyFlag("export", "--data", "6.0-7.0", "sample", T, "data"),
    FamilyFlag("export", "--img-size", "2020.7-7.0", "320", R, "imgsz"),
    FamilyFlag("export", "--img", "6.0-7.0", "320", T, "imgsz"),
    FamilyFlag("export", "--imgsz", "6.0-7.0", "320 256", T, "imgsz"),
    FamilyFlag("export", "--batch-size", "2020.7-7.0", "2", T, "batch"),
    FamilyFlag(
        "export",
        "--device",
        "6.0-7.0",
        "cpu",
        W,
        "",
        "A file is written and compared on the CPU, and is the same for every device.",
    ),
    FamilyFlag("export", "--half", "6.0-7.0", "", T, "half", "On every machine."),
    FamilyFlag("export", "--inplace", "6.0-7.0", "", W, "", "The head is always written in the form that graphs take."),
    FamilyFlag(
        "export",
        "--train",
        "6.0",
        "",
        X,
        "",
        "a graph that still learns is not written",
        "Give others the checkpoint, or --format yolov5",
    ),
    FamilyFlag(
        "export",
        "--optimize",
        "6.0-7.0",
        "",
        X,
        "",
        "TorchScript for phones is not written",
        "Leave it out: the network is folded as it is",
    ),
    FamilyFlag(
        "export",
        "--int8",
        "6.0-7.0",
        "",
        X,
        "",
        "whole numbers of 8 bits are not written",
        "Use --half, or full precision",
    ),
    FamilyFlag("export", "--per-tensor", "7.0", "", X, "", "whole numbers of 8 bits are not written", "Leave it out"),
    FamilyFlag("export", "--keras", "7.0", "", X, "", _TENSORFLOW, "Export onnx, and convert that"),
    FamilyFlag("export", "--dynamic", "6.0-7.0", "", T, "dynamic"),
    FamilyFlag("export", "--cache", "7.0", "timing.cache", W, "", _TENSORRT),
    FamilyFlag("export", "--simplify", "6.0-7.0", "", W, "", "Layers and constants are folded in every graph."),
    FamilyFlag("export", "--opset", "6.0-7.0", "13", T, "opset"),
    FamilyFlag("export", "--verbose", "6.0-7.0", "", W, "", _TENSORRT),
    FamilyFlag("export", "--workspace", "6.0-7.0", "4", W, "", _TENSORRT),
    FamilyFlag("export", "--nms", "6.0-7.0", "", T, "nms"),
    FamilyFlag("export", "--agnostic-nms", "6.0-7.0", "", T, "agnostic_nms"),
    FamilyFlag(
        "export",
        "--topk-per-class",
        "6.0-7.0",
        "100",
        X,
        "",
        _TENSORFLOW,
        "Use --max-det, over all classes, and --candidates",
    ),
    FamilyFlag("export", "--topk-all", "6.0-7.0", "100", T, "max_det"),
    FamilyFlag("export", "--iou-thres", "6.0-7.0", "0.5", T, "iou_thres"),
    FamilyFlag("export", "--conf-thres", "6.0-7.0", "0.4", T, "conf_thres"),
)

FLAGS = (*TRAIN, *VAL, *PREDICT, *EXPORT)


def family_flag(verb: str, name: str) -> FamilyFlag | None:
    """The flag of the family with this name, without its dashes, where it has no effect or is refused here."""
    dashed = name.replace("_", "-")
    here = (row for row in FLAGS if row.verb == verb and row.outcome in {W, X})
    return next((row for row in here if row.flag[2:].replace("_", "-") == dashed), None)

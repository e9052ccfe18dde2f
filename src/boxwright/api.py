# SPDX-License-Identifier: Apache-2.0
"""The Python interface: the verbs as functions with typed parameters and typed results."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence  # noqa: TC003 -- whoever asks for the types of a signature gets them
from pathlib import Path
from typing import Any, Literal, Unpack

from boxwright.commands import val as validation
from boxwright.config.arguments import errors_in_python, in_python, layer_of
from boxwright.config.assemble import resolve_verb
from boxwright.config.load import Layer, Resolved
from boxwright.config.options import ExportOptions, Formats, PredictOptions, StrPath, TrainOptions, ValOptions
from boxwright.config.origin import PYTHON
from boxwright.config.schema.export import ExportSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import PredictSettings, ValSettings
from boxwright.config.setting import Slice, SliceType
from boxwright.data.index.index import Index
from boxwright.errors import DataError
from boxwright.infer.loaded_model import Model
from boxwright.infer.results import ImageDetections, Predictions
from boxwright.infer.sources import require_no_stream
from boxwright.runs.evaluation.validation_result import ValidationResult
from boxwright.runs.exporting.export import Exports
from boxwright.runs.exporting.export import export as export_files
from boxwright.runs.inputs import open_data as opening
from boxwright.runs.inputs.class_match import matching_of
from boxwright.runs.prediction.open_predictor import predictor_of
from boxwright.runs.prediction.predict import predict as predict_sources
from boxwright.runs.result import TrainResult
from boxwright.runs.training import train as run_training


def train(
    *,
    data: str | Path | None = None,
    weights: str | Path | None = None,
    cfg: str | Path | None = None,
    hyp: str | Path | None = None,
    recipe: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    batch: int | None = None,
    imgsz: int | Sequence[int] | None = None,
    device: str | int | None = None,
    workers: int | None = None,
    cache: Literal["off", "ram", "disk", "val"] | None = None,
    project: str | Path | None = None,
    name: str | None = None,
    exist_ok: bool | None = None,
    resume: bool | str | Path | None = None,
    seed: int | None = None,
    patience: int | None = None,
    optimizer: Literal["SGD", "Adam", "AdamW", "RMSProp"] | None = None,
    freeze: int | str | Sequence[int | str] | None = None,
    rect: bool | None = None,
    multi_scale: bool | None = None,
    image_weights: bool | None = None,
    single_cls: bool | None = None,
    cos_lr: bool | None = None,
    label_smoothing: float | None = None,
    amp: Literal["auto", "off", "bf16", "fp16"] | None = None,
    threads: int | None = None,
    time: float | None = None,
    save_period: int | None = None,
    noplots: bool | None = None,
    quiet: bool | None = None,
    best_by: str | None = None,
    config: str | Path | None = None,
    observers: Sequence[object] = (),
    **settings: Unpack[TrainOptions],
) -> TrainResult:
    """Train a detector; returns where the run lies and what it came to.

    Example::

        result = boxwright.train(data="birds/data.yaml", cfg="yolov5n", epochs=50, imgsz=320, batch=16)
        print(result.best, result.results["metrics/mAP_0.5"])

    None means "not given": then the checkpoint, the recipe or the default decides.

    What is trained on what:
        data: a YAML, a COCO JSON, a folder in VOC or COCO layout, or a packaged name (default: the drawn sample set).
        cfg: the network, a YAML or a packaged name such as "yolov5s". weights: a file to start from.
        single_cls: treat all classes as one. freeze: the first N rows, or several numbers or name patterns.
        resume: True for the newest run, or a run folder or checkpoint: goes on where it stopped.

    How long, and at what size:
        epochs. patience: epochs without improvement before it stops, 0 for never. time: at most so many hours.
        batch_size, also written batch: images over all processes, -1 for as many as fit.
        imgsz: pixels, one number or two for training and validation. rect: batches of similar shapes.
        multi_scale: vary the size of each batch. image_weights: draw rare and badly found classes more often.

    How it learns:
        recipe: "2020.7", "2020.8", "6.0", "6.2" or "7.0", the constants of one of five trainers.
        hyp: a hyperparameter file or packaged name. config: a settings file, such as config.yaml of another run.
        optimizer. cos_lr: a cosine instead of the recipe's curve. label_smoothing. seed of everything random.
        Every hyperparameter is an argument too: lr0=0.005, mosaic=0.5, hsv_h=0 ...

    Machine:
        device: "cpu", "mps", 0 ... (default: the first GPU, else the CPU). amp: mixed precision.
        workers: loader threads. threads: compute threads on a CPU. cache: keep decoded images in memory or on disk.

    Where it goes:
        project and name: the run lies in PROJECT/NAME. exist_ok: use that folder even if it exists.
        save_period: keep every so-manyth epoch. best_by: what best.pt is chosen by. noplots, quiet.
        observers: objects with methods named after the moments of a run, such as
        `on_fit_epoch_end(values, epoch, best_fitness, fitness)`.

    All other settings of `boxwright train` are keywords as well; `boxwright config explain NAME` says what one does.
    Raises SettingError, DataError, ModelError or WeightsError with one line that says what to change.
    """
    given = _given(locals(), settings, "observers")
    with errors_in_python("boxwright.train", TrainSettings):
        return run_training(_resolved("boxwright.train", TrainSettings, given), observers)


def validate(
    weights: StrPath | Sequence[StrPath],
    *,
    data: str | Path | None = None,
    batch_size: int | None = None,
    batch: int | None = None,
    imgsz: int | None = None,
    conf_thres: float | None = None,
    iou_thres: float | None = None,
    max_det: int | None = None,
    task: Literal["train", "val", "test", "speed", "study"] | None = None,
    device: str | int | None = None,
    workers: int | None = None,
    half: bool | None = None,
    augment: bool | None = None,
    single_cls: bool | None = None,
    classes: int | str | Sequence[int | str] | None = None,
    **settings: Unpack[ValOptions],
) -> ValidationResult:
    """Validate a checkpoint, a run folder or an exported network, or several that predict together.

    Example::

        result = boxwright.validate("runs/train/exp")
        print(result.map50, result.map50_95)
        for one in result.classes:
            print(one.name, one.map50_95)

    With nothing but weights it repeats the number of their training: data, image size (imgsz) and thresholds come from
    the checkpoint. task: the split, or "speed" or "study". conf_thres: least confidence. iou_thres: suppression.
    classes: only these, by number or name. half: half precision. augment: three sizes of every image.

    Nothing is written unless `noplots=False`, `save_txt`, `save_json` or `errors` asks for it. The other settings of
    `boxwright val` are keywords as well.
    """
    given = {"noplots": True} | _given(locals(), settings)
    with errors_in_python("boxwright.validate", ValSettings):
        answer = validation.run(_resolved("boxwright.validate", ValSettings, given))
    return ValidationResult(answer.document, _notes(answer.notes, ValSettings))


def predict(
    weights: StrPath | Sequence[StrPath],
    source: StrPath | Sequence[StrPath],
    *,
    imgsz: int | Sequence[int] | None = None,
    conf_thres: float | None = None,
    iou_thres: float | None = None,
    max_det: int | None = None,
    classes: int | str | Sequence[int | str] | None = None,
    augment: bool | None = None,
    half: bool | None = None,
    batch: int | None = None,
    batch_size: int | None = None,
    device: str | int | None = None,
    project: str | Path | None = None,
    name: str | None = None,
    exist_ok: bool | None = None,
    save_txt: bool | None = None,
    save_json: bool | None = None,
    save_crop: bool | None = None,
    nosave: bool | None = None,
    **settings: Unpack[PredictOptions],
) -> Predictions:
    """Detections on files, folders, patterns, list files and videos; `load` is for images that are in memory.

    Example::

        for found in boxwright.predict("runs/train/exp", "holiday/*.jpg", conf_thres=0.4):
            print(found.path, found.counts())

    imgsz: pixels, one number, or height and width. What cannot be read is named in `left_out`, and the others go on.
    Nothing is written unless `nosave=False` (pictures), `save_txt`, `save_json`, `save_csv` or `save_crop` asks for
    it; then it lies in PROJECT/NAME. The other settings of `boxwright predict` are keywords as well.

    A stream has no end: `load(weights).stream("rtsp://...")` gives its pictures one after the other.
    """
    given = {"nosave": True} | _given(locals(), settings)
    with errors_in_python("boxwright.predict", PredictSettings):
        resolved = _resolved("boxwright.predict", PredictSettings, given)
        require_no_stream(resolved.settings.source)
        found = predict_sources(resolved.settings, sys.stdin)
    images = tuple(
        ImageDetections.of(one, kind=found.kind, frame=record.get("frame"))
        for one, record in zip(found.detections, found.records, strict=True)
    )
    return Predictions(images, found.folder, tuple(found.left_out), _notes(found.notes, PredictSettings))


def load(
    weights: StrPath | Sequence[StrPath],
    *,
    device: str | int | None = None,
    imgsz: int | Sequence[int] | None = None,
    batch: int | None = None,
    augment: bool | None = None,
    half: bool | None = None,
    threads: int | None = None,
    names_by_position: bool | None = None,
    match_names: bool | None = None,
) -> Model:
    """A trained network, or several that predict together, ready to be called on images.

    Example::

        model = boxwright.load("runs/train/exp", device="cpu")
        found = model("photo.jpg", min_score=0.4)
        found.save("photo_found.jpg")

    imgsz: image size, or height and width (default: as in training). augment: each looks at three sizes of every image,
    one mirrored. half: half precision where the device has it. threads: compute threads on a CPU. names_by_position,
    match_names: how the classes of several belong together that call them differently.
    batch: images that an exported file of a fixed, large number may take at a time.
    """
    with errors_in_python("boxwright.load", PredictSettings):
        s = _resolved("boxwright.load", PredictSettings, _given(locals(), {})).settings
        predictor, notes = predictor_of(
            s.weights,
            s.device,
            max(s.imgsz, default=None),
            batch=s.batch,
            threads=s.threads,
            augment=s.augment,
            half=s.half,
            size_hw=None if len(s.imgsz) <= 1 else (s.imgsz[0], s.imgsz[1]),
            matching=matching_of(s),
        )
    return Model(predictor, _notes(notes, PredictSettings))


def export(
    weights: str | Path,
    *,
    format: Formats | None = None,  # noqa: A002 -- the setting's name
    out: str | Path | None = None,
    imgsz: int | Sequence[int] | None = None,
    batch: int | None = None,
    batch_size: int | None = None,
    dynamic: bool | None = None,
    half: bool | None = None,
    nms: bool | None = None,
    data: str | Path | None = None,
    exist_ok: bool | None = None,
    **settings: Unpack[ExportOptions],
) -> Exports:
    """Write a network for other programs; every file is read back and compared before this returns.

    Example::

        done = boxwright.export("runs/train/exp", format="onnx", imgsz=640)
        print(done.files[0].path)

    format: one or several of "onnx", "torchscript", "openvino", "safetensors", "yolov5". out: a folder (default: beside
    the weights). dynamic: any number of images of any size on the grid. nms: suppression inside the graph. half: half
    precision. data: whose images are compared on. The other settings of `boxwright export` are keywords as well.
    """
    given = _given(locals(), settings)
    with errors_in_python("boxwright.export", ExportSettings):
        return export_files(_resolved("boxwright.export", ExportSettings, given).settings)


def open_data(data: str | Path) -> Mapping[str, Index]:
    """The splits of a data set as sequences of records, by name.

    Example::

        splits = boxwright.open_data("birds/data.yaml")
        record = splits["train"][0]
        print(record.path, record.size_wh, record.classes, record.boxes_cxcywh_norm)
    """
    if not isinstance(data, str | Path):
        raise DataError("argument data", f"is {data!r}", "Give the path of a data set, or a packaged name")
    with errors_in_python("boxwright.open_data", TrainSettings):
        file = opening.locate_data(str(data))
        return opening.open_data(str(file), opening.splits_of(file)).splits


def _given(arguments: dict[str, Any], settings: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """What was given of the parameters of a function and of its other settings."""
    named = {key: value for key, value in arguments.items() if key not in {"settings", *others}}
    return {key: value for key, value in {**named, **settings}.items() if value is not None}


def _resolved(function: str, kind: type[SliceType], given: Mapping[str, Any]) -> Resolved[SliceType]:
    return resolve_verb(kind, layer_of(function, kind, given), Layer(PYTHON, {}))


def _notes(notes: Sequence[str], kind: type[Slice]) -> tuple[str, ...]:
    return tuple(in_python(note, kind) for note in notes)

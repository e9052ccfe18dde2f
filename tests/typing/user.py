# SPDX-License-Identifier: Apache-2.0
"""A program of a user, for `mypy`, which refuses an "ignore" that nothing needs: each marks a mistake that is seen."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from PIL import Image

import boxwright


def right() -> None:
    result = boxwright.train(
        data=Path("a.yaml"), cfg="yolov5n", epochs=3, batch=4, imgsz=[320, 256], lr0=0.01, device=0
    )
    assert_type(result, boxwright.TrainResult)
    assert_type(result.best, Path)
    measured = boxwright.validate(result.best, imgsz=320, save_txt=True)
    assert_type(measured.map50_95, float)
    assert_type([one.name for one in measured.classes], list[str])
    assert_type(measured.speed_ms, dict[str, float])
    model = boxwright.load(result.best, device="cpu")
    found = model("a.jpg", min_score=0.3)
    assert_type(found, boxwright.ImageDetections)
    assert_type(found.filter(classes=["cat"]), boxwright.ImageDetections)
    assert_type(found.save("b.jpg"), Path)
    assert_type(model([Path("a.jpg"), Path("b.jpg")]), list[boxwright.ImageDetections])
    assert_type(model(np.zeros((4, 4, 3), np.uint8)), boxwright.ImageDetections)
    assert_type(model(Image.new("RGB", (4, 4))), boxwright.ImageDetections)
    for one in boxwright.predict(result.best, "images", save_conf=True, save_txt=True):
        assert_type(one, boxwright.ImageDetections)
    predictions = boxwright.predict(result.best, "images", imgsz=(320, 256), batch=4, save_csv=True, save_format=1)
    assert_type(predictions.save("found"), list[Path])
    assert_type(predictions[0].crop(), list[np.ndarray])
    assert_type(predictions[0].plot(), np.ndarray)
    for one in model.stream("rtsp://camera", 0, min_score=0.3):
        assert_type(one, boxwright.ImageDetections)
    assert_type(boxwright.export(result.best, format="onnx").files[0].path, Path)
    assert_type(boxwright.open_data("a.yaml")["train"].paths[0], str)


def wrong() -> None:
    boxwright.train(epohcs=3)  # type: ignore[call-arg]
    boxwright.train(epochs="many")  # type: ignore[arg-type]
    boxwright.train(cache="memory")  # type: ignore[arg-type]
    boxwright.train(lr0="0.01")  # type: ignore[arg-type]
    boxwright.train(dry_run=True)  # type: ignore[call-arg]
    boxwright.validate("a.pt", conf=0.1)  # type: ignore[call-arg]
    boxwright.export("a.pt", format="onx")  # type: ignore[arg-type]
    boxwright.load("a.pt")(None)  # type: ignore[call-overload]
    _ = boxwright.load("a.pt")("a.jpg").boxes  # type: ignore[attr-defined]
    _ = boxwright.validate("a.pt").map  # type: ignore[attr-defined]
    boxwright.predict("a.pt", 0.5)  # type: ignore[arg-type]
    boxwright.predict("a.pt", "images", save_format=2)  # type: ignore[arg-type]
    boxwright.load("a.pt").stream(None)  # type: ignore[arg-type]
    boxwright.trian()  # type: ignore[attr-defined]

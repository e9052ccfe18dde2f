# SPDX-License-Identifier: Apache-2.0
"""What the tests of exported networks start from.

A network that answers to what it sees, and pictures with its own answers as labels.

Flat pictures would not do: alike places are answered alike, and the last bit would decide what comes first.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import torch
import yaml
from PIL import Image

import boxwright
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.model.detector import Detector, build
from boxwright.system.tensors import write_tensors
from tests.support import datasets
from tests.support.networks import tiny_spec

if TYPE_CHECKING:
    from pathlib import Path

ENDINGS = {"safetensors": ".safetensors", "torchscript": ".torchscript", "onnx": ".onnx", "yolov5": ".yolov5.pt"}
if importlib.util.find_spec("openvino"):
    ENDINGS["openvino"] = ".xml"
GRAPHS = tuple(word for word in ENDINGS if word not in {"safetensors", "yolov5"})


def live(seed: int = 1, **changes: int) -> Detector:
    """A tiny network with statistics of real maps, and answers far apart."""
    detector = build(tiny_spec(**changes), seed=seed).train()
    for module in detector.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.3  # twenty batches are enough then
    with torch.no_grad():
        for _ in range(20):
            detector.features(
                torch.rand(4, detector.in_channels, 64, 64, generator=torch.Generator().manual_seed(seed))
            )
        for level in detector.head.m:
            level.weight.copy_(0.2 * torch.randn(level.weight.shape, generator=torch.Generator().manual_seed(seed)))
            level.bias.zero_()
    return detector.eval()


def texture(number: int, size_wh: tuple[int, int]) -> np.ndarray:
    """A picture that is nowhere like elsewhere. (H, W, 3) uint8"""
    width, height = size_wh
    return (
        np.random.default_rng([11, number])
        .integers(0, 256, (height // 4, width // 4, 3), np.uint8)
        .repeat(4, 0)
        .repeat(4, 1)
    )


def write_textures(folder: Path, weights: Path, count: int = 6) -> Path:
    """A data set whose labels are what a network says best about its pictures; returns its YAML."""
    for name in ("images", "labels"):
        (folder / name / "val").mkdir(parents=True)
    detect = boxwright.load(weights, device="cpu", imgsz=64)
    for number in range(count):
        size_wh = datasets.SIZES_WH[number % 3]
        image = texture(number, size_wh)
        Image.fromarray(image).save(folder / "images" / "val" / f"{number}.png")
        found = detect(image, min_score=0.0, max_det=5)
        rows = np.concatenate((found.classes[:, None], xyxy_px_to_cxcywh_norm(found.boxes_xyxy_px, size_wh[::-1])), 1)
        (folder / "labels" / "val" / f"{number}.txt").write_text(
            "".join(datasets.line_of(row, polygon=False) for row in rows)
        )
    yaml_file = folder / "data.yaml"
    yaml_file.write_text("path: .\ntrain: images/val\nval: images/val\nnames: [red, blue, green]\n")
    return yaml_file


def checkpoint(path: Path, detector: Detector, data: Path | None = None) -> Path:
    """A checkpoint as a training leaves it."""
    evaluation = {"imgsz": 64, "batch_size": 4, "pad": 0.5} | ({"data": str(data)} if data else {})
    network = yaml.safe_dump(detector.spec.source, sort_keys=False)
    document = {
        "kind": "checkpoint",
        "epoch": -1,
        "network": network,
        "network_name": "tiny",
        "names": list(datasets.NAMES),
        "strides": list(detector.strides),
    }
    write_tensors(path, document | {"model": dict(detector.state_dict()), "evaluation": evaluation})
    return path

# SPDX-License-Identifier: Apache-2.0
"""Boxwright: train, check and use anchor-based YOLOv5-family detectors.

result = boxwright.train(data="drones.yaml", epochs=100)
metrics = boxwright.validate(result.best)
model = boxwright.load(result.best)
detections = model("photo.jpg")
"""

from __future__ import annotations

import importlib
from typing import Any

from boxwright.version import __version__

_PUBLIC = {
    "train": "api",
    "validate": "api",
    "predict": "api",
    "load": "api",
    "export": "api",
    "open_data": "api",
    "TrainResult": "api",
    "ValidationResult": "api",
    "Predictions": "api",
    "Exports": "api",
    "Model": "api",
    "ImageDetections": "api",
    "Detections": "structures.detections",
    "BoxwrightError": "errors",
    "UserError": "errors",
}
__all__ = [
    "BoxwrightError",
    "Detections",
    "Exports",
    "ImageDetections",
    "Model",
    "Predictions",
    "TrainResult",
    "UserError",
    "ValidationResult",
    "__version__",
    "export",
    "load",
    "open_data",
    "predict",
    "train",
    "validate",
]


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for, so that importing the package costs nothing.

    Their types stand in __init__.pyi beside this file.
    """
    if name not in _PUBLIC:
        raise AttributeError(f"module 'boxwright' has no attribute '{name}'")
    return getattr(importlib.import_module(f"boxwright.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

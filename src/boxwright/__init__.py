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

__all__ = ["Detections", "Model", "__version__", "load", "open_data", "train", "validate"]

_PUBLIC = {
    "train": "api",
    "validate": "api",
    "load": "api",
    "open_data": "api",
    "Model": "api",
    "Detections": "structures.detections",
}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for, so that importing the package costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'boxwright' has no attribute '{name}'")
    return getattr(importlib.import_module(f"boxwright.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

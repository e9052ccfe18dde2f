# SPDX-License-Identifier: Apache-2.0
"""Boxwright: train, check and use anchor-based YOLOv5-family detectors.

result = boxwright.train(data="drones.yaml", epochs=100)
metrics = boxwright.validate(result.best)
model = boxwright.load(result.best)
detections = model("photo.jpg")
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from boxwright.version import __version__

__all__ = ["Detections", "Model", "__version__", "load", "open_data", "train", "validate"]

_FACE = {
    "train": "commands.face",
    "validate": "commands.face",
    "load": "commands.face",
    "open_data": "commands.face",
    "Model": "commands.face",
    "Detections": "structures.detections",
}


def __getattr__(name: str) -> Any:
    """The public names, each imported when it is first asked for, so that importing the package costs nothing."""
    if name not in _FACE:
        raise AttributeError(f"module 'boxwright' has no attribute '{name}'")
    return getattr(importlib.import_module(f"boxwright.{_FACE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Face(ModuleType):
    """This package. A room of the house that bears the name of a public function, such as `train`, does not take its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _FACE and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face

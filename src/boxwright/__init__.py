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


class _Package(ModuleType):
    """`boxwright.train` is the verb. The room `train/` would take that place as soon as anything imports it."""

    @property
    def train(self) -> Any:
        """The verb."""
        return __getattr__("train")

    @train.setter
    def train(self, room: ModuleType) -> None:
        """What the import system does for a room; `from boxwright.train.loop import ...` does not need it."""


sys.modules[__name__].__class__ = _Package

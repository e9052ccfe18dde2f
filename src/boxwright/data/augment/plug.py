# SPDX-License-Identifier: Apache-2.0
"""The weak colour set of the albumentations package, for those who ask for it and have it: blur, median blur, grey, contrast.

Versions 2 are under the MIT licence. Its successor is under the AGPL and comes under the same module name; it is refused.
"""

from __future__ import annotations

import importlib.metadata
import threading
from typing import Any

import numpy as np

from boxwright.errors import SettingError

AGPL_SUCCESSOR = "albumentationsx"
MAJOR = "2"
PROBABILITY = 0.01  # of each of the four


def require_package() -> None:
    """Refuse what is not there, of another version, or under another licence. Raises SettingError."""
    where = "--albumentations"
    if _version(AGPL_SUCCESSOR):
        remedy = "Remove it, and install albumentations 2 if you want it: pip install 'albumentations>=2,<3'"
        raise SettingError(where, f"{AGPL_SUCCESSOR} is installed, which is under the AGPL and not used here", remedy)
    version = _version("albumentations")
    if not version:
        raise SettingError(where, "the package albumentations is not installed", "pip install 'albumentations>=2,<3', or leave the flag out")
    if version.split(".")[0] != MAJOR:
        raise SettingError(where, f"albumentations {version} is installed", "pip install 'albumentations>=2,<3'")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Plug:
    """Changes finished pictures; each thread has transforms of its own, seeded anew for every picture."""

    def __init__(self) -> None:
        require_package()
        self._own = threading.local()

    def __call__(self, image_chw: np.ndarray, key: int) -> None:
        """Change a picture in place. (3, H, W) uint8 RGB; `key` decides what happens."""
        transforms = self._transforms()
        transforms.set_random_seed(key)
        image_chw[:] = transforms(image=np.ascontiguousarray(image_chw.transpose(1, 2, 0)))["image"].transpose(2, 0, 1)

    def _transforms(self) -> Any:
        if not hasattr(self._own, "transforms"):
            import albumentations  # type: ignore[import-not-found]  # noqa: PLC0415 -- an extra that few have

            kinds = (albumentations.Blur, albumentations.MedianBlur, albumentations.ToGray, albumentations.CLAHE)
            self._own.transforms = albumentations.Compose([kind(p=PROBABILITY) for kind in kinds])
        return self._own.transforms

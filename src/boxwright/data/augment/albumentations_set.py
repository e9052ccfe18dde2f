# SPDX-License-Identifier: Apache-2.0
"""The weak colour set of the albumentations package, for those who ask for it and have it.

Blur, median blur, grey, contrast.

Versions 2 are under the MIT licence. Its successor is under the AGPL and comes under the same module name; it is
refused.
"""

from __future__ import annotations

import importlib.metadata
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.errors import SettingError
from boxwright.system.places import keep_packages_offline

if TYPE_CHECKING:
    from types import ModuleType

AGPL_SUCCESSOR = "albumentationsx"
MAJOR = "2"
REMEDY = "pip install 'albumentations>=2,<3', or leave the flag out"
WHERE = "--albumentations"
KINDS = ("Blur", "MedianBlur", "ToGray", "CLAHE")  # one after the other
PROBABILITY = 0.01  # of each of the four


def require_package() -> None:
    """Refuse what is not there, of another version, or under another licence. Raises SettingError."""
    if _version(AGPL_SUCCESSOR):
        remedy = "Remove it, and install albumentations 2 if you want it: pip install 'albumentations>=2,<3'"
        raise SettingError(WHERE, f"{AGPL_SUCCESSOR} is installed, which is under the AGPL and not used here", remedy)
    version = _version("albumentations")
    if not version:
        raise SettingError(WHERE, "the package albumentations is not installed", REMEDY)
    if version.split(".")[0] != MAJOR:
        raise SettingError(WHERE, f"albumentations {version} is installed", REMEDY)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _package() -> ModuleType:
    keep_packages_offline()  # it asks the network for a newer version of itself as soon as it is imported
    try:
        import albumentations  # noqa: PLC0415 -- an extra that few have
    except ImportError as error:
        raise SettingError(WHERE, f"the package albumentations cannot be imported ({error})", REMEDY) from None
    return albumentations  # type: ignore[no-any-return]


class Plug:
    """Changes finished pictures; where things are stays as it is.

    Each thread has transforms of its own, seeded anew for every picture.
    """

    def __init__(self) -> None:
        require_package()
        self._package = _package()
        self._own = threading.local()

    def __call__(self, image_chw: np.ndarray, draw: np.random.Generator) -> None:
        """Change a picture in place. (3, H, W) uint8 RGB"""
        # Drawn here, since the package would seed all of a pipeline alike, and then all four happen or none.
        wanted, seeds = draw.random(len(KINDS)) < PROBABILITY, draw.integers(1 << 31, size=len(KINDS))
        if not wanted.any():
            return
        image = np.ascontiguousarray(image_chw.transpose(1, 2, 0))
        for place in np.flatnonzero(wanted).tolist():
            transform = self._transforms()[place]
            transform.set_random_seed(int(seeds[place]))
            image = transform(image=image)["image"]
        image_chw[:] = image.transpose(2, 0, 1)

    def _transforms(self) -> list[Any]:
        if not hasattr(self._own, "transforms"):
            self._own.transforms = [getattr(self._package, kind)(p=1.0) for kind in KINDS]
        transforms: list[Any] = self._own.transforms
        return transforms

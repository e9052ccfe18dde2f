# SPDX-License-Identifier: Apache-2.0
"""Small data sets whose pictures have other channels or more bits than usual.

Pages of a TIFF, arrays, 16-bit pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from tests.support import datasets

if TYPE_CHECKING:
    from pathlib import Path


def write_many_channels(folder: Path, channels: int, suffix: str, depth: str = "uint16") -> Path:
    """The drawn set with many channels, each darker than the one before; returns its YAML."""
    yaml = datasets.write(folder, train=6, val=4)
    for split in ("train", "val"):
        for file in (folder / "images" / split).glob("*.png"):
            grey = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            pixels = np.stack([(grey.astype(np.uint16) * 257 // (i + 1)) for i in range(channels)])
            pixels[:, 0, 0] = 40000
            pixels = pixels if depth == "uint16" else (pixels >> 8).astype(np.uint8)
            file.unlink()
            if suffix == ".npy":
                np.save(file.with_suffix(".npy"), pixels)
            elif channels == 1:
                cv2.imwrite(str(file.with_suffix(suffix)), pixels[0])
            else:
                cv2.imwritemulti(str(file.with_suffix(suffix)), list(pixels))
    yaml.write_text(yaml.read_text() + f"channels: {channels}\ndtype: {depth}\n")
    return yaml

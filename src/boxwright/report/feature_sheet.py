# SPDX-License-Identifier: Apache-2.0
"""The maps of one row of a network as one picture."""

from __future__ import annotations

import cv2
import numpy as np

from boxwright.drawing.sheet import grid, text_line

COLUMNS, CELL_PX, GAP_PX, TITLE_PX = 8, 160, 8, 18


def feature_sheet(maps: np.ndarray, title: str) -> np.ndarray:
    """Every map from its own least value (dark) to its own greatest (bright), numbered.

    (F, h, w) float -> (H, W, 3) uint8
    """
    captions = [str(number) for number in range(len(maps))]
    sheet = grid(
        [_shown(one) for one in maps], captions, columns=min(COLUMNS, max(len(maps), 1)), cell_px=CELL_PX, gap=GAP_PX
    )
    line = text_line(title, sheet.shape[1] - 2 * GAP_PX, TITLE_PX)
    head = np.full((line.shape[0] + GAP_PX, sheet.shape[1], 3), 255, np.uint8)
    head[GAP_PX:, GAP_PX:-GAP_PX] = line
    return np.concatenate((head, sheet))


def _shown(values: np.ndarray) -> np.ndarray:
    """One map in colours, its cells with sharp edges. (h, w) float -> (H, W, 3) uint8"""
    values = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    spread = float(np.ptp(values))
    levels = ((values - values.min()) * (255 / spread) if spread else np.zeros_like(values)).round().astype(np.uint8)
    gain = max(CELL_PX // max(values.shape), 1)
    enlarged = cv2.resize(levels, None, fx=gain, fy=gain, interpolation=cv2.INTER_NEAREST)
    coloured: np.ndarray = cv2.applyColorMap(enlarged, cv2.COLORMAP_CIVIDIS)[..., ::-1]  # the same to colour-blind eyes
    return coloured.astype(np.uint8)

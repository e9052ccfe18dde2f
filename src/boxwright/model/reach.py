# SPDX-License-Identifier: Apache-2.0
"""Receptive fields: how many pixels of the image, at most, one cell of a row's map depends on, along one side.

Every block is a chain of windows along its longest way: a window of k cells widens the field by k - 1 cells of its
input, a stride makes cells larger, enlarging makes them smaller.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from boxwright.model.spec import ModelSpec, Row

if TYPE_CHECKING:
    from collections.abc import Callable

Window = tuple[int, float]  # cells, stride; a stride below 1 enlarges


def receptive_fields_px(spec: ModelSpec) -> list[float]:
    """The field of every row in pixels, infinite where a row sees the whole image."""
    seen: list[tuple[float, float]] = []  # field, cell size in pixels
    for row in spec.rows:
        inputs = [seen[source] if source >= 0 else (1.0, 1.0) for source in row.sources]
        field, cell = max(inputs)
        for cells, stride in _windows(row) * row.sequence:
            field += (cells - 1) * cell
            cell *= stride
        seen.append((math.inf if row.block == "C3TR" else field, cell))
    return [field for field, _ in seen]


def _windows(row: Row) -> list[Window]:
    windows = _WINDOWS.get(row.block)
    return [] if windows is None else windows(row, *row.arguments)


def _side(size: int | tuple[int, ...]) -> int:
    return size if isinstance(size, int) else max(size)


def _ghost_bottleneck(_row: Row, _width: int, kernel: int, stride: int) -> list[Window]:
    return [(5, 1), *([(kernel, stride)] if stride == 2 else []), (5, 1)]  # noqa: PLR2004 -- as the block


_WINDOWS: dict[str, Callable[..., list[Window]]] = {
    "Conv": lambda _r, _w, k, s, _p, _g, d, _a: [(d * (_side(k) - 1) + 1, _side(s))],
    "DWConv": lambda _r, _w, k, s, d, _a: [(d * (_side(k) - 1) + 1, _side(s))],
    "Focus": lambda _r, _w, k, s, *_: [(2, 2), (_side(k), _side(s))],
    "GhostConv": lambda _r, _w, k, s, *_: [(_side(k), _side(s)), (5, 1)],
    "GhostBottleneck": _ghost_bottleneck,
    "Bottleneck": lambda *_: [(3, 1)],
    "BottleneckCSP": lambda r, *_: [(3, 1)] * r.inner,
    "C3": lambda r, *_: [(3, 1)] * r.inner,
    "C3x": lambda r, *_: [(3, 1)] * r.inner,
    "C3Ghost": lambda r, *_: [(5, 1)] * (2 * r.inner),
    "C3SPP": lambda _r, _w, ks, *_: [(max(ks), 1)],
    "SPP": lambda _r, _w, ks: [(max(ks), 1)],
    "SPPF": lambda _r, _w, k: [(k, 1)] * 3,
    "CrossConv": lambda _r, _w, k, s, *_: [(k, s)],
    "MixConv2d": lambda _r, _w, ks, s, _e: [(max(ks), s)],
    "DWConvTranspose2d": lambda _r, _w, k, s, *_: [(math.ceil(k / s), 1 / s)],
    "nn.ConvTranspose2d": lambda _r, _w, k, s, *_: [(math.ceil(k / s), 1 / s)],
    "nn.MaxPool2d": lambda _r, k, s, _p: [(k, s or k)],
    "nn.Upsample": lambda _r, _n, factor, mode: [(2 if mode == "bilinear" else 1, 1 / factor)],
    "Contract": lambda _r, gain: [(gain, gain)],
    "Expand": lambda _r, gain: [(1, 1 / gain)],
}


def plain(field_px: float) -> int | None:
    """A field as a plain value: whole pixels, or None for the whole image."""
    return None if math.isinf(field_px) else round(field_px)

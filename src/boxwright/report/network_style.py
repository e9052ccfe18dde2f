# SPDX-License-Identifier: Apache-2.0
"""Colours and words of the rows of a network on a picture."""

from __future__ import annotations

from boxwright.drawing.palette import Colour, colour
from boxwright.model.summary import RowSummary

WHITE: Colour = (255, 255, 255)
INK: Colour = (38, 38, 44)
FAINT: Colour = (122, 122, 132)
BAND: Colour = (247, 248, 250)
EDGE: Colour = (190, 192, 200)
BARS: Colour = (196, 204, 216)
DIRECT: Colour = (132, 134, 146)
SKIP: Colour = (74, 108, 168)
TIMES = "\N{MULTIPLICATION SIGN}"
TINT = 0.13  # of the family's colour in the box, the rest is white

_CONVOLUTION, _HEAD, _STAGE, _POOL, _SIZE, _ATTENTION = (colour(number) for number in (0, 1, 2, 3, 4, 7))
_FAMILIES: dict[str, Colour] = {
    **dict.fromkeys(("Conv", "DWConv", "Focus", "GhostConv", "CrossConv", "MixConv2d"), _CONVOLUTION),
    **dict.fromkeys(("Bottleneck", "BottleneckCSP", "C3", "C3x", "C3Ghost", "GhostBottleneck"), _STAGE),
    **dict.fromkeys(("SPP", "SPPF", "C3SPP", "nn.MaxPool2d"), _POOL),
    **dict.fromkeys(("nn.Upsample", "nn.ConvTranspose2d", "DWConvTranspose2d", "Expand", "Contract"), _SIZE),
    "C3TR": _ATTENTION,
    "Detect": _HEAD,
}
_KERNEL_STRIDE = {
    "Conv": (1, 2),
    "DWConv": (1, 2),
    "Focus": (1, 2),
    "GhostConv": (1, 2),
    "CrossConv": (1, 2),
    "nn.MaxPool2d": (0, 1),
}  # places of arguments


def family_colour(block: str) -> Colour:
    """Blocks that do alike look alike; what only passes on is grey."""
    return _FAMILIES.get(block, FAINT)


def tint(of: Colour) -> Colour:
    """A light shade for the inside of a box."""
    red, green, blue = (round(255 - (255 - part) * TINT) for part in of)
    return red, green, blue


def label_of(row: RowSummary) -> str:
    """The name of a row's block, how often it stands there, its kernel and what it does to the size."""
    words = [row.block.removeprefix("nn.").removesuffix("2d")]
    if row.block in _KERNEL_STRIDE:
        kernel, stride = (row.arguments[place] for place in _KERNEL_STRIDE[row.block])
        words += [_kernel(kernel)] + ([f"/{stride}"] if isinstance(stride, int) and stride > 1 else [])
    if row.block == "nn.Upsample":
        words.append(f"{TIMES}{row.arguments[1]}")
    if row.repeats > 1:
        words.append(f"{TIMES}{row.repeats}")
    return " ".join(words)


def _kernel(size: int | tuple[int, int]) -> str:
    return TIMES.join(map(str, (size, size) if isinstance(size, int) else size))


def quantity(count: int) -> str:
    """A count in three figures: 928, 18.6 k, 1.18 M."""
    for limit, unit, name in ((10**9, 10**9, " G"), (10**6, 10**6, " M"), (10**4, 10**3, " k")):
        if count >= limit:
            return f"{count / unit:.3g}{name}" if count < 1000 * unit else f"{count / unit:.0f}{name}"
    return str(count)

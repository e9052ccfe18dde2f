# SPDX-License-Identifier: Apache-2.0
"""One pass over a network on shapes alone, row by row: do the rows fit together, and which strides come out?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from boxwright.errors import ModelError
from boxwright.model.builders import FAULTS, first_line
from boxwright.model.spec import ModelSpec, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

PROBE_SIZE = 1024  # pixels: a multiple of every usual stride
MAX_MAP = 1 << 30  # numbers in the map of one row for one image of that size: 4 GiB
MAX_TOKENS = 1 << 16  # cells of a map that attention compares with each other
MAX_KNOWN = 64

# Strides of networks that were passed: a process makes the same few again and again, and a pass of shapes through
# batch normalisation, which the framework does in Python, takes longer than all else in the making of a small network.
_known: dict[str, tuple[int, ...]] = {}


def strides_of(modules: nn.Sequential, spec: ModelSpec) -> tuple[int, ...]:
    """Pixels per cell of every level. Raises ModelError with the row that does not fit."""
    described = _described(spec)
    if described not in _known:
        strides = _strides_of(modules, spec)
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[described] = strides
    return _known[described]


def _described(spec: ModelSpec) -> str:
    """All of a network that its strides follow from; not its names, classes, anchors, and the place of its rows."""
    rows = [
        (row.sources, row.block, row.arguments, row.in_channels, row.out_channels, row.sequence, row.inner)
        for row in spec.rows[:-1]
    ]
    return repr((spec.in_channels, spec.activation, spec.csp_activation, rows, spec.rows[-1].sources))


def _strides_of(modules: nn.Sequential, spec: ModelSpec) -> tuple[int, ...]:
    maps: list[torch.Tensor] = []
    image = torch.empty(1, spec.in_channels, PROBE_SIZE, PROBE_SIZE, device="meta")
    for row, module in zip(spec.rows[:-1], modules, strict=False):
        inputs = [image if source < 0 else maps[source] for source in row.sources]
        maps.append(_passed(row, module, inputs))
    head = spec.rows[-1]
    return tuple(_stride(head, level, maps[source]) for level, source in enumerate(head.sources))


def _passed(row: Row, module: nn.Module, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """The map of one row."""
    sizes_hw = [f"{x.shape[2]}x{x.shape[3]}" for x in inputs]
    if len(set(sizes_hw)) > 1:
        raise _unfit(
            row,
            f"its inputs have maps of different sizes ({', '.join(sizes_hw)} for an image of "
            f"{PROBE_SIZE}x{PROBE_SIZE})",
        )
    if row.block == "C3TR" and inputs[0][0, 0].numel() > MAX_TOKENS:
        raise _unfit(row, f"attention over a map of {sizes_hw[0]} is beyond any memory")
    try:
        with torch.no_grad():
            out: torch.Tensor = module(inputs if row.block == "Concat" else inputs[0])
    except FAULTS as error:
        raise _unfit(row, first_line(error)) from None
    if out.shape[1] != row.out_channels:
        raise _unfit(row, f"{out.shape[1]} channels come out of it where {row.out_channels} were asked for")
    if not 0 < out.numel() <= MAX_MAP:
        raise _unfit(
            row, f"its map would be {'x'.join(map(str, out.shape[1:]))} for an image of {PROBE_SIZE}x{PROBE_SIZE}"
        )
    return out


def _stride(head: Row, level: int, x: torch.Tensor) -> int:
    height, width = x.shape[2:]
    if height != width or PROBE_SIZE % height:
        raise _unfit(
            head,
            f"level {level} has a map of {height}x{width} for an image of {PROBE_SIZE}x{PROBE_SIZE}, which is no whole "
            "stride",
        )
    return PROBE_SIZE // height


def _unfit(row: Row, what: str) -> ModelError:
    return ModelError(
        row.place,
        f"the rows do not fit together: {row.title}: {what}",
        "Compare it with the rows it takes its input from",
    )

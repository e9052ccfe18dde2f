# SPDX-License-Identifier: Apache-2.0
"""What the rows of a network say on their way to the head, kept while somebody looks."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.model.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

MAX_MAPS = 32  # of one row that are kept; more are not told apart on one sheet


class RowMaps(NamedTuple):
    """The first maps of one row for a batch, (B, F, h, w) float32 on the CPU, and how many there were."""

    number: int
    block: str
    maps: torch.Tensor
    of: int


@contextlib.contextmanager
def watched(detector: Detector) -> Iterator[dict[int, RowMaps]]:
    """Rows by number, filled by the first pass that the network makes meanwhile.

    The head, which says boxes, is left out.
    """
    seen: dict[int, RowMaps] = {}

    def keep(index: int, block: str) -> Any:
        def hook(_module: object, _inputs: object, said: torch.Tensor) -> None:
            if index not in seen:
                seen[index] = RowMaps(index, block, said[:, :MAX_MAPS].detach().float().cpu().clone(), said.shape[1])

        return hook

    rows = zip(detector.spec.rows[:-1], detector.model, strict=False)
    hooks = [module.register_forward_hook(keep(row.index, row.block)) for row, module in rows]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()

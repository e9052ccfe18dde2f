# SPDX-License-Identifier: Apache-2.0
"""Who of several processes draws which images of a batch. Together they draw the batch that one would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share:
    """That of process `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def of(self, batch: Sequence[Item]) -> Sequence[Item]:
        """Neighbours in the order of the batch; a batch that does not divide gives some one image more, or none."""
        first, last = (len(batch) * place // self.size for place in (self.rank, self.rank + 1))
        return batch[first:last]

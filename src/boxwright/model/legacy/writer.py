# SPDX-License-Identifier: Apache-2.0
"""Files that the original program itself opens.

A network of ours under its class names, written instruction by instruction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from boxwright.model.detector import Detector
from boxwright.model.legacy.encode import program_of
from boxwright.model.legacy.pack import packed
from boxwright.model.legacy.shape import Shaper

STRIPPED_EPOCH = -1


@dataclass(frozen=True)
class LegacyContent:
    """What to write. `entries` replace those of a stripped checkpoint; tensors in them are written as they are."""

    detector: Detector
    names: tuple[str, ...]
    average: Detector | None = None
    entries: dict[str, Any] = field(default_factory=dict)


def legacy_bytes(content: LegacyContent, *, root: str = "archive", half: bool = False) -> bytes:
    """The file as the original program writes it, complete. `root` is the folder inside the zip. Raises ModelError."""
    shaper = Shaper(half=half)
    tree: dict[str, Any] = {
        "epoch": STRIPPED_EPOCH,
        "best_fitness": None,
        "model": shaper.network(content.detector, content.names),
        "ema": shaper.network(content.average, content.names) if content.average is not None else None,
        "updates": None,
        "optimizer": None,
        "opt": {},
        "git": {"remote": None, "branch": None, "commit": None},
        "date": None,
    }
    shaper.half = False  # what trains stays in full precision
    tree |= {name: shaper.attribute(value) for name, value in content.entries.items()}
    return packed(*program_of(tree), root)

# SPDX-License-Identifier: Apache-2.0
"""Evolution by mutation as the specification tells it (6.x, one parent), in plain loops: one whole training each."""

from __future__ import annotations

import numpy as np

from boxwright.search.study import Key

# name: gain, low, high
TABLE = {
    "lr0": (1, 1e-5, 0.1),
    "lrf": (1, 0.01, 1),
    "momentum": (0.3, 0.6, 0.98),
    "weight_decay": (1, 0, 0.001),
    "warmup_epochs": (1, 0, 5),
    "warmup_momentum": (1, 0, 0.95),
    "warmup_bias_lr": (1, 0, 0.2),
    "box": (1, 0.02, 0.2),
    "cls": (1, 0.2, 4),
    "cls_pw": (1, 0.5, 2),
    "obj": (1, 0.2, 4),
    "obj_pw": (1, 0.5, 2),
    "anchor_t": (1, 2, 8),
    "hsv_h": (1, 0, 0.1),
    "hsv_s": (1, 0, 0.9),
    "hsv_v": (1, 0, 0.9),
    "degrees": (1, 0, 45),
    "translate": (1, 0, 0.9),
    "scale": (1, 0, 0.9),
    "shear": (1, 0, 10),
    "perspective": (0, 0, 0.001),
    "flipud": (1, 0, 1),
    "mosaic": (1, 0, 1),
    "mixup": (1, 0, 1),
    "copy_paste": (1, 0, 1),
}
KEYS = tuple(Key(name, low, high, gain) for name, (gain, low, high) in TABLE.items())


def mutated(known: list[tuple[float, dict[str, float]]], draw: np.random.Generator) -> dict[str, float]:
    """The next set after these (fitness, set): one of the five best, drawn by its lead, every key times a factor."""
    best = sorted(known, key=lambda pair: -pair[0])[:5]
    weights = np.array([fitness for fitness, _ in best])
    weights = weights - weights.min() + 1e-6
    parent = best[draw.choice(len(best), p=weights / weights.sum())][1]
    factors = dict.fromkeys(TABLE, 1.0)
    while all(factor == 1.0 for factor in factors.values()):
        once = draw.random()
        for name, (gain, _, _) in TABLE.items():
            moves = float(draw.random() < 0.8)
            factors[name] = float(np.clip(gain * moves * draw.standard_normal() * once * 0.2 + 1.0, 0.3, 3.0))
    return {name: round(min(max(parent[name] * factors[name], low), high), 5) for name, (_, low, high) in TABLE.items()}

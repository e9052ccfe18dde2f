# SPDX-License-Identifier: Apache-2.0
"""Where the time of a training step goes.

`python -m benchmarks.profile_step [n|s] [SIZE]`, one thread, shares of CPU time by kind of work.
"""

from __future__ import annotations

import sys
from collections import Counter

import torch
from torch.profiler import profile

from benchmarks.step_side import ours

KINDS = (
    ("convolutions, backward", ("convolution_backward",)),
    ("convolutions, forward", ("mkldnn_convolution", "thnn_conv", "slow_conv")),
    ("normalisation and activation", ("_Normalized", "batch_norm", "silu")),
    ("copies and casts", ("copy_", "to_copy", "clone")),
    ("adding and joining features", ("aten::cat", "aten::add", "upsample", "max_pool")),
    (
        "loss",
        (
            "aten::mm",
            "addmm",
            "sigmoid",
            "binary_cross",
            "index",
            "sort",
            "where",
            "aten::mul",
            "aten::sub",
            "aten::pow",
            "aten::sum",
        ),
    ),
    ("pixels to 0..1", ("aten::div",)),
    ("optimizer, clipping, average", ("_fused", "_foreach", "lerp", "norm")),
)


def shares(width: str, size: int) -> list[tuple[str, float]]:
    """Kinds of work and their shares of one step."""
    step = ours(width, size, half=True)
    step(), step()
    with profile() as record:
        step()
    counted: Counter[str] = Counter()
    for event in record.key_averages():
        kind = next((kind for kind, words in KINDS if any(word in event.key for word in words)), "everything else")
        counted[kind] += event.self_cpu_time_total
    whole = sum(counted.values())
    return [(kind, time / whole) for kind, time in counted.most_common()]


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    width, size = (words[0] if words else "n"), int(words[1]) if len(words) > 1 else 320
    for kind, share in shares(width, size):
        print(f"{share:6.1%}  {kind}")


if __name__ == "__main__":
    main(sys.argv[1:])

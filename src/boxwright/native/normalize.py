# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation and SiLU at once, on addresses of bfloat16 features that lie side by side: (rows, channels)."""

from __future__ import annotations

from boxwright.native.binary import require

Shape = tuple[int, int]  # rows, channels


def forward(
    x: int,
    shape: Shape,
    gamma_beta: tuple[int, int],
    epsilon: float,
    y: int,
    statistics: tuple[int, int, int],
    threads: int,
) -> None:
    """Write SiLU of the normalised x to y, and mean, 1 / deviation and unbiased variance by channel to `statistics`."""
    refused = require().boxwright_normalize_forward(x, *shape, *gamma_beta, epsilon, y, *statistics, threads)
    assert not refused, f"a shape that was to be looked at before: {shape}"


def backward(
    x: int,
    dy: int,
    shape: Shape,
    gamma_beta: tuple[int, int],
    statistics: tuple[int, int],
    gradients: tuple[int, int, int],
    threads: int,
) -> None:
    """Write the gradients of x, gamma and beta from that of y.

    `statistics`: mean and 1 / deviation, as forward left them.
    """
    refused = require().boxwright_normalize_backward(x, dy, *shape, *gamma_beta, *statistics, *gradients, threads)
    assert not refused, f"a shape that was to be looked at before: {shape}"

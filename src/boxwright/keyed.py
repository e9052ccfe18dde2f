# SPDX-License-Identifier: Apache-2.0
"""Randomness by address: a random decision is a function of where it stands, never of what was drawn before.

A generator is addressed by (seed, purpose, numbers), usually (seed, purpose, epoch, position). Nothing is ever
continued, so nothing has to be saved, and threads, ranks and restarts cannot change a number.
"""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. Values are part of every run's numbers: append, never renumber."""

    ORDER = 1  # the order of an epoch
    SAMPLE = 2  # augmentation of one image
    MULTI_SCALE = 3  # the size of one batch
    ANCHORS = 4  # autoanchor: label jitter, clustering, mutation
    WEIGHTS = 5  # initial weights, one stream per tensor
    EVOLVE = 6  # hyperparameter search
    BOOTSTRAP = 7  # confidence intervals
    SPLIT = 8  # dividing a data set
    DRAWING = 9  # the drawn sample set
    SUBSTITUTE = 10  # stand-in for an image that broke in mid-epoch
    QUAD = 11  # layout of one group of four
    MIX = 12  # choice among several data sources


def generator(seed: int, purpose: Purpose, *address: int) -> np.random.Generator:
    """The generator that belongs to this address: counter-based, the same on every machine."""
    packed = struct.pack(f"<{2 + len(address)}q", seed, int(purpose), *address)
    key = np.frombuffer(hashlib.blake2b(packed, digest_size=16).digest(), dtype="<u8")
    return np.random.Generator(np.random.Philox(key=key))


def permutation(length: int, seed: int, purpose: Purpose, *address: int) -> np.ndarray:
    """A permutation of range(length) that belongs to this address."""
    return generator(seed, purpose, *address).permutation(length)

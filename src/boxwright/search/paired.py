# SPDX-License-Identifier: Apache-2.0
"""What few paired differences say: intervals by Student's t, and a sign-flip test for several candidates at once.

n pairs (seeds), k candidates that were compared with the same other side under the same seeds. n is small, 3 to 10, so
both are computed exactly, without tables and without a further package.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.metrics.resampling import Interval

LEAST = 2  # pairs that have a spread
MOST_FLIPS = 12  # pairs of which every pattern of signs is tried; of more, so many are drawn as those have
EQUAL = 1e-12  # statistics that differ by less are the same


def t_cdf(t: float, freedom: int) -> float:
    """Probability that Student's t with so many degrees of freedom lies below `t`.

    The finite series of whole degrees of freedom (Abramowitz and Stegun 26.7.3 and 26.7.4).
    """
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term, series = (cosine if odd else 1.0), 0.0
    for number in range(1 + odd, freedom, 2):  # powers of the cosine below freedom - 1
        series += term
        term *= cosine * cosine * number / (number + 1)
    inside = 2 / math.pi * (angle + sine * series) if odd else sine * series
    return 0.5 + inside / 2


@lru_cache
def t_quantile(probability: float, freedom: int) -> float:
    """The t that lies above this share of the distribution."""
    low, high = -1.0, 1.0
    while t_cdf(low, freedom) > probability:
        low *= 2
    while t_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def t_interval(differences: np.ndarray, outside: float) -> Interval:
    """The mean of these (n,), and how far it reaches when `outside` is left out on either side. One says nothing."""
    mean = float(differences.mean())
    if len(differences) < LEAST:
        return Interval(mean, -math.inf, math.inf)
    reach = t_quantile(1 - outside, len(differences) - 1) * _error(differences)
    return Interval(mean, mean - reach, mean + reach)


def probability_above_zero(differences: np.ndarray) -> float:
    """How probable it is that the mean behind these (n,) is above 0, when nothing was known before."""
    mean, error = float(differences.mean()), _error(differences) if len(differences) >= LEAST else math.inf
    if error == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return t_cdf(mean / error, max(len(differences) - 1, 1))


def _error(differences: np.ndarray) -> float:
    return float(differences.std(ddof=1)) / math.sqrt(len(differences))


def sign_flips(differences: np.ndarray, seed: int = 0) -> np.ndarray:
    """Of each candidate the probability that luck alone leads as far, for the best of all of them. (k, n) -> (k,)

    If nothing differs, each seed could as well have favoured the other side: its differences get another sign, for all
    candidates at once since they share the other side. Counted is how often the highest statistic then reaches that of
    the candidate (Westfall and Young 1993): correct for any noise, for all k at once, and never below 1 / 2^n.
    """
    signs = _signs(differences.shape[1], seed)
    length = np.sqrt((differences**2).sum(axis=1))
    units = differences / np.where(length > 0, length, 1.0)[:, None]
    highest = (signs @ units.T).max(axis=1)
    shares: np.ndarray = (highest[None, :] >= units.sum(axis=1)[:, None] - EQUAL).mean(axis=1)
    return shares


def _signs(pairs: int, seed: int) -> np.ndarray:
    """Patterns of signs, that of nature first. (2^n, n), at most (2^12, n)"""
    if pairs <= MOST_FLIPS:
        return 1.0 - 2.0 * (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1)
    drawn = generator(seed, Purpose.EVOLVE, pairs).choice((-1.0, 1.0), (2**MOST_FLIPS, pairs))
    drawn[0] = 1.0
    return drawn


def least_of_sign_flips(pairs: int) -> float:
    """The lowest probability that the test can give."""
    return 0.5**pairs

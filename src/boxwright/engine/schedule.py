# SPDX-License-Identifier: Apache-2.0
"""The schedule: where in the run -> rates, momentum, accumulation. Pure functions of the position, so nothing to save.

`batch` counts batches since the start of training (batch = i + batches_per_epoch * epoch); epochs count from 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.config.schema.schedule import ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER_STEPPED = -1  # the last step of a run that has not begun: the very first batch is then a step
EMA_LIMIT = 0.9999  # share of the old average that stays, in the long run
EMA_RAMP = 2000  # updates over which the decay rises, so that early weights are soon forgotten


class Moment(NamedTuple):
    """What holds at one batch. The rate of biases differs from the others only during warm-up."""

    lr_bias: float
    lr_other: float
    momentum: float
    accumulate: int


@dataclass(frozen=True)
class Schedule:
    """The whole course of a run."""

    settings: ScheduleSettings
    batches_per_epoch: int
    batch_size: int

    @property
    def warmup_batches(self) -> int:
        """The last batch number of the warm-up. A run that was made longer on the way is not warmed up again."""
        length = max(round(self.settings.warmup_epochs * self.batches_per_epoch), self.settings.warmup_min_batches)
        limit = _lengths(self.settings)[0] * self.batches_per_epoch // 2
        return min(length, limit) if self.settings.warmup_cap else length

    @property
    def accumulate(self) -> int:
        """Batches per optimizer step after the warm-up."""
        return max(round(self.settings.nominal_batch / self.batch_size), 1)

    @property
    def weight_decay_factor(self) -> float:
        """What the stated weight decay is multiplied by, since steps see batch * accumulate images instead.

        Of the nominal batch.
        """
        return self.batch_size * self.accumulate / self.settings.nominal_batch

    def factor(self, epoch: float) -> float:
        """The learning rate curve: share of lr0 at the start of an epoch."""
        return _joined(self.settings)(epoch)

    def at(self, batch: int) -> Moment:
        """Rates, momentum and accumulation of this batch."""
        epoch, last_warm = batch // self.batches_per_epoch, self.warmup_batches
        if batch <= last_warm and last_warm > 0:
            return self._warming(batch, epoch)
        rate = self.settings.lr0 * self.factor(self._level(epoch))
        return Moment(rate, rate, self.settings.momentum, self.accumulate)

    def _level(self, epoch: int) -> int:
        """The epoch whose level counts. An epoch in which the warm-up ends stays at the level it aimed at."""
        warm_until = self.warmup_batches if self.warmup_batches > 0 else -1
        if epoch * self.batches_per_epoch <= warm_until:
            return epoch
        return max(epoch - self.settings.schedule_lag, 0)

    def _warming(self, batch: int, epoch: int) -> Moment:
        goal = self.settings.lr0 * self.factor(epoch)

        def way(start: float, end: float) -> float:
            return float(np.interp(batch, (0, self.warmup_batches), (start, end)))

        accumulate = max(1, round(way(1, self.settings.nominal_batch / self.batch_size)))
        return Moment(
            way(self.settings.warmup_bias_lr, goal),
            way(0.0, goal),
            way(self.settings.warmup_momentum, self.settings.momentum),
            accumulate,
        )

    def steps_after(self, batch: int, last_step: int) -> bool:
        """Whether the optimizer steps after this batch, given the batch of its last step."""
        accumulate = self.at(batch).accumulate
        if self.settings.step_rule == "modulo":
            return batch % accumulate == 0
        return batch - last_step >= accumulate


def _joined(settings: ScheduleSettings) -> Callable[[float], float]:
    """The curve of a run whose length was changed on the way.

    At every join the part behind it stays, the part before it is planned anew.
    """
    joins, lengths = [_read_join(word) for word in settings.lr_joins], _lengths(settings)
    curve = _curve(settings.model_copy(update={"epochs": lengths[0]}))
    for (kind, epoch, before), after in zip(joins, lengths[1:], strict=True):
        anew = _curve(settings.model_copy(update={"epochs": max(after - epoch, 1)}))
        curve = _JOINS[kind](curve, anew, epoch, (before, after))
    return curve


def _lengths(settings: ScheduleSettings) -> list[int]:
    """The epochs that the run was planned for, from its beginning on."""
    return [before for _, _, before in map(_read_join, settings.lr_joins)] + [settings.epochs]


def _read_join(word: str) -> tuple[str, int, int]:
    """`stretch@50/100`: at epoch 50 of a run planned for 100."""
    kind, _, place = word.partition("@")
    epoch, _, before = place.partition("/")
    return kind, int(epoch), int(before)


def _stretch(
    old: Callable[[float], float], _anew: Callable[[float], float], at: int, lengths: tuple[int, int]
) -> Callable[[float], float]:
    """What is left of the curve, over the epochs that are left now: no jump at the join, the same end."""
    before, after = lengths
    pace = (before - at) / max(after - at, 1)
    return lambda epoch: old(epoch if epoch <= at else at + (epoch - at) * pace)


def _tail(
    old: Callable[[float], float], _anew: Callable[[float], float], _at: int, lengths: tuple[int, int]
) -> Callable[[float], float]:
    """The old curve to its end, and its last level from there on."""
    return lambda epoch: old(min(epoch, lengths[0]))


def _restart(
    old: Callable[[float], float], anew: Callable[[float], float], at: int, _lengths: tuple[int, int]
) -> Callable[[float], float]:
    """A new curve from its peak."""
    return lambda epoch: old(epoch) if epoch < at else anew(epoch - at)


def _periods(
    old: Callable[[float], float], _anew: Callable[[float], float], _at: int, _lengths: tuple[int, int]
) -> Callable[[float], float]:
    """A curve that does not ask how long the run is: its periods follow each other as before."""
    return old


_JOINS = {"stretch": _stretch, "tail": _tail, "restart": _restart, "periods": _periods}


def _curve(settings: ScheduleSettings) -> Callable[[float], float]:
    """The curve that flags choose, or the recipe's."""
    if settings.sgdr:
        return _restarts(settings)
    chosen = "cosine" if settings.cos_lr else "linear" if settings.linear_lr else settings.lr_curve
    last = settings.lrf
    if chosen == "cosine":
        return lambda epoch: (1 - math.cos(math.pi * epoch / settings.epochs)) / 2 * (last - 1) + 1
    length = settings.epochs - 1 if settings.linear_ends_in_last_epoch else settings.epochs
    return lambda epoch: (1 - epoch / max(length, 1)) * (1 - last) + last


def _restarts(settings: ScheduleSettings) -> Callable[[float], float]:
    """Cosine annealing with warm restarts: periods T0, T0 * Tmult, ..., each from its peak down to lrf."""
    words = [float(word) for word in settings.sgdr.split(",")]
    first, growth = words[0], words[1] if len(words) > 1 else 2.0

    def factor(epoch: float) -> float:
        begin, length, peak = 0.0, first, 1.0
        while epoch >= begin + length:
            begin, length, peak = begin + length, length * growth, peak * settings.sgdr_peak
        share = (epoch - begin) / length
        return settings.lrf + (peak - settings.lrf) * (1 + math.cos(math.pi * share)) / 2

    return factor


def ema_decay(updates: float, limit: float = EMA_LIMIT, ramp: int = EMA_RAMP) -> float:
    """Share of the old moving average that stays at this update."""
    return limit * (1 - math.exp(-updates / ramp))

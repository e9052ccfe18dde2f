# SPDX-License-Identifier: Apache-2.0
"""Observers: objects of the user's with methods named after moments of a run.

They may look, and ask for a stop; they cannot break it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from boxwright.errors import SettingError, nearest
from boxwright.track.bus import Delivery
from boxwright.track.events import (
    LOSS_NAMES,
    RESULT_KEYS,
    CheckpointSaved,
    EpochEnded,
    EpochStarted,
    EpochTrained,
    Event,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CALLBACKS = (
    "on_pretrain_routine_start",
    "on_pretrain_routine_end",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_val_start",
    "on_val_batch_start",
    "on_val_image_end",
    "on_val_batch_end",
    "on_val_end",
    "on_fit_epoch_end",
    "on_model_save",
    "on_train_end",
    "on_params_update",
)


# What each is called with, in this order; the others are called with nothing.
ARGUMENTS = {
    "on_train_batch_end": ("ni", "model", "images", "targets", "paths", "plots"),
    "on_train_epoch_end": ("epoch",),
    "on_fit_epoch_end": ("values", "epoch", "best_fitness", "fitness"),
    "on_model_save": ("last", "epoch", "final", "best_fitness", "fitness"),
    "on_train_end": ("last", "best", "plots", "epoch", "results"),
    "on_params_update": ("mapping",),
}


def values_of(results: Mapping[str, float | None]) -> list[float | None]:
    """The 13 numbers of an epoch in the order of the results table, whatever else was measured.

    Three training losses, precision, recall, mAP50, mAP50-95, three validation losses, three learning rates.
    """
    return [results.get(key) for key in RESULT_KEYS]


def summary_of(results: Mapping[str, float | None]) -> list[float | None]:
    """The 7 numbers of a validation: those in the middle."""
    return values_of(results)[len(LOSS_NAMES) : -len(LOSS_NAMES)]


class Observers:
    """Calls what the observers have. One that fails is reported once and left out from then on.

    An observer asks for a stop by a true attribute `stop_requested`, which may be the reason in words.
    """

    def __init__(self, observers: Sequence[object] = (), warn: Callable[[str], None] = lambda _text: None) -> None:
        self.observers = list(observers)
        self.warn = warn
        for observer in self.observers:
            for name in (name for name in dir(observer) if name.startswith("on_") and name not in CALLBACKS):
                near = nearest(name, CALLBACKS)
                raise SettingError(
                    "observers",
                    f"{type(observer).__name__} has a method {name}, which nothing calls",
                    f"Did you mean {near}?",
                )

    def __bool__(self) -> bool:
        return bool(self.observers)

    def call(self, name: str, *values: Any) -> None:
        """Call this method of every observer that has it."""
        assert name in CALLBACKS
        assert len(values) == len(ARGUMENTS.get(name, ()))
        for observer in list(self.observers):
            method = getattr(observer, name, None)
            if method is None:
                continue
            try:
                method(*values)
            except Exception as error:  # noqa: BLE001 -- an observer must not end a training
                self.observers.remove(observer)
                reason = " ".join(str(error).split()) or type(error).__name__
                self.warn(
                    f"observer {type(observer).__name__} failed in {name} and is no longer called ({reason}); the run "
                    "goes on"
                )

    def stop_requested(self) -> str:
        """The reason of the first observer that asks for a stop, or ''."""
        for observer in self.observers:
            asked = getattr(observer, "stop_requested", False)
            if asked:
                return asked if isinstance(asked, str) else f"{type(observer).__name__} asked for a stop"
        return ""


class EventObservers:
    """A sink that turns events into the callbacks that tell the same."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, observers: Observers) -> None:
        self.observers = observers
        self._ended: EpochEnded | None = None  # the epoch that was trained to its end last

    def handle(self, event: Event) -> None:
        """Call what belongs to an event."""
        call = self.observers.call
        match event:
            case EpochStarted():
                call("on_train_epoch_start")
            case EpochTrained():
                call("on_train_epoch_end", event.epoch)
            case EpochEnded():
                self._ended = event
                call("on_fit_epoch_end", values_of(event.results), event.epoch, event.best_fitness, event.fitness)
            case CheckpointSaved(path, "last", epoch):
                ended = self._ended
                final = ended is not None and ended.final and ended.epoch == epoch  # not where it is saved within it
                best, fitness = (0.0, None) if ended is None else (ended.best_fitness, ended.fitness)
                call("on_model_save", path, epoch, final, best, fitness)
            case _:
                return

    def close(self) -> None:
        """Nothing is open."""

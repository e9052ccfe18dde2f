# SPDX-License-Identifier: Apache-2.0
"""The thread that keeps a training of several processes from hanging.

It gives signs of life, reads those of the others, and ends this process with one line when one of them is gone, frozen
or lets all others wait, even where the training itself hangs inside a library.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from typing import NoReturn, Protocol

from boxwright.errors import EXIT_TRY_AGAIN, BoxwrightError
from boxwright.system.distributed.peers import Peers, Sign
from boxwright.system.terminal import say_at_once

BEATS = 20  # signs of life within the time that is bearable without any
LONGEST_BEAT_S = 1.0
SUSPICION_BEATS = 4  # that have to fail before a broken exchange is blamed on somebody
KEPT_AFTER_S = 3.0  # for a process to end by itself when another has told why all end
HARD_FACTOR = 4  # times the bearable time after which the process is ended from below, whatever it does
LONGEST_REASON = 200  # characters
LONGEST_TOLD = 4000  # characters
WAY_ON = "Go on with --resume, or let torchrun do it with --max-restarts"


class LostError(BoxwrightError):
    """Another process of the training is gone or does not answer."""

    exit_code = EXIT_TRY_AGAIN


class ToldElsewhereError(BoxwrightError):
    """The training ends for a reason that another process tells the user."""

    is_told = True

    def __init__(self, code: int) -> None:
        super().__init__(f"a process of this training ended with exit code {code}, and has told why")
        self.exit_code = code


@dataclass(frozen=True)
class Failure:
    """How the training ended for the first process that could not go on."""

    rank: int
    host: str
    first_of_host: int
    code: int
    told: str  # what it told the user, '' where there was nothing to tell

    def encoded(self) -> str:
        """As it is sent."""
        return json.dumps({**asdict(self), "told": self.told[:LONGEST_TOLD]})

    @classmethod
    def decoded(cls, content: bytes) -> Failure:
        """As it came from a process of the same training."""
        return cls(**json.loads(content))


class Store(Protocol):
    """Where processes leave what others look at."""

    def set(self, key: str, value: str) -> None:
        """Leave it."""
        ...

    def get(self, key: str) -> bytes:
        """Look at it."""
        ...

    def check(self, keys: list[str]) -> bool:
        """Whether it is there."""
        ...


class Watched(Protocol):
    """What is watched of a world."""

    rank: int
    size: int
    host: str
    stage: str
    last: str
    exchanges: int
    patience_s: float
    inside: tuple[str, float] | None

    @property
    def first_of_host(self) -> int:
        """The first rank of its host."""
        ...


class Watch(threading.Thread):
    """Gives and reads signs of life beside the training."""

    def __init__(self, world: Watched, store: Store) -> None:
        super().__init__(name="boxwright signs of life", daemon=True)
        self.world, self.store = world, store
        self.beat_s = min(world.patience_s / BEATS, LONGEST_BEAT_S)
        self.peers = Peers(world.rank, world.size, world.patience_s, time.monotonic())
        self.ended = threading.Event()
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        self._count = 0
        self._telling, self._has_told = threading.Lock(), False

    def run(self) -> None:
        while not self.ended.wait(self.beat_s):
            with contextlib.suppress(RuntimeError):  # a store that is gone leaves all others without a sign
                self._look()
            if self.ended.is_set():
                return
            self._judge()

    def stop(self) -> None:
        """No more signs are given, and nobody is judged."""
        self.ended.set()
        faulthandler.cancel_dump_traceback_later()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(self.world.patience_s)

    def blame(self, error: RuntimeError) -> NoReturn:
        """An exchange broke. Wait until it can be said who is gone. Raises LostError or ToldElsewhereError."""
        time.sleep(SUSPICION_BEATS * self.beat_s)
        self._require_none_failed()
        now = time.monotonic()
        lost = self.peers.silent(now, (SUSPICION_BEATS - 1) * self.beat_s)
        if self.peers.reporter(lost) != self.world.rank:
            raise ToldElsewhereError(EXIT_TRY_AGAIN)
        reason = str(error).splitlines()[0][:LONGEST_REASON]
        told = "; ".join(self.peers.about(number, now) for number in lost)
        raise LostError(f"{told or f'an exchange with the other processes broke ({reason})'}. {WAY_ON}")

    def _look(self) -> None:
        world, self._count = self.world, self._count + 1
        faulthandler.dump_traceback_later(world.patience_s * HARD_FACTOR, exit=True, file=self._nowhere)
        sign = Sign(self._count, world.host, _place(world), world.exchanges, world.inside is not None)
        self.store.set(f"sign/{world.rank}", sign.encoded())
        keys = {number: f"sign/{number}" for number in range(world.size) if number != world.rank}
        there = {number: key for number, key in keys.items() if self.store.check([key])}
        signs = {number: Sign.decoded(self.store.get(key)) for number, key in there.items()}
        self.peers.note(signs, time.monotonic())

    def _judge(self) -> None:
        now, world = time.monotonic(), self.world
        failure = self._failed()
        if failure is not None:
            self.ended.wait(KEPT_AFTER_S)
            if not self.ended.is_set():
                os._exit(self.told_elsewhere(failure).exit_code)
            return
        lost = self.peers.silent(now)
        if lost:
            self._end(lost, "; ".join(self.peers.about(number, now) for number in lost))
        inside = world.inside
        if inside is not None and now - inside[1] > world.patience_s:
            late = self.peers.late(world.exchanges, now, SUSPICION_BEATS * self.beat_s)
            waited = now - inside[1]
            if not late and waited < 2 * world.patience_s:
                return  # whoever gives no signs any more will be named as silent
            told = "; ".join(self.peers.about_late(number, waited, inside[0]) for number in late)
            self._end(late, told or f"an exchange with the other processes has taken {waited:.0f} s ({inside[0]})")

    def _end(self, lost: list[int], told: str) -> None:
        """End this process, from beside a training that may be stuck; the first of those who are left says why."""
        if self.peers.reporter(lost) == self.world.rank and told:
            with contextlib.suppress(RuntimeError):  # the others then learn of it by themselves
                self.store.set("failed", self._failure(EXIT_TRY_AGAIN).encoded())
            say_at_once(f"error: {told}. {WAY_ON}")
        os._exit(EXIT_TRY_AGAIN)

    def told_elsewhere(self, failure: Failure) -> ToldElsewhereError:
        """What ends this process after another; told here too by rank 0, where the other one is on another host."""
        world = self.world
        is_far = (failure.host, failure.first_of_host) != (world.host, world.first_of_host)
        with self._telling:
            if is_far and failure.told and world.rank == 0 and not self._has_told:
                say_at_once(f"error: rank {failure.rank} on {failure.host}: {failure.told}")
                self._has_told = True
        return ToldElsewhereError(failure.code)

    def _failure(self, code: int) -> Failure:
        return Failure(self.world.rank, self.world.host, self.world.first_of_host, code, "")

    def _failed(self) -> Failure | None:
        """How another process ended by an error, if one has."""
        with contextlib.suppress(RuntimeError):
            if self.store.check(["failed"]):
                failure = Failure.decoded(self.store.get("failed"))
                return None if failure.rank == self.world.rank else failure
        return None

    def _require_none_failed(self) -> None:
        failure = self._failed()
        if failure is not None:
            raise self.told_elsewhere(failure)


def _place(world: Watched) -> str:
    return world.stage or f"at {world.last or 'the start'}"

# SPDX-License-Identifier: Apache-2.0
"""Several processes as one world, over PyTorch's process groups. With the launcher, the only importer of them.

Two ways to wait. Within a step everybody waits inside a collective, which the watch ends after `patience_s`. Everything
else is waited for at the store, by asking again and again, which holds no device and may take hours, as long as those
who work give signs of life (`hang_watch.py`). Nothing that is received is run: texts are JSON, arrays are safetensors.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import safetensors.numpy
import torch
from torch import distributed
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # exported where it is built

from boxwright.errors import EXIT_OUR_FAULT, BoxwrightError, SettingError
from boxwright.system.distributed.hang_watch import HARD_FACTOR, Failure, LostError, ToldElsewhereError, Watch
from boxwright.system.distributed.launch_environment import Launch
from boxwright.system.distributed.meeting import meet
from boxwright.system.distributed.peers import START_S
from boxwright.system.distributed.world import Value, World
from boxwright.system.signals import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import numpy as np

SETTLING_S = 0.5  # for the process that tells the user to do so
FIRST_LOOK_S, LONGEST_LOOK_S = 0.0002, 0.1  # between questions to the store


@dataclass
class ProcessGroup(World):
    """A world of several processes. `patience_s` = how long nothing may be heard of one of them, in seconds."""

    patience_s: float = 30.0
    inside: tuple[str, float] | None = field(
        default=None, init=False
    )  # the collective this process waits in, since when

    def open(self, launch: Launch) -> None:
        """Meet the others. Raises SettingError where they cannot be met."""
        limit = dt.timedelta(seconds=max(HARD_FACTOR * self.patience_s, START_S))  # the watch is faster
        is_host = launch.rank == 0 and not launch.hosted
        try:
            made = TCPStore(launch.address, launch.port, launch.size, is_host, timeout=limit, wait_for_workers=False)
            mine = TCPStore(
                launch.address, launch.port, launch.size, is_master=False, timeout=limit, wait_for_workers=False
            )
            self._require_no_end(made)
            prefix = f"boxwright/{meet(self._base, launch.rank, launch.size, self.patience_s)}"
            self._store = PrefixStore(prefix, made)
            self._watch = Watch(self, PrefixStore(prefix, mine))
            self._watch.start()
            self._wait_for_all("meeting")
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(
                backend,
                store=PrefixStore("group", self._store),
                rank=launch.rank,
                world_size=launch.size,
                timeout=limit,
            )
        except (RuntimeError, OSError) as error:
            raise _not_met(launch, error) from None

    # -- within a step

    def agree(self, reason: str, name: str = "stop") -> str:
        """The reason of the first process that has one, or ''."""
        first = torch.tensor([self.size - self.rank if reason else 0])
        self._collective(name, lambda: distributed.all_reduce(first, distributed.ReduceOp.MAX))
        if not int(first):
            return ""
        return str(self._text_of(self.size - int(first), reason, name))

    def sum_(self, tensor: torch.Tensor, name: str = "sum") -> torch.Tensor:
        """The sum over all processes, in place."""
        self._collective(name, lambda: distributed.all_reduce(tensor))
        return tensor

    def notices(self, reason: str) -> bool:
        """Whether this process or any other had a reason so far."""
        if reason:
            self._store_call(lambda: self._store.set("noticed", "1"))
        return self._store_call(lambda: self._store.check(["noticed"]))

    # -- between steps

    def gather(self, value: Value, name: str = "gather") -> list[Value]:
        """The values of all processes in the order of their ranks."""
        return [json.loads(bytes(part.tolist())) for part in self._gathered(json.dumps(value).encode(), name)]

    def gather_arrays(self, arrays: Mapping[str, np.ndarray], name: str) -> list[Mapping[str, np.ndarray]]:
        """The arrays of all processes in the order of their ranks."""
        content = safetensors.numpy.save(dict(arrays))
        return [safetensors.numpy.load(part.numpy().tobytes()) for part in self._gathered(content, name)]

    def broadcast(self, value: Value, name: str = "broadcast") -> Value:
        """The value of rank 0."""
        self._wait_for_all(name)
        found: Value = json.loads(self._text_of(0, json.dumps(value) if self.is_main else "", name))
        return found

    def send_(self, tensors: Iterable[torch.Tensor], name: str) -> None:
        """Write the tensors of rank 0 into those of all others."""
        self._wait_for_all(name)
        for tensor in tensors:
            whole = tensor.detach().contiguous()
            self._collective(name, lambda whole=whole: distributed.broadcast(whole, 0))  # type: ignore[misc]  # called at once
            if not self.is_main:
                tensor.detach().copy_(whole)

    def first_on_host(self, work: Callable[[], Value], name: str) -> Value:
        """Work that one process of each host does first, and the others when it is done."""
        self._exchange(name)
        key = f"first/{self.exchanges}/{self.host}/{self.first_of_host}"
        if self.local_rank:
            self._wait_for(key)
        with self._named(name):
            found = work()
        if not self.local_rank:
            self._store_call(lambda: self._store.set(key, "1"))
        self._wait_for_all(name)
        return found

    def alone(self, work: Callable[[], Value], name: str) -> Value | None:
        """Work of rank 0, for which the others wait."""
        self._exchange(name)
        key = f"alone/{self.exchanges}"
        if not self.is_main:
            self._wait_for(key)
            return None
        with self._named(name):
            found = work()
        self._store_call(lambda: self._store.set(key, "1"))
        return found

    def after_rank_0(self, work: Callable[[], Value], name: str) -> Value:
        """Work of every process; the others go on when rank 0 is through with it."""
        self._exchange(name)
        key = f"after/{self.exchanges}"
        with self._named(name):
            found = work()
        if self.is_main:
            self._store_call(lambda: self._store.set(key, "1"))
        else:
            self._wait_for(key)
        return found

    # -- the end

    def leave_first(self) -> None:
        """Rank 0 is about to end by a decision of all."""
        self._store_call(lambda: self._store.set("leaving", "1"))

    def close(self) -> None:
        """Leave together: whoever tears its sockets down under a slower one makes that one fail."""
        if self.code:
            self._end_for_good(self.code)
        self._wait_for_all("end")
        self._watch.stop()
        distributed.destroy_process_group()

    def leave_after_rank_0(self, code: int) -> NoReturn:
        """End by a decision of all, which rank 0 tells the user. Raises ToldElsewhereError.

        One that does not leave (it may not know of a signal that came late) is not waited for.
        """
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until and not self._store_call(lambda: self._store.check(["leaving"])):
            time.sleep(LONGEST_LOOK_S)
        if self._store_call(lambda: self._store.check(["leaving"])):
            self._wait_for("failed")
        time.sleep(SETTLING_S)
        self._watch.stop()
        raise ToldElsewhereError(code)

    def failed(self, code: int, told: str, *, final: bool) -> None:
        """Tell the others that this process ends by an error. Raises ToldElsewhereError where another told it first.

        `told`: what this process tells the user, for those who see the output of another host. `final`: starting again
        would not help.
        """
        if final:
            self._end_for_good(code)
        with contextlib.suppress(RuntimeError):  # a store that is gone has nobody behind it who would hear
            mine = Failure(self.rank, self.host, self.first_of_host, code, told)
            failure = Failure.decoded(self._store.compare_set("failed", "", mine.encoded()))
            if failure.rank != self.rank:
                raise self._watch.told_elsewhere(failure)
        self._watch.stop()

    def _end_for_good(self, code: int) -> None:
        """No later attempt of the launcher is to begin."""
        with contextlib.suppress(RuntimeError):  # a store that is gone has no later attempt at it
            self._base.set("final", str(code))

    def _require_no_end(self, base: Store) -> None:
        """What ended for good is not begun again by a launcher that restarts whatever has an exit code."""
        self._base = PrefixStore("boxwright", base)
        if self._base.check(["final"]):
            raise ToldElsewhereError(int(self._base.get("final")))

    # -- how it is done

    def _text_of(self, rank: int, text: str, name: str) -> str:
        content = torch.frombuffer(bytearray(text.encode() or b" "), dtype=torch.uint8)
        length = torch.tensor([len(content)])
        self._collective(name, lambda: distributed.broadcast(length, rank))
        if self.rank != rank:
            content = torch.empty(int(length), dtype=torch.uint8)
        self._collective(name, lambda: distributed.broadcast(content, rank))
        return bytes(content.tolist()).decode().strip()

    def _gathered(self, content: bytes, name: str) -> list[torch.Tensor]:
        """Bytes of all processes, each as (n,) uint8."""
        self._wait_for_all(name)
        mine = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        self._collective(name, lambda: distributed.all_gather(lengths, torch.tensor([len(mine)])))
        longest = max(int(length) for length in lengths)
        padded = torch.zeros(longest, dtype=torch.uint8)
        padded[: len(mine)] = mine
        parts = [torch.empty(longest, dtype=torch.uint8) for _ in range(self.size)]
        self._collective(name, lambda: distributed.all_gather(parts, padded))
        return [part[: int(length)] for part, length in zip(parts, lengths, strict=True)]

    def _collective(self, name: str, work: Callable[[], object]) -> None:
        self._exchange(name)
        self.inside = name, time.monotonic()
        try:
            work()
        except RuntimeError as error:
            self._watch.blame(error)
        finally:
            self.inside = None

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """What this process works at while the others wait for it."""
        before, self.stage = self.stage, name
        yield
        self.stage = before

    def _wait_for_all(self, name: str) -> None:
        """Wait at the store until every process is here."""
        self._exchange(name)
        key = f"all/{self.exchanges}"
        self._store_call(lambda: self._store.add(key, 1))
        self._until(lambda: self._store.add(key, 0) >= self.size)

    def _wait_for(self, key: str) -> None:
        self._until(lambda: self._store.check([key]))

    def _until(self, done: Callable[[], bool]) -> None:
        pause = FIRST_LOOK_S
        while not self._store_call(done):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK_S)

    def _store_call(self, ask: Callable[[], Value]) -> Value:
        try:
            return ask()
        except RuntimeError as error:
            self._watch.blame(error)


def store_at(address: str) -> TCPStore:
    """A store of this process at which others meet, at a port that is free."""
    return TCPStore(address, 0, is_master=True, wait_for_workers=False)


def _not_met(launch: Launch, error: Exception) -> SettingError:
    reason = str(error).splitlines()[0][:160]
    what = f"the {launch.size} processes of this training did not meet at {launch.address}:{launch.port} ({reason})"
    return SettingError("MASTER_ADDR", what, "Look whether all were started, with the same address and a free port")


@contextlib.contextmanager
def world_of(launch: Launch | None, patience_s: float) -> Iterator[World]:
    """The world that a launcher describes, met and left together; of one without a launcher.

    What goes wrong in one process ends all of them, and is told by one.
    """
    if launch is None:
        yield World()
        return
    place = launch.rank, launch.size, launch.local_rank, launch.local_size, launch.job, launch.attempt
    if launch.size == 1:
        with _telling():
            yield World(*place, stop=launch.stop)
        return
    world = ProcessGroup(*place, stop=launch.stop, patience_s=patience_s)
    world.open(launch)
    try:
        yield world
    except ToldElsewhereError:
        raise
    except BoxwrightError as error:
        world.failed(error.exit_code, str(error), final=not isinstance(error, LostError))
        error.is_to_tell = True
        raise
    except KeyboardInterrupt as stop:
        world.failed(exit_code(stop), "", final=False)  # launchers send signals to whom they start anew
        raise
    except Exception as error:
        world.failed(EXIT_OUR_FAULT, f"{type(error).__name__}: {error}", final=False)
        raise
    world.close()


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """Who is alone tells what goes wrong, however often it was started before."""
    try:
        yield
    except ToldElsewhereError:
        raise
    except BoxwrightError as error:
        error.is_to_tell = True
        raise

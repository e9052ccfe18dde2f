# SPDX-License-Identifier: Apache-2.0
"""Real processes that are ranks of one world, on this machine, over the loopback.

They are forked, since starting Python and torch takes longer than what most tests do with them; before there is a
store, whose threads may hold a lock at that moment. One that is still there after `MOST_S` writes where it is on its
standard error and is killed, so that a test fails and does not hang.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from boxwright.cli import main
from boxwright.errors import BoxwrightError
from boxwright.system.distributed.launch_environment import Launch
from boxwright.system.distributed.process_group import world_of
from boxwright.system.distributed.world import World
from boxwright.system.signals import exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What a training imports on its way: once here takes seconds less than once in every process.
ON_THE_WAY = ("boxwright.commands.train", "boxwright.commands.val", "torch._dynamo", "torch.utils.tensorboard")
NO_ANSWER = 97  # exit code of a rank that an error of its test ended
MOST_S = 120.0  # for all ranks of a world, from their start


@dataclass(frozen=True)
class Rank:
    """How a rank ended: exit code, or minus the signal; its answer, what it wrote on standard error, its error."""

    code: int
    answer: Any
    err: str
    error: str


def ranks(
    size: int,
    work: Callable[[World], Any],
    *,
    patience_s: float = 20.0,
    local_size: int | None = None,
    watch: Callable[[list[int]], None] = lambda _: None,
) -> list[Rank]:
    """`work` in every rank; its answer is what JSON can say. `watch` is given the process numbers while they run."""
    per_host = local_size or size
    ports = [os.pipe() for _ in range(size)]
    with tempfile.TemporaryDirectory() as place:
        children = []
        for rank in range(size):
            launch = Launch(rank, size, rank % per_host, per_host, "127.0.0.1", 0, hosted=True, job="test")
            sys.stdout.flush()
            child = os.fork()
            if not child:
                _be(launch, work, patience_s, Path(place) / str(rank), ports[rank][0])
            children.append(child)
        with _hosted(ports), killed_at_last(children):
            watch(children)
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        return [_ended(code, Path(place) / str(rank)) for rank, code in enumerate(codes)]


@contextmanager
def _hosted(ports: list[tuple[int, int]]) -> Iterator[None]:
    """A store for the processes at the other ends of pipes, which are told its port."""
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for reading, writing in ports:
        os.write(writing, store.port.to_bytes(4, "little"))
        os.close(writing)
        os.close(reading)
    yield
    del store


def _port(reading: int) -> int:
    return int.from_bytes(os.read(reading, 4), "little")


@contextmanager
def killed_at_last(children: list[int], *, group: bool = False) -> Iterator[None]:
    """No process outlives its test for long. `group`: with all that are in its process group."""
    ended = threading.Event()

    def watch() -> None:
        for number, wait_s in ((signal.SIGUSR2, MOST_S), (signal.SIGKILL, 5.0)):
            if ended.wait(wait_s):
                return
            for child in children:
                with suppress(ProcessLookupError):
                    (os.killpg if group else os.kill)(child, number)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _be(launch: Launch, work: Callable[[World], Any], patience_s: float, place: Path, port: int) -> None:
    code = NO_ANSWER
    place.mkdir()
    os.dup2(os.open(place / "err", os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
    faulthandler.register(signal.SIGUSR2, file=2)
    torch.set_num_threads(1)
    try:
        with world_of(replace(launch, port=_port(port)), patience_s) as world:
            (place / "answer").write_text(json.dumps(work(world)))
        code = 0
    except BoxwrightError as error:
        code = error.exit_code
        (place / "error").write_text("" if error.is_told else str(error))
    except KeyboardInterrupt as stop:
        code = exit_code(stop)
    except BaseException as error:  # noqa: BLE001 -- a child has to end here
        os.write(2, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(code)


def _ended(code: int, place: Path) -> Rank:
    texts = {name: (place / name).read_text() if (place / name).exists() else "" for name in ("answer", "err", "error")}
    return Rank(code, json.loads(texts["answer"] or "null"), texts["err"], texts["error"])


def commands(
    size: int,
    words: list[str],
    arm: Callable[[int], None] = lambda _: None,
    *,
    attempt: int = 0,
    job: str = "test",
    store: distributed.TCPStore | None = None,
    hosts: tuple[int, ...] = (),
) -> list[Rank]:
    """A command line in every rank, as a launcher starts it; `arm` is given the rank. The answer is what it printed.

    `store`: that of a launcher which starts them once more. `hosts`: how many ranks each has; without it, one has all.
    """
    places = [(local, count) for count in hosts or (size,) for local in range(count)]
    for name in ON_THE_WAY:
        importlib.import_module(name)
    ports = [] if store else [os.pipe() for _ in range(size)]
    with tempfile.TemporaryDirectory() as place:
        children = []
        for rank in range(size):
            sys.stdout.flush()
            child = os.fork()
            if not child:
                local = places[rank]
                launch = {
                    "attempt": attempt,
                    "job": job,
                    "local": local,
                    "port": store.port if store else _port(ports[rank][0]),
                }
                _command(rank, size, words, Path(place) / str(rank), arm, launch)
            children.append(child)
        with killed_at_last(children), nullcontext() if store else _hosted(ports):
            codes = _codes_of(children)
        found = []
        for rank, code in enumerate(codes):
            texts = [Path(place) / str(rank) / name for name in ("out", "err")]
            out, err = (text.read_text() for text in texts)
            found.append(Rank(code, out, err, ""))
        return found


def _codes_of(children: list[int]) -> list[int]:
    """How all have ended; those that are frozen are killed when the others are gone."""
    codes: dict[int, int] = {}
    frozen: list[int] = []
    for child in children:
        status = os.waitpid(child, os.WUNTRACED)[1]
        if os.WIFSTOPPED(status):
            frozen.append(child)
        else:
            codes[child] = os.waitstatus_to_exitcode(status)
    for child in frozen:
        os.kill(child, signal.SIGKILL)
        codes[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return [codes[child] for child in children]


def _command(
    rank: int, size: int, words: list[str], place: Path, arm: Callable[[int], None], launch: dict[str, Any]
) -> None:
    place.mkdir()
    for name, stream in (("out", 1), ("err", 2)):
        os.dup2(os.open(place / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    faulthandler.register(signal.SIGUSR2, file=2)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    os.environ.update(
        RANK=str(rank),
        WORLD_SIZE=str(size),
        LOCAL_RANK=str(launch["local"][0]),
        LOCAL_WORLD_SIZE=str(launch["local"][1]),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(launch["port"]),
        TORCHELASTIC_USE_AGENT_STORE="True",
        TORCHELASTIC_RESTART_COUNT=str(launch["attempt"]),
        TORCHELASTIC_RUN_ID=launch["job"],
    )
    code = NO_ANSWER
    try:
        arm(rank)
        code = main(words)
    finally:
        sys.stdout.flush()
        os._exit(code)

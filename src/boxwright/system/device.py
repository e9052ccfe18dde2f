# SPDX-License-Identifier: Apache-2.0
"""Devices: which one, its switches, its precision, and what it can do.

Process-wide settings are made here and nowhere else.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import psutil
import torch

from boxwright.errors import DeviceError
from boxwright.native import binary
from boxwright.system.cgroups import granted_cores, granted_memory_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CACHE_SHARE = 0.7  # of free memory that cached images may take
LOADER_NICENESS = 10  # loader threads give way to compute threads, which wait for each other at every step

# glibc's mallopt: never give memory back between steps, never map large blocks anew. Fresh large blocks cost a page
# fault per 4 KiB; at 640 pixels that was a third of a training step.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_KEEP_BYTES, _TOP_PAD_BYTES = (1 << 31) - 1, 1 << 28


def choose_device(word: str) -> torch.device:
    """The device a user means: '' = the first GPU or the CPU, 'cpu', 'mps', '0', 'cuda:1'. Raises DeviceError."""
    wanted = word.strip().lower()
    if wanted in {"cpu", ""} and not (wanted == "" and torch.cuda.is_available()):
        return torch.device("cpu")
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError(f"--device {word}", "there is no Apple GPU here", f"There is: {_present()}")
        return torch.device("mps")
    number = wanted.removeprefix("cuda:").removeprefix("cuda") or "0"
    if "," in number:
        raise DeviceError(
            f"--device {word}", "several devices are not offered yet", f"Give one. There is: {_present()}"
        )
    if not number.isdecimal():  # unlike isdigit, only what int() reads
        raise DeviceError(
            f"--device {word}", "is no device", f"Give cpu, mps, a GPU number, or nothing. There is: {_present()}"
        )
    if not torch.cuda.is_available() or int(number) >= torch.cuda.device_count():
        raise DeviceError(f"--device {word}", "there is no such GPU", f"There is: {_present()}")
    return torch.device("cuda", int(number))


def _is_there(word: str) -> bool:
    number = word.removeprefix("cuda:")
    return number.isdecimal() and int(number) < torch.cuda.device_count()


def devices_named(word: str) -> int:
    """How many devices a word of --device names: 2 for 0,1."""
    return len([part for part in word.split(",") if part.strip()]) or 1


def device_words(word: str, processes: int) -> list[str]:
    """The device of each of the processes of this host. Raises DeviceError where there are fewer devices than that."""
    wanted = word.strip().lower()
    if wanted == "cpu" or (wanted == "" and not torch.cuda.is_available()):
        return ["cpu"] * processes
    given = [part.strip() for part in wanted.split(",")] if wanted else list(map(str, range(torch.cuda.device_count())))
    there = {part for part in given if _is_there(part)}
    if len(there) < processes:
        what = f"{processes} processes need as many devices, and {len(there) or 'none'} of these can be had"
        raise DeviceError(f"--device {word}".strip(), what, f"Start fewer processes. There is: {_present()}")
    return given[:processes]


def is_cpu(device: torch.device) -> bool:
    """Whether it computes where the host does: results are there at once, and memory is that of the process."""
    return device.type == "cpu"


def is_cuda(device: torch.device) -> bool:
    """Whether it has streams, an allocator that can be asked, and pinned transfers."""
    return device.type == "cuda"


def synchronize(device: torch.device) -> None:
    """Wait until the device is done with what it was given."""
    if is_cuda(device):
        torch.cuda.synchronize(device)


def held_memory(device: torch.device) -> int:
    """Bytes of device memory that the allocator holds; 0 where it cannot be asked."""
    return torch.cuda.memory_reserved(device) if is_cuda(device) else 0


def release_memory(device: torch.device) -> None:
    """Give back what is held for reuse."""
    gc.collect()
    if is_cuda(device):
        torch.cuda.empty_cache()


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _OUT_OF_MEMORY)


def _present() -> str:
    gpus = (
        [f"{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
        if torch.cuda.is_available()
        else []
    )
    return ", ".join([*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"])


def describe(device: torch.device) -> str:
    """The device in words."""
    if is_cuda(device):
        properties = torch.cuda.get_device_properties(device)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    threads = torch.get_num_threads()
    many = "" if threads == 1 else "s"
    return f"{device.type}, {threads} compute thread{many}, {torch.backends.cpu.get_cpu_capability()}"


def cpu_capability(device: torch.device) -> str:
    """The instruction set that compute kernels use on a CPU, since other ones round otherwise.

    '' for another device.
    """
    return str(torch.backends.cpu.get_cpu_capability()) if is_cpu(device) else ""


@dataclass(frozen=True)
class _Switches:
    """The switches of the process, as one piece of work wants them or as they were found. `owner` is its thread."""

    threads: int
    image_threads: int
    cudnn: tuple[bool, bool]  # benchmark, deterministic
    kernels: bool
    owner: int

    def apply(self, threads: int) -> None:
        """Set them; the framework counts compute threads for each thread that asks for work."""
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        cv2.setNumThreads(self.image_threads)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = self.cudnn
        binary.switch(on=self.kernels)


def _switches_now() -> _Switches:
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    return _Switches(torch.get_num_threads(), cv2.getNumThreads(), cudnn, binary.is_on(), threading.get_ident())


class _Working:
    """Who is at work in this process, in the order in which they came, and how it was before the first of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.before: _Switches | None = None  # none while nobody is at work
        self.wanted: list[_Switches] = []

    def begin(self, threads: int, *, kernels: bool) -> _Switches:
        """Set the switches as one more piece of work wants them."""
        with self.lock:
            self.before = self.before or _switches_now()
            # What torch starts with are physical cores, or what OMP_NUM_THREADS says; a container may grant less.
            chosen = threads or min(self.before.threads, usable_cores())
            kernels = kernels and self.before.kernels
            mine = _Switches(chosen, 0, (False, True), kernels, threading.get_ident())
            self.wanted.append(mine)
            mine.apply(chosen)
        return mine

    def end(self, mine: _Switches) -> None:
        """Set them as the newest of those who are left wants them, behind the last one as they were before."""
        with self.lock:
            del self.wanted[next(place for place, one in enumerate(self.wanted) if one is mine)]
            before = self.before or mine
            here = [one for one in self.wanted if one.owner == mine.owner]
            (self.wanted or [before])[-1].apply((here or [before])[-1].threads)
            self.before = before if self.wanted else None


_WORKING = _Working()


@contextlib.contextmanager
def configured_process(device: torch.device, threads: int = 0, *, kernels: bool = True) -> Iterator[None]:
    """The switches of the whole process while work goes on, and as they were afterwards.

    Compute threads, image library without its own, deterministic kernels, compiled kernels or portable ones. What stays
    is that the C library keeps memory for reuse. Several may work at a time, in one thread or in many, in any order.
    """
    if is_cpu(device):
        keep_memory()
    mine = _WORKING.begin(threads, kernels=kernels)
    try:
        yield
    finally:
        _WORKING.end(mine)


def keep_memory() -> bool:
    """Ask the C library to reuse large blocks instead of returning them; whether it listened."""
    if sys.platform != "linux":
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
        return all(
            library.mallopt(*pair)
            for pair in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEEP_BYTES), (_M_TOP_PAD, _TOP_PAD_BYTES))
        )
    except (OSError, AttributeError):
        return False


def lower_this_thread() -> None:
    """Let compute threads go first, where the system knows priorities of threads."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            this = threading.get_native_id()
            os.setpriority(
                os.PRIO_PROCESS, this, os.getpriority(os.PRIO_PROCESS, this) + LOADER_NICENESS
            )  # the system cuts it at its lowest


def loader_threads(asked: int) -> int:
    """Loader threads worth having: no more than there are cores."""
    return min(asked, usable_cores())


def usable_cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than the time that a container grants."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(bound, granted_cores()), 1)


def free_memory_bytes() -> int:
    """Memory that may still be used, limits of a container included."""
    return max(min(int(psutil.virtual_memory().available), granted_memory_bytes()), 0)


def free_device_memory(device: torch.device) -> float:
    """Memory of a GPU that nobody holds, in bytes."""
    return float(torch.cuda.mem_get_info(device)[0])


def peak_device_memory(device: torch.device, work: Callable[[], None]) -> float:
    """The most memory of a GPU that some work held at once, in bytes, as the allocator reserved it."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_reserved(device)
    work()
    torch.cuda.synchronize(device)
    return float(torch.cuda.max_memory_reserved(device) - before)

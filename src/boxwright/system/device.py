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
    return f"{device.type}, {torch.get_num_threads()} compute threads, {torch.backends.cpu.get_cpu_capability()}"


def cpu_capability(device: torch.device) -> str:
    """The instruction set that compute kernels use on a CPU, since other ones round otherwise.

    '' for another device.
    """
    return str(torch.backends.cpu.get_cpu_capability()) if is_cpu(device) else ""


@contextlib.contextmanager
def configured_process(device: torch.device, threads: int = 0, *, kernels: bool = True) -> Iterator[None]:
    """The switches of the whole process while work goes on, and as they were afterwards.

    Compute threads, image library without its own, deterministic kernels, compiled kernels or portable ones. What stays
    is that the C library keeps memory for reuse.
    """
    before = (
        torch.get_num_threads(),
        cv2.getNumThreads(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
    )
    # What torch starts with are physical cores, or what OMP_NUM_THREADS says; a container may grant less.
    torch.set_num_threads(threads or min(before[0], usable_cores()))
    cv2.setNumThreads(0)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    if is_cpu(device):
        keep_memory()
    with contextlib.nullcontext() if kernels else binary.portable():
        try:
            yield
        finally:
            torch.set_num_threads(before[0])
            cv2.setNumThreads(before[1])
            torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = before[2], before[3]


def prepare_process(device: torch.device, threads: int = 0) -> None:
    """Process-wide switches, once.

    Compute threads, image library without its own, deterministic kernels, memory kept for reuse.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(threads or min(torch.get_num_threads(), usable_cores()))
    if is_cuda(device):
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    else:
        keep_memory()


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

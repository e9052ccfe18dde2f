# SPDX-License-Identifier: Apache-2.0
"""The loader: threads that draw samples straight into batch buffers which are used again and again.

No worker processes, no pickling, no copy to collate. What a sample is does not depend on which thread draws it, so the
stream is the same for any number of threads.
"""

from __future__ import annotations

import queue
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from boxwright.data.pixels.channels import Kind
from boxwright.data.sampling.samples import Address
from boxwright.structures.batch import Batch
from boxwright.structures.truth import Truth
from boxwright.system.device import lower_this_thread

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

AHEAD = 3  # batches being drawn or ready while one is in use
NOTHING_KNOWN = Truth(np.zeros((0, 5), np.float32))


class Samples(Protocol):
    """Draws the sample of an address and returns what is known about it."""

    def __call__(self, address: Address, out: np.ndarray) -> Truth:
        """`out` (C, H, W) receives the pixels."""
        ...


@dataclass
class _Job:
    """One batch on its way."""

    addresses: Sequence[Address]
    flat: torch.Tensor  # the whole buffer
    images: torch.Tensor  # the part of it that holds this batch, (B, C, H, W)
    known: list[Truth]  # of each sample, as soon as it is drawn
    done: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    left: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Loader:
    """Batches of one split. `threads` = 0 draws in the asking thread."""

    def __init__(self, samples: Samples, *, threads: int, pinned: bool = False, kind: Kind | None = None) -> None:
        self.samples = samples
        self.threads = threads
        self.pinned = pinned
        self.kind = kind or Kind()
        self._free: dict[int, list[torch.Tensor]] = {}
        self._drawing: weakref.WeakSet[Generator[Batch, None, None]] = weakref.WeakSet()

    def __call__(self, batches: Sequence[Sequence[Address]]) -> Iterator[Batch]:
        """The batches in order. A batch's images are overwritten after the next one has been asked for."""
        if not self.threads:
            return (_as_batch(self._drawn(addresses)) for addresses in batches)
        drawing = self._threaded(batches)
        self._drawing.add(drawing)
        return drawing

    def close(self) -> None:
        """End the threads of batches that nobody will ask for any more: an error may keep them from being forgotten."""
        for drawing in list(self._drawing):
            drawing.close()

    # -- without threads

    def _drawn(self, addresses: Sequence[Address]) -> _Job:
        job = self._job(addresses)
        for place in range(len(addresses)):
            _draw(self.samples, job, place)
        if job.error is not None:
            raise job.error
        self._give_back(job.flat)
        return job

    # -- with threads

    def _threaded(self, batches: Sequence[Sequence[Address]]) -> Generator[Batch, None, None]:
        tasks: queue.SimpleQueue[tuple[_Job, int] | None] = queue.SimpleQueue()
        workers = [
            threading.Thread(target=_work, args=(self.samples, tasks), name=f"loader-{i}", daemon=True)
            for i in range(self.threads)
        ]
        for worker in workers:
            worker.start()
        waiting: list[_Job] = []
        upcoming = iter(batches)
        try:
            self._fill(waiting, upcoming, tasks)
            while waiting:
                job = waiting.pop(0)
                begin = time.perf_counter()
                job.done.wait()
                if job.error is not None:
                    raise job.error
                yield _as_batch(job, time.perf_counter() - begin)
                self._give_back(job.flat)
                self._fill(waiting, upcoming, tasks)
        finally:
            for job in waiting:
                job.error = job.error or _AbandonedError()
            for _ in workers:
                tasks.put(None)
            for worker in workers:
                worker.join()

    def _fill(
        self,
        waiting: list[_Job],
        upcoming: Iterator[Sequence[Address]],
        tasks: queue.SimpleQueue[tuple[_Job, int] | None],
    ) -> None:
        while len(waiting) < AHEAD:
            addresses = next(upcoming, None)
            if addresses is None:
                return
            job = self._job(addresses)
            waiting.append(job)
            for place in range(len(addresses)):
                tasks.put((job, place))

    # -- buffers

    def _job(self, addresses: Sequence[Address]) -> _Job:
        count, (height, width) = len(addresses), addresses[0].output_hw
        size = count * self.kind.channels * height * width
        flat = self._buffer(size)
        images = flat[:size].view(count, self.kind.channels, height, width)
        return _Job(addresses, flat, images, [NOTHING_KNOWN] * count, left=count)

    def _buffer(self, size: int) -> torch.Tensor:
        """A buffer that is free and large enough, else a new one."""
        for capacity, free in sorted(self._free.items()):
            if capacity >= size and free:
                return free.pop()
        return torch.empty(
            size, dtype=torch.uint8 if self.kind.depth == "uint8" else torch.uint16, pin_memory=self.pinned
        )

    def _give_back(self, flat: torch.Tensor) -> None:
        self._free.setdefault(flat.numel(), []).append(flat)


class _AbandonedError(Exception):
    """The consumer has left; samples of this batch need not be drawn."""


def _work(samples: Samples, tasks: queue.SimpleQueue[tuple[_Job, int] | None]) -> None:
    lower_this_thread()
    while (task := tasks.get()) is not None:
        _draw(samples, *task)


def _draw(samples: Samples, job: _Job, place: int) -> None:
    """Draw one sample into its place; the last one of a batch reports it done."""
    if job.error is None:
        try:
            job.known[place] = samples(job.addresses[place], job.images[place].numpy())
        except BaseException as error:  # noqa: BLE001 -- handed to the thread that asked
            job.error = error
    with job.lock:
        job.left -= 1
        last = job.left == 0
    if last:
        job.done.set()


def _as_batch(job: _Job, wait_s: float = 0.0) -> Batch:
    regions = (
        _with_places([known.regions for known in job.known]) if any(len(known.regions) for known in job.known) else None
    )
    return Batch(
        job.images,
        _with_places([known.objects for known in job.known]),
        tuple(address.image for address in job.addresses),
        wait_s,
        regions,
    )


def _with_places(rows: Sequence[np.ndarray]) -> torch.Tensor:
    """The rows of all samples as one, each behind the place of its sample. (n, M) each -> (N, 1 + M)"""
    return torch.from_numpy(
        np.concatenate(
            [
                np.concatenate((np.full((len(found), 1), place, np.float32), found), axis=1)
                for place, found in enumerate(rows)
            ]
        )
    )

# SPDX-License-Identifier: Apache-2.0
"""From bytes to what the network reads: float32 in 0..1 on the device, features of one pixel side by side in memory."""

from __future__ import annotations

import torch

from boxwright.system.device import is_cuda


class PixelBuffer:
    """One block of memory per shape, written anew by every batch.

    Fresh memory of this size costs more than the conversion.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}
        self._lane = _Lane(device) if is_cuda(device) else None

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) uint8 or uint16 -> float32 in 0..1 on the device, valid until the next call.

        The images may be written over from now on.
        """
        shape = tuple(images.shape)
        if shape not in self._kept:
            self._kept = {
                shape: torch.empty(shape, device=self.device).to(memory_format=torch.channels_last)
            }  # the last shape only
        found = (
            self._kept[shape]
            .copy_(images if self._lane is None else self._lane.sent(images))
            .div_(255 if images.dtype == torch.uint8 else 65535)
        )
        if self._lane is not None:
            self._lane.was_read()
        return found


class _Lane:
    """A stream of its own on which bytes travel to a GPU that still works on the batch before.

    They arrive at two places by turns.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # the framework's own
        self._places: list[torch.Tensor | None] = [None, None]
        self._read: list[torch.cuda.Event | None] = [None, None]  # when the GPU was done with what lay there
        self._turn = 0

    def sent(self, images: torch.Tensor) -> torch.Tensor:
        """The images on the GPU.

        Waits until they have left this memory, which takes no longer than the way: the loader writes the next ones
        there.
        """
        self._turn = 1 - self._turn
        work, read = torch.cuda.current_stream(self.device), self._read[self._turn]
        with torch.cuda.stream(self._stream):
            if read is not None:
                self._stream.wait_event(read)
            place = self._place(images, work)
            place.copy_(images, non_blocking=True)
            arrived = self._stream.record_event()
        work.wait_event(arrived)
        arrived.synchronize()
        return place

    def was_read(self) -> None:
        """What was sent last has been read by all that is in the working stream by now."""
        self._read[self._turn] = torch.cuda.current_stream(self.device).record_event()

    def _place(self, images: torch.Tensor, work: torch.cuda.Stream) -> torch.Tensor:
        place = self._places[self._turn]
        if place is None or place.shape != images.shape or place.dtype != images.dtype:
            place = torch.empty_like(images, device=self.device, pin_memory=False)
            place.record_stream(work)  # its memory is not given to others before the working stream is done with it
            self._places[self._turn] = place
        return place

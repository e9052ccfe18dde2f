# SPDX-License-Identifier: Apache-2.0
"""Bytes to what the network reads."""

import pytest
import torch

from boxwright.system.transfer import PixelBuffer


def drawn(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(len(shape)))


def test_every_byte_is_divided_by_255_exactly():
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(PixelBuffer(torch.device("cpu")).of(images), images.float() / 255)


def test_the_same_memory_serves_batches_of_one_shape_and_is_laid_out_cell_by_cell():
    buffer = PixelBuffer(torch.device("cpu"))
    first, second = drawn(2, 3, 8, 12), drawn(2, 3, 8, 12).flip(0)
    place = buffer.of(first).data_ptr()
    again = buffer.of(second)
    assert again.data_ptr() == place
    assert torch.equal(again, second.float() / 255)
    assert again.is_contiguous(memory_format=torch.channels_last)


def test_another_shape_is_served_as_well():
    buffer = PixelBuffer(torch.device("cpu"))
    buffer.of(drawn(2, 3, 8, 12))
    other = drawn(1, 3, 16, 4)
    assert torch.equal(buffer.of(other), other.float() / 255)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_bytes_on_their_way_to_a_gpu_may_be_written_over_as_soon_as_the_call_is_back():
    device = torch.device("cuda")
    buffer, host = PixelBuffer(device), torch.empty(16, 3, 640, 640, dtype=torch.uint8, pin_memory=True)
    busy = torch.randn(4096, 4096, device=device)
    sums = []
    for value in range(12):
        busy = (busy @ busy).tanh()  # the GPU lags behind: a copy in its own stream would wait for this
        host.fill_(value)
        sums.append(buffer.of(host).mean() * 255)
        host.fill_(255)
    assert [round(float(one), 3) for one in sums] == list(range(12))

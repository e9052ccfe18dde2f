# SPDX-License-Identifier: Apache-2.0
"""Weights that cannot be read are one line, and what a file states is compared with its length before it is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from boxwright.errors import WeightsError
from boxwright.runs.inputs.weight_files import read_weights
from boxwright.system.safetensors_file import read_safetensors, write_safetensors


def test_a_file_that_the_system_fails_to_read_is_one_line():
    """The memory of this process looks like a regular file, and its first page is none."""
    with pytest.raises(WeightsError, match=r"^/proc/self/mem: cannot be read \(input/output error\)\. Check the path$"):
        read_weights(Path("/proc/self/mem"))


@pytest.mark.parametrize("length", [20 << 30, 100])
def test_safetensors_of_another_length_than_their_header_says_are_not_read(tmp_path, monkeypatch, length):
    path = tmp_path / "w.safetensors"
    write_safetensors(path, {"a": torch.arange(64.0)}, {"about": "b"})
    tensors, words = read_safetensors(path)
    assert torch.equal(tensors["a"], torch.arange(64.0))
    assert words == {"about": "b"}
    os.truncate(path, length)  # a sparse file, which takes no room on a disk
    monkeypatch.delattr(Path, "read_bytes")
    with pytest.raises(WeightsError, match=rf"is no sound safetensors file.*{length} bytes, and its tensors end after"):
        read_weights(path)


def test_safetensors_that_are_larger_than_any_detector_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    body = b'{"a":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}' % (5 << 30, 20 << 30)
    path.write_bytes(len(body).to_bytes(8, "little") + body)
    os.truncate(path, 8 + len(body) + (20 << 30))
    monkeypatch.delattr(Path, "read_bytes")
    with pytest.raises(WeightsError, match=r"is no sound safetensors file \(more than 8 GiB"):
        read_weights(path)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"words"])
def test_a_weights_file_that_is_none_is_not_read_to_its_far_end(tmp_path, monkeypatch, start):
    path = tmp_path / "w.pt"
    path.write_bytes(start)
    os.truncate(path, 7 << 30)
    monkeypatch.setattr("boxwright.system.torch_archive.archive.read_regular", None)
    monkeypatch.delattr(Path, "read_bytes")
    with pytest.raises(WeightsError, match=r"w\.pt: is not read: "):
        read_weights(path)


def test_a_weights_file_larger_than_any_is_one_line(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(b"\x80\x02")
    os.truncate(path, 9 << 30)
    with pytest.raises(WeightsError, match=r"w\.pt: cannot be read \(larger than 8 gib\)\. "):
        read_weights(path)

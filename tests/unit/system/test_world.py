# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from boxwright.errors import SettingError
from boxwright.system.world import World, world_of_environment


def test_a_world_of_one_answers_with_what_it_is_told():
    world, tensor = World(), torch.tensor([1.0, 2.0])
    assert world.agree("SIGTERM") == "SIGTERM"
    assert world.agree("") == ""
    assert world.sum_(tensor) is tensor
    assert world.mean_(tensor) is tensor
    assert world.gather("a") == ["a"]
    assert world.broadcast(3) == 3
    assert world.once_per_host(lambda: "scanned", "scan of train") == "scanned"
    assert world.is_main


def test_where_a_process_stands_can_be_asked():
    world = World()
    assert world.position == "rank 0 at exchange 0 (none yet)"
    world.agree("")
    world.once_per_host(lambda: None, "scan of train")
    assert world.position == "rank 0 at exchange 2 (scan of train)"


@pytest.mark.parametrize("words", ["2", "8", "many"])
def test_a_launcher_that_starts_several_processes_is_refused_in_one_line(monkeypatch, words):
    monkeypatch.setenv("WORLD_SIZE", words)
    with pytest.raises(SettingError, match=f"asks for {words} processes") as refused:
        world_of_environment()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("words", [None, "", "1"])
def test_one_process_is_a_world_of_one(monkeypatch, words):
    if words is not None:
        monkeypatch.setenv("WORLD_SIZE", words)
    assert world_of_environment().size == 1

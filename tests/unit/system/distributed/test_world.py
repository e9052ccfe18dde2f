# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch

from boxwright.system.distributed.world import World


def test_a_world_of_one_answers_with_what_it_is_told():
    world, tensor = World(), torch.tensor([1.0, 2.0])
    assert world.agree("SIGTERM") == "SIGTERM"
    assert world.agree("") == ""
    assert world.notices("SIGTERM")
    assert not world.notices("")
    assert world.sum_(tensor) is tensor
    assert world.gather("a") == ["a"]
    arrays = {"boxes": np.zeros((2, 4))}
    assert world.gather_arrays(arrays, "validation") == [arrays]
    assert world.broadcast(3) == 3
    assert world.first_on_host(lambda: "scanned", "scan of train") == "scanned"
    assert world.alone(lambda: "drawn", "pictures") == "drawn"
    world.send_([tensor], "weights")
    assert tensor.tolist() == [1.0, 2.0]
    assert world.is_main
    assert not world.is_several


def test_where_a_process_stands_can_be_asked():
    world = World()
    assert world.position == "rank 0 at exchange 0 (none yet)"
    world.agree("")
    world.first_on_host(lambda: None, "scan of train")
    assert world.position == "rank 0 at exchange 2 (scan of train)"

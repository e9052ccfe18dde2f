# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.model.class_names import same_classes
from boxwright.model.detector import build
from boxwright.model.spec import read_spec
from boxwright.model.weights import transfer
from tests.support.networks import FOCUS, TINY, tiny


def network(text: str = TINY, *, seed: int = 0, **changes: int):
    return build(read_spec(parse_yaml(text, "tiny.yaml"), **changes), seed=seed)


def test_everything_fits_the_same_network():
    source, target = tiny(), network(seed=1)
    moved = transfer(target, source.state_dict())
    assert str(moved) == f"Transferred {moved.total}/{moved.total} items"
    assert moved.account() == []
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in source.state_dict().items())


def test_other_classes_leave_the_head_and_say_so():
    target = network(seed=1, num_classes=5)
    before = target.state_dict()["model.10.m.0.weight"].clone()
    moved = transfer(target, tiny().state_dict())
    assert len(moved.other_shape) == 4
    assert "4 left out (other shape): model.10.m.0.weight, model.10.m.0.bias" in "\n".join(moved.account())
    assert torch.equal(before, target.state_dict()["model.10.m.0.weight"])


def test_anchors_can_be_left_out():
    moved = transfer(network(seed=1), tiny().state_dict(), skip=("anchor",))
    assert moved.absent == ("model.10.anchors",)


def test_class_rows_come_over_by_name():
    source, target = tiny(), network(seed=1, num_classes=4)
    own = target.state_dict()["model.10.m.1.weight"].clone().view(3, 9, -1)
    classes = same_classes(("Green ", "new", "red", "other"), ("red", "blue", "green"))
    assert classes == ((0, 2), (2, 0))
    moved = transfer(target, source.state_dict(), classes=classes)
    found = target.state_dict()["model.10.m.1.weight"].view(3, 9, -1)
    wanted = source.state_dict()["model.10.m.1.weight"].view(3, 8, -1)
    assert torch.equal(found[:, :5], wanted[:, :5])
    assert torch.equal(found[:, 5], wanted[:, 7])
    assert torch.equal(found[:, 7], wanted[:, 5])
    assert torch.equal(found[:, [6, 8]], own[:, [6, 8]])
    assert len(moved.adapted) == 4
    assert "adapted: model.10.m.0.weight (2 of 4 classes by name)" in moved.account()
    assert str(moved) == f"Transferred {moved.total}/{moved.total} items"


def test_class_rows_change_places_with_their_names():
    source, target = tiny(), network(seed=1)
    transfer(target, source.state_dict(), classes=same_classes(("b", "a", "c"), ("a", "b", "c")))
    found, wanted = (one.state_dict()["model.10.m.0.bias"].view(3, 8) for one in (target, source))
    assert torch.equal(found, wanted[:, [0, 1, 2, 3, 4, 6, 5, 7]])


@pytest.mark.parametrize("text", [TINY, FOCUS], ids=["Conv", "Focus"])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_layer_for_other_channels_answers_a_grey_image_alike(text, channels):
    source, target = network(text).eval(), network(text, seed=1, in_channels=channels).eval()
    moved = transfer(target, source.state_dict())
    assert len(moved.adapted) == 1
    assert f"3 to {channels} input channels" in moved.account()[0]
    grey = torch.linspace(0, 1, 64 * 64).view(1, 1, 64, 64)
    with torch.no_grad():
        one, other = source(grey.expand(1, 3, 64, 64)).decoded, target(grey.expand(1, channels, 64, 64)).decoded
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_nothing_that_was_learnt_comes_from_another_network():
    moved = transfer(
        tiny(),
        {
            "model.0.conv.weight": torch.zeros(99, 3, 6, 6),
            "model.0.bn.num_batches_tracked": torch.tensor(5),
            "x": torch.zeros(2),
        },
    )
    assert moved.learnt == 0
    assert moved.unused == ("x",)

# SPDX-License-Identifier: Apache-2.0
"""Weights of the field interchange with ours.

Attribute names of every block, and blocks that are other forms of each other.
"""

from __future__ import annotations

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.model.blocks.activation import NO_ACTIVATION, Activation
from boxwright.model.blocks.conv import CrossConv, DWConv, MixConv2d
from boxwright.model.blocks.pool import SPP, SPPF
from boxwright.model.detector import shape_only
from boxwright.model.grammar import ActivationSpec
from boxwright.model.signatures import SIGNATURES
from boxwright.model.spec import read_spec
from tests.support.networks import TINY

pytestmark = pytest.mark.slow

CONV = {"conv.weight", "bn.weight", "bn.bias"}


def under(*paths: str) -> set[str]:
    return {f"{path}.{name}" for path in paths for name in CONV}


C3_WAYS = under("cv1", "cv2", "cv3")
GHOST = under("cv1", "cv2")
TRANSFORMER = {"linear.weight", "linear.bias"} | {
    f"tr.{layer}.{name}"
    for layer in (0, 1)
    for name in (
        "q.weight",
        "k.weight",
        "v.weight",
        "ma.in_proj_weight",
        "ma.in_proj_bias",
        "ma.out_proj.weight",
        "ma.out_proj.bias",
        "fc1.weight",
        "fc2.weight",
    )
}
NAMES = {  # row in place of a C3 of 24 channels -> its parameters
    "1, Conv, [24, 3]": CONV,
    "1, DWConv, [24, 3]": CONV,
    "1, Focus, [24, 3]": under("conv"),
    "1, GhostConv, [24, 3]": GHOST,
    "1, GhostBottleneck, [24, 3, 1]": under("conv.0.cv1", "conv.0.cv2", "conv.2.cv1", "conv.2.cv2"),
    "1, GhostBottleneck, [24, 3, 2]": under(
        "conv.0.cv1", "conv.0.cv2", "conv.1", "conv.2.cv1", "conv.2.cv2", "shortcut.0", "shortcut.1"
    ),
    "1, CrossConv, [24, 3]": under("cv1", "cv2"),
    "1, MixConv2d, [24, [1, 3, 5]]": {"m.0.weight", "m.1.weight", "m.2.weight", "bn.weight", "bn.bias"},
    "1, DWConvTranspose2d, [24]": {"weight", "bias"},
    "1, nn.ConvTranspose2d, [24, 1]": {"weight", "bias"},
    "1, Bottleneck, [24]": under("cv1", "cv2"),
    "2, Bottleneck, [24]": under("0.cv1", "0.cv2", "1.cv1", "1.cv2"),
    "2, BottleneckCSP, [24]": under("cv1", "cv4", "m.0.cv1", "m.0.cv2", "m.1.cv1", "m.1.cv2")
    | {"cv2.weight", "cv3.weight", "bn.weight", "bn.bias"},
    "2, C3, [24]": C3_WAYS | under("m.0.cv1", "m.0.cv2", "m.1.cv1", "m.1.cv2"),
    "2, C3x, [24]": C3_WAYS | under("m.0.cv1", "m.0.cv2", "m.1.cv1", "m.1.cv2"),
    "1, C3Ghost, [24]": C3_WAYS | under("m.0.conv.0.cv1", "m.0.conv.0.cv2", "m.0.conv.2.cv1", "m.0.conv.2.cv2"),
    "2, C3TR, [24]": C3_WAYS | {f"m.{name}" for name in TRANSFORMER},
    "1, C3SPP, [24]": C3_WAYS | under("m.cv1", "m.cv2"),
    "1, SPP, [24]": under("cv1", "cv2"),
    "1, SPPF, [24]": under("cv1", "cv2"),
    "1, nn.BatchNorm2d, []": {"weight", "bias"},
}


def shapes(row: str, extra: str = "") -> torch.nn.Module:
    text = TINY.replace("1, C3, [24]]", f"{row}]", 1) + extra
    if row.startswith(
        ("1, Focus", "1, GhostBottleneck, [24, 3, 2]")
    ):  # these halve the map: let the convolution before keep it
        text = text.replace("Conv, [24, 3, 2]", "Conv, [24, 3, 1]")
    return shape_only(read_spec(parse_yaml(text, "m.yaml"))).model[4]


WITHOUT_WEIGHTS = {
    "Concat",
    "Contract",
    "Expand",
    "Detect",
    "nn.Upsample",
    "nn.MaxPool2d",
    "nn.ZeroPad2d",
    "nn.Identity",
}


def test_no_block_with_weights_is_missing_here():
    assert {row.split(", ")[1] for row in NAMES} == set(SIGNATURES) - WITHOUT_WEIGHTS


@pytest.mark.parametrize("row", NAMES)
def test_parameters_have_the_names_of_the_field(row):
    assert {name for name, _ in shapes(row).named_parameters()} == NAMES[row]


@pytest.mark.parametrize(
    ("activation", "names"),
    [
        ("FReLU", {"act.conv.weight", "act.bn.weight", "act.bn.bias"}),
        ("AconC", {"act.p1", "act.p2", "act.beta"}),
        ("MetaAconC", {"act.p1", "act.p2", "act.fc1.weight", "act.fc1.bias", "act.fc2.weight", "act.fc2.bias"}),
        ("Mish", set()),
    ],
)
def test_learnt_activations_have_the_names_of_the_field(activation, names):
    found = {name for name, _ in shapes("1, Conv, [24, 3]", f"activation: nn.{activation}()\n").named_parameters()}
    assert found == CONV | names


@torch.no_grad()
def test_a_chain_of_pools_is_the_pyramid():
    act = Activation(ActivationSpec("SiLU"))
    pyramid, chain = SPP(8, 12, (5, 9, 13), act=act).eval(), SPPF(8, 12, 5, act=act).eval()
    chain.load_state_dict(pyramid.state_dict())
    x = torch.rand(2, 8, 20, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pyramid(x), chain(x))


@torch.no_grad()
def test_a_cross_of_two_lines_is_the_kernel_they_span():
    cross = CrossConv(1, 1, 3, act=NO_ACTIVATION).eval()
    cross.cv1.conv.weight.copy_(torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3))
    cross.cv2.conv.weight.copy_(torch.tensor([1.0, 10.0, 100.0]).view(1, 1, 3, 1))
    spot = torch.zeros(1, 1, 5, 5)
    spot[0, 0, 2, 2] = 1
    out = cross(spot)[0, 0, 1:4, 1:4] * (1 + 1e-3)  # both normalisations divide by the root of 1 + eps
    assert torch.allclose(out, torch.tensor([[300.0, 200.0, 100.0], [30.0, 20.0, 10.0], [3.0, 2.0, 1.0]]), rtol=1e-4)


def test_mixed_kernels_share_the_channels():
    act = Activation(ActivationSpec("SiLU"))
    even = MixConv2d(16, 24, (1, 3, 5), act=act)
    assert [conv.out_channels for conv in even.m] == [8, 8, 8]
    assert [conv.groups for conv in even.m] == [8, 8, 8]
    weighed = MixConv2d(16, 24, (1, 3), equal_channels=False, act=act)
    assert [conv.out_channels for conv in weighed.m] == [22, 2]  # 1 and 1/9 of a weight each: 21.6 and 2.4
    with pytest.raises(ValueError, match="too few"):
        MixConv2d(16, 2, (1, 3, 5), act=act)


def test_a_depthwise_convolution_has_as_many_groups_as_both_sides_share():
    assert DWConv(24, 32, 3, act=NO_ACTIVATION).conv.groups == 8

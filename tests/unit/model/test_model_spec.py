# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import yaml

from boxwright.documents import parse_yaml
from boxwright.errors import ModelError, UserError
from boxwright.model.blocks.activation import NO_ACTIVATION
from boxwright.model.blocks.conv import Focus
from boxwright.model.blocks.pool import Contract, Expand
from boxwright.model.builders import BUILDERS
from boxwright.model.detector import build, shape_only
from boxwright.model.grammar import ActivationSpec, GrammarError, parse_activation, resolve
from boxwright.model.signatures import SIGNATURES
from boxwright.model.spec import depth_of, read_spec, width_of
from tests.support.networks import TINY, network, tiny, tiny_spec
from tests.support.networks import spec as network_spec


def read(text: str):
    return read_spec(parse_yaml(text, "m.yaml"))


def swapped(old: str, new: str) -> str:
    assert old in TINY
    return TINY.replace(old, new, 1)


def test_every_block_of_the_table_can_be_built():
    assert set(SIGNATURES) == set(BUILDERS)


@pytest.mark.parametrize(
    ("number", "multiple", "expected"),
    [(1, 0.33, 1), (3, 0.33, 1), (9, 0.33, 3), (3, 1.33, 4), (2, 0.25, 1), (6, 0.67, 4), (5, 0.5, 2)],
)
def test_depth_rounds_halves_to_even_and_never_below_1(number, multiple, expected):
    assert depth_of(number, multiple) == expected


@pytest.mark.parametrize(
    ("channels", "multiple", "expected"),
    [(64, 0.25, 16), (64, 0.5, 32), (100, 0.5, 56), (768, 1.25, 960), (4, 0.25, 8)],
)
def test_width_is_the_next_multiple_of_8(channels, multiple, expected):
    assert width_of(channels, multiple, 8) == expected


def test_a_row_with_the_heads_own_output_count_is_not_scaled():
    text = swapped("width_multiple: 1.0", "width_multiple: 0.5").replace(
        "[-1, 1, SPPF, [32, 5]]", "[-1, 1, SPPF, [24, 5]]"
    )
    assert read(text).rows[6].out_channels == 24  # 3 anchors * (3 classes + 5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            swapped("[-1, 1, C3, [24]]", "[-1, 1, C3Magic, [24]]"),
            "m.yaml:12: row 4: unknown module 'C3Magic'. Did you mean 'C3",
        ),
        (swapped("[[-1, 4], 1, Concat, [1]]", "[[-1, 40], 1, Concat, [1]]"), "row 8 takes its input from row 40"),
        (swapped("[[-1, 4], 1, Concat, [1]]", "[[-1, 8], 1, Concat, [1]]"), "row 8 takes its input from row 8"),
        (swapped("[[-1, 4], 1, Concat, [1]]", "[[-1, -20], 1, Concat, [1]]"), "row 8 takes its input from row -20"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv, [-24, 3, 2]]"), "row 3, Conv: width is -24"),
        (
            swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv, [24, 3, 2, 1, 1, 1, True, 9]]"),
            "8 arguments are too many",
        ),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv, []]"), "the argument 'width' is missing"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv, 24]"), "the arguments are 24"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 0, Conv, [24, 3, 2]]"), "the number of repeats is 0"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv]"), "row 3 is [-1, 1, 'Conv']"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[[-1, 2], 1, Conv, [24, 3, 2]]"), "Conv takes one input, not 2"),
        (
            swapped("[10, 13, 16, 30, 33, 23]", "[10, 13, 16, 30, 33]"),
            "anchors of level 0 are 5 numbers, so a width lacks its height",
        ),
        (swapped("[10, 13, 16, 30, 33, 23]", "[10, -13, 16, 30]"), "anchors of level 0"),
        (swapped("[10, 13, 16, 30, 33, 23]", "[10, 13]"), "different numbers of anchors"),
        (TINY.replace("  - [30, 61, 62, 45, 59, 119]\n", ""), "anchors for 1 levels, but Detect has 2 inputs"),
        (TINY[: TINY.index("head:")], "has no key 'head'"),
        (TINY.replace("nc: 3\n", ""), "has no key 'nc'"),
        (TINY.replace("nc: 3\n", "nc: 0\n"), "nc is 0"),
        (TINY.replace("depth_multiple: 1.0", "depth_multiple: deep"), "depth_multiple is 'deep'"),
        (TINY.replace("  - [[9, 6], 1, Detect, [nc, anchors]]\n", ""), "the last row has to be the one Detect row"),
        (TINY.replace("Detect", "Segment"), "segmentation heads are not offered"),
        (
            swapped("[32, 5]", "[\"__import__('os').system('touch PWNED')\", 5]"),
            "arguments are data and are never evaluated",
        ),
        (swapped("C3, [24]]", "\"__import__('os').system('x') or Conv\", [24]]"), "unknown module"),
        (swapped("[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, Conv, [24, 3, 2, None, 1, 1, nn.Evil()]]"), "is no activation"),
        (TINY + "activation: os.system\n", "is no activation"),
        (swapped("[8, 6, 2, 2]", "[1000000, 6, 2, 2]"), "row 0 would have 1000000 channels"),
        (swapped("[-1, 1, C3, [24]]", "[-1, 100000, C3, [24]]"), "the number of repeats is 100000"),
        (TINY.replace("head:", "head"), "is not valid YAML"),
        (
            swapped("[-1, 1, C3, [16]]", "[-1, 1, C3, [16, maybe]]"),
            "shortcut is 'maybe', but it has to be True or False",
        ),
    ],
)
def test_faults_name_file_row_and_word(text, says):
    with pytest.raises(UserError) as caught:
        read(text)
    assert says in str(caught.value)
    assert "m.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_that_do_not_fit_together_are_refused_before_anything_is_allocated():
    with pytest.raises(ModelError, match="do not fit together"):
        shape_only(read(swapped("nn.Upsample, [None, 2, nearest]", "nn.Upsample, [None, 4, nearest]")))


def test_an_absurd_network_is_refused_by_its_parameters():
    text = TINY
    for width in ("16", "24", "32"):
        text = text.replace(f"[{width}", "[20000")
    with pytest.raises(ModelError, match="billion parameters"):
        shape_only(read(text))


def test_an_unknown_key_is_noted_with_the_nearest_one():
    spec = read(TINY + "activaton: SiLU\ninplace: true\n")
    assert spec.notes == ("m.yaml:20: key 'activaton' is not known and has no effect; did you mean 'activation'?",)


@pytest.mark.parametrize(
    "text", ["nn.SiLU()", "SiLU", "nn.LeakyReLU(0.1)", "LeakyReLU( 0.1 )", "nn.Hardswish()", "AconC"]
)
def test_activations_of_the_grammar(text):
    assert parse_activation(text).name in text


@pytest.mark.parametrize(
    "text",
    [
        "nn.Linear(3)",
        "torch.nn.SiLU()",
        "nn.SiLU(); x",
        "nn.LeakyReLU(__import__)",
        "nn.LeakyReLU(1,2,3,4)",
        "lambda: 0",
    ],
)
def test_everything_else_is_no_activation(text):
    with pytest.raises(GrammarError):
        parse_activation(text)


def test_words_resolve_to_names_constants_and_activations():
    names = {"nc": 7}
    assert resolve(["nc", "None", True, "nearest", 2, "nn.ReLU()"], names) == [
        7,
        None,
        True,
        "nearest",
        2,
        ActivationSpec("ReLU"),
    ]


def test_activation_belongs_to_one_model_and_never_leaks_into_the_next():
    first = build(read(TINY + "activation: nn.LeakyReLU(0.1)\n"))
    second = tiny()
    assert any(isinstance(module, torch.nn.LeakyReLU) for module in first.modules())
    assert not any(isinstance(module, torch.nn.LeakyReLU) for module in second.modules())


@pytest.mark.parametrize("name", ["Hardswish", "Mish", "ReLU", "FReLU", "AconC", "MetaAconC", "Identity"])
def test_every_activation_trains(name):
    detector = build(read(TINY + f"activation: nn.{name}()\n"))
    maps = detector.train()(torch.rand(2, 3, 64, 64))
    sum(feature.float().square().mean() for feature in maps.features).backward()
    unused = [key for key, p in detector.named_parameters() if p.grad is None and not key.startswith("model.10.")]
    assert not unused
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)


def test_a_rows_own_act_word_replaces_the_activation():
    detector = build(read(swapped("[16, 3, 2]", "[16, 3, 2, None, 1, 1, False]")))
    assert isinstance(detector.model[1].act, torch.nn.Identity)
    detector = build(read(swapped("[16, 3, 2]", "[16, 3, 2, None, 1, 1, nn.ReLU()]")))
    assert isinstance(detector.model[1].act, torch.nn.ReLU)


@pytest.mark.parametrize(
    ("row", "channels"),
    [
        ("[-1, 1, DWConv, [24, 3]]", 24),
        ("[-1, 2, Bottleneck, [24]]", 24),
        ("[-1, 2, BottleneckCSP, [24]]", 24),
        ("[-1, 2, C3x, [24]]", 24),
        ("[-1, 2, C3TR, [24]]", 24),
        ("[-1, 2, C3Ghost, [24]]", 24),
        ("[-1, 1, C3SPP, [24, [3, 5]]]", 24),
        ("[-1, 1, SPP, [24]]", 24),
        ("[-1, 1, GhostConv, [24, 3]]", 24),
        ("[-1, 1, GhostBottleneck, [24, 3, 1]]", 24),
        ("[-1, 1, CrossConv, [24, 3]]", 24),
        ("[-1, 1, MixConv2d, [24, [1, 3], 1]]", 24),
        ("[-1, 1, MixConv2d, [24, [1, 3, 5], 1, False]]", 24),
        ("[-1, 1, nn.BatchNorm2d, []]", 24),
        ("[-1, 1, nn.Identity, []]", 24),
        ("[-1, 1, nn.MaxPool2d, [3, 1, 1]]", 24),
    ],
)
def test_every_block_stands_in_a_network_and_runs(row, channels):
    detector = build(read(swapped("[-1, 1, C3, [24]]", row)))
    assert detector.spec.rows[4].out_channels == channels
    decoded = detector.eval()(torch.rand(1, 3, 64, 64)).decoded
    assert torch.isfinite(decoded).all()
    maps = detector.train()(torch.rand(2, 3, 64, 64))
    assert maps.features[0].shape[0] == 2


def test_size_changing_blocks_run():
    text = swapped("[-1, 1, Conv, [8, 6, 2, 2]]", "[-1, 1, Focus, [8, 3]]").replace(
        "[-1, 1, nn.Upsample, [None, 2, nearest]]", "[-1, 1, nn.ConvTranspose2d, [32, 2, 2]]"
    )
    assert build(read(text)).strides == (8, 16)
    text = swapped("[-1, 1, Conv, [16, 3, 2]]", "[-1, 1, Contract, [2]]").replace(
        "[-1, 1, nn.Upsample, [None, 2, nearest]]", "[-1, 1, Expand, [2]]"
    )
    detector = build(read(text))
    assert detector.strides == (8, 16)
    assert detector.spec.rows[1].out_channels == 32


def test_contract_and_expand_undo_each_other():
    x = torch.rand(2, 3, 8, 12)
    assert torch.equal(Expand(2)(Contract(2)(x)), x)


def test_focus_takes_the_pixel_phases_rows_first():
    focus = Focus(1, 4, 1, act=NO_ACTIVATION).eval()
    with torch.no_grad():
        focus.conv.conv.weight.copy_(torch.eye(4).view(4, 4, 1, 1))
        out = focus(torch.arange(16.0).view(1, 1, 4, 4)) * (1 + 1e-3) ** 0.5
    assert out[0, :, 0, 0].tolist() == pytest.approx([0, 4, 1, 5], abs=1e-4)


def test_class_count_channels_and_integer_anchors_can_be_replaced():
    detector = build(tiny_spec(num_classes=7, in_channels=5, anchors_per_level=2))
    assert detector.head.num_classes == 7
    assert detector.spec.placeholder_anchors
    assert detector.spec.anchors_px[0] == ((0.0, 1.0), (2.0, 3.0))
    assert detector.eval()(torch.rand(1, 5, 64, 64)).decoded.shape[-1] == 12
    assert detector.spec.source["nc"] == 7


def test_anchors_are_put_in_the_order_of_the_strides():
    text = (
        TINY.replace("[10, 13, 16, 30, 33, 23]", "X")
        .replace("[30, 61, 62, 45, 59, 119]", "[10, 13, 16, 30, 33, 23]")
        .replace("X", "[30, 61, 62, 45, 59, 119]")
    )
    assert torch.equal(build(read(text)).head.anchors, tiny().head.anchors)


def test_tags_are_names_for_rows():
    text = swapped("[-1, 1, C3, [24]]", "[-1, 1, C3, [24], middle]").replace(
        "[[-1, 4], 1, Concat, [1]]", "[[-1, middle], 1, Concat, [1]]"
    )
    spec = read(text)
    assert spec.rows[8].sources == (7, 4)
    assert spec.saved == tiny_spec().saved
    with pytest.raises(ModelError, match="tags so far: middle"):
        read(text.replace("[-1, middle]", "[-1, centre]"))


def test_biases_can_start_from_class_frequencies():
    detector = network("yolov5n", num_classes=3)
    with torch.no_grad():
        for conv in detector.head.m:
            conv.bias.zero_()
    detector.head.start_biases(torch.tensor([80.0, 15.0, 5.0]))
    assert detector.head.weights(0)[1][0, 5:].exp().tolist() == pytest.approx([0.8, 0.15, 0.05], rel=1e-5)


@pytest.mark.parametrize("name", ["yolov5n", "yolov5s-3.0", "yolov3-tiny", "yolov5-p2"])
def test_what_a_checkpoint_stores_of_a_network_describes_it_again(name):
    described = network_spec(name, num_classes=7, in_channels=1)
    again = read_spec(
        parse_yaml(yaml.safe_dump(described.source, sort_keys=False, default_flow_style=None), "stored.pt")
    )
    assert [replace(row, place="") for row in again.rows] == [replace(row, place="") for row in described.rows]
    assert replace(again, rows=(), name="", source={}) == replace(described, rows=(), name="", source={})

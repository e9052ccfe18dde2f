# SPDX-License-Identifier: Apache-2.0
"""Different ways to write and read a legacy file agree to the last bit.

Our writer, the framework's, our reader, the framework's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.errors import ModelError
from boxwright.model.detector import build
from boxwright.model.legacy.checkpoint import checkpoint_of
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.model.spec import read_spec
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.system.torch_archive.archive import read_contents
from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.nodes import Node, TensorView
from tests.fuzz.weights import survey
from tests.support.legacy_files import REAL, loaded, repickled
from tests.support.networks import TINY, tiny
from tests.support.training import same_bits

NAMES = ("a", "b", "c")
IMAGE = torch.linspace(0, 1, 3 * 64 * 64).view(1, 3, 64, 64)
ROUNDS = 500


def written(detector, **options):
    return legacy_bytes(LegacyContent(detector, NAMES), **options)


def test_what_is_written_is_read_back_bit_for_bit():
    detector = tiny()
    found = checkpoint_of(written(detector), Limits())
    assert same_bits(found.model.state, detector.state_dict())
    assert found.model.names == NAMES
    assert found.model.strides == (8.0, 16.0)
    assert found.epoch == -1


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "plain"])
def test_the_framework_and_we_read_the_same_from_files_of_both_formats(zipped):
    content = repickled(written(tiny()), zipped=zipped)
    ours, theirs = checkpoint_of(content, Limits()), loaded(content)
    assert ours.container == ("zip" if zipped else "plain")
    assert same_bits(ours.model.state, dict(theirs["model"].state_dict()))
    assert list(ours.model.parameters) == [name for name, _ in theirs["model"].named_parameters()]
    assert ours.model.names == tuple(theirs["model"].names.values())


def test_a_written_file_is_a_network_to_the_framework_that_answers_as_ours():
    detector = tiny().eval()
    found = loaded(written(detector))["model"].eval()
    assert same_bits(dict(found.state_dict()), detector.state_dict())
    with torch.no_grad():
        for one, other in zip(_features(found, IMAGE), detector.features(IMAGE), strict=True):
            assert torch.equal(one, other)


def _features(found, x):
    """The rows of a loaded file run as its own `f`, `i` and `save` say."""
    kept = {}
    *rows, head = found.model
    for row in rows:
        sources = row.f if isinstance(row.f, list) else [row.f]
        inputs = [x if source == -1 else kept[source] for source in sources]
        x = row(inputs if len(inputs) > 1 else inputs[0])
        kept[row.i] = x if row.i in found.save else None
    kept[rows[-1].i] = x
    return [kept[source] for source in head.f]


def test_our_writer_gives_every_object_of_a_real_file_the_same_attributes_in_the_same_order():
    weights = open_weights(str(REAL))
    content = legacy_bytes(LegacyContent(network_of_weights(weights), weights.names), half=True)
    real, ours = (read_contents(one, Limits()).tree["model"] for one in (REAL.read_bytes(), content))
    assert _differences(real, ours) == {
        ("", "hyp"),  # of the training; the program does not need it to use a network
        ("", "class_weights"),
        *(
            (f"model.24.{part}[{level}]", "tensor") for part in ("grid", "anchor_grid") for level in range(3)
        ),  # for the size of the last image
    }


def _differences(one, other, place=""):
    """Where two trees of objects differ, and in what."""
    if type(one) is not type(other):
        return {(place, f"{type(one).__name__} and {type(other).__name__}")}
    if isinstance(one, Node):
        found = {(place, one.cls.text)} if one.cls.text != other.cls.text else set()
        return found | _differences(one.arguments, other.arguments, place) | _mappings(one.state, other.state, place)
    if isinstance(one, dict):
        return _mappings(one, other, place)
    if isinstance(one, list | tuple):
        parts = [
            _differences(a, b, f"{place}[{number}]") for number, (a, b) in enumerate(zip(one, other, strict=False))
        ]
        return set().union(*parts) if len(one) == len(other) else {(place, "length")}
    same = _described(one) == _described(other) if isinstance(one, TensorView) else one == other
    return set() if same else {(place, "tensor" if isinstance(one, TensorView) else str(one))}


def _described(view):
    return view.shape, view.parameter, bytes(view.storage.data)


def _mappings(one, other, place):
    if one is None or other is None:
        return set() if one is other else {(place, "state")}
    assert [key for key in one if key in other] == [key for key in other if key in one]
    found = {(place, key) for key in one.keys() ^ other.keys()}
    words = {"_modules", "_parameters", "_buffers"}
    return found.union(
        *(
            _differences(one[key], other[key], place if key in words else f"{place}.{key}".strip("."))
            for key in one
            if key in other
        )
    )


def test_the_same_network_gives_the_same_bytes():
    assert written(tiny()) == written(tiny())


def test_half_precision_is_the_rounding_of_the_framework():
    detector = tiny()
    found = checkpoint_of(written(detector, half=True), Limits()).model
    assert found.dtype == "float16"
    assert same_bits(
        found.state,
        {key: value.half() if value.is_floating_point() else value for key, value in detector.state_dict().items()},
    )


def test_a_block_whose_layout_is_not_known_is_refused_by_name():
    with pytest.raises(ModelError, match="C3TR"):
        written(variant("C3, [24]", "C3TR, [24]"))


VARIANTS = {
    "as it is": ("nc: 3", "nc: 3"),
    "ghosts": ("C3, [24]", "C3Ghost, [24]"),
    "ghost layers": ("1, Conv, [16, 3, 2]", "2, GhostConv, [16, 3, 2]"),
    "2020": ("1, C3, [24]", "3, BottleneckCSP, [24]"),
    "focus": ("Conv, [8, 6, 2, 2]", "Focus, [8, 3]"),
    "spatial pyramid": ("SPPF, [32, 5]", "SPP, [32, [5, 9, 13]]"),
    "cross": ("C3, [24, False]", "C3x, [24, False]"),
    "depthwise": ("Conv, [24, 3, 2]", "DWConv, [24, 3, 2]"),
    "leaky": ("nc: 3", "activation: nn.LeakyReLU(0.1)\nnc: 3"),
    "hard": ("nc: 3", "activation: nn.Hardswish()\nnc: 3"),
}


def variant(old: str, new: str):
    """The tiny network with other words in its YAML."""
    assert old in TINY
    return build(read_spec(parse_yaml(TINY.replace(old, new), "tiny.yaml")))


@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS)
def test_networks_of_every_kind_survive_the_way_there_and_back(words, tmp_path):
    detector = variant(*words).eval()
    (tmp_path / "x.pt").write_bytes(written(detector))
    found = network_of_weights(open_weights(str(tmp_path / "x.pt")))
    assert same_bits(found.state_dict(), detector.state_dict())
    assert found.strides == detector.strides
    with torch.no_grad():
        assert torch.equal(found(IMAGE).decoded, detector(IMAGE).decoded)


@pytest.mark.parametrize("kind", ["leaky", "hard"])
def test_the_activation_of_old_networks_is_told_by_their_modules(kind):
    """Networks of 2020 do not name their activation in their YAML; the file shows it."""
    detector = variant(*VARIANTS[kind])
    said = detector.spec.source["activation"]
    detector.spec = replace(
        detector.spec, source={key: value for key, value in detector.spec.source.items() if key != "activation"}
    )
    assert checkpoint_of(written(detector), Limits()).model.yaml["activation"] == said


def test_no_random_damage_is_read_as_something_else(tmp_path):
    counts, finds = survey(ROUNDS, tmp_path)
    assert not finds
    assert counts.total() == ROUNDS
    assert counts["refused"] > ROUNDS / 2

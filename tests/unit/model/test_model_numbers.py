# SPDX-License-Identifier: Apache-2.0
"""What a network costs: work, fields, memory, time."""

from __future__ import annotations

import json

import pytest
import torch

from boxwright import cli
from boxwright.documents import parse_yaml
from boxwright.model.detector import build, shape_only
from boxwright.model.memory import Ledger, activation_memory
from boxwright.model.reach import receptive_fields_px
from boxwright.model.spec import read_spec
from boxwright.model.summary import outline, summarize
from boxwright.model.timing import time_rows
from boxwright.model.work import count_work
from tests.support.networks import TINY, spec, tiny, tiny_spec

pytestmark = pytest.mark.slow


def read(text: str):
    return read_spec(parse_yaml(text, "m.yaml"))


def test_the_work_of_one_convolution_is_two_operations_per_product():
    first = count_work(shape_only(tiny_spec()), 64)[0]
    assert first.operations == 2 * 32 * 32 * 8 * 3 * 6 * 6  # places, outputs, inputs, kernel
    assert first.normed == 32 * 32 * 8
    assert first.out_hw == (32, 32)


@pytest.mark.parametrize("row", ["nn.ConvTranspose2d, [32, 2, 2]", "DWConvTranspose2d, [32, 4, 2, 1]"])
def test_a_transposed_convolution_works_once_per_input_and_weight(row):
    detector = shape_only(read(TINY.replace("nn.Upsample, [None, 2, nearest]", row)))
    module = detector.model[7]
    assert count_work(detector, 64)[7].operations == 2 * 4 * 4 * module.weight.numel()  # a map of 4x4 comes in


def test_counting_leaves_the_network_as_it_was():
    detector = tiny().train()
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    count_work(detector, 64)
    assert detector.training
    assert all(torch.equal(before[key], value) for key, value in detector.state_dict().items())
    assert not any(module._forward_hooks for module in detector.modules())


def test_the_outline_agrees_with_the_summary():
    full, short = summarize(spec("yolov5n6")), outline(spec("yolov5n6"))
    assert (short.layers, short.parameters, short.gflops, short.strides) == (
        full.layers,
        full.parameters,
        full.gflops,
        full.strides,
    )
    assert sum(row.parameters for row in full.rows) == full.parameters


def test_a_size_off_the_grid_is_counted_at_the_next_that_fits():
    assert summarize(tiny_spec(), 100).image_size == 112
    assert summarize(tiny_spec(), 112).rows[0].out_hw == (56, 56)


CONVOLUTIONS = TINY.replace("[-1, 1, SPPF, [32, 5]]", "[-1, 1, CrossConv, [32, 5]]").replace(
    "[-1, 1, C3, [24]]", "[-1, 2, GhostConv, [24, 3]]"
)
CONVOLUTIONS = CONVOLUTIONS.replace("[-1, 1, C3, [16]]", "[-1, 2, C3, [16]]") + "activation: nn.LeakyReLU(0.1)\n"


def test_receptive_fields_are_where_a_cell_has_a_gradient():
    described = read(CONVOLUTIONS)
    detector = build(described).eval()
    fields = receptive_fields_px(described)
    for index in range(7):
        images = torch.rand(1, 3, 256, 256, requires_grad=True)
        x = images
        for module in detector.model[: index + 1]:
            x = module(x)
        middle = x.shape[-1] // 2
        x[0, :, middle, middle].square().sum().backward()
        seen = images.grad[0].abs().sum(0) > 0
        assert [int(seen.any(axis).sum()) for axis in (0, 1)] == [fields[index]] * 2, described.rows[index]


def test_pools_widen_the_field_attention_sees_all_and_a_row_sees_what_its_widest_input_sees():
    fields = receptive_fields_px(tiny_spec())
    assert fields[6] == fields[5] + 3 * 4 * 16  # three pools of 5 at stride 16
    assert fields[8] == max(fields[4], fields[7])
    transformer = summarize(spec("yolov5s-transformer"))
    assert transformer.rows[8].block == "C3TR"
    assert transformer.rows[8].receptive_px is None
    assert transformer.rows[7].receptive_px is not None


def kept_for_backward(detector, images: torch.Tensor) -> int:
    """Bytes that real tensors of a real pass hold for backward, by the framework's own account.

    Weights and images left out.
    """
    mine = {p.untyped_storage().data_ptr() for p in (*detector.parameters(), *detector.buffers(), images)}
    held: dict[int, int] = {}
    keep = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        keep.append(tensor)  # alive, so that no address is used twice
        if tensor.untyped_storage().data_ptr() not in mine:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = detector.features(images)
    for feature in answer:  # the head's inputs are held for the loss
        held[feature.untyped_storage().data_ptr()] = feature.untyped_storage().nbytes()
    return sum(held.values())


def test_training_memory_is_what_the_framework_keeps_for_backward():
    counted = activation_memory(tiny_spec(), 2, 64).training
    assert counted == pytest.approx(kept_for_backward(tiny().train(), torch.rand(2, 3, 64, 64)), rel=0.02)


def test_memory_grows_with_the_batch_and_inference_needs_less():
    one, four = activation_memory(spec("yolov5n"), 1, 320), activation_memory(spec("yolov5n"), 4, 320)
    assert four.training == pytest.approx(4 * one.training, rel=0.01)
    assert four.inference == pytest.approx(4 * one.inference, rel=0.01)
    assert one.inference < one.training / 4


def test_the_ledger_forgets_what_is_gone():
    ledger = Ledger()
    with ledger:
        first = torch.empty(100, device="meta") + 1
        second = first.view(10, 10)  # the same memory
        assert ledger.alive() == 400
        del first
        assert ledger.alive() == 400
        del second
        torch.empty(50, device="meta")
    assert ledger.alive() == 0
    assert ledger.peak == 800  # the empty tensor and the sum beside it


def test_every_row_is_timed():
    detector = tiny().eval()
    times_ms = time_rows(detector, torch.rand(1, 3, 64, 64), passes=1)
    assert len(times_ms) == len(detector.spec.rows)
    assert all(ms > 0 for ms in times_ms)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in detector.model)


def as_json(capsys, *words: str) -> dict:
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_info_tells_all_of_it(capsys, tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY)
    document = as_json(
        capsys,
        "model",
        "info",
        str(file),
        "--imgsz",
        "64",
        "--batch",
        "2",
        "--profile",
        "--device",
        "cpu",
        "--threads",
        "1",
    )
    assert {"layers", "parameters", "gflops", "strides", "anchors", "rows"} <= set(document)
    assert document["activation_memory_bytes"]["training"] > document["activation_memory_bytes"]["inference"]
    assert document["ms"] == pytest.approx(sum(row["ms"] for row in document["rows"]))
    third = document["rows"][3]
    assert (third["block"], third["channels"], third["out_hw"], third["stride"]) == ("Conv", 24, [8, 8], 8)
    assert cli.main(["model", "info", str(file), "--imgsz", "72"]) == 0
    shown = capsys.readouterr()
    assert "11 rows" not in shown.out
    assert "strides 8, 16, 3 classes" in shown.out
    assert "counted at 80" in shown.err


def test_list_names_every_packaged_network(capsys):
    models = {model["name"]: model for model in as_json(capsys, "model", "list")["models"]}
    assert len(models) == 31
    assert models["yolov5s"]["parameters"] == 7235389
    assert models["yolov5s6"]["strides"] == [8, 16, 32, 64]


def test_check_takes_other_classes_and_channels(capsys):
    document = as_json(capsys, "model", "check", "yolov5n", "--nc", "3", "--ch", "1")
    assert document["sound"]
    assert (document["num_classes"], document["in_channels"]) == (3, 1)
    assert cli.main(["model", "check", "yolov5n", "--nc", "999999999"]) == 2
    assert "nc is 999999999. Give a whole number from 1 to 100000" in capsys.readouterr().err


def test_a_batch_beyond_memory_is_refused_before_it_is_made(capsys):
    assert (
        cli.main(["model", "info", "yolov5n", "--imgsz", "8192", "--batch", "65536", "--profile", "--device", "cpu"])
        == 2
    )
    assert (
        "a batch of 65536 at 8192 needs more memory than is free. Reduce --batch or --imgsz" in capsys.readouterr().err
    )

# SPDX-License-Identifier: Apache-2.0
"""Structure and forward passes of the packaged networks."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from boxwright.config import packaged
from boxwright.engine.optimizer import parameter_groups
from boxwright.model.augmented import augmented
from boxwright.model.blocks.csp import BottleneckCSP
from boxwright.model.detector import Detector, shape_only
from boxwright.model.fuse import fused
from boxwright.model.summary import layers_of, parameters_of, summarize
from boxwright.model.work import count_work
from tests.support import golden
from tests.support.networks import network, spec

MODELS = golden.models()


def base_of(name: str) -> str:
    """The packaged name: yolov5n of yolov5n@nc3."""
    return name.partition("@")[0]


FORWARD = golden.document("forward")
LIVE = golden.document("live")
NOISE_FACTOR = 20  # the README's tolerance, in units of the rounding noise of float32
TRANSFORMER_GFLOPS = 0.03
GFLOPS = 0.001


def known(name: str) -> dict:
    """A packaged network's record; those with another class count hold only what differs."""
    return {**MODELS[base_of(name)], **MODELS[name]}


def spec_of(name: str):
    base, _, classes = name.partition("@nc")
    return spec(base, num_classes=int(classes)) if classes else spec(base)


@functools.cache
def shape_of(name: str) -> Detector:
    """The network without memory, made once for all who only count it."""
    return shape_only(spec_of(name))


def as_tuple(source: int | list[int]) -> int | tuple[int, ...]:
    return tuple(source) if isinstance(source, list) else source


def test_every_network_of_the_reference_is_packaged():
    bases = {base_of(name) for name in MODELS}
    assert len(bases) == 23
    assert bases <= set(packaged.names("models"))


@pytest.mark.parametrize("name", MODELS)
def test_structure_equals_the_reference(name):
    record = MODELS[name]
    detector = shape_of(name)
    shapes = {key: list(value.shape) for key, value in detector.state_dict().items()}
    base = MODELS[base_of(name)]["state_dict"]
    assert shapes == {**base, **record["state_dict"]}
    assert parameters_of(detector) == record["parameters"]
    assert layers_of(detector) == record["layers_reported"]
    if "layers" in record:
        rows = [
            [row.index, row.raw_from, row.block.split(".")[-1], parameters_of(module)]
            for row, module in zip(detector.spec.rows, detector.model, strict=True)
        ]
        assert rows == [
            [index, as_tuple(source), kind.split(".")[-1], count] for index, source, kind, count in record["layers"]
        ]
        assert len(rows) == record["n_yaml_layers"]
        assert detector.spec.activation.name in record["activations"]
        head = detector.head
        assert [head.num_anchors, head.num_levels, head.num_classes + 5] == [record["na"], record["nl"], record["no"]]
        assert {
            key: str(value.dtype) for key, value in detector.named_parameters() if value.dtype != torch.float32
        } == record["dtypes_not_float32"]
    if "save" in record:
        assert list(detector.spec.saved) == record["save"]
    if "stride" in record:
        assert list(detector.strides) == record["stride"]
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {module.eps for module in norms} == set(known(name)["bn_eps"])
    assert {module.momentum for module in norms} == set(known(name)["bn_momentum"])


@pytest.mark.parametrize("name", [name for name in MODELS if "fused" in MODELS[name]])
def test_folding_and_work_equal_the_reference(name):
    record = MODELS[name]
    described = spec_of(name)
    detector = shape_of(name)
    folded = fused(detector)
    assert parameters_of(folded) == record["fused"]["parameters"]
    assert layers_of(folded) == record["fused"]["layers_reported"]
    tolerance = TRANSFORMER_GFLOPS if "transformer" in name else GFLOPS
    summary = summarize(described)
    assert summary.gflops == pytest.approx(record["fused"]["gflops_640"], rel=tolerance)
    normed = sum(row.normed for row in count_work(detector, 640))
    assert summary.gflops + 8 * normed / 1e9 == pytest.approx(
        record["gflops_640"], rel=tolerance
    )  # the reference counts 8 per normalised number


@pytest.mark.parametrize("name", [name for name in MODELS if "optimizer_groups" in MODELS[name]])
def test_parameter_groups_equal_the_reference(name):
    detector = shape_of(name)
    parameters = dict(detector.named_parameters())
    groups = [[parameters[key] for key in group] for group in parameter_groups(detector, "not-norm")]
    reference = MODELS[name]["optimizer_groups"]
    assert [len(group) for group in groups] == [group["tensors"] for group in reference]
    assert [sum(p.numel() for p in group) for group in groups] == [group["elements"] for group in reference]


# Millions, as the specification of these forms states them.
TOTALS_2020 = {"5.0": (7.28, 21.38, 47.06, 87.78), "3.0": (7.47, 21.81, 47.82, 88.97)}


@pytest.mark.parametrize(("form", "size"), [(form, size) for form in TOTALS_2020 for size in "smlx"])
def test_the_forms_of_2020_have_their_totals_and_activations(form, size):
    detector = shape_only(spec(f"yolov5{size}-{form}"))
    assert round(parameters_of(detector) / 1e6, 2) == TOTALS_2020[form]["smlx".index(size)]
    assert detector.strides == (8, 16, 32)
    assert detector.spec.activation.name == ("Hardswish" if form == "3.0" else "SiLU")
    joins = [module.act for module in detector.modules() if isinstance(module, BottleneckCSP)]
    assert bool(joins) == (form == "3.0")
    assert all(isinstance(join, torch.nn.LeakyReLU) and join.negative_slope == 0.1 for join in joins)


@pytest.mark.parametrize("name", [name for name in MODELS if "anchors_grid" in MODELS[name] and name[-1] in "ns6t"])
def test_anchors_and_bias_start_equal_the_reference(name):
    record = known(name)
    detector = network(base_of(name))
    assert np.allclose(detector.head.anchors.flatten(1), record["anchors_grid"], atol=1e-6)
    assert np.allclose(
        (detector.head.anchors * torch.tensor(detector.strides).view(-1, 1, 1)).flatten(1),
        record["anchors_pixels"],
        rtol=1e-6,
    )


@pytest.mark.parametrize("classes", ["80", "3", "1"])
def test_the_bias_start_equals_the_reference(classes):
    detector = network("yolov5n", num_classes=int(classes))
    table = golden.document("models")["bias_offset_first_anchor_[x,y,w,h,obj,cls0]_per_level"][classes]
    with torch.no_grad():
        for conv in detector.head.m:
            conv.bias.zero_()
    detector.head.start_biases()
    mine = [detector.head.weights(level)[1][0, :6].tolist() for level in range(3)]
    assert np.allclose(mine, table, atol=1e-5)


def reference_runs(kind: str) -> list[str]:
    document = FORWARD if kind == "forward" else LIVE
    return [name for name in document if name.split("_nc")[0] in packaged.names("models")]


def filled(run: str):
    name, classes = run.split("_nc")
    detector = network(name, num_classes=int(classes))
    golden.fill(detector)
    return detector.eval()


def compare(results: dict[str, torch.Tensor], prefix: str, tolerance_of) -> None:
    """Every stored array of these files against its result."""
    stored = golden.stored(prefix)
    assert stored, prefix
    assert set(stored) <= set(results), set(stored) - set(results)
    for name, (reference, step) in stored.items():
        mine = golden.thinned(results[name], step)
        assert mine.shape == reference.ravel().shape, name
        tolerance_of(name, mine, reference.ravel())


def test_every_file_of_forward_passes_belongs_to_a_run_that_is_compared():
    for prefix, document in (("fwd", FORWARD), ("live", LIVE)):
        runs = reference_runs("forward" if prefix == "fwd" else "live")
        assert set(runs) == set(document)
        used = {path for run in runs for path in golden.FOLDER.glob(f"{prefix}_{run}*.npz")}
        assert used == set(golden.FOLDER.glob(f"{prefix}_*.npz"))
        assert len(used) >= len(runs) > 9


@torch.no_grad()
@pytest.mark.parametrize("run", reference_runs("forward"))
def test_forward_passes_equal_the_reference(run):
    record = FORWARD[run]
    detector = filled(run)
    images = golden.images(record["shape"])
    weights = sum(
        v.abs().sum(dtype=torch.float64)
        for k, v in detector.state_dict().items()
        if v.is_floating_point() and not k.endswith("anchors")
    )
    assert float(images.sum(dtype=torch.float64)) == pytest.approx(record["input_sum"], rel=1e-6)
    assert float(weights) == pytest.approx(record["weights_abs_sum"], rel=1e-6)
    answer = detector(images)
    results = {f"eval_raw{level}": raw for level, raw in enumerate(answer.maps.raws)}
    results |= {
        "eval_decoded": answer.decoded,
        "fused_decoded": fused(detector)(images).decoded,
        "augment_decoded": augmented(detector, images),
    }
    detector.train()
    trained = detector.head.raws(detector.features(images))
    results |= {f"train_raw{level}": raw for level, raw in enumerate(trained)}
    state = detector.state_dict()
    results["train_bn_after"] = torch.cat([state[key].flatten() for key in sorted(state) if "running_" in key])
    noise = record["max_abs_f32_minus_f64"]

    def check(name, mine, reference):
        kind = next((prefix for prefix in ("train_raw", "eval_raw") if name.startswith(prefix)), "eval_decoded")
        tolerance = 1e-5 if name == "train_bn_after" else NOISE_FACTOR * noise[kind]
        assert np.abs(mine - reference).max() <= tolerance, name

    compare(results, f"fwd_{run}", check)
    for name, shape in record["shapes"].items():
        assert list(results[name].shape) == shape, name


@torch.no_grad()
@pytest.mark.parametrize("run", reference_runs("live"))
def test_passes_of_a_network_with_live_statistics_equal_the_reference(run):
    record = LIVE[run]
    detector = filled(run)
    images = golden.images(record["shape"])
    norms = [module for module in detector.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    detector.train()
    detector.features(images)
    detector.eval()
    answer = detector(images)
    results = {f"live_raw{level}": raw for level, raw in enumerate(answer.maps.raws)}
    results |= {
        "live_decoded": answer.decoded,
        "live_fused_decoded": fused(detector)(images).decoded,
        "live_augment_decoded": augmented(detector, images),
    }
    noise = record["max_abs_f32_minus_f64"]

    def check(name, mine, reference):
        if name.startswith("live_raw"):
            assert np.sqrt(np.mean((mine - reference) ** 2)) <= NOISE_FACTOR * noise["live_raw_rms"], name
        elif NOISE_FACTOR * noise.get(name, noise["live_decoded"]) < 1:
            assert np.abs(mine - reference).max() <= NOISE_FACTOR * noise.get(name, noise["live_decoded"]), name

    compare(results, f"live_{run}", check)

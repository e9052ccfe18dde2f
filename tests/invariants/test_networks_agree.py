# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch

from boxwright.model.detector import build
from boxwright.model.fuse import fused
from tests.support.networks import network, tiny, tiny_spec


def test_a_folded_network_answers_as_the_plain_one_and_leaves_it_alone():
    detector = tiny().train()
    images = torch.rand(2, 3, 64, 96)
    for _ in range(3):
        detector(images)
    detector.eval()
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with torch.no_grad():
        plain, folded = detector(images).decoded, fused(detector)(images).decoded
    assert torch.allclose(plain, folded, atol=1e-3)
    assert all(torch.equal(before[key], value) for key, value in detector.state_dict().items())


def test_training_and_evaluation_read_the_same_weights():
    detector = tiny().eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        raws = detector.head.raws(detector.features(images))
        answer = detector(images)
    assert all(torch.equal(mine, given) for mine, given in zip(raws, answer.maps.raws, strict=True))
    assert answer.decoded.shape == (1, sum(raw[0, ..., 0].numel() for raw in raws), 8)


def test_initial_weights_depend_on_seed_and_name_alone():
    torch.manual_seed(11)
    first = build(tiny_spec(), seed=5).state_dict()
    torch.manual_seed(12)
    torch.rand(1000)
    second = build(tiny_spec(), seed=5).state_dict()
    other = build(tiny_spec(), seed=6).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["model.0.conv.weight"], other["model.0.conv.weight"])


def test_initial_weights_follow_the_frameworks_usual_law():
    detector = network("yolov5n")
    weight = detector.get_parameter("model.7.conv.weight").detach()
    bound = (weight[0].numel()) ** -0.5
    assert weight.abs().max() <= bound
    assert abs(float(weight.mean())) < bound / 50
    assert abs(float(weight.std()) - bound / 3**0.5) < bound / 50


def test_building_a_network_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    network("yolov5n")
    assert torch.equal(torch.rand(4), expected)


def test_memory_format_does_not_change_what_a_network_says():
    detector = tiny().eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        plain = detector(images).decoded
        last = detector.to(memory_format=torch.channels_last)(
            images.contiguous(memory_format=torch.channels_last)
        ).decoded
    assert torch.allclose(plain, last, atol=1e-3)

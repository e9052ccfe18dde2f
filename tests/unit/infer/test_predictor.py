# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from boxwright.errors import SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.predictor import Predictor
from boxwright.infer.sources import image_paths
from boxwright.system.precision import Precision
from tests.support.datasets import NAMES, picture
from tests.support.knowing import Knowing, certain
from tests.support.networks import tiny
from tests.support.training import frozen, same_bits

CPU = torch.device("cpu")
FULL = Precision("fp32", CPU)
RULES = NmsRules(min_score=0.25, max_iou=0.45)
EVERYTHING = NmsRules(min_score=0.0001, max_iou=0.6)


def knowing(*rows: torch.Tensor, size: int = 64) -> Predictor:
    return Predictor(Knowing([torch.stack(rows)]), NAMES, CPU, size, 32, FULL)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def test_boxes_come_back_in_pixels_of_the_image():
    # 128 x 64 in 64 x 32: half the size, no border. The middle of the canvas is the middle of the image.
    predictor = knowing(certain(torch.tensor([[16.0, 32.0, 8.0, 20.0]]), torch.tensor([2]), 3))
    (found,) = predictor([grey(128, 64)], RULES, ["a.jpg"])
    np.testing.assert_allclose(found.boxes_xyxy_px, [[24, 44, 40, 84]])
    np.testing.assert_allclose(found.scores, [0.9], rtol=1e-6)
    assert (found.classes.tolist(), found.size_hw, found.path, found.names) == ([2], (128, 64), "a.jpg", NAMES)
    assert predictor.network.shapes == [(1, 3, 64, 32)]


def test_the_border_of_the_canvas_is_taken_off():
    # 60 x 100 at size 64: scaled by 0.64 to 38 x 64 on a canvas of 64 x 64, 13 pixels of grey above and below.
    predictor = knowing(certain(torch.tensor([[32.0, 32.0, 64.0, 60.0]]), torch.tensor([0]), 3))
    (found,) = predictor([grey(60, 100)], RULES)
    np.testing.assert_allclose(found.boxes_xyxy_px, [[0, 0, 100, 60]], atol=1e-4)  # clipped to the image


def test_images_of_one_canvas_go_together_and_each_has_the_canvas_it_has_alone():
    nothing = torch.zeros(1, 8)
    alike = knowing(nothing, nothing)
    alike([grey(40, 80), grey(20, 40)], RULES)
    assert alike.network.shapes == [(2, 3, 32, 64)]
    mixed = Predictor(Knowing([torch.stack([nothing] * 2), nothing[None]]), NAMES, CPU, 64, 32, FULL)
    mixed([grey(40, 80), grey(80, 40), grey(20, 40)], RULES)
    assert mixed.network.shapes == [(2, 3, 32, 64), (1, 3, 64, 32)]


def test_networks_of_one_size_see_the_full_square():
    fixed = replace(knowing(torch.zeros(1, 8)), square=True)
    fixed([grey(40, 80)], RULES)
    assert fixed.network.shapes == [(1, 3, 64, 64)]


def test_images_of_many_shapes_come_back_in_their_order_as_they_are_alone_to_the_bit():
    predictor = Predictor(Ensemble([tiny().eval()], CPU), NAMES, CPU, 64, 32, FULL)
    images = [
        picture(number, size)[0] for number, size in enumerate([(96, 64), (64, 96), (64, 64), (96, 64), (70, 33)])
    ]
    together = predictor(images, EVERYTHING, [str(number) for number in range(5)])
    for number, (image, found) in enumerate(zip(images, together, strict=True)):
        (alone,) = predictor([image], EVERYTHING)
        assert len(found) > 0
        assert np.array_equal(found.numpy(), alone.numpy())
        assert (found.size_hw, found.path) == (image.shape[:2], str(number))


def test_no_images_no_detections_and_no_pass():
    predictor = Predictor(Knowing([]), NAMES, CPU, 64, 32, FULL)
    assert predictor([], RULES) == []
    assert predictor.network.shapes == []


def test_several_images_at_once_are_found_as_one_by_one():
    predictor = Predictor(Ensemble([tiny().eval()], CPU), NAMES, CPU, 64, 32, FULL)
    images = [picture(number, (96, 64))[0] for number in range(3)]
    together = predictor(images, EVERYTHING)
    for image, found in zip(images, together, strict=True):
        (alone,) = predictor([image], EVERYTHING)
        assert len(found) > 0
        np.testing.assert_allclose(found.numpy(), alone.numpy(), rtol=1e-4, atol=1e-3)


def test_making_a_predictor_leaves_the_network_as_it_was():
    network = tiny().train()
    before = frozen(network)
    Predictor(Ensemble([network], CPU), NAMES, CPU, 64, 32, FULL)([grey(64, 64)], RULES)
    assert network.training
    assert same_bits(before, frozen(network))


def test_rules_choose_classes_and_scores():
    rows = torch.cat(
        [
            certain(torch.tensor([[20.0 * n + 10, 30.0, 10.0, 10.0]]), torch.tensor([n]), 3, score)
            for n, score in enumerate((0.9, 0.6, 0.3))
        ]
    )
    asked = {
        (0, 1, 2): RULES,
        (0, 1): NmsRules(0.5, 0.45),
        (2,): NmsRules(0.25, 0.45, classes=(2,)),
        (0,): NmsRules(0.25, 0.45, max_det=1),
    }
    for classes, rules in asked.items():
        (found,) = knowing(rows)([grey(64, 64)], rules)
        assert tuple(found.classes.tolist()) == classes


# -- where images come from


def test_a_folder_is_walked_in_order_and_what_is_no_picture_is_left_alone(tmp_path):
    for name in ("b.JPG", "a.png", "deep/c.webp", "deep/readme.txt", "d.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert image_paths((str(tmp_path),)) == (
        [str(tmp_path / name) for name in ("a.png", "b.JPG", "d.heic", "deep/c.webp")],
        [],
    )


def test_a_list_names_images_beside_itself_or_anywhere(tmp_path):
    (tmp_path / "list.txt").write_text("\ufeffa.png\n\n  /far/b.png \n", encoding="utf-8")
    assert image_paths((str(tmp_path / "list.txt"),)) == ([str(tmp_path / "a.png"), "/far/b.png"], [])


@pytest.mark.parametrize(
    ("source", "says"),
    [("gone.jpg", "there is no such file"), (".", "the folder holds no images"), (None, "nothing to predict on")],
)
def test_a_source_that_gives_nothing_is_refused(source, says):
    with pytest.raises(SettingError, match=says):
        image_paths((source,) if source else ())

# SPDX-License-Identifier: Apache-2.0
"""Keys that act on nothing are found, by the settings and by the data."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.evolution.effects import without_effect


def data(*, polygons: bool = True, usual: bool = True, classes: int = 3) -> SimpleNamespace:
    kind = SimpleNamespace(usual=usual, channels=4, depth="16 bits")
    train = SimpleNamespace(has_polygons=polygons)
    return SimpleNamespace(dataset=SimpleNamespace(kind=kind), splits={"train": train}, num_classes=classes)


@pytest.mark.parametrize(
    ("given", "found", "keys"),
    [
        ({}, {}, set()),
        ({"rect": True, "mosaic": 0.0}, {}, {"mosaic", "mixup", "copy_paste"}),
        ({"mosaic": 0.0, "mixup": 0.0}, {}, {"mixup", "copy_paste"}),
        ({}, {"polygons": False}, {"copy_paste"}),
        ({}, {"usual": False}, {"hsv_h", "hsv_s", "hsv_v"}),
        ({}, {"classes": 1}, {"cls", "cls_pw"}),
    ],
)
def test_what_acts_on_nothing_is_named(given, found, keys):
    settings = resolve_train(given).settings
    assert set(without_effect(settings, data(**found), ())) == {"iou_t", *keys}


def test_a_mosaic_that_is_searched_may_come_back():
    settings = resolve_train({"mosaic": 0.0}).settings
    assert "mixup" not in without_effect(settings, data(), {"mosaic", "mixup"})
    assert "mixup" in without_effect(settings, data(), {"mixup"})


def test_images_that_stay_as_they_are_move_no_augmentation():
    found = without_effect(resolve_train({"aug": "none"}).settings, data(), ())
    assert {"hsv_h", "fliplr", "mosaic", "scale"} <= set(found)
    assert all("--aug none" in why for why, _ in (found["scale"], found["fliplr"]))

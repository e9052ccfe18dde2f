# SPDX-License-Identifier: Apache-2.0
"""What a training is made of: sizes by the year, settings that cannot act, batches of several scales."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.engine.multi_scale import size_of
from boxwright.errors import SettingError
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.session import session
from tests.support.commands import done
from tests.support.runs import Ground

OLD = ("2020.7", "2020.8")


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def planned(ground):
    def planned(**asked: object) -> TrainPlan:
        usual = {"data": str(ground.data), "cfg": str(ground.cfg), "imgsz": 64, "batch_size": 4, "device": "cpu"}
        return plan_of(resolve_train({**usual, "workers": 0, "quiet": True, "noplots": True, **asked}), None)

    return planned


@pytest.mark.parametrize("recipe", ["2020.7", "2020.8", "6.0", "6.2", "7.0"])
def test_in_2020_there_was_no_least_image_size_and_no_least_grid(planned, recipe):
    plan = planned(recipe=recipe, imgsz=(20, 90))
    assert (plan.grid, plan.train_size, plan.val_size) == ((16, 32, 96) if recipe in OLD else (32, 64, 96))
    assert dict(plan.own_changes)["imgsz"] == (plan.train_size, plan.val_size)


def test_a_network_trained_on_small_images_is_judged_on_images_of_that_size(ground, tmp_path):
    words = ("--recipe", "2020.8", "--imgsz", 32, "--noplots", "--noautoanchor")
    folder = Path(done(*ground.words(tmp_path / "runs", *map(str, words), epochs=1)).lines[-1])
    weights = folder / "weights" / "last_exp.pt"
    weights = weights if weights.exists() else folder / "weights" / "last.pt"
    said = done("val", weights, "--device", "cpu", "--noplots", "--json").out
    assert '"imgsz": 32' in said


def test_an_image_of_one_cell_alone_in_a_batch_is_refused_before_anything_is_made(planned):
    with pytest.raises(SettingError, match="a batch of one image has nothing to be normalised by"):
        planned(recipe="2020.7", imgsz=16, batch_size=1)
    with pytest.raises(SettingError, match="half of 16 is less than a cell of 16 pixels"):
        planned(recipe="2020.7", imgsz=16, multi_scale=True)


@pytest.mark.parametrize("hyp", ["scratch-high", "mine.yaml"])
def test_a_file_of_hyperparameters_whose_copy_paste_cannot_act_is_one_notice(planned, hyp):
    Path("mine.yaml").write_text("copy_paste: 0.3\n")
    notes = [note for note in planned(hyp=hyp).notes if "copy_paste" in note and "without effect" in note]
    assert len(notes) == 1
    assert "no label of the training split is an outline" in notes[0]


def test_a_copy_paste_that_was_typed_and_cannot_act_is_an_error(planned):
    with pytest.raises(SettingError, match=r"copy_paste.*only outlines can be pasted"):
        planned(hyp="scratch-high", copy_paste=0.1)
    Path("opt.yaml").write_text("hyp:\n  copy_paste: 0.3\n")
    assert any("copy_paste" in note for note in planned(config="opt.yaml").notes)


def test_a_mixup_of_a_file_is_one_notice_where_the_mosaic_was_switched_off(planned):
    notes = " ".join(planned(hyp="scratch-med", mosaic=0.0).notes)
    assert "mixup (hyp file" in notes
    assert "it works on mosaics, and mosaic is 0" in notes
    with pytest.raises(SettingError, match="works on mosaics"):
        planned(mixup=0.1, mosaic=0.0)


def test_with_rectangular_batches_and_several_scales_each_side_is_scaled(planned):
    shapes: list[tuple[int, ...]] = []

    class Looking:
        def on_train_batch_end(self, number, _model, images, *_rest):
            shapes.append((number, *images.shape[2:]))

    plan = planned(rect=True, multi_scale=True, imgsz=128, epochs=2, noval=True, noautoanchor=True, amp="off")
    with session(plan, observers=[Looking()]) as run:
        run.train()
    assert len(shapes) == 6
    for number, height, width in shapes:
        size = size_of(number, seed=0, image_size=128, grid=32)
        assert max(height, width) in {size, math.ceil(size / 32) * 32}
        assert height % 32 == width % 32 == 0
    assert any(height != width for _, height, width in shapes)
    assert len({max(shape[1:]) for shape in shapes}) > 1

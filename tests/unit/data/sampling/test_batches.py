# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import psutil
import pytest

from boxwright.config.assemble import resolve_train
from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment import copy_paste as paste
from boxwright.data.augment.planner import Planner
from boxwright.data.augment.transformed_labels import labels_of
from boxwright.data.index.selection import with_images
from boxwright.data.pixels.image_files import read_rgb
from boxwright.data.sampling.batches import ShuffledBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.quad import QuadBatches, QuadSamples
from boxwright.data.sampling.samples import Address, TrainingSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import SettingError
from boxwright.geometry.letterbox import fit
from boxwright.runs.training import train
from boxwright.system.places import cache_folder
from tests.support import datasets
from tests.support.many_channels import write_many_channels

pytestmark = pytest.mark.slow

SIZE = 64


def index_of(yaml: Path):
    dataset = read_dataset(yaml)
    return open_split(dataset, "train"), dataset.kind


def samples_of(index, kind=None, *, share: float = 0.0, report=None, keep="no", **settings) -> TrainingSamples:
    store = ImageStore(index, SIZE, keep=keep, smooth=False, kind=kind)
    chooser = partial(paste.choose, index, share) if share else None
    return TrainingSamples(
        Planner(AugmentSettings(**settings), index.sizes_wh, SIZE, paste=chooser), index, store, seed=0, report=report
    )


def drawn(samples, number: int = 0, channels: int = 3, epoch: int = 0):
    out = np.zeros((channels, SIZE, SIZE), np.uint8)
    rows = samples(Address(epoch, number, number, (SIZE, SIZE)), out).objects
    return out, rows


# -- no augmentation


def test_aug_none_gives_the_letterboxed_source_bit_for_bit(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set"))
    samples = samples_of(index, aug="none")
    for number in range(len(index)):
        out, rows = drawn(samples, number)
        native = read_rgb(index.paths[number])
        loaded = samples.store.size_hw(number)
        resized = (
            native if native.shape[:2] == loaded else cv2.resize(native, loaded[::-1], interpolation=cv2.INTER_LINEAR)
        )
        box = fit(loaded, (SIZE, SIZE))
        expected = np.full((SIZE, SIZE, 3), 114, np.uint8)
        top, left = box.top_left
        expected[top : top + loaded[0], left : left + loaded[1]] = resized
        assert np.array_equal(out.transpose(1, 2, 0), expected)
        assert len(rows) == len(index[number].classes)


# -- copy-paste


def test_objects_are_pasted_mirrored_with_their_pixels_and_labels(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set", train=30, polygons=True))
    index = with_images(
        index, np.flatnonzero(np.diff(index.first_object) == 1)
    )  # nothing hides anything in its own picture
    still = {"scale": 0.0, "translate": 0.0, "hsv_h": 0, "hsv_s": 0, "hsv_v": 0, "fliplr": 0}
    samples = samples_of(index, share=1.0, **still)
    pasted = right = 0
    for epoch, number in itertools.product(range(6), range(len(index))):
        address = Address(epoch, number, number, (SIZE, SIZE))
        plan = samples.plan(address)
        scene = plan.scenes[0]
        without = labels_of(samples_of(index, **still).plan(address), index)
        out, rows = drawn(samples, number, epoch=epoch)
        for row in rows[len(without) :]:
            x, y = (row[1:3] * SIZE).astype(int)
            right += np.abs(out[:, y, x].astype(int) - datasets.COLOURS[int(row[0])]).max() < 40
        pasted += len(rows) - len(without)
        assert len(paste.outlines_of(scene, index)) == len(scene.pastes)
    assert pasted > 10
    assert right > 0.9 * pasted


def test_a_paste_covers_less_than_the_limit_of_every_box():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30.0]])
    assert paste.covered(np.array([5, 0, 15, 10.0]), boxes).tolist() == [0.5, 0.0]


def test_copy_paste_without_outlines_is_an_error_at_the_start(tmp_path):
    yaml = datasets.write(tmp_path / "set")
    settings = {"data": str(yaml), "cfg": str(datasets.write_model(tmp_path)), "copy_paste": 0.5, "imgsz": (64,)}
    with pytest.raises(SettingError, match="no label of the training split is an outline"):
        train(resolve_train(settings))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"rect": True, "mosaic": 1.0}, "single images"),
        ({"rect": True, "quad": True}, "square images"),
        ({"aug": "none", "degrees": 10.0}, "leaves every image"),
        ({"aug": "none", "close_mosaic": 2}, "no mosaic that could be closed"),
        ({"mosaic": 0.0, "mixup": 0.5}, "mosaic is 0"),
        ({"mosaic": 0.0, "mosaic_border_random": True}, "mosaic is 0"),
        ({"rect": True, "close_mosaic": 3}, "could be closed"),
    ],
)
def test_settings_that_cannot_act_are_errors_with_a_remedy(settings, match):
    with pytest.raises(SettingError, match=match) as found:
        resolve_train(settings)
    assert found.value.remedy


def test_rect_alone_is_no_conflict_with_what_the_recipe_says():
    assert resolve_train({"rect": True}).settings.rect


# -- quad


def test_quad_tiles_four_or_enlarges_one_and_keeps_boxes_on_their_objects(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set", train=10))
    inner = samples_of(index, aug="none")
    batches = QuadBatches(ShuffledBatches(len(index), 8, SIZE, 0))
    samples = QuadSamples(inner, batches, 0)
    groups = [address for batch in batches.batches(0) for address in batch]
    assert [address.position for address in groups] == [0, 4, 8]
    kinds = set()
    for epoch in range(4):
        for address in (a for batch in batches.batches(epoch) for a in batch):
            out = np.zeros((3, 2 * SIZE, 2 * SIZE), np.uint8)
            rows = samples(address, out).objects
            members = batches.members(address)
            counts = [len(index[m.image].classes) for m in members]
            tiled = len(rows) == sum(counts) and len(rows) != counts[0]
            kinds.add(tiled)
            for row in rows:
                x, y = (row[1:3] * 2 * SIZE).astype(int)
                assert np.ptp(out[:, y, x]) > 60  # a colour, not the grey of the ground
    assert kinds == {True, False}


def test_the_batches_of_a_quad_run_start_anywhere():
    batches = QuadBatches(ShuffledBatches(10, 8, SIZE, 0))
    assert batches.batches(3)[1:] == batches.batches(3, 1)


# -- channels


@pytest.mark.parametrize(("channels", "suffix"), [(1, ".png"), (1, ".tif"), (4, ".tif"), (10, ".tif"), (10, ".npy")])
def test_sixteen_bits_survive_to_the_batch(tmp_path, channels, suffix):
    index, kind = index_of(write_many_channels(tmp_path / "set", channels, suffix))
    assert len(index) == 6
    store = ImageStore(index, int(index.sizes_wh[0].max()), smooth=False, kind=kind)
    assert (store(0)[0, 0] == 40000).all()
    samples = samples_of(index, kind, aug="none")
    batch = next(Loader(samples, threads=0, kind=kind)([[Address(0, 0, 0, (SIZE, SIZE))]]))
    assert batch.images.shape == (1, channels, SIZE, SIZE)
    assert batch.full_scale == 65535
    assert batch.images.numpy().max() > 20000
    assert batch.visible().shape == (1, 3, SIZE, SIZE)


@pytest.mark.parametrize("strength", [{}, {"degrees": 20.0, "perspective": 0.001, "mixup": 1.0}])
def test_every_channel_moves_alike(tmp_path, strength):
    yaml = write_many_channels(tmp_path / "set", 10, ".npy", "uint8")
    index, kind = index_of(yaml)
    out, rows = drawn(samples_of(index, kind, hsv_h=0, **strength), 1, channels=10)
    assert len(rows)
    first, second = out[0].astype(int), out[1].astype(int)
    inside = (first > 0) & (first != 114)
    assert np.abs(first[inside] / 2 - second[inside]).mean() < 4


def test_a_file_of_other_channels_is_left_out_and_named(tmp_path):
    yaml = write_many_channels(tmp_path / "set", 4, ".npy")
    np.save(tmp_path / "set/images/train/000.npy", np.zeros((7, 20, 20), np.uint16))
    index, _ = index_of(yaml)
    assert len(index) == 5
    assert "channels where 4 are wanted" in index.findings[0].text


def test_a_network_trains_on_sixteen_bit_images_of_four_channels_and_says_that_hue_is_off(tmp_path):
    yaml = write_many_channels(tmp_path / "set", 4, ".tif")
    settings = {
        "data": str(yaml),
        "cfg": str(datasets.write_model(tmp_path)),
        "epochs": 1,
        "batch_size": 4,
        "imgsz": (64,),
        "device": "cpu",
        "quiet": True,
    }
    result = train(resolve_train({**settings, "project": str(tmp_path / "runs")}))
    assert np.isfinite(result.results["val/box_loss"])
    assert "hsv_v are off" in (result.folder / "run.log").read_text()


@pytest.mark.parametrize("more", [{"quad": True}, {"copy_paste": 0.5, "cache": "disk"}, {"rect": True, "cache": "ram"}])
def test_a_network_trains_on_every_kind_of_batch(tmp_path, more):
    yaml = datasets.write(tmp_path / "set", polygons=True)
    settings = {
        "data": str(yaml),
        "cfg": str(datasets.write_model(tmp_path)),
        "epochs": 1,
        "batch_size": 4,
        "imgsz": (64,),
        "device": "cpu",
        "quiet": True,
    }
    result = train(resolve_train({**settings, **more, "project": str(tmp_path / "runs"), "noplots": True}))
    assert np.isfinite(result.results["val/box_loss"])


# -- caches


def test_a_disk_cache_goes_on_where_it_stopped_and_sees_changed_files(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set"))
    first = ImageStore(index, SIZE, keep="disk", smooth=False)
    pixels = [first(number).copy() for number in range(6)]
    Path(index.paths[0]).write_bytes(Path(index.paths[3]).read_bytes())
    second = ImageStore(index, SIZE, keep="disk", smooth=False)
    assert len(list((cache_folder() / "images").iterdir())) == 1
    assert second._file.load(0) is None
    assert all(np.array_equal(second._file.load(number), pixels[number]) for number in range(1, 6))
    assert second._file.load(7) is None
    assert np.array_equal(second(7), ImageStore(index, SIZE, smooth=False)(7))


def test_a_disk_cache_with_damaged_pixels_is_made_anew(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set"))
    store = ImageStore(index, SIZE, keep="disk", smooth=False)
    expected = store(0).copy()
    store._file._bytes[int(store._file._starts[0]) + 5] ^= 255
    again = ImageStore(index, SIZE, keep="disk", smooth=False)
    assert again._file.load(0) is None
    assert np.array_equal(again(0), expected)


# -- files that break


def test_an_image_that_breaks_in_mid_epoch_is_replaced_by_key_and_named_once(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set"))
    Path(index.paths[0]).write_bytes(b"broken")
    told: list[str] = []
    samples = samples_of(index, report=told.append)
    first = [drawn(samples, number)[0] for number in range(6)]
    again = samples_of(index, report=lambda _: None)
    second = [drawn(again, number)[0] for number in range(6)]
    assert samples.replaced == again.replaced
    assert list(samples.replaced) == [0]
    assert len(told) == 1
    assert index.paths[0] in told[0]
    assert all(np.array_equal(one, other) for one, other in zip(first[1:], second[1:], strict=True))


# -- caches


def test_a_cache_in_memory_that_does_not_fit_is_refused_with_what_it_needs(tmp_path, monkeypatch):
    yaml = datasets.write(tmp_path / "set")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100_000))
    settings = {
        "data": str(yaml),
        "cfg": str(datasets.write_model(tmp_path)),
        "imgsz": (64,),
        "cache": "ram",
        "device": "cpu",
        "quiet": True,
    }
    with pytest.raises(SettingError, match=r"keeping 12 images in memory takes .* are free"):
        train(resolve_train({**settings, "project": str(tmp_path / "runs")}))


def test_two_users_of_a_disk_cache_do_not_disturb_each_other(tmp_path):
    index, _ = index_of(datasets.write(tmp_path / "set"))
    one, other = (ImageStore(index, SIZE, keep="disk", smooth=False) for _ in range(2))
    pixels = one(0).copy()
    assert np.array_equal(other._file.load(0), pixels)
    assert np.array_equal(ImageStore(index, SIZE, keep="disk", smooth=False)._file.load(0), pixels)

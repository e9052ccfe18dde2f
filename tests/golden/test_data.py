# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil

import numpy as np
import pytest

from boxwright.data.sampling import class_balance as balance
from boxwright.data.sampling import rectangles
from boxwright.data.sampling.batches import RectangularBatches
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.geometry import anchors
from tests.support import bccd, golden

NUMBERS = golden.arrays("data")
CASES = golden.document("data")
RECT = [
    name for name in NUMBERS.files if name.startswith("rect_") and not name.startswith(("rect_order", "rect_sizes"))
]
DEFAULT_ANCHORS = np.array(golden.models()["yolov5n"]["anchors_pixels"]).reshape(-1, 2)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_vendored_boxes_are_those_of_the_reference(split):
    known, boxes = CASES["bccd"][split], bccd.boxes(split)
    assert len(bccd.sizes(split)) == known["images"]
    assert np.bincount(boxes[:, 1].astype(int), minlength=3).tolist() == known["per_class"]
    assert boxes[:, 1:].sum() == pytest.approx(known["label_sum"], rel=1e-5)


@pytest.mark.parametrize("size", [320, 640])
@pytest.mark.parametrize("threshold", [4, 2])
def test_the_fit_of_anchors_equals_the_reference(size, threshold):
    known = CASES["anchor_fit"][f"img{size}_thr{threshold}_scale1"]
    boxes = bccd.boxes("train")
    shape = bccd.sizes("train")[boxes[:, 0].astype(int)]
    mine = anchors.fit(boxes[:, 4:] * shape * size / shape.max(axis=1, keepdims=True), DEFAULT_ANCHORS, threshold)
    assert len(boxes) == known["boxes"]
    assert mine.recall == pytest.approx(known["bpr"], abs=1e-6)
    assert mine.fitness == pytest.approx(known["fitness"], abs=1e-6)
    assert abs(mine.per_box - known["aat"]) <= known["pairs_exactly_at_threshold"] / len(boxes)


def test_class_and_image_weights_equal_the_reference():
    boxes = bccd.boxes("train")
    classes, images = boxes[:, 1].astype(int), boxes[:, 0].astype(int)
    counts = np.bincount(classes, minlength=3)
    weights = balance.class_weights(counts)
    assert np.abs(weights - NUMBERS["class_weights"]).max() < 1e-6
    plain = balance.image_weights(classes, images, len(bccd.sizes("train")), weights * 3)
    assert np.abs(plain - NUMBERS["image_weights"]).max() < 1e-5
    adapted = balance.image_weights(
        classes, images, len(bccd.sizes("train")), balance.adapted_class_weights(counts, NUMBERS["maps"])
    )
    assert np.abs(adapted - NUMBERS["image_weights_maps"]).max() < 1e-5


@pytest.mark.parametrize("name", RECT)
def test_rectangular_batches_equal_the_reference(name):
    _, size, stride, pad, batch = name.split("_")
    sizes = NUMBERS["rect_sizes_wh"]
    order = rectangles.order_by_shape(sizes)
    reference_order = NUMBERS[name.replace("rect_", "rect_order_")]
    assert np.allclose(sizes[order, 1] / sizes[order, 0], sizes[reference_order, 1] / sizes[reference_order, 0])
    mine = rectangles.batch_shapes(sizes[order], int(size), int(stride[1:]), float(pad[3:]), int(batch[1:]))
    assert (mine == NUMBERS[name]).all()


@pytest.mark.parametrize("name", list(CASES["rect_bccd"]))
def test_rectangular_batches_of_real_images_equal_the_reference(name):
    split, size, pad = name.split("_")
    sizes = bccd.sizes(split)
    mine = rectangles.batch_shapes(sizes[rectangles.order_by_shape(sizes)], int(size), 32, float(pad[3:]), 16)
    assert mine.tolist() == CASES["rect_bccd"][name]


@pytest.fixture
def first_validation_images(tmp_path):
    """The first three images of the validation split, as they lie in the data set."""
    for kind in ("images", "labels"):
        shutil.copytree(bccd.FOLDER / kind, tmp_path / kind)
    (tmp_path / "bccd.yaml").write_text("train: images\nval: images\nnames: [RBC, WBC, Platelets]\n")
    return open_split(read_dataset(tmp_path / "bccd.yaml", needed=("val",)), "val")


def test_validation_samples_equal_the_reference(first_validation_images):
    index = first_validation_images
    order = RectangularBatches(index.sizes_wh, batch_size=16, image_size=320, stride=32, pad=0.5)
    samples = PlainSamples(index, ImageStore(index, 320, keep="no", smooth=True))
    (batch,) = order.batches(0)
    for address, known in zip(batch, CASES["val_items_320"], strict=True):
        out = np.empty((3, *address.output_hw), np.uint8)
        labels = samples(address, out).objects
        assert index[address.image].path.endswith(known["file"])
        assert list(out.shape) == known["image_shape"]
        assert int(out.sum()) == pytest.approx(known["image_sum"], rel=1e-4)  # decoders round each in their way
        wanted = np.array(known["labels"])[:, 1:]
        assert np.abs(by_row(labels) - by_row(wanted)).max() <= 1e-5


def by_row(rows: np.ndarray) -> np.ndarray:
    """Rows in an order of their own, so that the order of a file does not count."""
    return rows[np.lexsort(np.round(rows, 4).T)]

# SPDX-License-Identifier: Apache-2.0
"""Regions to ignore in validation: what lies in them and stands on no object counts for nothing."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from boxwright.data.sampling.batches import RectangularBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.infer.evaluator import VALIDATION_RULES, Evaluation, Evaluator
from boxwright.metrics.curves import curves
from boxwright.metrics.flat import Flat, SeenImage, flattened
from boxwright.metrics.meter import Meter, metrics_of
from boxwright.metrics.mistakes import outcomes
from boxwright.metrics.regions import found_above, hits_of, left_out
from boxwright.runs.evaluation.coco_results import coco_results
from boxwright.runs.inputs.coco_ids import read_ids
from tests.oracles.official_coco import official
from tests.support import formats
from tests.support.knowing import Knowing

pytestmark = pytest.mark.slow

CLASSES = 2
OBJECT = [0, 0, 0, 10, 10]
FOUND = [0, 0, 10, 10, 0.9, 0]
REGION = [0, 100, 100, 200, 200]


def one_image(detections, regions=(REGION,), labels=(OBJECT,)) -> Flat:
    rows = zip((detections, labels, regions), (6, 5, 5), strict=True)
    return flattened(
        {0: SeenImage(*(np.array(side, np.float32).reshape(-1, columns) for side, columns in rows))}, CLASSES
    )


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        ([110, 110, 150, 150, 0.95, 0], False),  # in the region
        ([110, 110, 150, 150, 0.95, 1], True),  # of another class
        ([100, 180, 140, 220, 0.95, 0], False),  # half of it lies in the region
        ([100, 181, 140, 221, 0.95, 0], True),  # a little less than half
        ([20, 20, 60, 60, 0.95, 0], True),  # elsewhere
    ],
)
def test_a_detection_mostly_in_a_region_of_its_class_is_neither_right_nor_wrong(other, counts):
    labels = [OBJECT, [1, 50, 50, 60, 60]]
    without = metrics_of(one_image([FOUND], labels=labels))
    found = metrics_of(one_image([other, FOUND], labels=labels))
    assert (found.confusion.sum() - without.confusion.sum()) == counts
    assert (found.curves.average_precision[0] < without.curves.average_precision[0]).all() == (counts and other[5] == 0)
    assert [one.kind for one in outcomes(found.flat)].count("background") == counts


def test_an_object_in_a_region_is_still_found_and_still_missed():
    labels = [[0, 120, 120, 160, 160]]
    found = metrics_of(one_image([[120, 120, 160, 160, 0.9, 0]], labels=labels))
    assert found.scores.map50 == pytest.approx(0.995)
    assert found.confusion[0, 0] == 1
    missed = metrics_of(one_image([], labels=labels))
    assert (missed.scores.map50, missed.confusion[CLASSES, 0]) == (0, 1)


def test_all_detections_of_a_class_may_lie_in_regions():
    found = metrics_of(one_image([[110, 110, 150, 150, 0.9, 0]]))
    assert (found.scores.map50, found.scores.precision, found.scores.recall) == (0, 0, 0)
    assert found.confusion.sum() == found.confusion[CLASSES, 0] == 1


def drawn(number: int) -> Flat:
    draw = np.random.default_rng([31, number])
    images = {}
    for image in range(6):
        corner = draw.uniform(0, 100, (4, 2)).round()
        labels = np.concatenate((draw.integers(0, CLASSES, (4, 1)), corner, corner + 40), axis=1)
        near = labels[draw.integers(0, 4, 12), 1:] + draw.normal(0, 6, (12, 4))
        score = np.sort(draw.random((12, 1)), axis=0)[::-1]
        found = np.concatenate((near, score, draw.integers(0, CLASSES, (12, 1))), axis=1)
        corner = draw.uniform(0, 60, (2, 2))
        regions = np.concatenate((draw.integers(0, CLASSES, (2, 1)), corner, corner + 60), axis=1)
        images[image] = SeenImage(*(side.astype(np.float32) for side in (found, labels, regions)))
    return flattened(images, CLASSES)


@pytest.mark.parametrize("number", range(5))
def test_average_precision_is_that_of_the_list_without_what_lies_in_regions(number):
    flat = drawn(number)
    right = hits_of(flat)
    out = left_out(flat, right)
    assert out is not None
    assert len({column.sum() for column in out.T}) > 1, "what stands on an object depends on the threshold"
    found = metrics_of(flat).curves
    for threshold in range(right.shape[1]):
        kept = ~out[:, threshold]
        rows = flat.detections[kept]
        plain = curves(right[kept, threshold : threshold + 1], rows[:, 4], rows[:, 5], flat.labels[:, 0])
        np.testing.assert_array_equal(found.average_precision[:, threshold], plain.average_precision[:, 0])
        if threshold == 0:
            np.testing.assert_array_equal(found.precision, plain.precision)
            np.testing.assert_array_equal(found.recall, plain.recall)


def test_meters_hand_regions_and_areas_on_to_each_other():
    parts = [Meter(CLASSES) for _ in range(2)]
    for image in range(4):
        labels = np.array([[0, 0, 0, 10, 10 + image]])
        areas = np.array([image + 1.0]) if image else None
        parts[image % 2].update(
            image, np.array([FOUND]), labels, regions=np.array([REGION] * image).reshape(-1, 5), areas_px=areas
        )
    parts[0].merge(Flat.from_arrays(parts[1].flat().arrays()))
    whole = parts[0].flat()
    assert whole.region_images.tolist() == [1, 2, 2, 3, 3, 3]
    np.testing.assert_array_equal(whole.areas_px, [np.nan, 2, 3, 4])


class Coco:
    """A drawn COCO set with crowds and stated areas, and a network that finds most of what is on it, and more."""

    def __init__(self, *, crowds: int, folder: str = "set") -> None:
        self.yaml = formats.write_coco(Path(folder), train=1, val=12)
        self.json = self.yaml.with_name("instances_val.json")
        document = json.loads(self.json.read_text())
        for number in range(crowds):
            near = document["annotations"][3 * number]
            x, y, w, h = near["bbox"]
            wide = [max(x - w, 0), max(y - h, 0), 2 * w, 2 * h]
            document["annotations"].append(
                {**near, "id": 7000 + number, "bbox": wide, "area": wide[2] * wide[3], "iscrowd": 1, "segmentation": []}
            )
        self.document = document
        self.json.write_text(json.dumps(document))

    def evaluated(self) -> tuple[Evaluation, list]:
        dataset = read_dataset(self.yaml)
        self.index = open_split(dataset, "val")
        samples = PlainSamples(self.index, ImageStore(self.index, 64, smooth=True))
        batches = [
            batch.copied()
            for batch in Loader(samples, threads=0)(RectangularBatches(self.index.sizes_wh, 4, 64, 32, 0.5).batches())
        ]
        evaluator = Evaluator(num_classes=3, rules=VALIDATION_RULES, samples=samples)
        found = evaluator.run(
            Knowing([guesses(number, batch) for number, batch in enumerate(batches)]), batches, torch.device("cpu")
        )
        return found, coco_results(found.metrics.flat, self.index, read_ids(str(self.json), formats.NAMES))


def guesses(number, batch) -> torch.Tensor:
    """Rows near objects and elsewhere. (B, 40, 8)"""
    draw = np.random.default_rng([32, number])
    height, width = batch.images.shape[2:]
    answers = np.zeros((len(batch), 40, 8), np.float32)
    for place in range(len(batch)):
        mine = batch.targets[batch.targets[:, 0] == place].numpy()
        rows = mine[draw.integers(0, len(mine), 40)] if len(mine) else np.tile([0, 0, 0.5, 0.5, 0.3, 0.3], (40, 1))
        boxes = rows[:, 2:] * [width, height, width, height]
        boxes[:, :2] += draw.normal(0, 4, (40, 2)) * (draw.random((40, 1)) < 0.7)
        answers[place, :, :4], answers[place, :, 4] = boxes, 1
        answers[place, np.arange(40), 5 + rows[:, 1].astype(int)] = draw.random(40)
    return torch.from_numpy(answers)


@pytest.mark.parametrize("crowds", [0, 6])
def test_validation_of_a_coco_file_gives_the_numbers_of_the_official_evaluator(crowds):
    coco = Coco(crowds=crowds)
    found, results = coco.evaluated()
    assert found.metrics.coco.numbers() == pytest.approx(official(coco.document, results), abs=1e-6)
    again, _ = coco.evaluated()
    assert again.metrics.coco.numbers() == found.metrics.coco.numbers(), "from the cache of the index"


def test_crowds_and_stated_areas_move_the_numbers():
    few, _ = Coco(crowds=0).evaluated()
    coco = Coco(crowds=6, folder="other")
    many, results = coco.evaluated()
    assert many.metrics.num_labels == few.metrics.num_labels
    assert many.metrics.confusion.sum() < few.metrics.confusion.sum()
    assert many.metrics.scores.map50 > few.metrics.scores.map50
    plain = {
        **coco.document,
        "annotations": [{**one, "area": one["bbox"][2] * one["bbox"][3]} for one in coco.document["annotations"]],
    }
    assert many.metrics.coco.numbers() != pytest.approx(official(plain, results), abs=1e-6), "areas matter in this set"


def test_areas_follow_the_objects_that_are_kept():
    Coco(crowds=2)
    yaml = Path("set/few.yaml")
    yaml.write_text(
        "path: .\ntrain: annotations/instances_train.json\nval: annotations/instances_val.json\nkeep: "
        f"[{formats.NAMES[1]}]\n"
    )
    index = open_split(read_dataset(yaml), "val")
    sides = index.boxes[:, 2:] * index.sizes_wh[index.image_of_object]
    np.testing.assert_allclose(index.areas_px, sides.prod(axis=1) * formats.AREA_SHARE, rtol=1e-5)
    assert len(index.classes) > 0
    unstated = dataclasses.replace(index, areas_px=index.areas_px[:0])
    assert np.isnan(unstated[0].areas_px).all()
    assert unstated.fingerprint() == index.fingerprint()


@pytest.mark.parametrize("number", range(6))
def test_what_is_found_above_a_confidence_is_what_precision_and_recall_are_made_of(number):
    flat = drawn(number)
    metrics = metrics_of(flat)
    least = flat.detections[:, 4].min() - 0.01
    right, said = found_above(flat, float(least))
    first = hits_of(flat)[:, :1]
    gone = left_out(flat, first)
    assert right == first.sum()
    assert said == len(first) - (0 if gone is None else gone.sum())
    half = float(np.median(flat.detections[:, 4]))
    assert 0 < found_above(flat, half)[0] < right <= metrics.num_labels
    assert found_above(flat, 1.0) == (0, 0)

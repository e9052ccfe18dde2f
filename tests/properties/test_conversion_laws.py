# SPDX-License-Identifier: Apache-2.0
"""A data set that goes from one format to another and on comes back the same, or a line says what was left behind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from boxwright.config.schema.datasets import ConvertSettings
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.runs.datasets.convert import Converted, convert

WAYS = [("yolo", "voc"), ("voc", "yolo"), ("coco", "voc"), ("coco", "yolo")]
WORDS = st.text(st.sampled_from("abzAZ09 _-.:#&<>'\"äß猫"), min_size=1, max_size=8).filter(lambda w: w == w.strip())
ODD = st.sampled_from(["no", "007", "1e3", "null", "~", "- x", "[a]", "person", "Person", "per son"])


@st.composite
def objects(draw, num_classes: int, size_wh: tuple[int, int]) -> list[tuple[int, list[int], bool, bool]]:
    """Class, box x, y, w, h in whole pixels, whether it is a crowd, whether it has an outline; no two alike."""
    found = {}
    for _ in range(draw(st.integers(0, 4))):
        x, y = (draw(st.integers(0, side - 4)) for side in size_wh)
        w, h = draw(st.integers(2, size_wh[0] - x)), draw(st.integers(2, size_wh[1] - y))
        crowd = draw(st.booleans())
        found[x, y, w, h] = (
            draw(st.integers(0, num_classes - 1)),
            [x, y, w, h],
            crowd,
            not crowd and draw(st.booleans()),
        )
    return list(found.values())


@st.composite
def sets(draw):
    """Names of classes, most of which no object has, and images by split with their ids and objects."""
    names = draw(st.lists(WORDS | ODD, min_size=1, max_size=12, unique=True))
    categories = draw(st.permutations(range(1, 30)))[: len(names)]
    ids = iter(draw(st.permutations(range(100, 130))))
    splits = {}
    for split, most in (("train", 3), ("val", 2)):
        images = []
        for number in range(draw(st.integers(1, most))):
            size = draw(st.integers(10, 40)), draw(st.integers(10, 40))
            name = f"{draw(st.sampled_from(['', 'b/', 'a/']))}{number}.png"
            images.append((next(ids), name, size, draw(objects(len(names), size))))
        splits[split] = draw(st.permutations(images))
    return names, sorted(categories), splits


def written(folder: Path, drawn) -> Path:
    names, categories, splits = drawn
    (folder / "annotations").mkdir(parents=True)
    listed = [{"id": number, "name": name} for number, name in zip(categories, names, strict=True)]
    for split, images in splits.items():
        document = {"images": [], "annotations": [], "categories": listed}
        for number, name, (width, height), mine in images:
            place = folder / "images" / split / name
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (width, height), number).save(place)
            document["images"].append({"id": number, "file_name": name, "width": width, "height": height})
            for category, (x, y, w, h), crowd, outlined in mine:
                corners = [[x, y, x + w, y, x + w, y + h, x, y + h]] if outlined else []
                one = {"image_id": number, "category_id": categories[category], "bbox": [x, y, w, h], "area": 3.0}
                one |= {"id": len(document["annotations"]) + 1, "iscrowd": int(crowd), "segmentation": corners}
                document["annotations"].append(one)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return folder / "annotations" / "instances_train.json"


def content(place: Path) -> tuple[tuple[str, ...], dict]:
    """The classes, and of each picture (told by its grey) size, objects, outlines and regions; pictures in order."""
    dataset = read_dataset(place)
    found = {}
    for split in dataset.sources:
        for record in open_split(dataset, split, cached=False):
            grey = int(record.image_rgb()[0, 0, 0])
            rows = [[*box, len(line)] for box, line in zip(record.boxes_cxcywh_norm, record.polygons, strict=True)]
            found[split, grey] = (
                record.size_wh,
                record.classes.tolist(),
                rows,
                record.ignored.tolist(),
                record.areas_px,
            )
    return dataset.names, found


def along(folder: Path, source: Path, way: tuple[str, ...]) -> list[Converted]:
    found = []
    for number, to in enumerate(way):
        found.append(convert(ConvertSettings(data=str(source), to=to, out=str(folder / f"{number}-{to}"))))
        source = found[-1].folder  # as a folder: what it says about itself counts
    return found


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@given(drawn=sets())
@settings(max_examples=4, phases=[Phase.generate])  # files are written: made smaller, a fault would take minutes
def test_what_goes_from_format_to_format_and_back_is_the_same_or_said(way, drawn):
    with tempfile.TemporaryDirectory() as name:
        first = written(Path(name) / "set", drawn)
        names, before = content(first)
        steps = along(Path(name), first, (*way, "coco"))
        again, after = content(steps[-1].folder)
        told = "\n".join(note for step in steps for note in step.notes)
    assert names == again == tuple(drawn[0])
    assert after.keys() == before.keys()
    if "come in another order" not in told:
        assert list(after) == list(before)
    for picture, (size, classes, rows, regions, _) in before.items():
        other = after[picture]
        assert (other[0], other[1]) == (size, classes)
        kept_outlines = not any(row[4] for row in rows) or "voc" not in way
        np.testing.assert_allclose(
            [row if kept_outlines else row[:4] for row in other[2]],
            [row if kept_outlines else row[:4] for row in rows],
            atol=2e-5,
        )
        assert kept_outlines or "outlines (their boxes are kept)" in told
        if "yolo" in way and regions:
            assert "regions to ignore" in told
        else:
            np.testing.assert_allclose(other[3], regions, atol=2e-5)
        if set(way) == {"coco"}:
            np.testing.assert_array_equal(other[4], before[picture][4])
        elif classes:
            assert "stated areas" in told
    assert set(way) == {"coco"} or "the ids of images and categories" in told


@given(drawn=sets())
@settings(max_examples=4, phases=[Phase.generate])
def test_coco_to_coco_keeps_every_id_and_the_order_of_images(drawn):
    with tempfile.TemporaryDirectory() as name:
        first = written(Path(name) / "set", drawn)
        (step,) = along(Path(name), first, ("coco",))
        for split, images in drawn[2].items():
            document = json.loads((step.folder / "annotations" / f"instances_{split}.json").read_text())
            assert [image["id"] for image in document["images"]] == [image[0] for image in images]
            assert [one["id"] for one in document["categories"]] == drawn[1]
            assert [one["name"] for one in document["categories"]] == drawn[0]
            mine = {image[0]: sorted(drawn[1][one[0]] for one in image[3]) for image in images}
            theirs = {number: [] for number in mine}
            for one in document["annotations"]:
                theirs[one["image_id"]].append(one["category_id"])
            assert {number: sorted(found) for number, found in theirs.items()} == mine

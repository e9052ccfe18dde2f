# SPDX-License-Identifier: Apache-2.0
"""Crowds of a COCO file and difficult objects of Pascal VOC act in a training, from the file to the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxwright.track.sinks import results_table as table
from tests.support import datasets, formats
from tests.support.commands import command
from tests.support.runs import differences, training_state

pytestmark = pytest.mark.slow


def coco(folder: Path, *, crowds: bool) -> Path:
    """The drawn set, every picture of which is a crowd for its left half, or none."""
    path = formats.write_coco(folder)
    for split in ("train", "val"):
        file = path.with_name(f"instances_{split}.json")
        document = json.loads(file.read_text())
        kept = [one for one in document["annotations"] if not one["iscrowd"]]
        for number, image in enumerate(document["images"] if crowds else []):
            half = [0, 0, image["width"] / 2, image["height"]]
            kept.append(
                {
                    "id": 5000 + number,
                    "image_id": image["id"],
                    "category_id": formats.CATEGORY_IDS[0],
                    "iscrowd": 1,
                    "bbox": half,
                    "area": 1,
                }
            )
        document["annotations"] = kept
        file.write_text(json.dumps(document))
    return path


def voc(folder: Path, *, crowds: bool) -> Path:
    """The same as difficult objects."""
    path = formats.write_voc(folder)
    for file in (folder / "Annotations").iterdir():
        text = file.read_text()
        lines = [line for line in text.splitlines() if "<difficult>1" not in line]
        if crowds:
            width, height = (int(text.split(f"<{side}>")[1].split("<")[0]) for side in ("width", "height"))
            box = f"<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>{width // 2}</xmax><ymax>{height}</ymax></bndbox>"
            lines.insert(-1, f"<object><name>red</name><difficult>1</difficult>{box}</object>")
        file.write_text("\n".join(lines))
    return path


def words(data: Path, project: Path, *more: str) -> list[str]:
    cfg = datasets.write_model(data.parent)
    usual = [
        "--data",
        data,
        "--cfg",
        cfg,
        "--imgsz",
        64,
        "--batch",
        4,
        "--device",
        "cpu",
        "--epochs",
        2,
        "--noplots",
        "--project",
        project,
    ]
    return [str(word) for word in (*usual, *more)]


def trained(data: Path, project: Path, *more: str) -> Path:
    said = command("train", *words(data, project, "--workers", "0", *more))
    assert said.code == 0, said.err
    return Path(said.lines[-1])


def results(folder: Path) -> dict[str, list[float]]:
    return table.read(folder / "results.csv")


@pytest.mark.parametrize("write", [coco, voc])
@pytest.mark.parametrize(
    "more", [(), ("--quad",), ("--rect",), ("--multi-scale",)], ids=["mosaic", "quad", "rect", "multi-scale"]
)
def test_half_of_every_picture_ignored_lowers_objectness_losses_and_changes_nothing_that_is_wanted(
    tmp_path, write, more
):
    folders = [
        trained(write(tmp_path / f"set{crowds}", crowds=crowds), tmp_path / f"runs{crowds}", *more)
        for crowds in (False, True)
    ]
    without, ignoring = (results(folder) for folder in folders)
    for loss in ("train/obj_loss", "val/obj_loss"):
        assert ignoring[loss][0] < without[loss][0]
    assert ignoring["train/box_loss"][0] == pytest.approx(without["train/box_loss"][0], rel=0.05)


def test_threads_change_no_bit_of_a_training_with_regions(tmp_path):
    data = coco(tmp_path / "set", crowds=True)
    folders = [trained(data, tmp_path / f"runs{threads}", "--workers", str(threads)) for threads in (0, 2)]
    assert not differences(*(training_state(folder / "weights" / "last.pt") for folder in folders))


def test_a_preview_shows_and_tells_where_nothing_is_learnt(tmp_path):
    for crowds in (False, True):
        data = coco(tmp_path / f"set{crowds}", crowds=crowds)
        out = tmp_path / f"seen{crowds}"
        said = command(
            "data",
            "preview",
            "--data",
            str(data),
            "--cfg",
            str(datasets.write_model(tmp_path)),
            "--imgsz",
            "64",
            "--out",
            str(out),
            "--aug",
            "none",
        )
        assert said.code == 0, said.err
        samples = json.loads((out / "preview.json").read_text())["samples"]
        assert [bool(sample["ignored"]) for sample in samples] == [crowds] * len(samples)
        if crowds:
            assert all(sample["ignored"][0][2] <= 0.5 for sample in samples)

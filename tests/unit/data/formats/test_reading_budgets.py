# SPDX-License-Identifier: Apache-2.0
"""Files of many megabytes that hold too much of one thing are read.

Or refused, within a budget of memory and processor time.
"""

from __future__ import annotations

import json

import pytest

from tests.support.budget import within_budget

pytestmark = pytest.mark.slow

READ_COCO = """import sys; from pathlib import Path
from boxwright.data.formats import coco; from boxwright.errors import DataError
try:
    read = coco.read_coco(Path(sys.argv[1]))
except DataError as error:
    print(error)
else:
    images = [coco.read_image(read, entry, (64, 48), 0.01) for entry in read.images.values()]
    print(sum(len(one.labels) for one in images), sum(len(one.labels.findings) for one in images))"""
READ_LABELS = """import sys; from boxwright.data.formats.yolo import read_file
found = read_file(sys.argv[1], 0.01).labels
print(len(found), len(found.findings))"""
READ_VOC = """import sys; from boxwright.data.formats.voc import read_image
found = read_image(sys.argv[1], (64, 48), {"a": 0}, 0.01).labels
print(len(found), len(found.findings))"""


def out_of(program: str, file, content: bytes, *, memory_mb: int, cpu_s: float) -> str:
    file.write_bytes(content)
    return within_budget([file], program=("-c", program), memory_mb=memory_mb, cpu_s=cpu_s).out


def coco_text(annotations: list[dict]) -> bytes:
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 64, "height": 48} for k in range(3)]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}).encode()


def annotation(number: int, **more) -> dict:
    return {
        "id": number,
        "image_id": number % 3,
        "category_id": 1,
        "bbox": [5, 5, 20, 20],
        "area": 400,
        "iscrowd": 0,
        **more,
    }


def test_thirty_thousand_faulty_annotations_take_less_than_two_seconds_more_than_the_start(tmp_path):
    text = coco_text([annotation(k, category_id=77) for k in range(30_000)])
    assert out_of(READ_COCO, tmp_path / "t.json", text, memory_mb=512, cpu_s=6) == "0 30000\n"


def test_an_outline_of_a_hundred_thousand_parts_is_joined_in_seconds(tmp_path):
    text = coco_text([annotation(0, segmentation=[[5, 5, 25, 5, 25, 25]] * 100_000)])
    assert out_of(READ_COCO, tmp_path / "t.json", text, memory_mb=512, cpu_s=12) == "1 0\n"


def test_megabytes_of_empty_values_take_no_memory(tmp_path):
    filling = b'{"a":[]},'
    text = b'{"info": [' + filling * (4_000_000 // len(filling)) + b'0], "images": []}'
    assert "no list 'annotations'" in out_of(READ_COCO, tmp_path / "t.json", text, memory_mb=160, cpu_s=60)


@pytest.mark.parametrize("row", [b"x\n", b"0 5.5 0.5 0.3 0.3\n", b"\n"], ids=["words", "boxes outside", "blank lines"])
def test_label_files_of_megabytes_of_faults_are_read_within_the_budget(tmp_path, row):
    content = row * (800_000 // len(row)) + b"0 0.5 0.5 0.3 0.3\nx\n"
    assert out_of(READ_LABELS, tmp_path / "a.txt", content, memory_mb=512, cpu_s=40).startswith("1 ")


@pytest.mark.parametrize(
    "filling", [b"<object/>", b"<object><name>a</name></object>", b"<a/>"], ids=["empty", "named", "other"]
)
def test_xml_of_megabytes_is_read_within_the_budget(tmp_path, filling):
    content = b"<annotation>" + filling * (2_000_000 // len(filling)) + b"</annotation>"
    assert out_of(READ_VOC, tmp_path / "a.xml", content, memory_mb=768, cpu_s=40).startswith("0 ")

# SPDX-License-Identifier: Apache-2.0
"""COCO and VOC files with values of another kind: refused or found, each in one line with file and line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.data.formats import coco, json_lists, voc
from boxwright.data.labels.findings import MAX_FINDINGS
from boxwright.data.labels.label_file import parse_labels
from boxwright.errors import DataError
from boxwright.geometry import polygons

if TYPE_CHECKING:
    from pathlib import Path

SIZE_WH = (64, 48)


def document() -> dict:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [{"id": 9, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "area": 400, "iscrowd": 0}],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}],
    }


def write(folder: Path, content: dict | str | bytes) -> Path:
    file = folder / "t.json"
    text = json.dumps(content, indent=1) if isinstance(content, dict) else content
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def changed(folder: Path, part: str, key: str, raw: str) -> Path:
    """The document with one value as these words of JSON."""
    content = document()
    content[part][0][key] = "@"
    return write(folder, json.dumps(content, indent=1).replace('"@"', raw))


def findings(file: Path):
    read = coco.read_coco(file)
    return coco.read_image(read, read.images["a.jpg"], SIZE_WH, 0.01).labels.findings


MANY_DIGITS = "9" * 5000
REFUSED = [
    ("annotations", "bbox", f"[{MANY_DIGITS}, 1, 2, 3]", "thousands of digits"),
    ("annotations", "image_id", "[1]", "'image_id' of annotation 9 is a list"),
    ("annotations", "image_id", "{}", "is a mapping"),
    ("annotations", "image_id", "null", "is null"),
    ("images", "id", "[1]", "'id' of 'a.jpg' is a list"),
    ("images", "id", "{}", "is a mapping"),
    ("images", "id", "true", "is true"),
    ("images", "id", "1.5", "is 1.5"),
    ("images", "file_name", '"\\ud800.jpg"', "no name of a file"),
    ("images", "file_name", '"a\\u0000b.jpg"', "no name of a file"),
    ("images", "file_name", "[1]", "no name of a file"),
    ("categories", "name", '"\\ud800"', "text 'name'"),
    ("categories", "name", "null", "text 'name'"),
    ("categories", "id", "true", "whole number 'id'"),
    ("categories", "id", "[1]", "whole number 'id'"),
    ("categories", "id", "2", "two categories have the id 2"),
    ("categories", "name", '"blue"', "two categories have one name"),
    ("annotations", "extra", "[" * 3000 + "]" * 3000, "nested too deeply"),
    ("annotations", "extra", '{"a": 1, "a": 2}', "the key 'a' stands twice"),
]


@pytest.mark.parametrize(
    ("part", "key", "raw", "says"), REFUSED, ids=[f"{part} {key} {raw[:12]}" for part, key, raw, _ in REFUSED]
)
def test_a_value_of_another_kind_in_a_coco_file_is_refused_with_its_line(tmp_path, part, key, raw, says):
    file = changed(tmp_path, part, key, raw)
    with pytest.raises(DataError, match=says) as caught:
        coco.read_coco(file)
    name, _, line = caught.value.where.rpartition(":")
    assert name == str(file)
    begins = file.read_text().splitlines().index(f' "{part}": [') + 2  # the brace of the first entry
    assert begins <= int(line) <= begins + 6
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


FOUND = [
    ("annotations", "bbox", f"[{'9' * 400}, 1, 2, 3]", "not-finite"),
    ("annotations", "bbox", "[1e400, 1, 2, 3]", "not-finite"),
    ("annotations", "bbox", "[NaN, -Infinity, 2, 3]", "not-finite"),
    ("annotations", "bbox", "[1e308, 1e308, 1e308, 1e308]", "not-finite"),
    ("annotations", "bbox", "[true, 1, 2, 3]", "annotation"),
    ("annotations", "bbox", '{"x": 1}', "annotation"),
    ("annotations", "category_id", "[1]", "class"),
    ("annotations", "category_id", "{}", "class"),
    ("annotations", "category_id", "true", "class"),
    ("annotations", "category_id", MANY_DIGITS[:4000], "class"),
    ("annotations", "iscrowd", '"0"', "annotation"),
    ("annotations", "iscrowd", "[]", "annotation"),
    ("annotations", "segmentation", f"[[1, 1, {'9' * 400}, 1, 5, 5]]", "outline"),
    ("annotations", "segmentation", "[[1e300, 1, 1e301, 1, 5, 1e300]]", "outline"),
    ("images", "width", "1e400", "size"),
    ("images", "width", "9" * 400, "size"),
    ("images", "width", "NaN", "size"),
    ("images", "width", "true", "size"),
    ("images", "width", "[64]", "size"),
    ("images", "height", "1e-320", "size"),
]


@pytest.mark.parametrize(
    ("part", "key", "raw", "rule"), FOUND, ids=[f"{part} {key} {raw[:12]}" for part, key, raw, _ in FOUND]
)
def test_a_value_that_cannot_be_used_in_a_coco_file_is_one_short_finding(tmp_path, part, key, raw, rule):
    found = findings(changed(tmp_path, part, key, raw))
    assert [finding.rule for finding in found][:1] == [rule]
    assert all(len(finding.text) < 300 for finding in found)
    assert (
        part == "images"
        or found[0].line == json.dumps(document(), indent=1).splitlines().index(' "annotations": [') + 2
    )


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("area", "1e400"),
        ("area", "9" * 400),
        ("area", "[]"),
        ("id", "{}"),
        ("id", "[[1]]"),
        ("segmentation", '{"counts": [9], "size": [1, 1]}'),
    ],
)
def test_what_does_not_matter_may_be_anything(tmp_path, key, raw):
    assert findings(changed(tmp_path, "annotations", key, raw)) == ()


def test_ids_that_were_written_as_fractions_are_whole_numbers(tmp_path):
    content = document()
    content["images"][0]["id"], content["annotations"][0]["category_id"] = 1.0, 1.0
    file = write(tmp_path, content)
    read = coco.read_coco(file)
    assert len(coco.read_image(read, read.images["a.jpg"], SIZE_WH, 0.01).labels) == 1


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('{"images": [],\n"images": []}', ":2", "the key 'images' stands twice"),
        ('{"images": [\n{"id": 1}\n{"id": 2}]}', ":3", "',' or ']' is missing"),
        ('{"images": [\n{"id": nul}]}', ":2", "not valid JSON"),
        ('{"images": []}\n\nx', ":3", "text behind its end"),
        ('{"images": [\n\n7]}', ":3", "entry 1 of 'images' is 7"),
        ('{"images" []}', ":1", "':' is missing"),
        ("{images: []}", ":1", "a key in quotes is missing"),
        ('{"images": [{"id": "', ":1", "not valid JSON"),
        (json.dumps({}).encode("utf-16"), "", "UTF-8"),
        (b'{"images": ["\xff"]}', "", "UTF-8"),
    ],
)
def test_text_that_is_no_json_is_refused_where_it_ends_to_be_one(tmp_path, text, line, says):
    file = write(tmp_path, text)
    with pytest.raises(DataError, match=says) as caught:
        coco.read_coco(file)
    assert caught.value.where == f"{file}{line}"


def test_entries_are_the_same_wherever_a_block_ends(tmp_path, monkeypatch):
    content = document()
    content["annotations"] = [
        {"id": k, "image_id": 1, "category_id": 1, "bbox": [k % 30, 1.25, 20, 20], "note": "é\n\\" * (k % 7)}
        for k in range(60)
    ]
    content["other"] = {"list": [1, {"a": []}], "text": "x"}
    file = write(tmp_path, content)
    whole = coco.read_coco(file)
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(json_lists, "BLOCK", size)
        assert coco.read_coco(file) == whole
    lines = file.read_text().splitlines()
    assert all(f'"id": {int(one.called.split()[1])},' in lines[one.line] for one in whole.objects[1])


def test_one_entry_longer_than_the_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_lists, "MAX_ELEMENT", 1000)
    monkeypatch.setattr(json_lists, "BLOCK", 100)
    with pytest.raises(DataError, match="longer than"):
        coco.read_coco(write(tmp_path, {"images": [{"id": 1, "file_name": "x" * 3000}]}))


def test_many_parts_hang_on_the_first_point_and_keep_box_and_area(monkeypatch):
    parts = [np.array([[0, 0], [4, 0], [4, 4], [0, 4.0]]) + k * 6 for k in range(40)]
    near = polygons.joined(parts)
    monkeypatch.setattr(polygons, "MAX_DISTANCES", 100)
    far = polygons.joined(parts)
    assert not np.array_equal(near, far)
    assert len(near) == len(far)
    for whole in (near, far):
        x, y = whole.T
        assert abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2 == pytest.approx(40 * 16)
        assert polygons.box_xyxy(whole).tolist() == [0, 0, 238, 238]


def test_faults_beyond_the_bound_are_counted():
    found = parse_labels(b"x\n" * (MAX_FINDINGS + 5), "f").findings
    assert len(found) == MAX_FINDINGS + 1
    assert found[-1].text == "5 more faults are not listed"
    assert found[-2].line == MAX_FINDINGS


def test_a_row_of_a_megabyte_is_a_finding_and_the_others_are_read():
    found = parse_labels(b"0 .5 .5 .2 .2\n0 " + b"0.5 " * 300_000 + b"\n1 .5 .5 .2 .2\n", "f")
    assert found.classes.tolist() == [0, 1]
    assert [(one.line, one.rule) for one in found.findings] == [(2, "columns")]


# -- VOC

OBJECT = "<object><name>red</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object>"
SOUND = f"<annotation><size><width>64</width><height>48</height></size>\n{OBJECT}</annotation>"


def read_voc(folder: Path, content: str | bytes):
    file = folder / "a.xml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return voc.read_image(str(file), SIZE_WH, {"red": 0}, 0.01).labels


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'<?xml version="1.0" encoding="utf-7"?>' + SOUND.encode(), "encoding 'utf-7' is not read"),
        (b'<?xml version="1.0" encoding="zzz"?>' + SOUND.encode(), "encoding 'zzz' is not read"),
        (b'<?xml version="1.0" encoding="idna"?>' + SOUND.encode(), "is not read"),
        (b'<?xml version="1.0" encoding="gbk"?>' + SOUND.encode(), "is not read"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">' + SOUND, "document type"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + SOUND, "document type"),
        (SOUND.replace("red", "r" * 2000), "more than 1000 characters"),
        (SOUND.replace(">5<", f">{'9' * 5000}<", 1), "more than 1000 characters"),
        (SOUND.replace("red", "<a>" * 50), "nested deeper"),
        (SOUND.replace("red", "r\0d"), "not well-formed"),
        (SOUND.encode("utf-16")[:-20] + b"\x00\xdc" + SOUND.encode("utf-16")[-20:], "."),
        ("", "not well-formed"),
    ],
)
def test_an_xml_file_that_is_not_read_is_one_finding_with_its_line(tmp_path, content, says):
    labels = read_voc(tmp_path, content)
    assert len(labels) == 0
    (found,) = labels.findings
    assert says in found.text or says == "."
    assert found.line is not None
    assert len(str(found)) < 500


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-16", "ISO-8859-1", "us-ascii", "Windows-1252"])
def test_usual_encodings_are_read(tmp_path, encoding):
    assert (
        len(
            read_voc(
                tmp_path, f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE annotation>{SOUND}'.encode(encoding)
            )
        )
        == 1
    )


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        (">20<", ">1e400<", ["not-finite"]),
        (">20<", ">nan<", ["not-finite"]),
        (">20<", ">2_0<", ["not-a-number"]),
        (">20<", ">\uff12\uff10<", ["not-a-number"]),
        (">64<", ">nan<", ["size"]),
        (">64<", ">inf<", ["size"]),
        (">64<", ">1e-320<", ["size"]),
        (">64<", ">1e308<", ["size"]),
        (">red<", f">{'r' * 900}<", ["class"]),
    ],
)
def test_numbers_and_names_of_an_xml_file_that_cannot_be_used_are_found(tmp_path, old, new, rules):
    found = read_voc(tmp_path, SOUND.replace(old, new)).findings
    assert [one.rule for one in found] == rules
    assert all(len(one.text) < 300 for one in found)

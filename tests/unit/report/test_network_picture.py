# SPDX-License-Identifier: Apache-2.0
"""A network as a picture: what stands where, as SVG and as pixels."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from boxwright import cli
from boxwright.config import packaged
from boxwright.documents import parse_yaml
from boxwright.model.spec import read_spec
from boxwright.model.summary import summarize
from boxwright.report.network_layout import BOX_H, Box, Drawing, Way, Words, laid_out
from boxwright.report.network_picture import as_pixels, as_svg
from boxwright.report.network_style import label_of, quantity
from tests.support.networks import TINY, spec, tiny_spec

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


def drawing_of(described) -> Drawing:
    return laid_out(described, summarize(described))


def row_boxes(drawing: Drawing) -> list[Box]:
    return [item for item in drawing.items if isinstance(item, Box) and item.stroke is not None]


@pytest.mark.parametrize(
    "name", ["yolov5n", "yolov5n6", "yolov3-tiny", "yolov5-bifpn", "yolov5-fpn", "yolov5-p2", "yolov5s-3.0"]
)
def test_every_row_has_its_box_and_every_source_its_line(name):
    described = spec(name)
    drawing = drawing_of(described)
    boxes = row_boxes(drawing)
    assert len(boxes) == len(described.rows)
    assert all(later.y - box.y >= BOX_H for box, later in itertools.pairwise(boxes)), "a line of its own for each"
    ways = [item for item in drawing.items if isinstance(item, Way) and item.arrow]
    assert len(ways) == sum(len(row.sources) for row in described.rows)
    for item in drawing.items:
        if isinstance(item, Box):
            assert 0 <= item.x <= item.x + item.w <= drawing.width
            assert 0 <= item.y <= item.y + item.h <= drawing.height


@pytest.mark.parametrize("name", sorted(set(packaged.names("models")) - {"yolov5x", "yolov5x6"}))
def test_no_line_runs_through_a_box_and_every_label_fits(name):
    described = spec(name)
    drawing = drawing_of(described)
    assert not any("\N{HORIZONTAL ELLIPSIS}" in item.text for item in drawing.items if isinstance(item, Words)), (
        "every label fits"
    )
    boxes = row_boxes(drawing)
    for way in (item for item in drawing.items if isinstance(item, Way) and item.arrow):
        for (x1, y1), (x2, y2) in itertools.pairwise(way.points):
            for number, box in enumerate(boxes):
                inside_x = min(x1, x2) < box.x + box.w - 1 and max(x1, x2) > box.x + 1
                inside_y = min(y1, y2) < box.y + box.h - 1 and max(y1, y2) > box.y + 1
                assert not (inside_x and inside_y), f"{way.points} crosses row {number}"


def test_both_forms_hold_the_same_and_svg_is_sound():
    drawing = drawing_of(spec("yolov5n"))
    root = ET.fromstring(as_svg(drawing))
    assert (root.get("width"), root.get("height")) == (str(drawing.width), str(drawing.height))
    assert len(root.findall(f"{SVG}rect")) == sum(isinstance(item, Box) for item in drawing.items)
    assert [text.text for text in root.findall(f"{SVG}text")] == [
        item.text for item in drawing.items if isinstance(item, Words)
    ]
    pixels = as_pixels(drawing)
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(drawing.width / drawing.height, rel=0.01)
    scale = pixels.shape[1] / drawing.width
    for box in row_boxes(drawing):
        shown = pixels[round((box.y + box.h / 2 - 9) * scale), round((box.x + box.w / 2 + 12) * scale)]
        assert np.abs(shown.astype(int) - box.fill).max() <= 2


def test_words_of_a_file_are_words_and_nothing_else():
    described = read_spec(parse_yaml(TINY.replace("[-1, 1, C3, [24]]", '[-1, 1, C3, [24], "<b>$x$"]'), "a&<b>.yaml"))
    drawing = drawing_of(described)
    texts = [text.text for text in ET.fromstring(as_svg(drawing)).findall(f"{SVG}text")]
    assert "a&<b>" in texts
    assert "<b>$x$" in texts
    assert as_pixels(drawing).std() > 0


def test_labels_say_kernel_stride_and_repeats():
    rows = summarize(spec("yolov3-tiny")).rows
    assert [label_of(row) for row in rows[:2]] == [
        "Conv 3\N{MULTIPLICATION SIGN}3",
        "MaxPool 2\N{MULTIPLICATION SIGN}2 /2",
    ]
    assert label_of(summarize(spec("yolov5l")).rows[4]) == "C3 \N{MULTIPLICATION SIGN}6"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (928, "928"),
        (9999, "9999"),
        (18560, "18.6 k"),
        (1182720, "1.18 M"),
        (140_700_000, "141 M"),
        (10**10, "10 G"),
    ],
)
def test_counts_have_three_figures(count, text):
    assert quantity(count) == text


def test_draw_writes_what_the_name_says(capsys, tmp_path):
    for suffix, begin in ((".svg", b"<svg "), (".png", b"\x89PNG")):
        out = tmp_path / f"net{suffix}"
        assert cli.main(["model", "draw", "yolov5n", "--out", str(out)]) == 0
        assert out.read_bytes().startswith(begin)
    capsys.readouterr()
    assert cli.main(["model", "draw", "yolov5n", "--out", str(tmp_path / "net.gif")]) == 2
    assert cli.main(["model", "draw", "yolov5n", "--out", str(tmp_path / "no" / "net.svg")]) == 2
    assert cli.main(["model", "draw", "yolov5n"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert ".svg or .png" in lines[0]


def test_the_tiny_network_has_a_column_per_stride():
    drawing = drawing_of(tiny_spec())
    assert [item.text for item in drawing.items if isinstance(item, Words) and item.text.startswith("stride")] == [
        f"stride {s}" for s in (2, 4, 8, 16)
    ]

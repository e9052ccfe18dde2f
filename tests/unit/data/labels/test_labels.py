# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxwright.data.labels.label_file import parse_labels

GOOD = "0 0.2 0.25 0.25 0.25\n1 0.7 0.7 0.375 0.375\n"
BOXES = [[0.2, 0.25, 0.25, 0.25], [0.7, 0.7, 0.375, 0.375]]


def parse(text: str | bytes):
    return parse_labels(text if isinstance(text, bytes) else text.encode(), "a.txt")


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.rstrip(),
        GOOD.replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode(),
        "\n\n" + GOOD + "\n  \n",
        GOOD.replace("0 0.2", "0.0 0.2").replace("1 0.7", "1.0 0.7"),
        "0\t2e-1\t2.5E-1  0.25   +0.25\n1 .7 7.0e-01 3750e-4 0.375  \n",
        "0 0.075 0.125 0.325 0.125 0.325 0.375 0.075 0.375\n1 0.7 0.7 0.375 0.375\n",
    ],
)
def test_sound_files_of_every_style_give_the_same_boxes_without_a_finding(text):
    labels = parse(text)
    assert labels.classes.tolist() == [0, 1]
    assert np.allclose(labels.boxes, BOXES, atol=1e-6)
    assert not labels.findings


@pytest.mark.parametrize("text", ["", "\n   \n\t\n", b"\xef\xbb\xbf"])
def test_files_without_rows_are_background(text):
    assert len(parse(text)) == 0
    assert not parse(text).findings


@pytest.mark.parametrize(
    ("row", "rule", "kept"),
    [
        ("1 nan 0.5 0.1 0.1", "not-finite", 2),
        ("1 inf 0.5 0.1 0.1", "not-finite", 2),
        ("1 -0.2 0.5 0.1 0.1", "outside", 2),
        ("1 0.5 1.4 0.1 0.1", "outside", 2),
        ("1 0.5 0.5 0 0.1", "no-area", 2),
        ("1 0.5 0.5 -0.2 0.1", "no-area", 2),
        ("1 0.5 0.5 0.1", "columns", 2),
        ("1 0.5 0.5 0.1 0.1 0.9", "columns", 2),
        ("1 0.5 0.5 0.6 0.5 0.6 0.6 0.5", "columns", 2),
        ("-1 0.5 0.5 0.1 0.1", "class", 2),
        ("1.5 0.5 0.5 0.1 0.1", "class", 2),
        ("one 0.5 0.5 0.1 0.1", "not-a-number", 2),
        ("1 0.5 0.5 0_1 0.1", "not-a-number", 2),
        ("0 0.2 0.25 0.25 0.25", "duplicate", 2),
        ("1 0.951 0.5 0.1 0.1", "slightly-outside", 3),
        ("1 0.9605 0.5 0.1 0.1", "outside", 2),
    ],
)
def test_each_fault_costs_its_row_alone_and_is_found_with_its_line(row, rule, kept):
    labels = parse(GOOD + row + "\n")
    assert [finding.rule for finding in labels.findings] == [rule]
    assert labels.findings[0].line == 3
    assert labels.findings[0].fix
    assert len(labels) == kept
    assert np.allclose(labels.boxes[:2], BOXES, atol=1e-6)


def test_what_is_slightly_outside_is_clipped():
    box = parse("0 0.951 0.5 0.1 0.1\n").boxes[0]
    assert box.tolist() == pytest.approx([0.9505, 0.5, 0.099, 0.1], abs=1e-6)


def test_bytes_that_are_no_text_cost_their_row():
    labels = parse(b"0 0.2 0.25 0.25 0.25\n\xff\xfe\x80\x81\n")
    assert len(labels) == 1
    assert labels.findings[0].rule == "not-a-number"


def test_polygons_keep_their_points_and_the_box_around_them():
    labels = parse("2 0.1 0.1 0.5 0.2 0.3 0.6\n0 0.2 0.25 0.25 0.25\n")
    assert labels.boxes[0].tolist() == pytest.approx([0.3, 0.35, 0.4, 0.5], abs=1e-6)
    assert labels.polygons[0].shape == (3, 2)
    assert labels.polygons[1].shape == (0, 2)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise(content):
    labels = parse_labels(content, "x.txt")
    assert len(labels.classes) == len(labels.boxes) == len(labels.polygons)
    assert np.isfinite(labels.boxes).all()
    assert ((labels.boxes >= 0) & (labels.boxes <= 1)).all()


ROWS = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.floats(0.25, 0.75, width=32),
        st.floats(0.25, 0.75, width=32),
        st.floats(0.0625, 0.25, width=32),
        st.floats(0.0625, 0.25, width=32),
    ),
    min_size=1,
    max_size=20,
    unique=True,
)


@given(ROWS)
def test_text_and_arrays_round_trip_and_the_quick_way_equals_the_careful_one(rows):
    text = "".join(f"{c} {x:.9f} {y:.9f} {w:.9f} {h:.9f}\n" for c, x, y, w, h in rows)
    quick, careful = parse(text), parse("\n" + text)
    assert quick.classes.tolist() == careful.classes.tolist() == [row[0] for row in rows]
    assert np.allclose(quick.boxes, [row[1:] for row in rows], atol=1e-6)
    assert np.array_equal(quick.boxes, careful.boxes)

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boxwright.data.formats import yolo
from boxwright.data.labels.findings import Finding, summary
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split, require_no_findings, require_objects
from boxwright.errors import DataError, FindingsError
from tests.support import datasets


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=4, val=2)
    return tmp_path / "set"


def opened(root: Path, split: str = "train", **options):
    dataset = read_dataset(root / "data.yaml")
    return open_split(dataset, split, **options), dataset


def found(root: Path) -> list[Finding]:
    return list(opened(root)[0].findings)


GOOD = "0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.1 0.1\n"


@pytest.mark.parametrize(
    ("row", "rule", "action"),
    [
        ("1 nan 0.5 0.1 0.1", "not-finite", "box dropped"),
        ("1 0.5 1.4 0.1 0.1", "outside", "box dropped"),
        ("1 0.951 0.5 0.1 0.1", "slightly-outside", "box clipped"),
        ("1 0.5 0.5 0 0.1", "no-area", "box dropped"),
        ("1 0.5 0.5 0.1", "columns", "box dropped"),
        ("1.5 0.5 0.5 0.1 0.1", "class", "box dropped"),
        ("-1 0.5 0.5 0.1 0.1", "class", "box dropped"),
        ("cat 0.5 0.5 0.1 0.1", "not-a-number", "box dropped"),
        ("0 0.5 0.5 0.2 0.2", "duplicate", "box dropped"),
    ],
)
def test_each_broken_row_is_named_with_file_and_line_and_costs_itself_alone(root, row, rule, action):
    label = root / "labels/train/001.txt"
    label.write_text(f"{GOOD}{row}\n2 0.7 0.7 0.1 0.1\n")
    index, _ = opened(root)
    (finding,) = index.findings
    assert (finding.file, finding.line, finding.rule, finding.action) == (str(label), 3, rule, action)
    assert str(finding).startswith(f"{label}:3: ")
    assert finding.fix
    assert index[1].classes.tolist() == ([0, 1, 1, 2] if action == "box clipped" else [0, 1, 2])
    assert len(index) == 4
    assert label.read_text() == f"{GOOD}{row}\n2 0.7 0.7 0.1 0.1\n"


def test_a_picture_that_cannot_be_read_is_left_out_and_counted(root):
    (root / "images/train/002.png").write_bytes(b"broken")
    (root / "images/train/extra.gif").write_bytes(b"GIF89a")
    index, _ = opened(root)
    assert [Path(path).name for path in index.paths] == ["000.png", "001.png", "003.png"]
    assert sorted(finding.rule for finding in index.findings if finding.severity == "warning") == [
        "format",
        "unreadable",
    ]
    assert index.counts() == {"used": 3, "skipped": 2, "background": 0, "boxes": len(index.classes)}


def test_pictures_without_labels_or_with_empty_ones_are_background(root):
    (root / "labels/train/000.txt").unlink()
    (root / "labels/train/001.txt").write_text("\n")
    index, _ = opened(root)
    assert not index.findings
    assert index.counts()["background"] == 2
    assert (len(index[0].classes), len(index[1].classes)) == (0, 0)
    assert len(index[2].classes) > 0


def test_a_label_file_that_cannot_be_read_or_is_huge_is_a_finding(root, monkeypatch):
    (root / "labels/train/000.txt").unlink()
    (root / "labels/train/000.txt").mkdir()
    monkeypatch.setattr(yolo, "MAX_LABEL_BYTES", 1 << 16)
    (root / "labels/train/001.txt").write_text(GOOD * 2000)
    broken = {("000.txt", "unreadable"), ("001.txt", "size")}
    left_out = {("000.png", "no-usable-label"), ("001.png", "no-usable-label")}
    assert {(Path(finding.file).name, finding.rule) for finding in found(root)} == broken | left_out


def test_labels_that_two_pictures_share_and_labels_without_a_picture_are_notes(root):
    (root / "images/train/000.jpg").write_bytes((root / "images/train/000.png").read_bytes())
    (root / "labels/train/999.txt").write_text(GOOD)
    notes = {finding.rule: finding for finding in found(root)}
    assert set(notes) == {"shared", "orphan"}
    assert all(note.severity == "note" and note.action == "kept" for note in notes.values())
    assert "000.jpg, 000.png" in notes["shared"].text
    assert "999.txt" in notes["orphan"].text
    require_no_findings(opened(root)[0], "train")  # notes are no faults


@pytest.mark.parametrize("threads", [1, 3])
def test_the_index_does_not_depend_on_the_number_of_threads(root, threads):
    (root / "labels/train/001.txt").write_text(GOOD + "x\n")
    ticks = []
    index, _ = opened(root, threads=threads, cached=False, progress=lambda done, of: ticks.append((done, of)))
    alone, _ = opened(root, threads=1, cached=False)
    assert index.fingerprint() == alone.fingerprint()
    assert index.findings == alone.findings
    assert ticks == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_split_in_which_nothing_can_be_used_is_one_line_with_the_first_reason(root):
    for path in (root / "images/train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        DataError,
        match=r"^split 'train': none of its 4 images can be used \(.*000\.png: the file is empty \(image skipped\)\)",
    ):
        opened(root)


@pytest.mark.parametrize("row", ["7 0.5 0.5 0.1 0.1", "7.0 0.5 0.5 0.1 0.1"])
def test_a_class_without_a_name_is_refused_with_file_line_and_what_is_possible(root, row):
    (root / "labels/train/002.txt").write_bytes(b"\xef\xbb\xbf" + GOOD.encode() + row.encode())
    dataset = read_dataset(root / "data.yaml")
    with pytest.raises(DataError) as caught:
        opened(root)
    where = root / "labels/train/002.txt"
    assert str(caught.value).startswith(
        f"{where}:3: Label class 7 exceeds nc=3 in {dataset.file} (split 'train'; 1 such findings). Possible classes "
        "are 0 to 2"
    )


def test_the_highest_class_that_has_a_name_is_let_pass(root):
    (root / "labels/train/002.txt").write_text("2 0.5 0.5 0.1 0.1\n")
    assert opened(root)[0][2].classes.tolist() == [2]


def test_a_training_split_without_a_single_object_is_refused(root):
    for path in (root / "labels/train").iterdir():
        path.unlink()
    with pytest.raises(
        DataError, match=r"none of its 4 images has a label \(looked for .*labels/train/000\.txt, for example\)"
    ):
        require_objects(*opened(root), "train")
    require_objects(*opened(root, "val"), "val")


def test_under_strict_the_first_finding_is_an_error_with_its_own_exit_code(root):
    require_no_findings(opened(root)[0], "train")
    (root / "labels/train/001.txt").write_text(GOOD + "x\n")
    with pytest.raises(FindingsError, match=r"1 findings under --strict, first: .*001\.txt:3: ") as caught:
        require_no_findings(opened(root)[0], "train")
    assert caught.value.exit_code == 3


def test_findings_are_summed_up_by_what_was_done():
    def finding(rule: str, action: str, severity: str = "warning") -> Finding:
        return Finding("a", 1, rule, severity, "text", action)

    faults = [
        finding("columns", "box dropped"),
        finding("columns", "box dropped"),
        finding("outside", "box clipped"),
        finding("orphan", "kept", "note"),
    ]
    assert summary(faults) == "1 box clipped: outside; 2 box dropped: columns"
    assert summary([]) == ""


def test_a_finding_cannot_steer_a_terminal():
    assert "\x1b" not in str(Finding("a\x1b[31m", 1, "r", "warning", "t\n", "kept"))


def test_sizes_and_boxes_of_the_index_are_those_of_the_files(root):
    index, _ = opened(root)
    assert index.sizes_wh.tolist() == [list(size) for size in datasets.SIZES_WH]
    longest = index.boxes_wh_px(640)
    for number, record in enumerate(index):
        scale = 640 / max(record.size_wh)
        expected = record.boxes_cxcywh_norm[:, 2:] * np.array(record.size_wh) * scale
        assert np.allclose(longest[index.objects(number)], expected)
    assert index.class_counts(3).tolist() == np.bincount(index.classes, minlength=3).tolist()
    assert index.image_of_object.tolist() == [number for number, record in enumerate(index) for _ in record.classes]

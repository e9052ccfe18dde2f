# SPDX-License-Identifier: Apache-2.0
"""Names of classes and files that steer terminals, run in spreadsheets, close elements of pages.

And lead out of folders.
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from boxwright.data.splits.listing import listable
from boxwright.report.page import clear
from boxwright.runs.evaluation.confusion_tables import as_csv, text_cell
from boxwright.runs.evaluation.label_files import label_names
from boxwright.runs.prediction.prediction_writer import crop_folders
from boxwright.system.files import STEM_BYTES, write_text
from tests.support import datasets
from tests.support.commands import command, done
from tests.support.runs import Ground

pytestmark = pytest.mark.slow

NAMES = [
    "red\x1b[31m\n/etc/passwd:1: error [forged]",
    "=cmd|' /C calc'!A0\u202e</script><img src=x onerror=alert(1)>",
    "../../x\u2028\x7f\x9b",
]
PICTURE = "a\x1b]0;title\x07\nb\u202egnp"


@pytest.fixture
def ground(tmp_path) -> Ground:
    """A data set by somebody who means harm: names of classes, of a picture, and of one that is no text at all."""
    found = Ground.laid(tmp_path / "ground")
    head = {"path": ".", "train": "images/train", "val": "images/val", "names": NAMES}
    found.data.write_text(yaml.safe_dump(head))
    for split in ("train", "val"):
        for kind, suffix in (("images", "png"), ("labels", "txt")):
            folder = found.data.parent / kind / split
            (folder / f"000.{suffix}").rename(folder / f"{PICTURE}.{suffix}")
            os.rename(folder / f"001.{suffix}", os.fsencode(folder) + b"/\xff\x1b[7m." + suffix.encode())  # noqa: PTH104 -- a name in bytes
    (found.data.parent / "labels/train/002.txt").write_text("0 .5 .5 9 9\n7 \x1b[2J 1 1 1\n")
    return found


def require_visible(*texts: str) -> None:
    for text in texts:
        for line in text.split("\n"):
            assert line.isprintable(), ascii(line)
            assert not line.startswith(("/etc/passwd", "b\\u202e")), "a name forged a line"


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check"],
        ["data", "report", "--out", "report"],
        ["data", "split", "--out", "lists"],
        ["data", "convert", "--to", "coco", "--out", "coco"],
        ["data", "convert", "--to", "voc", "--out", "voc"],
        ["data", "preview", "--imgsz", "64", "--count", "1", "--out", "preview"],
        ["anchors", "--imgsz", "64"],
    ],
    ids=lambda words: " ".join(words[:4]),
)
def test_no_verb_on_data_prints_a_name_as_it_is(ground, words):
    data = ["--data", ground.data] if words[0] == "anchors" else [ground.data]
    cfg = ["--cfg", ground.cfg] if words[0] == "anchors" or "preview" in words else []
    said = command(*words[:2], *data, *words[2:], *cfg) if words[0] == "data" else command(*words, *data, *cfg)
    require_visible(said.out, said.err)
    assert "our fault" not in said.err
    assert said.code in {0, 2, 3}


def test_a_training_on_it_ends_well_and_nothing_it_says_or_shows_is_steered(ground, tmp_path):
    said = done(*ground.words(tmp_path / "runs", "--name", "one", "--noplots", epochs=1))
    require_visible(said.out, said.err, (tmp_path / "runs/one/run.log").read_text())
    run = tmp_path / "runs/one"
    for words in (
        [
            "predict",
            "--weights",
            run,
            "--source",
            ground.data.parent / "images/val",
            "--save-txt",
            "--save-crop",
            "--conf-thres",
            "0",
            "--max-det",
            "3",
        ],
        ["errors", run],
    ):
        said = command(*words, *(["--project", tmp_path / "out"] if words[0] == "predict" else []))
        assert said.code == 0, said.err
        require_visible(said.out, said.err)
    page = (run / "report.html").read_text()
    require_visible(page)
    assert page.count("<script") == 2
    assert "<img src=x" not in page
    assert all(path.resolve().is_relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*"))
    assert len({path.name for path in (tmp_path / "out").rglob("crops/*")}) <= len(NAMES)


def test_a_page_about_data_holds_names_as_text_and_forbids_every_script(ground):
    done("data", "report", ground.data, "--out", "report")
    page = Path("report/report.html").read_text()
    require_visible(page)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "<img src=x" not in page


def test_converted_names_of_classes_come_back_as_they_were(ground):
    done("data", "convert", ground.data, "--to", "yolo", "--out", "yolo")
    assert list(yaml.safe_load(Path("yolo/data.yaml").read_text())["names"].values()) == NAMES
    files = [path.name for path in Path("yolo/images").rglob("*.png")]
    assert len(files) == 18 - 1, "all but the one without a usable label"
    assert all(name.isprintable() for name in files)


def test_a_list_of_pictures_refuses_a_name_that_it_cannot_give_back(tmp_path):
    data = datasets.write(tmp_path / "data")
    picture = next((tmp_path / "data/images/train").iterdir())
    picture.rename(picture.with_name("a\n..\n.png"))
    said = command("data", "split", data, "--out", "lists")
    assert said.code == 2
    assert r"a\n..\n.png: this name cannot stand in a list" in said.err
    assert not Path("lists").exists()


@pytest.mark.parametrize("odd", ["a\nb", "a\x0bb", "a\x85b", "a\u2028b", " a", "a ", "a\udcff", "", "a\rb"], ids=ascii)
def test_what_a_list_would_read_as_something_else_is_not_listable(odd):
    assert not listable(odd)


def test_ordinary_paths_are_listable():
    assert all(listable(path) for path in ("/data/a b.jpg", "é/図.png", "=1.jpg", "a\u00a0b.jpg"))


def test_files_of_names_that_are_no_text_can_be_written(tmp_path):
    write_text(tmp_path / "a.txt", "\udcff \ud800")
    assert (tmp_path / "a.txt").read_text() == "\\udcff \\ud800"


def test_names_in_bytes_of_another_encoding_can_be_pooled_from_a_names_file(tmp_path):
    datasets.write(tmp_path / "data")
    (tmp_path / "data/data.yaml").unlink()
    (tmp_path / "data/classes.txt").write_bytes(b"r\xe9d\nblue\ngreen\n")
    said = command("data", "split", tmp_path / "data", "--out", "lists")
    assert said.code == 2
    assert "classes.txt: is not UTF-8 text. Save it as UTF-8, or give --names" in said.err


# -- tables for spreadsheets


@pytest.mark.parametrize(
    "begin",
    [
        "=",
        "+",
        "-",
        "@",
        "\t=",
        "\r=",
        " =",
        "\uff1d",
        "\uff0b",
        "\uff0d",
        "\uff20",
        "\ufe63",
        "\u200b=",
        "\n=",
        '"=',
        "|",
        "%",
    ],
    ids=ascii,
)
def test_no_cell_of_text_begins_with_what_a_spreadsheet_runs(begin):
    (cell,) = next(csv.reader([text_cell(f"{begin}1+1")]))
    assert cell.startswith(("'", "\\"))
    assert cell.isprintable()


@pytest.mark.parametrize("between", [";", "\t", "|", ",", "\n", '"', '";'], ids=ascii)
def test_no_separator_of_any_country_ends_a_cell_of_text(between):
    cell = text_cell(f"a{between}=1+1")
    assert cell.startswith('"') or not re.search(r"[;\t|,\n]", cell)
    for delimiter in ",;\t|":
        assert len(next(csv.reader([cell], delimiter=delimiter))) == 1


def test_a_matrix_of_ordinary_names_is_written_as_ever_and_numbers_stay_numbers():
    names = ("red", "traffic light", "é-2", "t_1 (old)")
    values = np.array([[1.0, -0.5, 1e-9, np.nan, 3.0]] * 5)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["predicted \\ true", *names, "background"])
    for name, row in zip((*names, "background"), values.tolist(), strict=True):
        writer.writerow([name, *("" if np.isnan(value) else value for value in row)])
    assert as_csv(values, names) == buffer.getvalue()
    assert ",3,-4\n" in as_csv(np.array([[3, -4], [0, 0]]), ("a",))


# -- names of files that are made of names


def test_every_class_has_a_folder_of_its_own_that_leads_nowhere_else():
    names = (
        "red",
        "..",
        "../../x",
        "a/b",
        "a.b",
        "A.B",
        "",
        "/",
        "é" * 300,
        "é" * 300 + "2",
        "traffic light",
        "\ud800",
        "\x00",
    )
    folders = crop_folders(names)
    assert folders[0] == "red"
    assert folders[10] == "traffic light"
    assert len({folder.lower() for folder in folders}) == len(names)
    assert all(Path(folder).name == folder and len(os.fsencode(folder)) <= STEM_BYTES + 4 for folder in folders)


def test_no_label_file_takes_the_place_of_another():
    paths = ["x/a.jpg", "y/a.jpg", "z/a_2.jpg", "w/a.png", f"{'n' * 250}.jpg"]
    names = label_names(paths)
    assert names[:4] == ["a", "a_2", "a_2_2", "a_3"]
    assert len(names[4]) == STEM_BYTES


def test_what_a_page_shows_has_no_letter_that_turns_or_hides_others():
    assert clear({"a\u202e": ["b\u200b", ("c\n", 1, None)]}) == {"a\\u202e": ["b\\u200b", ["c\\n", 1, None]]}

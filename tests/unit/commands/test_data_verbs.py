# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxwright.cli import main
from boxwright.config.assemble import resolve_train
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.division import divide
from boxwright.data.splits.open_split import open_split
from boxwright.runs.build import training_data
from boxwright.runs.plan import plan_of
from tests.support import datasets, formats

pytestmark = pytest.mark.slow


def said(capsys, *words: str) -> tuple[int, dict]:
    code = main([*words, "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {"error": printed.err}


def digest_of(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".cache"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


# -- check

PLANTED = {
    "columns": "0 0.5 0.5 0.1",
    "not-a-number": "x 0.5 0.5 0.1 0.1",
    "not-finite": "0 nan 0.5 0.1 0.1",
    "class": "-1 0.5 0.5 0.1 0.1",
    "no-area": "0 0.5 0.5 0 0.1",
    "outside": "0 1.2 0.5 0.1 0.1",
    "slightly-outside": "0 0.5 0.5 1.008 0.1",
    "class-range": "7 0.5 0.5 0.1 0.1",
    "duplicate": None,
}


def plant(folder: Path) -> dict[tuple[str, int | None], str]:
    """Faults of every kind, each named by file and line."""
    planted = {}
    for number, (rule, row) in enumerate(PLANTED.items()):
        for label in (folder / "labels/train" / f"{number:03}.txt", folder / "labels/val" / f"{number % 6:03}.txt"):
            lines = label.read_text().splitlines() or ["0 0.5 0.5 0.3 0.3"]
            lines.append(row or lines[0])
            label.write_text("\n".join(lines) + "\n")
            planted[str(label), len(lines)] = rule
    (folder / "images/train/010.png").write_bytes(b"no picture")
    planted[str(folder / "images/train/010.png"), None] = "unreadable"
    (folder / "images/val/moving.gif").write_bytes(b"GIF89a")
    planted[str(folder / "images/val/moving.gif"), None] = "format"
    return planted


def test_check_finds_exactly_the_planted_faults_and_changes_nothing(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set", train=12, val=6)
    planted = plant(tmp_path / "set")
    before = digest_of(tmp_path / "set")
    code, document = said(capsys, "data", "check", str(yaml))
    found = {(f["file"], f["line"]): f["rule"] for f in document["findings"]}
    assert found == planted
    assert code == 3  # a class without a name is refused
    assert all(f["fix"] for f in document["findings"])
    assert digest_of(tmp_path / "set") == before
    text = main(["data", "check", str(yaml)]), capsys.readouterr().out
    assert all(f"{file}:{line}" in text[1] for file, line in planted if line)


@pytest.mark.parametrize(("words", "code"), [((), 0), (("--strict",), 3)])
def test_warnings_stop_a_check_only_where_it_is_strict(tmp_path, capsys, words, code):
    yaml = datasets.write(tmp_path / "set")
    with (tmp_path / "set/labels/train/000.txt").open("a") as file:
        file.write("0 nan 0.5 0.1 0.1\n")
    assert said(capsys, "data", "check", str(yaml), *words)[0] == code


def test_check_of_a_sound_set_is_quiet(tmp_path, capsys):
    code, document = said(capsys, "data", "check", str(formats.write_voc(tmp_path / "set")), "--strict")
    assert (code, document["findings"], document["ok"]) == (0, [], True)


@pytest.mark.parametrize("verb", ["check", "report", "preview"])
def test_the_data_set_stands_as_the_first_word_or_behind_its_flag_not_both(tmp_path, capsys, verb):
    yaml = str(datasets.write(tmp_path / "set"))
    more = [] if verb == "check" else ["--out", str(tmp_path / "out")]
    more += ["--imgsz", "64", "--count", "1", "--device", "cpu"] if verb == "preview" else []
    assert main(["data", verb, yaml, *more]) == 0
    first = capsys.readouterr()
    assert main(["data", verb, "--data", yaml, *more]) == 0
    assert capsys.readouterr() == first
    assert main(["data", verb, yaml, "--data", "elsewhere", *more]) == 2
    assert "the same thing twice" in capsys.readouterr().err


def test_check_says_where_labels_are_instead(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set")
    (tmp_path / "set/labels").rename(tmp_path / "set/annos")
    (tmp_path / "set/annos").rename(tmp_path / "set/Label")
    code, document = said(capsys, "data", "check", str(yaml))
    assert code == 3
    assert "labels: /images/ -> /Label/" in document["findings"][0]["fix"]


# -- convert


@pytest.mark.parametrize("to", ["yolo", "coco", "voc"])
@pytest.mark.parametrize(
    "write", [formats.write_coco, formats.write_voc, lambda folder: datasets.write(folder, polygons=True)]
)
def test_what_was_converted_reads_as_before(tmp_path, capsys, write, to):
    source = write(tmp_path / "set")
    before = digest_of(tmp_path / "set")
    code, document = said(capsys, "data", "convert", str(source), "--to", to, "--out", str(tmp_path / "new"))
    assert code == 0
    old, new = read_dataset(source), read_dataset(Path(document["yaml"]))
    assert old.names == new.names
    for split in old.sources:
        one, other = open_split(old, split), open_split(new, split)
        assert np.array_equal(one.classes, other.classes)
        assert np.array_equal(one.first_object, other.first_object)
        assert np.abs(one.boxes - other.boxes).max() < 1e-6
        if to != "yolo":
            assert len(one.ignored) == len(other.ignored)
        if to != "voc":
            assert one.has_polygons == other.has_polygons
    assert digest_of(tmp_path / "set") == before


def test_nothing_is_converted_in_place(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set")
    code, document = said(capsys, "data", "convert", str(yaml), "--to", "coco", "--out", str(tmp_path / "set"))
    assert code == 2
    assert "never changed in place" in document["error"]


# -- preview


def test_a_preview_shows_the_very_pixels_of_the_training(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set")
    settings = {
        "data": str(yaml),
        "cfg": str(datasets.write_model(tmp_path)),
        "imgsz": (64,),
        "seed": 3,
        "device": "cpu",
    }
    words = [f"--{key}={value if not isinstance(value, tuple) else value[0]}" for key, value in settings.items()]
    code, document = said(
        capsys, "data", "preview", *words, "--epoch", "2", "--index", "4", "7", "--out", str(tmp_path / "seen")
    )
    assert code == 0
    training = training_data(plan_of(resolve_train(settings), None), lambda _: None)
    addresses = {a.image: a for batch in training.batches.batches(2) for a in batch}
    for number, sample in zip((4, 7), document["samples"], strict=True):
        shown = np.asarray(Image.open(tmp_path / "seen" / sample["file"].replace(".png", "_pixels.png")))
        out = np.zeros((3, 64, 64), np.uint8)
        rows = training.samples(addresses[number], out).objects
        assert np.array_equal(shown, out.transpose(1, 2, 0))
        assert np.allclose(sample["labels"], rows)
        assert sample["plan"]["scenes"][0]["tiles"]


# -- split


def test_every_class_gets_its_share_and_groups_stay_together():
    draw = np.random.default_rng(0)
    counts = draw.poisson([3, 1, 0.2], (300, 3))
    sizes = draw.integers(1, 4, 300)
    part = divide(counts, sizes, [0.7, 0.2, 0.1], 0)
    assert set(part.tolist()) == {0, 1, 2}
    for number, share in enumerate((0.7, 0.2, 0.1)):
        got = counts[part == number].sum(axis=0) / counts.sum(axis=0)
        assert np.abs(got - share).max() < 0.04
        assert abs(sizes[part == number].sum() / sizes.sum() - share) < 0.05
    assert np.array_equal(part, divide(counts, sizes, [0.7, 0.2, 0.1], 0))


def test_a_set_is_divided_into_lists_that_open(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set", train=20, val=4)
    before = digest_of(tmp_path / "set")
    code, document = said(
        capsys, "data", "split", str(yaml), "--val", "0.25", "--test", "0.25", "--out", str(tmp_path / "lists")
    )
    assert code == 0
    dataset = read_dataset(Path(document["yaml"]), needed=("train", "val", "test"))
    paths = [set(open_split(dataset, split).paths) for split in ("train", "val", "test")]
    assert [len(part) for part in paths] == [12, 6, 6]
    assert len(set.union(*paths)) == 24
    assert digest_of(tmp_path / "set") == before


def test_groups_are_taken_from_names(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set", train=24, val=2)
    words = ["--group", r"/\d(\d)\d\.png", "--out", str(tmp_path / "lists")]
    _, document = said(capsys, "data", "split", str(yaml), *words)
    dataset = read_dataset(Path(document["yaml"]))
    groups = [{Path(path).stem[1] for path in open_split(dataset, split).paths} for split in ("train", "val")]
    assert not groups[0] & groups[1]


def test_a_bare_folder_is_divided_with_the_names_it_holds(tmp_path, capsys):
    datasets.write(tmp_path / "set")
    (tmp_path / "set/data.yaml").unlink()
    code, document = said(capsys, "data", "split", str(tmp_path / "set"), "--out", str(tmp_path / "lists"))
    assert code == 2
    assert "Give --names" in document["error"]
    (tmp_path / "set/classes.txt").write_text("red\nblue\ngreen\n")
    code, document = said(capsys, "data", "split", str(tmp_path / "set"), "--out", str(tmp_path / "lists"))
    assert code == 0
    assert read_dataset(Path(document["yaml"])).names == ("red", "blue", "green")


# -- report


def test_a_report_finds_planted_duplicates_leakage_and_tiny_boxes(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set", train=10, val=4)
    root = tmp_path / "set"
    shutil.copy(root / "images/train/001.png", root / "images/train/900.png")
    shutil.copy(root / "images/train/002.png", root / "images/val/901.png")
    with Image.open(root / "images/train/003.png") as picture:
        picture.resize((240, 144)).save(root / "images/val/902.jpg", quality=80)
    (root / "labels/val/902.txt").write_text("0 0.5 0.5 0.001 0.001\n")
    (root / "labels/val/901.txt").write_text("")
    code, document = said(capsys, "data", "report", str(yaml), "--out", str(tmp_path / "report"), "--imgsz", "320")
    assert code == 0
    pairs = {(Path(p["first"]).name, Path(p["second"]).name, p["exact"]) for p in document["duplicates"]}
    assert pairs == {("001.png", "900.png", True), ("002.png", "901.png", True), ("003.png", "902.jpg", False)}
    assert {Path(p["second"]).name for p in document["leakage"]} == {"901.png", "902.jpg"}
    val = document["splits"]["val"]
    assert val["tiny_count"] == 1
    assert Path(val["tiny"][0]["image"]).name == "902.jpg"
    assert [Path(path).name for path in val["backgrounds_by_kind"]["empty file"]] == ["901.png"]
    assert [Path(path).name for path in document["splits"]["train"]["backgrounds_by_kind"]["no file"]] == ["900.png"]
    assert document["splits"]["train"]["objects"] == sum(document["splits"]["train"]["classes"])
    said_so = {what for what, _ in document["advice"]}
    assert "1 pair of pictures lies in two splits" in said_so
    assert "1 pair of pictures in two splits looks alike" in said_so, "frames of one scene, perhaps: a note"
    text = (tmp_path / "report" / "report.html").read_text()
    faults, notes = text.split("<h2>To know</h2>")
    assert "<h3 class='bad'>The same picture in two splits</h3>" in faults
    assert "<h3 class=''>Pictures in two splits that look alike</h3>" in notes
    assert "class='bad'" not in notes
    assert any(what.startswith("fewer than 50 objects in train: ") for what in said_so)
    assert "val has 6 images" in said_so
    page = (tmp_path / "report/report.html").read_text()
    assert all(what[1:] in page for what in said_so)
    assert "://" not in page, "nothing is loaded from anywhere"
    assert "<script" not in page
    assert "data:image/jpeg;base64," in page
    assert json.loads((tmp_path / "report/report.json").read_text()) == document


def test_names_from_files_cannot_become_markup(tmp_path, capsys):
    yaml = datasets.write(tmp_path / "set")
    yaml.write_text(yaml.read_text().replace("red", '"<script>alert(1)</script>"'))
    said(capsys, "data", "report", str(yaml), "--out", str(tmp_path / "report"))
    assert "<script" not in (tmp_path / "report/report.html").read_text()

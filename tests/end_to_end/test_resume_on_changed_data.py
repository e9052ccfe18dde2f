# SPDX-License-Identifier: Apache-2.0
"""A run goes on with the data it was trained on, to the bytes of the pictures.

What became another is named, and "exact" is only said of what is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxwright.engine.checkpoint import read_checkpoint
from boxwright.structures.checkpoint_keys import document_of
from boxwright.system.tensors import read_tensors, write_tensors
from tests.support.commands import command
from tests.support.runs import Ground, differences, training_state

EXACT = "exact: the same bits as without the interruption"


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> tuple[Ground, Path]:
    """A run that stands inside its first epoch, and its ground."""
    ground = Ground.laid(tmp_path_factory.mktemp("ground"))
    said = command(*ground.words(ground.folder / "runs", "--noplots", "--time", "0.0000001", epochs=1))
    assert said.code == 75, said.err
    return ground, Path(said.lines[-1])


@pytest.fixture
def run(stopped, tmp_path) -> tuple[Path, Path]:
    """Copies of the run and of its data, to be changed: the folder and the data."""
    ground, folder = stopped
    data = Path(shutil.copytree(ground.folder / "data", tmp_path / "data"))
    return Path(shutil.copytree(folder, tmp_path / "runs" / "exp")), data


def resumed(run: tuple[Path, Path], *more: str):
    folder, data = run
    return command("train", "--resume", folder, "--data", data / "data.yaml", "--time", "0.0000001", *more)


def another_pixel(data: Path) -> None:
    """A picture of the same size in pixels and bytes, with the same times."""
    path = data / "images/train/001.png"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with Image.open(path) as picture:
        pixels = np.asarray(picture).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    os.utime(path, ns=times)


def another_label(data: Path) -> None:
    path = data / "labels/train/002.txt"
    path.write_text(path.read_text().replace("0.", "0.1", 1))


def two_swapped(data: Path) -> None:
    """Two pictures of one size under each other's names."""
    one, other = data / "images/train/000.png", data / "images/train/004.png"
    one.rename(data / "x")
    other.rename(one)
    (data / "x").rename(other)


def names(data: Path, text: str) -> None:
    yaml = data / "data.yaml"
    yaml.write_text(yaml.read_text().replace("[red, blue, green]", text))


CHANGES = {
    "a picture": (another_pixel, "split 'train'", "(another picture: 001.png)"),
    "labels": (another_label, "split 'train'", "(other labels: 002.png)"),
    "pictures that change places": (two_swapped, "split 'train'", "(another picture: 000.png, 004.png)"),
    "a picture more": (
        lambda data: shutil.copy(data / "images/train/000.png", data / "images/train/zz.png"),
        "split 'train'",
        "(new: zz.png)",
    ),
    "a picture less": (lambda data: (data / "images/val/003.png").unlink(), "split 'val'", "(gone: 1 image)"),
    "class names swapped": (
        lambda data: names(data, "[blue, red, green]"),
        "class names",
        "0 red / blue, 1 blue / red, 2 green / green; the same names in another order)",
    ),
    "a class name": (
        lambda data: names(data, "[red, blue, grey]"),
        "class names",
        "1 blue / blue, 2 green / grey)",
    ),
    "a class more": (
        lambda data: names(data, "[red, blue, green, grey]"),
        "class names",
        "green, 3 - / grey)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_became_another_is_named_and_refused(run, change):
    make, where, what = CHANGES[change]
    make(run[1])
    said = resumed(run)
    assert said.code == 2
    (line,) = (line for line in said.err.splitlines() if line.startswith("error: "))
    assert where in line
    assert what in line
    assert EXACT not in said.out


def renumbered(data: Path) -> None:
    """The same objects, the classes in another order."""
    names(data, "[green, blue, red]")
    for label in data.glob("labels/*/*.txt"):
        rows = [line.split() for line in label.read_text().splitlines()]
        label.write_text("".join(f"{2 - int(row[0])} {' '.join(row[1:])}\n" for row in rows))


def test_classes_in_another_order_go_on_to_the_bit_when_they_go_by_name(run, stopped, tmp_path):
    renumbered(run[1])
    refused = resumed(run)
    assert refused.code == 2
    assert "Give --match-names to go by name, or --names-by-position" in refused.err
    said = resumed(run, "--match-names")
    assert said.code == 75, said.err
    kept = Path(shutil.copytree(stopped[1], tmp_path / "kept" / "exp"))
    assert command("train", "--resume", kept, "--time", "0.0000001").code == 75
    assert differences(*(training_state(folder / "weights/last.pt") for folder in (run[0], kept))) == []
    assert read_tensors(run[0] / "weights/last.pt")["names"] == ["red", "blue", "green"]


def test_a_class_that_got_another_name_goes_on_when_numbers_count(run):
    names(run[1], "[red, blue, grey]")
    said = resumed(run, "--names-by-position")
    assert said.code == 75, said.err
    assert read_tensors(run[0] / "weights/last.pt")["names"] == ["red", "blue", "grey"]


def test_numbers_cannot_count_where_there_are_more_of_them(run):
    names(run[1], "[red, blue, green, more]")
    assert "class names" in resumed(run, "--names-by-position").err
    assert "class names" in resumed(run, "--match-names").err


def test_the_same_content_written_anew_elsewhere_goes_on_exactly(run):
    for path in run[1].rglob("*.*"):
        os.utime(path, ns=(1, 1))
    said = resumed(run)
    assert said.code == 75, said.err
    assert (
        "from the same bits, under the changed plan" in said.out
    )  # --data is shown as what changed; the data is the same


def test_exact_is_said_when_everything_is_as_it_was(stopped, tmp_path):
    folder = Path(shutil.copytree(stopped[1], tmp_path / "runs" / "exp"))
    said = command("train", "--resume", folder)
    assert said.code == 75, said.err  # it stops where it is told to, again
    assert EXACT in said.out


def without_content(folder: Path) -> None:
    """The checkpoint as earlier versions wrote it."""
    for path in (folder / "weights").glob("last*.pt"):
        document = read_tensors(path)
        del document["data_prints"], document["data"]["contents"]
        write_tensors(path, document)


def test_a_checkpoint_whose_fingerprint_does_not_cover_content_goes_on_and_does_not_say_exact(stopped, tmp_path):
    folder = Path(shutil.copytree(stopped[1], tmp_path / "runs" / "exp"))
    without_content(folder)
    said = command("train", "--resume", folder)
    assert said.code == 75, said.err  # it stops where it is told to, again
    assert EXACT not in said.out
    assert "this checkpoint's fingerprint does not cover content" in said.out


def test_a_checkpoint_of_an_earlier_version_still_sees_what_it_covers(run):
    without_content(run[0])
    another_label(run[1])
    said = resumed(run)
    assert said.code == 2
    assert "split 'train'" in said.err


def test_a_cache_that_is_trusted_without_a_look_is_not_called_exact(stopped, tmp_path):
    folder = Path(shutil.copytree(stopped[1], tmp_path / "runs" / "exp"))
    for path in (folder / "weights").glob("last*.pt"):
        document = read_tensors(path)
        document["settings"]["trust_cache"] = True
        write_tensors(path, document)
    for name in ("opt.yaml", "config.yaml"):  # which would say otherwise
        (folder / name).unlink()
    said = command("train", "--resume", folder)
    assert said.code == 75, said.err  # it stops where it is told to, again
    assert EXACT not in said.out
    assert "exact only if the data is as its cache says" in said.out


def test_a_checkpoint_for_use_does_not_carry_prints_of_every_image(stopped):
    document = read_tensors(stopped[1] / "weights/last.pt")
    assert document["data_prints"]["train"].shape == (12, 3)
    small = document_of(read_checkpoint(stopped[1] / "weights/last.pt").stripped())
    assert "data_prints" not in small
    assert small["data"]["contents"]

# SPDX-License-Identifier: Apache-2.0
"""A run works from any folder, together with its data from any place, and says how to name data that moved alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from boxwright.config.run_paths import RunPlace
from tests.support import datasets
from tests.support.commands import command, done
from tests.support.runs import differences, training_state

STOP = ("--time", "0.0000001")


@pytest.fixture(scope="module")
def began(tmp_path_factory) -> Path:
    """A run that stands in its first epoch, started with paths relative to where one stood, even within the YAML."""
    folder = tmp_path_factory.mktemp("began")
    (folder / "ground").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "ground")
        patch.setenv("BOXWRIGHT_CACHE", str(folder / "cache"))
        datasets.write(Path("pictures"), train=8, val=4).unlink()
        datasets.write_model(Path())
        Path("yamls").mkdir()
        text = "path: pictures\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n"
        Path("yamls/data.yaml").write_text(text)
        Path("yamls/hyp.yaml").write_text("lr0: 0.011\n")
        words = (
            "--data",
            "yamls/data.yaml",
            "--cfg",
            "tiny.yaml",
            "--hyp",
            "yamls/hyp.yaml",
            "--imgsz",
            64,
            "--batch",
            4,
        )
        said = command("train", *words, "--workers", 0, "--device", "cpu", "--noplots", "--epochs", 1, *STOP)
        assert said.code == 75, said.err
    shutil.move(folder / "ground", folder / "kept")
    return folder / "ground"


@pytest.fixture
def ground(began, tmp_path) -> Path:
    """Everything that the run was started with and the run itself, in another place; where it was is nothing."""
    assert not began.exists()
    return Path(shutil.copytree(began.with_name("kept"), tmp_path / "ground"))


def test_paths_in_the_files_of_a_run_are_whole(began, ground):
    run = ground / "runs/train/exp"
    for name, inner in (("config.yaml", "settings"), ("opt.yaml", None)):
        document = yaml.safe_load((run / name).read_text())
        values = document[inner] if inner else document
        assert (values["data"], values["cfg"]) == (str(began / "yamls/data.yaml"), str(began / "tiny.yaml"))
        assert values["hyp"] == str(began / "yamls/hyp.yaml")
        assert values["recipe"] == "7.0"
    assert yaml.safe_load((run / "opt.yaml").read_text())["save_dir"] == str(began / "runs/train/exp")


def test_a_run_goes_on_from_another_folder_to_the_bit_and_so_does_one_that_moved_with_its_data(began, ground):
    shutil.copytree(ground, began)
    here, there = began / "runs/train/exp", ground / "runs/train/exp"
    assert command("train", "--resume", here).code == 75  # from a folder that knows nothing of it
    shutil.move(began, began.with_name("done"))
    said = command("train", "--resume", there)
    assert said.code == 75, said.err
    assert "exact: the same bits" in said.out
    states = [training_state(run / "weights/last.pt") for run in (began.with_name("done") / "runs/train/exp", there)]
    assert differences(*states) == []
    moved = yaml.safe_load((there / "config.yaml").read_text())
    assert moved["settings"]["data"] == str(ground / "yamls/data.yaml")
    assert moved["place"] == {"folder": str(there), "started_in": str(ground)}


def test_what_a_run_was_started_with_is_found_again_for_its_plan_and_for_val(ground, monkeypatch):
    run = ground / "runs/train/exp"
    done("val", run / "weights/last.pt", "--workers", 0, "--device", "cpu", "--noplots")
    for path in (run / "weights").iterdir():
        path.unlink()
    said = command("train", "--resume", run, "--dry-run")  # it begins anew from its plan, network file and all
    assert said.code == 0, said.err
    assert str(ground / "yamls/data.yaml") in said.out
    monkeypatch.chdir(ground)
    for name in ("config.yaml", "opt.yaml"):
        assert str(ground / "yamls/hyp.yaml") in done("train", "--config", run / name, "--dry-run").out


def test_a_run_whose_data_moved_alone_says_how_to_name_the_new_place(began, ground):
    run, was = ground / "runs/train/exp", f"{began}/yamls/data.yaml"
    (ground / "yamls/data.yaml").rename(ground / "data.yaml")
    for words in (("train", "--resume", run), ("val", run / "weights/last.pt")):
        said = command(*words)
        assert said.code == 2
        assert (
            f"last.pt: the data of this run, {was}, is not there (tried {was}, {ground}/yamls/data.yaml). " in said.err
        )
        assert "Give the place where it lies now with --data" in said.err
    said = command("train", "--resume", run, "--data", ground / "data.yaml")
    assert said.code == 75, said.err


def test_runs_of_earlier_versions_are_found_from_where_they_were_started(ground):
    """They kept paths as they were written, and no place."""
    place = RunPlace.of(ground / "runs/train/exp", "", "", "runs/train")
    assert place.again("yamls/data.yaml") == str(ground / "yamls/data.yaml")
    assert place.again("yolov5s") == "yolov5s"
    assert RunPlace.of(ground / "runs/train/exp", "", "", "elsewhere").again("yamls/data.yaml") == "yamls/data.yaml"

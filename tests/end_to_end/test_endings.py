# SPDX-License-Identifier: Apache-2.0
"""How runs end.

What is validated once more and told of it, which files are left and under which names, and what of that is true.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import boxwright
from boxwright.system.tensors import read_tensors
from boxwright.track.events import RESULT_KEYS
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, done
from tests.support.runs import Ground, Trained, train, training_state

if TYPE_CHECKING:
    from pathlib import Path


class Fits:
    """Writes down what it hears of each validation."""

    def __init__(self):
        self.heard = []

    def on_fit_epoch_end(self, *values):
        self.heard.append(values)


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("endings"))


@pytest.fixture(scope="module")
def coco(tmp_path_factory) -> Ground:
    """What every recipe takes for COCO: by its name, its 80 classes, and the list of its validation images."""
    laid = Ground.laid(tmp_path_factory.mktemp("coco"))
    home = laid.data.parent
    (home / "coco").mkdir()
    (home / "coco" / "val2017.txt").write_text(
        "".join(f"{path}\n" for path in sorted((home / "images" / "val").iterdir()))
    )
    names = "".join(
        f"  {number}: {name}\n"
        for number, name in enumerate(["red", "blue", "green", *(f"c{number}" for number in range(3, 80))])
    )
    (home / "coco.yaml").write_text(f"path: .\ntrain: images/train\nval: coco/val2017.txt\nnames:\n{names}")
    return replace(laid, data=home / "coco.yaml")


@pytest.fixture(scope="module")
def july(ground, tmp_path_factory) -> Trained:
    return train(
        ground,
        tmp_path_factory.mktemp("july"),
        "--recipe",
        "2020.7",
        "--name",
        "abc",
        "--noplots",
        "--best-by",
        "0*fitness",
        epochs=3,
    )  # no epoch is worse than another


def validations(folder: Path) -> list[dict]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [event for event in events if event["event"] == "Validated"]


# -- what is validated once more


@pytest.mark.parametrize(("recipe", "heard"), [("6.2", [0, 1, 1]), ("7.0", [0, 1, 1]), ("6.0", [0, 1])])
def test_for_coco_observers_hear_of_the_final_validation_once_more_from_2022_on(coco, tmp_path, recipe, heard):
    fits = Fits()
    settings = {
        "data": str(coco.data),
        "cfg": str(coco.cfg),
        "imgsz": 64,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "recipe": recipe,
    }
    result = boxwright.train(**settings, epochs=2, project=str(tmp_path), noplots=True, quiet=True, observers=[fits])
    assert [values[1] for values in fits.heard] == heard
    if recipe == "6.0":
        return
    numbers, _, best_fitness, fitness = fits.heard[-1]
    assert numbers == [result.results[key] for key in RESULT_KEYS]
    assert fitness == pytest.approx(
        0.1 * result.results["metrics/mAP_0.5"] + 0.9 * result.results["metrics/mAP_0.5:0.95"]
    )
    assert best_fitness == fits.heard[-2][2]


def test_with_other_data_than_coco_nobody_hears_twice(ground, tmp_path):
    fits = Fits()
    settings = {
        "data": str(ground.data),
        "cfg": str(ground.cfg),
        "imgsz": 64,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "recipe": "6.2",
    }
    boxwright.train(**settings, epochs=1, project=str(tmp_path), noplots=True, quiet=True, observers=[fits])
    assert [values[1] for values in fits.heard] == [0]


def test_in_2021_coco_ends_with_both_files_in_half_and_with_the_pictures_of_the_final_epoch(
    coco, tmp_path, monkeypatch
):
    monkeypatch.setattr("boxwright.runs.finish.half_of", lambda _device: ("bf16", ""))
    run = train(coco, tmp_path, "--recipe", "6.0", epochs=1, plots=True)
    files = {path.name for path in run.folder.iterdir()}
    assert {
        "final_epoch_predictions.json",
        "last_predictions.json",
        "best_predictions.json",
        "PR_curve.png",
        "val_batch0_pred.jpg",
    } <= files
    told = validations(run.folder)
    assert [event["epoch"] for event in told] == [0, None, None]
    in_full, in_half = (
        read(run.folder / "results.csv")["val/obj_loss"][0],
        json.loads((run.folder / "done.json").read_text())["results"]["val/obj_loss"],
    )
    assert in_half == pytest.approx(in_full, rel=0.02)
    assert in_half != pytest.approx(in_full, rel=2e-5), "the same weights in the same precision"
    report = json.loads((run.folder / "report.json").read_text())
    assert "numbers of the last epoch, 1" in report["headline"]
    assert report["metrics"]["metrics/mAP_0.5"] == told[0]["map50"]


def test_a_device_without_half_precision_says_so(coco, tmp_path, monkeypatch):
    monkeypatch.setattr("boxwright.runs.finish.half_of", lambda _device: ("fp32", "there is none here"))
    run = train(coco, tmp_path, "--recipe", "6.0", "--noplots", epochs=1)
    assert "last.pt is not validated in half precision: there is none here" in run.said.out


# -- what is left


@pytest.mark.parametrize("recipe", ["2020.8", "7.0"])
def test_a_run_that_is_done_leaves_two_files_of_weights(ground, tmp_path, recipe):
    run = train(ground, tmp_path, "--recipe", recipe, "--noplots", epochs=2)
    assert sorted(path.name for path in (run.folder / "weights").iterdir()) == ["best.pt", "last.pt"]


def test_stripping_both_leaves_nothing_to_go_on_from(ground, tmp_path):
    run = train(ground, tmp_path, "--noplots", "strip=both", epochs=1)
    assert read_tensors(run.last)["epoch"] == -1
    refused = command("train", "--resume", run.folder, "--epochs", 2)
    assert (refused.code, "was stripped of its training state" in refused.err) == (2, True)


def test_in_july_the_last_line_says_which_epoch_best_pt_is_of(july):
    weights = july.folder / "weights"
    held = read_tensors(weights / "best_abc.pt")["stripped_from_epoch"]
    record = json.loads((july.folder / "done.json").read_text())
    assert record["best_epoch"] == 2, "an equal one is the best as well"
    assert held == 1
    line = next(line for line in july.said.lines if "stripped" in line)
    assert line.startswith(f"{weights / 'best_abc.pt'} stripped, ")
    assert (
        f"epoch {held + 1}; epoch 3 was better, fitness {record['best_fitness']:.4g}, but this run saves its best "
        "never in the final epoch" in line
    )


def test_the_best_weights_of_a_run_with_a_name_behind_are_found_by_its_folder(july, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_folder, by_file = (
        json.loads(done("val", weights, "--noplots", "--json").out)
        for weights in (july.folder, july.folder / "weights" / "best_abc.pt")
    )
    assert by_folder["metrics"] == by_file["metrics"]
    assert done("errors", july.folder).out
    assert done("report", july.folder).lines[-1] == str(july.folder / "report.html")


def test_a_done_run_stays_done_where_the_command_line_counts(july):
    before = {path: path.read_bytes() for path in july.folder.rglob("*") if path.is_file()}
    said = done("train", "--resume", july.folder)
    assert "this run is done" in said.out
    assert {path: path.read_bytes() for path in july.folder.rglob("*") if path.is_file()} == before


def test_a_done_run_with_a_name_behind_goes_on_under_plain_names_and_gets_them_again(ground, tmp_path):
    run = train(ground, tmp_path / "runs", "--recipe", "2020.8", "--name", "5", "--noplots", epochs=2)
    first = (run.folder / "results5.txt").read_text()
    assert "this run is done" in done("train", "--resume", run.folder).out
    assert "this run is done" in done("train", "--resume", "--project", tmp_path / "runs").out
    done("train", "--resume", run.folder, "--epochs", 3)
    rows = (run.folder / "results5.txt").read_text()
    assert [line.split()[0] for line in rows.splitlines()] == ["0/1", "1/1", "2/2"]
    assert rows.startswith(first)
    assert not (run.folder / "results.txt").exists()
    assert sorted(path.name for path in (run.folder / "weights").iterdir()) == ["best5.pt", "last5.pt"]
    assert training_state(run.folder / "weights" / "last5.pt")["epoch"] == 2


def test_a_run_named_after_its_network_is_so_in_every_name(ground, tmp_path):
    words = ("--recipe", "2020.8", "--name", "cfg", "--noplots")
    planned = done(*ground.words(tmp_path, *words, "--dry-run", epochs=1)).out
    run = train(ground, tmp_path, *words, epochs=1)
    assert run.folder.name == f"exp0_{ground.cfg.stem}"
    assert f"run folder {run.folder}" in planned
    assert (run.folder / f"results_{ground.cfg.stem}.txt").exists()


def test_the_hours_are_those_of_the_epochs_they_are_told_with(ground, tmp_path):
    run = train(ground, tmp_path, "--noplots", epochs=1)
    assert any(line.startswith("1 epoch done in 0.0") and line.endswith(" hours") for line in run.said.lines)
    longer = done("train", "--resume", run.folder, "--epochs", 3).lines
    assert any(line.startswith("3 epochs done, the last 2 in 0.0") for line in longer)


# -- only the final epoch


def test_without_validation_columns_stay_empty_until_the_final_epoch_and_it_is_said(ground, tmp_path):
    run = train(ground, tmp_path, "--noval", "--noplots", "--save-period", "1", epochs=3)
    columns = read(run.folder / "results.csv")
    assert columns["metrics/mAP_0.5"][:2] == columns["val/box_loss"][:2] == [None, None]
    assert columns["metrics/mAP_0.5"][2] is not None
    assert all(value is not None for value in columns["train/box_loss"])
    assert "noval: only the final epoch is validated" in run.said.out
    assert read_tensors(run.best)["stripped_from_epoch"] == 2


def test_without_saving_only_the_final_epoch_is_written_and_it_is_said(ground, tmp_path):
    run = train(ground, tmp_path, "--nosave", "--noplots", "--save-period", "1", epochs=3)
    kinds = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    assert {event["epoch"] for event in kinds if event["event"] == "CheckpointSaved"} == {2}
    assert "nosave: only the final epoch is saved" in run.said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--entity", "me"], "--entity: it is for a tracker, and there is none in this run. Leave it out"),
        (["--upload_dataset"], "--upload-dataset: uploading a data set to a tracker is not offered yet. Leave it out"),
        (
            ["--resume_evolve", "population.json"],
            "--resume-evolve: it is for an evolution, and there is none in this run. Leave it out",
        ),
    ],
    ids=["entity", "upload", "resume-evolve"],
)
def test_what_could_not_act_is_refused_by_the_flag_that_was_written(ground, tmp_path, words, said):
    refused = command(*ground.words(tmp_path / "runs", *words, epochs=1))
    assert (refused.code, refused.err) == (2, f"error: {said}\n")
    assert not (tmp_path / "runs").exists()

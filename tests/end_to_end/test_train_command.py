# SPDX-License-Identifier: Apache-2.0
"""What `boxwright train` leaves behind, prints, and survives."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxwright.config.schema.train import TrainSettings
from boxwright.track.events import RESULT_KEYS
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, contents, done
from tests.support.processes import forked, started, wait_for
from tests.support.runs import EPOCHS, differences, train, training_state

TEXTS = (
    "results.csv",
    "opt.yaml",
    "hyp.yaml",
    "config.yaml",
    "data.json",
    "events.jsonl",
    "run.log",
    "done.json",
    "classes.jsonl",
)
REPORT = (
    *("report.html", "report.json", "errors.jsonl", "suspects.jsonl"),
    *(f"lists/{name}.txt" for name in ("wrong_class", "badly_placed", "duplicate", "background", "missed", "suspects")),
    *(f"confusion_matrix{suffix}.csv" for suffix in ("", "_columns", "_rows")),
)
PICTURES = (
    "results.png",
    "labels.jpg",
    "labels_correlogram.jpg",
    *(f"train_batch{number}.jpg" for number in range(3)),
    "val_batch0_labels.jpg",
    "val_batch0_pred.jpg",
    *(f"{name}_curve.png" for name in ("PR", "P", "R", "F1")),
    "confusion_matrix.png",
)


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


# -- the run folder


def test_a_run_leaves_everything_that_the_contract_names_and_nothing_unfinished(trained):
    there = {str(path.relative_to(trained.folder)) for path in trained.folder.rglob("*") if path.is_file()}
    tensorboard = {name for name in there if name.startswith("events.out.tfevents.")}
    assert len(tensorboard) == 1
    assert there - tensorboard == {*TEXTS, *REPORT, *PICTURES, "weights/best.pt", "weights/last.pt"}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_opens_and_shows_something(trained, name):
    with Image.open(trained.folder / name) as picture:
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
        assert min(picture.size) > 100
    assert len(colours) > 50
    assert max(count for count, _ in colours) < 0.98 * sum(count for count, _ in colours)


def test_the_results_table_has_the_columns_and_widths_of_the_family(trained):
    lines = (trained.folder / "results.csv").read_text().splitlines()
    assert [name.strip() for name in lines[0].split(",")] == ["epoch", *RESULT_KEYS]
    assert all(len(cell) == 20 for line in lines for cell in line.split(","))
    columns = read(trained.folder / "results.csv")
    assert columns["epoch"] == list(range(EPOCHS))
    assert all(value is not None for values in columns.values() for value in values)


def test_the_results_table_is_the_event_log_in_five_digits(trained):
    rows = [event["results"] for event in events(trained.folder) if event["event"] == "EpochEnded"]
    columns = read(trained.folder / "results.csv")
    assert {key: [float(f"{row[key]:.5g}") for row in rows] for key in RESULT_KEYS} == {
        key: columns[key] for key in RESULT_KEYS
    }


def test_the_event_log_tells_the_run_in_order(trained):
    kinds = [event["event"] for event in events(trained.folder) if event["event"] not in {"Pictured", "Told", "Warned"}]
    epoch = ["EpochStarted", "Validated", "StepLogged", "EpochEnded"]  # of the steps, the last one
    assert kinds[:3] == ["StreamStarted", "RunStarted", "LabelsCounted"]
    assert kinds[-2:] == ["Validated", "RunEnded"]
    found = [kind for kind in kinds[3:-2] if kind != "CheckpointSaved"]
    assert found == epoch * EPOCHS
    assert kinds.count("CheckpointSaved") > EPOCHS


def test_tensorboard_scalars_read_back_as_the_results(trained):
    found = EventAccumulator(str(trained.folder)).Reload()
    assert set(RESULT_KEYS) <= set(found.Tags()["scalars"])
    rows = [event["results"] for event in events(trained.folder) if event["event"] == "EpochEnded"]
    for key in RESULT_KEYS:
        scalars = found.Scalars(key)
        assert [scalar.step for scalar in scalars] == list(range(EPOCHS))
        assert [scalar.value for scalar in scalars] == [np.float32(row[key]) for row in rows]


def test_every_setting_is_recorded_with_its_source_and_the_record_repeats_the_run(trained):
    record = yaml.safe_load((trained.folder / "config.yaml").read_text())
    assert set(record["settings"]) == set(record["sources"]) == set(TrainSettings.model_fields)
    assert record["sources"]["epochs"] == "--epochs"
    assert record["sources"]["box"].startswith("hyp file")
    assert yaml.safe_load((trained.folder / "opt.yaml").read_text())["epochs"] == EPOCHS
    assert yaml.safe_load((trained.folder / "hyp.yaml").read_text())["lr0"] == record["settings"]["lr0"]
    shown = json.loads(done("config", "show", "--config", trained.folder / "config.yaml", "--json").out)
    assert shown["settings"] == {**record["settings"], "config": str(trained.folder / "config.yaml")}


def test_the_data_record_counts_what_takes_part(trained):
    record = json.loads((trained.folder / "data.json").read_text())
    assert record["train"] == {"used": 12, "skipped": 0, "background": 2, "boxes": 19}
    assert record["val"] == {"used": 6, "skipped": 0, "background": 1, "boxes": 12}


def test_the_done_record_closes_the_run(trained):
    record = json.loads((trained.folder / "done.json").read_text())
    assert (record["reason"], record["epochs"]) == ("done", EPOCHS)
    best = read(trained.folder / "results.csv")["metrics/mAP_0.5"][record["best_epoch"]]
    assert float(f"{record['results']['metrics/mAP_0.5']:.5g}") == best


# -- what is printed


def test_plain_lines_when_nobody_watches(trained):
    out = trained.said.out
    assert "\r" not in out
    assert "\x1b" not in out
    rows = [line for line in trained.said.lines if re.match(rf" +\d+/{EPOCHS - 1} ", line)]
    assert [line.split()[0] for line in rows] == [f"{epoch}/{EPOCHS - 1}" for epoch in range(EPOCHS)]
    assert all("mAP50" in line and "left" in line for line in rows)


def test_the_header_stands_over_columns_of_eleven(trained):
    header = next(line for line in trained.said.lines if "GPU_mem" in line)
    assert [header[i : i + 11].strip() for i in range(0, 77, 11)] == [
        "Epoch",
        "GPU_mem",
        "box_loss",
        "obj_loss",
        "cls_loss",
        "Instances",
        "Size",
    ]
    assert len(header) == 77
    row = next(line for line in trained.said.lines if line.strip().startswith("0/"))
    assert [row[i : i + 11].strip() for i in (0, 66)] == [f"0/{EPOCHS - 1}", "64"]


def test_the_last_line_is_the_run_folder(trained):
    assert trained.said.lines[-1] == str(trained.folder)
    assert trained.folder.name == "exp"
    assert not trained.said.err


def test_the_log_file_holds_what_the_console_told(trained):
    log = (trained.folder / "run.log").read_text()
    for word in ("recipe 7.0", "hyperparameters: ", "AutoAnchor", "weight decay", "loader threads", "best.pt stripped"):
        assert word in log
        assert word in trained.said.out


# -- going on


def test_resuming_a_finished_run_says_so_and_changes_nothing(trained):
    before = contents(trained.folder)
    for target in (trained.last, trained.folder):
        said = done("train", "--resume", target)
        assert said.out.startswith(f"this run is done after {EPOCHS} epochs")
        assert said.lines[-1] == str(trained.folder)
    assert contents(trained.folder) == before


def test_a_bare_resume_finds_the_newest_run(ground):
    train(ground, Path("runs/train"), "--noplots", epochs=1)
    newest = train(ground, Path("runs/train"), "--noplots", epochs=1)
    assert newest.folder == Path("runs/train/exp2")
    assert done("train", "--resume").lines[-1] == "runs/train/exp2"


def test_a_stripped_checkpoint_cannot_be_resumed_and_the_message_says_what_can(trained):
    said = command("train", "--resume", trained.best)
    assert said.code == 2
    assert "was stripped of its training state" in said.err
    assert "Resume last.pt" in said.err


ENDS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("ended_by", ENDS, ids=lambda number: number.name)
def test_a_run_that_was_ended_goes_on_to_the_same_bits(trained, tmp_path, ended_by):
    start = started if ended_by == signal.SIGTERM else forked  # a new interpreter once: it takes seconds
    process = start(*trained.ground.words(tmp_path / "runs", "--noplots"))
    wait_for(process, f"1/{EPOCHS - 1}")  # the checkpoint of epoch 0 is written
    process.send_signal(ended_by)
    out, err = process.communicate(timeout=60)
    folder = tmp_path / "runs" / "exp"
    assert process.returncode == ENDS[ended_by], out + err
    assert "Traceback" not in out + err
    stood = training_state(folder / "weights" / "last.pt")["state"]
    saved = f"saved in epoch {stood['epoch'] + 1} before batch {stood['batch'] + 1}"
    assert err == (
        "" if ended_by == signal.SIGKILL else f"stopped; {saved}, go on with: boxwright train --resume {folder}\n"
    )
    assert not (folder / "done.json").exists()
    assert training_state(folder / "weights" / "last.pt")["epoch"] < EPOCHS - 1

    resumed = done("train", "--resume", folder)
    assert resumed.lines[-1] == str(folder)
    assert not differences(training_state(trained.last), training_state(folder / "weights" / "last.pt"))
    assert (folder / "results.csv").read_bytes() == (trained.folder / "results.csv").read_bytes()
    assert (folder / "done.json").exists()
    assert not list(folder.rglob(".*"))


def test_the_comparison_of_two_runs_sees_one_bit(trained):
    one, other = training_state(trained.last), training_state(trained.last)
    name = next(name for name in other["ema"] if name.endswith(".bias"))
    other["ema"][name].view(torch.int32)[0] ^= 1
    assert differences(one, other) == [f"/ema/{name}"]

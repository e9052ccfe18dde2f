# SPDX-License-Identifier: Apache-2.0
"""A run goes on under another plan: what changed is shown, what is unsafe is refused by name."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import pytest

from boxwright.errors import SettingError
from boxwright.runs.replan import in_other_batches
from boxwright.structures.checkpoint import PatienceRecord, Position
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, contents, done
from tests.support.runs import Ground, Trained, train, training_state


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("finished")
    return train(
        Ground.laid(folder),
        folder / "runs",
        "--noplots",
        "warmup_min_batches=0",
        "warmup_epochs=0",
        "schedule_lag=0",
        epochs=4,
    )


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    """The finished run, to be changed."""
    return Path(shutil.copytree(finished.folder, tmp_path / "runs" / "exp"))


def half_done(finished: Trained, tmp_path: Path) -> Path:
    """A run of four epochs that an observer of time ended after its first step: it stands inside its first epoch."""
    said = command(
        *finished.ground.words(
            tmp_path / "half",
            "--noplots",
            "--time",
            "0.0000001",
            "warmup_min_batches=0",
            "warmup_epochs=0",
            "nominal_batch=4",
            "schedule_lag=0",
        )
    )
    assert said.code == 75
    return Path(said.lines[-1])


def test_a_finished_run_goes_on_from_the_rate_where_it_stood_and_down_to_the_same_end(copied):
    said = done("train", "--resume", copied, "--epochs", 7)
    words = "the rest of its curve is stretched, without a jump and to the same end (--extend stretch)"
    assert f"4 epochs become 7; learning rate from epoch 5 on: {words}: 0.258 of lr0 before, then " in said.out
    rates = read(copied / "results.csv")["x/lr0"]
    assert len(rates) == 7
    assert rates[3] >= rates[4] > rates[5] > rates[6] > 0.002 * 0.01


def test_a_finished_run_trains_on_with_a_new_curve_where_that_is_asked_for(copied):
    said = done("train", "--resume", copied, "--epochs", 6, "--extend", "restart")
    assert "4 epochs become 6; learning rate from epoch 5 on: a new curve begins at lr0 (--extend restart)" in said.out
    assert "resume under a changed plan:" in said.out
    assert "network: tiny, " in said.out
    columns = read(copied / "results.csv")
    assert columns["epoch"] == list(range(6))
    assert columns["x/lr0"][4] == columns["x/lr0"][0]
    assert json.loads((copied / "done.json").read_text())["epochs"] == 6


def test_the_last_level_can_be_kept(copied):
    done("train", "--resume", copied, "--epochs", 6, "--extend", "tail")
    rates = read(copied / "results.csv")["x/lr0"]
    assert rates[4] == rates[5] < rates[3]


def test_what_is_left_of_the_curve_can_be_stretched_without_a_jump(finished, tmp_path):
    folder = half_done(finished, tmp_path)
    said = done("train", "--resume", folder, "--time", 0, "--epochs", 12)
    assert "the rest of its curve is stretched, without a jump and to the same end (--extend stretch)" in said.out
    rates = read(folder / "results.csv")["x/lr0"]
    steps = [before - after for before, after in itertools.pairwise(rates)]
    assert all(step > 0 for step in steps)
    assert max(steps) < 1.6 * min(steps)


def test_a_number_of_epochs_that_is_done_already_means_that_many_more(copied):
    said = done("train", "--resume", copied, "--epochs", 2)
    assert "4 epochs are done, and --epochs 2 asks for no more than that: 2 more follow, up to 6" in said.out
    assert read(copied / "results.csv")["epoch"] == list(range(6))


def test_a_change_is_remembered_by_the_next_resume(copied):
    done("train", "--resume", copied, "--epochs", 5, "lr0=0.001")
    said = done("train", "--resume", copied)
    assert said.out.startswith("this run is done after 5 epochs")
    done("train", "--resume", copied, "--epochs", 6, "--extend", "tail")
    assert read(copied / "results.csv")["epoch"] == list(range(6))


def test_changes_stand_in_a_table_with_their_source(finished, tmp_path):
    folder = half_done(finished, tmp_path)
    said = done("train", "--resume", folder, "--time", 0, "--batch", 2, "lr0=0.001", "--workers", 0, "degrees=5")
    table = said.out[said.out.index("resume under a changed plan:") :].splitlines()[1:5]
    assert [line.split()[:3] for line in table] == [
        ["setting", "stored", "now"],
        ["batch_size", "4", "2"],
        ["degrees", "0.0", "5.0"],
        ["lr0", "0.002", "0.001"],
    ]
    state = training_state(folder / "weights" / "last.pt")["state"]
    assert (state["epoch"], state["batch"]) == (8, 0)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--seed", "1"), "seed"),
        (("--cfg", "yolov5n"), "cfg"),
        (("--imgsz", "96"), "imgsz"),
        (("--adam",), "optimizer"),
        (("anchors=4",), "anchors"),
    ],
    ids=str,
)
def test_what_cannot_change_is_refused_by_name_and_nothing_is_touched(finished, words, name):
    before = contents(finished.folder)
    said = command("train", "--resume", finished.folder, "--epochs", 9, *words)
    assert said.code == 2
    assert f": {name} is " in said.err
    assert "start a new run with --weights" in said.err
    assert contents(finished.folder) == before


def test_data_that_moved_is_accepted_and_data_that_changed_is_not(finished, tmp_path):
    folder = half_done(finished, tmp_path)
    moved = Path(shutil.copytree(finished.ground.data.parent, tmp_path / "moved"))
    label = next((moved / "labels" / "train").glob("*.txt"))
    content = label.read_text()
    label.write_text(content + "0 0.5 0.5 0.1 0.1\n")
    said = command("train", "--resume", folder, "--data", moved / "data.yaml")
    assert said.code == 2
    assert f"split 'train' of {moved / 'data.yaml'} is not what {finished.ground.data} held when" in said.err
    assert "Give that data with --data" in said.err
    label.write_text(content)
    said = done("train", "--resume", folder, "--time", 0, "--data", moved / "data.yaml")
    assert "data " in said.out[said.out.index("resume under a changed plan:") :]


@pytest.mark.parametrize("now", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("before", [1, 2, 4, 8])
def test_in_other_batches_the_same_images_are_behind_a_run(before, now):
    images = 50
    length = math.ceil(images / before)
    for batch in range(length + 1):
        stands = Position(PatienceRecord(0), epoch=3, batch=batch, last_step=3 * length + batch - 1)
        if batch < length and (batch * before) % now:
            with pytest.raises(SettingError, match=f"no multiple of {now}"):
                in_other_batches(stands, images, before, now)
            continue
        moved = in_other_batches(stands, images, before, now)
        assert min(moved.batch * now, images) == min(batch * before, images)
        assert moved.last_step < 3 * math.ceil(images / now) + moved.batch

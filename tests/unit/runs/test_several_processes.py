# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.config.assemble import resolve_train, resolve_verb
from boxwright.config.flags import read
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.runs.result import TrainResult
from boxwright.runs.several_processes import note_start, processes_asked, without_result_file, words_of, write_result
from boxwright.system.files import make_folder
from boxwright.system.run_folder import RunFolder
from boxwright.track.events import Ended

GIVEN = {
    "data": "a folder/data.yaml",
    "weights": "",
    "imgsz": (320, 256),
    "batch_size": 8,
    "lr0": 0.02,
    "rect": True,
    "mosaic": 0.0,
    "freeze": ("0", "model.3"),
    "class_weights": ("red:2", "blue:0.5"),
    "keep_best": ("metrics/recall", "coco/AP"),
    "resume": "runs/a run",
    "cache": "ram",
    "time": 1e-07,
    "processes": 2,
}


def test_the_command_line_of_the_processes_means_what_was_asked_for():
    asked = resolve_train({**GIVEN, "result_file": "elsewhere.json"})
    line = read("train", TrainSettings, words_of(asked), reports=False)
    meant = resolve_verb(TrainSettings, line.flags, line.words).settings
    assert meant == without_result_file(asked).settings


def test_processes_are_asked_for_by_number_or_by_devices():
    assert processes_asked(resolve_train({"device": "cpu", "processes": 3}).settings) == 3
    assert processes_asked(resolve_train({"device": "cpu"}).settings) == 1
    assert processes_asked(resolve_train({}).settings) == 1


def test_what_a_training_came_to_reaches_the_process_that_started_it(tmp_path):
    place, file = tmp_path / "exp", tmp_path / "result.json"
    came_to = TrainResult(
        results={"metrics/mAP_0.5": 0.25, "val/box_loss": None},
        fitness=0.2,
        epochs_done=3,
        ended=Ended.OUT_OF_PATIENCE,
        reason="no improvement",
        exit_code=75,
        folder=place,
        best=place / "best.pt",
        last=place / "last.pt",
    )
    write_result(str(file), came_to)
    told = TrainResult.from_document(came_to.document())
    assert told.is_told
    assert vars(told) == {**vars(came_to), "is_told": True}
    assert file.exists()


def test_a_job_that_is_ended_three_times_at_one_place_is_told_so_and_no_other(tmp_path):
    folder = RunFolder(tmp_path / "exp")
    make_folder(folder.path)
    for place in ((0, 0), (0, 0), (1, 3), (1, 3), (1, 3)):
        note_start(folder, "night", place)
    note_start(folder, "another night", (1, 3))  # that of a person who looked into it
    for _ in range(2):
        note_start(folder, "another night", (1, 3))
    with pytest.raises(SettingError, match="lost 3 times behind epoch 1, batch 3"):
        note_start(folder, "another night", (1, 3))

# SPDX-License-Identifier: Apache-2.0
"""A training in several processes, through the command line: killed, gone on with, and with another number of them."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch import distributed

import boxwright
from boxwright.errors import EXIT_TRY_AGAIN, EXIT_USER_INPUT, SettingError
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs import agree_before_start
from boxwright.runs.services import RunServices
from boxwright.system.signals import ENDED_BY_SIGNAL
from boxwright.system.tensors import read_tensors
from boxwright.track.events import Ended
from tests.support import datasets
from tests.support.commands import command, done
from tests.support.kills import at_step
from tests.support.legacy_files import midrun_bytes
from tests.support.networks import tiny
from tests.support.ranks import Rank, commands
from tests.support.runs import Ground, differences, training_state

pytestmark = pytest.mark.loopback
EPOCHS = 3
QUICK = ("--amp", "off", "--noplots", "--rank-timeout", "5")


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def calm(ground) -> Path:
    """A run of two processes that nobody disturbed."""
    found = commands(2, ground.words(ground.folder / "calm", *QUICK, epochs=EPOCHS))
    assert [one.code for one in found] == [0, 0], found
    assert found[1].answer + found[1].err == ""  # one log, one table
    return Path(found[0].answer.splitlines()[-1])


def kept(run: Path) -> dict:
    """What must be the same, what each process had for itself among it."""
    path = run / "weights" / "last.pt"
    return {**training_state(path), "ranks": read_tensors(path)["ranks"]}


def rows_of(run: Path) -> list[dict[str, str]]:
    lines = (run / "results.csv").read_text().splitlines()
    return [{key.strip(): value.strip() for key, value in row.items()} for row in csv.DictReader(lines)]


def codes(found: list[Rank]) -> list[int]:
    return [one.code for one in found]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_run_that_lost_a_process_goes_on_to_the_same_bits(ground, calm, tmp_path, lost):
    words = ground.words(tmp_path, *QUICK, "--save-steps", "1", epochs=EPOCHS)
    arm = at_step(5)
    found = commands(2, words, lambda rank: arm() if rank == lost else None)
    assert found[lost].code == -signal.SIGKILL
    other = found[1 - lost]
    assert other.code == EXIT_TRY_AGAIN, found
    assert f"error: rank {lost} on " in other.err
    again = commands(2, words, attempt=1)  # as a launcher starts the same command once more
    assert codes(again) == [0, 0], again
    assert "exact: the same bits" in again[0].answer + again[0].err
    assert differences(kept(calm), kept(tmp_path / "exp")) == []
    assert (tmp_path / "exp" / "results.csv").read_bytes() == (calm / "results.csv").read_bytes()


def test_a_signal_to_one_process_saves_once_and_ends_all_with_its_code(ground, tmp_path):
    arm = at_step(4, signal.SIGTERM)
    found = commands(2, ground.words(tmp_path, *QUICK, epochs=EPOCHS), lambda rank: arm() if rank == 1 else None)
    assert codes(found) == [ENDED_BY_SIGNAL + signal.SIGTERM] * 2, found
    told = [line for one in found for line in one.err.splitlines() if line.startswith("stopped")]
    assert len(told) == 1
    assert "go on with: boxwright train --resume" in told[0]


def test_a_best_that_is_gone_is_gone_for_all_processes(ground, tmp_path):
    def falling() -> None:
        validate = RunServices.validate

        def lower(services: RunServices, network, epoch: int, *, final: bool):
            return validate(services, network, epoch, final=final)[0], 1 / (1 + epoch)

        RunServices.validate = lower

    def arm(_: int) -> None:
        falling()
        at_step(4, signal.SIGTERM)()

    words = ground.words(tmp_path, *QUICK, epochs=EPOCHS)
    assert set(codes(commands(2, words, arm))) == {ENDED_BY_SIGNAL + signal.SIGTERM}
    (tmp_path / "exp" / "weights" / "best.pt").unlink()
    found = commands(2, ["train", "--resume", str(tmp_path / "exp")], lambda _: falling())
    assert codes(found) == [0, 0], found
    assert "the best from here on counts" in found[0].answer + found[0].err


def test_a_time_that_is_used_up_ends_all_and_is_not_begun_again(ground, tmp_path):
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    words = ground.words(tmp_path, *QUICK, "--time", "0.0000001", epochs=EPOCHS)
    first = commands(2, words, store=store)
    again = commands(2, words, attempt=1, store=store)  # torchrun restarts whatever has an exit code
    assert [codes(found) for found in (first, again)] == [[EXIT_TRY_AGAIN] * 2] * 2, (first, again)
    assert "stopped: the time budget" in first[0].answer
    assert [one.answer + one.err for one in again] == ["", ""]


def test_processes_that_are_started_from_python_come_back_with_the_result_of_the_run(ground, tmp_path):
    result = boxwright.train(
        data=str(ground.data),
        cfg=str(ground.cfg),
        imgsz=64,
        batch=4,
        epochs=EPOCHS,
        device="cpu",
        processes=2,
        amp="off",
        noplots=True,
        time=1e-7,
        project=str(tmp_path),
    )
    assert (result.ended, result.exit_code, result.folder) == (Ended.STOPPED, EXIT_TRY_AGAIN, tmp_path / "exp")
    assert result.last.exists()
    starts = json.loads((tmp_path / "exp" / "starts.json").read_text())["starts"]
    assert len(starts) == 1  # not begun again, although the exit code is one of those
    assert yaml.safe_load((tmp_path / "exp" / "config.yaml").read_text())["settings"]["processes"] == 2


def test_what_acts_between_processes_is_said_to_be_without_effect_in_one(ground, tmp_path):
    said = command(*ground.words(tmp_path, "--sync-bn", "--noplots", "--time", "0.0000001", epochs=1))
    assert "--sync-bn: without effect, since one process trains alone" in said.out + said.err


def test_a_run_goes_on_with_another_number_of_processes(ground, tmp_path):
    words = ground.words(tmp_path, *QUICK, "--batch", "6", epochs=4)
    resume = ["train", "--resume", str(tmp_path / "exp"), "--rank-timeout", "5"]
    arm = at_step(2, signal.SIGTERM)
    assert command_in_child(words, arm) == ENDED_BY_SIGNAL + signal.SIGTERM
    for size, step in ((2, 3), (1, 2)):
        arm = at_step(step, signal.SIGTERM)
        found = commands(size, resume, lambda _, arm=arm: arm())
        assert set(codes(found)) == {ENDED_BY_SIGNAL + signal.SIGTERM}, found
    found = commands(3, [*resume, "--batch", "3", "--epochs", "5"])  # and another plan
    assert codes(found) == [0] * 3, found
    assert "processes 1 -> 3" in found[0].answer
    assert [int(row["epoch"]) for row in rows_of(tmp_path / "exp")] == [0, 1, 2, 3, 4]


def command_in_child(words: list[str], arm) -> int:
    return commands(1, words, lambda _: arm())[0].code


def test_validation_by_all_processes_is_that_of_one_to_the_last_digit(calm):
    stored = json.loads(done("val", "--weights", str(calm / "weights" / "last.pt"), "--json").out)
    last = rows_of(calm)[-1]
    for key in ("metrics/mAP_0.5", "metrics/mAP_0.5:0.95"):
        assert last[key] == f"{stored['metrics'][key]:.5g}", key  # the digits that the table has


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--batch", "5"), "5 images do not divide among 2 processes"),
        (("--batch", "-1"), "the batch size cannot be measured by 2 processes together"),
        (("--batch", "4", "--quad"), "in groups of 4 (quad)"),
    ],
)
def test_what_two_processes_cannot_do_is_one_line_of_one_of_them_before_anything_is_made(ground, tmp_path, more, told):
    found = commands(2, ground.words(tmp_path / "runs", *QUICK, *more, epochs=1))
    assert codes(found) == [EXIT_USER_INPUT] * 2, found
    lines = [line for one in found for line in one.err.splitlines()]
    assert len(lines) == 1
    assert told in lines[0]
    assert not (tmp_path / "runs").exists()


def test_observers_that_cannot_be_sent_to_processes_are_named(ground):
    class Watching:
        pass

    with pytest.raises(SettingError, match="Watching cannot be sent to 2 processes"):
        boxwright.train(data=str(ground.data), cfg=str(ground.cfg), device="cpu", processes=2, observers=[Watching()])


def test_more_devices_than_there_are_is_one_line(ground):
    said = command(*ground.words(ground.folder / "none", "--device", "0,1"))
    assert said.code == EXIT_USER_INPUT
    assert "2 processes need as many devices" in said.err


OPTIONS = {  # with --sync-bn, so that losses are those of one process
    "rect": ("--rect", "--recipe", "6.2", "--single-cls", "--sgdr", "1,2", "--save-period", "1"),
    "quad": ("--quad", "--batch", "8", "--multi-scale", "--save-minutes", "0.001"),
    "cache in memory": ("--cache", "ram", "close_mosaic=1", "--freeze", "2", "autobalance=true", "--patience", "1"),
    "cache on disk": ("--cache", "disk", "--recipe", "6.0", "copy_paste=0.9", "mixup=0.5", "--time", "1"),
    "2020.7": ("--recipe", "2020.7", "decode_pool=8"),
    "2020.8": ("--recipe", "2020.8", "--image-weights"),
    "old weights": ("--weights", "old.pt", "--single-cls"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_works_in_two_processes_with_the_losses_of_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ground = Ground(tmp_path, datasets.write(tmp_path / "data", polygons=True), datasets.write_model(tmp_path))
    Path("old.pt").write_bytes(legacy_bytes(LegacyContent(tiny(), datasets.NAMES)))
    losses = []
    for size in (1, 2):
        words = ground.words(tmp_path / str(size), *QUICK, "--sync-bn", *OPTIONS[name], epochs=2)
        found = commands(size, words)
        assert codes(found) == [0] * size, found
        assert all(one.answer + one.err == "" for one in found[1:])
        run = tmp_path / str(size) / ("exp0" if "2020" in name else "exp")
        assert (run / "done.json").exists()
        losses.append([float(rows_of(run)[0][f"train/{part}_loss"]) for part in ("box", "obj", "cls")])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_a_run_of_the_original_program_goes_on_in_two_processes(tmp_path):
    data, old = datasets.write(tmp_path / "data"), tmp_path / "last.pt"
    old.write_bytes(midrun_bytes(tiny(), tiny(), datasets.NAMES, epoch=1))
    words = ["train", "--resume", old, "--data", data, "--project", tmp_path / "runs", "--device", "cpu", "--noplots"]
    found = commands(2, list(map(str, words)))
    assert codes(found) == [0, 0], found
    assert [int(row["epoch"]) for row in rows_of(tmp_path / "runs" / "exp")][-1] == 2


def test_hosts_need_not_have_the_same_number_of_processes(ground, tmp_path):
    found = commands(3, ground.words(tmp_path, *QUICK, "--batch", "6", "--cache", "ram", epochs=1), hosts=(2, 1))
    assert codes(found) == [0, 0, 0], found
    assert (tmp_path / "exp" / "done.json").exists()


def test_processes_with_another_version_are_told_by_name(ground, tmp_path):
    def other(rank: int) -> None:
        if rank == 1:
            agree_before_start.torch = SimpleNamespace(__version__="1.0")

    found = commands(2, ground.words(tmp_path / "runs", *QUICK, epochs=1), other)
    assert codes(found) == [EXIT_USER_INPUT] * 2, found
    told = [line for one in found for line in one.err.splitlines()]
    assert told == [f"error: torch: rank 0 has {torch.__version__}, and rank 1 has 1.0. Start all with the same"]
    assert not (tmp_path / "runs").exists()


def test_validation_in_several_processes_is_told_by_one_of_them_as_json_too(calm):
    found = commands(2, ["val", "--weights", str(calm / "weights" / "last.pt"), "--json"])
    assert codes(found) == [0, 0], found
    assert json.loads(found[0].answer)["metrics"]
    assert found[1].answer + found[1].err == ""


def test_processes_with_other_settings_are_told_by_name(ground, tmp_path):
    def other(rank: int) -> None:
        if rank == 1:
            words[words.index("0.01")] = "0.02"

    words = ground.words(tmp_path / "runs", *QUICK, "--label-smoothing", "0.01", epochs=1)
    found = commands(2, words, other)
    assert codes(found) == [EXIT_USER_INPUT] * 2, found
    told = [line for one in found for line in one.err.splitlines()]
    assert told == ["error: label_smoothing: rank 0 has 0.01, and rank 1 has 0.02. Start all with the same"]
    assert not (tmp_path / "runs").exists()

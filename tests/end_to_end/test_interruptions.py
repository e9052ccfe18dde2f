# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a training, it goes on to the same bits.

Killed at any step, at any operation of a save, by signals, by a full disk.
"""

from __future__ import annotations

import resource
import shutil
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxwright.engine.checkpoint import snapshot
from boxwright.engine.loop import Trainer
from boxwright.structures.checkpoint import OptimizerRecord, RunningRecord
from boxwright.system.tensors import newest_whole
from tests.support.commands import contents
from tests.support.kills import at_operation, at_step, forked
from tests.support.runs import Ground, Trained, differences, train, training_state

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 5
# Three batches an epoch, and a step after every one or two: saves, ends of epochs and pending gradients fall together
# in every way.
# Judged by a loss that falls in every epoch, each of them writes a best.pt.
WORDS = (
    "--best-by=-val/box_loss",
    "--noplots",
    "--save-steps",
    "1",
    "nominal_batch=8",
    "warmup_min_batches=6",
    "--multi-scale",
    "--patience",
    "4",
)


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Trained:
    """The run that nobody disturbs. It also loads what the forked ones need."""
    folder = tmp_path_factory.mktemp("calm")
    return train(Ground.laid(folder), folder / "runs", *WORDS, epochs=EPOCHS)


def words(calm: Trained, project: Path) -> list[str]:
    return calm.ground.words(project, *WORDS, epochs=EPOCHS)


def assert_same(calm: Trained, folder: Path) -> None:
    assert not differences(training_state(calm.last), training_state(folder / "weights" / "last.pt"))
    assert not differences(
        newest_whole(calm.best)[0]["model"], newest_whole(folder / "weights" / "best.pt")[0]["model"]
    )
    assert (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()
    steps = [scalar.step for scalar in EventAccumulator(str(folder)).Reload().Scalars("train/box_loss")]
    assert steps == sorted(set(steps))
    assert len(steps) == len((calm.folder / "results.csv").read_text().splitlines()) - 1
    assert (folder / "done.json").exists()
    assert not list(folder.rglob(".*"))


def go_on(folder: Path, *more: str) -> list[str]:
    return ["train", "--resume", str(folder), *more]


def test_killed_at_chosen_steps_a_run_comes_to_the_same_bits(calm, tmp_path):
    folder = tmp_path / "runs" / "exp"
    kills = 0
    step = 3
    ended = forked(tmp_path, words(calm, tmp_path / "runs"), at_step(step))
    while ended.code == -signal.SIGKILL:
        kills += 1
        newest_whole(folder / "weights" / "last.pt")
        step = 2 if kills % 3 else 1  # one step of every three starts is lost as a whole
        workers = ("--workers", str((0, 1, 4)[kills % 3]))
        ended = forked(tmp_path, go_on(folder, *workers), at_step(step) if kills < 10 else lambda: None)
    assert ended.code == 0, ended.err
    assert kills >= 8
    assert "exact: the same bits as without the interruption" in ended.out
    assert_same(calm, folder)


def test_killed_at_every_operation_of_the_saves_at_an_epochs_end_there_is_always_a_whole_checkpoint(calm, tmp_path):
    folder, log = tmp_path / "runs" / "exp", tmp_path / "operations"
    begun = [
        *words(calm, tmp_path / "runs"),
        "--save-steps",
        "0",
    ]  # save 1: best.pt of the first epoch, save 2: last.pt, save 3: best.pt, ...
    assert (
        forked(tmp_path, [*begun, "--epochs", "2", "--project", str(tmp_path / "all")], at_operation(4, 0, log)).code
        == 0
    )
    operations = log.read_text().split()
    assert {"link", "replace", "open", "write", "fsync"} <= set(operations)
    assert forked(tmp_path, begun, at_operation(2, 1)).code == -signal.SIGKILL  # nothing to go on from
    assert not (folder / "weights" / "last.pt").exists()
    shutil.rmtree(folder)
    assert forked(tmp_path, begun, at_operation(3, 1)).code == -signal.SIGKILL
    start = tmp_path / "start"
    shutil.copytree(folder, start)
    for number in range(1, len(operations) + 1):
        if training_state(folder / "weights" / "last.pt")["epoch"] > 1:
            shutil.rmtree(folder)
            shutil.copytree(start, folder)
        ended = forked(tmp_path, go_on(folder), at_operation(2, number))
        assert ended.code == -signal.SIGKILL, ended
        newest_whole(folder / "weights" / "last.pt")
    assert forked(tmp_path, go_on(folder)).code == 0
    assert_same(calm, folder)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)], ids=["TERM", "INT", "HUP"]
)
def test_a_signal_ends_a_run_within_one_step_with_everything_saved(calm, tmp_path, number, code):
    folder = tmp_path / "runs" / "exp"
    ended = forked(tmp_path, [*words(calm, tmp_path / "runs"), "--save-steps", "0"], at_step(5, number))
    assert ended.code == code
    assert ended.err.startswith("stopped; saved in epoch ")
    assert "Traceback" not in ended.out + ended.err
    assert training_state(folder / "weights" / "last.pt")["ema_updates"] == 5
    assert forked(tmp_path, go_on(folder)).code == 0
    assert_same(calm, folder)


def test_a_second_signal_leaves_at_once_and_what_was_saved_before_is_whole(calm, tmp_path):
    folder = tmp_path / "runs" / "exp"
    ended = forked(tmp_path, words(calm, tmp_path / "runs"), at_step(4, signal.SIGINT, signal.SIGINT))
    assert ended.code == 130
    assert training_state(folder / "weights" / "last.pt")["ema_updates"] == 3
    assert forked(tmp_path, go_on(folder)).code == 0
    assert_same(calm, folder)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_in_one_line(calm, tmp_path):
    folder = tmp_path / "runs" / "exp"
    forked(tmp_path, words(calm, tmp_path / "runs"), at_step(5))
    last = folder / "weights" / "last.pt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    ended = forked(tmp_path, go_on(folder))
    assert ended.code == 0
    assert ended.out.count("is damaged: its content does not match its checksum") == 1
    assert "Going on from last.previous.pt instead" in ended.out
    assert_same(calm, folder)


def test_with_no_room_on_the_disk_a_run_stops_resumable_and_keeps_the_last_good_checkpoint(calm, tmp_path):
    folder = tmp_path / "runs" / "exp"
    forked(tmp_path, words(calm, tmp_path / "runs"), at_step(4))
    size = (folder / "weights" / "last.pt").stat().st_size
    before = contents(folder / "weights")

    def little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))

    ended = forked(tmp_path, go_on(folder), little_room)
    assert ended.code == 75, ended
    assert ended.err.count("\n") == 1
    assert "3 saves in a row failed" in ended.err
    assert "best.pt: cannot be written (file too large)" in ended.err
    assert f"go on with: boxwright train --resume {folder}" in ended.err
    after = contents(folder / "weights")
    assert after["last.pt"] == before["last.pt"]
    assert not list((folder / "weights").glob(".*"))
    assert forked(tmp_path, go_on(folder)).code == 0
    assert_same(calm, folder)


def test_a_folder_that_disappears_ends_the_run_in_one_line(calm, tmp_path):
    folder = tmp_path / "runs" / "exp"

    def vanish() -> None:
        optimize, left = Trainer._optimize, [3]

        def trapped(trainer: Trainer) -> None:
            left[0] -= 1
            if left[0] == 0:
                shutil.rmtree(folder)
            optimize(trainer)

        Trainer._optimize = trapped

    ended = forked(tmp_path, words(calm, tmp_path / "runs"), vanish)
    assert ended.code == 75
    assert ended.err.count("\n") == 1
    assert "the folder is gone" in ended.err.lower()


@pytest.mark.parametrize("forgotten", ["ema", "optimizer", "running"])
def test_the_comparison_sees_what_a_checkpoint_forgets(calm, tmp_path, forgotten):
    """The control of every test above: a state without one of its parts does not come to the same bits."""
    folder = tmp_path / "runs" / "exp"

    def forget() -> None:
        def poorer(machines, state, running, facts):
            taken = snapshot(machines, state, running, facts)
            forgetful = {
                "ema": replace(taken, ema=taken.model),
                "optimizer": replace(taken, optimizer=OptimizerRecord({}, ())),
                "running": replace(taken, exact=replace(taken.exact, running=RunningRecord(running.sums * 0, 0))),
            }
            return forgetful[forgotten]

        import boxwright.runs.checkpoints as wiring  # noqa: PLC0415 -- in the forked process only

        wiring.snapshot = poorer
        at_step(6)()

    forked(tmp_path, words(calm, tmp_path / "runs"), forget)
    assert forked(tmp_path, go_on(folder)).code == 0
    with pytest.raises(AssertionError):
        assert_same(calm, folder)

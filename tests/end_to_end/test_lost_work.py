# SPDX-License-Identifier: Apache-2.0
"""What a training has done is not lost.

By torn files, a full disk, another training in its folder, or an end before its first save.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
from pathlib import Path

import pytest

from boxwright.engine.loop import Trainer
from boxwright.runs import folder as room
from boxwright.system.claim import claimed
from boxwright.system.files import previous_of
from boxwright.system.tensors import newest_whole
from tests.support.commands import command, contents, done
from tests.support.kills import at_step, forked
from tests.support.runs import Ground, Trained, differences, train, training_state

EPOCHS = 3
# Judged by a loss that falls in every epoch, each of them is the best so far; three steps an epoch, saved after each.
WORDS = (
    "--best-by=-val/box_loss",
    "--noplots",
    "--save-steps",
    "1",
    "nominal_batch=4",
    "--patience",
    "4",
    "--workers",
    "0",
)
JULY = ("--recipe", "2020.7", *WORDS)


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("calm")
    return train(Ground.laid(folder), folder / "runs", *WORDS, epochs=EPOCHS)


@pytest.fixture(scope="module")
def july(calm, tmp_path_factory) -> Trained:
    return train(calm.ground, tmp_path_factory.mktemp("july"), *JULY, epochs=EPOCHS)


@pytest.fixture(scope="module")
def killed(calm, tmp_path_factory) -> Path:
    """A run that was killed in its second epoch."""
    folder = tmp_path_factory.mktemp("killed")
    assert forked(folder, calm.ground.words(folder, *WORDS, epochs=EPOCHS), at_step(6)).code == -signal.SIGKILL
    return folder / "exp"


@pytest.fixture
def run(killed, tmp_path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "exp"))


def classes(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "classes.jsonl").read_text().splitlines()]


def assert_as_calm(calm: Trained, folder: Path) -> None:
    assert not differences(training_state(calm.last), training_state(folder / "weights" / "last.pt"))
    assert not differences(
        newest_whole(calm.best)[0]["model"], newest_whole(folder / "weights" / "best.pt")[0]["model"]
    )
    assert (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()
    assert classes(folder) == classes(calm.folder)
    assert not (folder / "claim.json").exists()
    assert not list(folder.rglob(".*"))


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


# -- files that are torn


def test_torn_logs_are_cut_back_with_one_line_each_and_the_run_comes_to_the_same_end(calm, run):
    (run / "classes.jsonl").write_bytes((run / "classes.jsonl").read_bytes()[:-40])
    with (run / "events.jsonl").open("ab") as log:
        log.write(b"\0" * 4096)
    (run / "results.csv").write_bytes(b"\0" * 500)
    said = done("train", "--resume", run)
    warnings = [line for line in said.lines if "not whole" in line]
    assert [Path(line.split(":")[1].strip()).name for line in warnings] == ["events.jsonl", "classes.jsonl"]
    assert_as_calm(calm, run)
    for line in (run / "events.jsonl").read_bytes().splitlines():
        json.loads(line)


@pytest.mark.parametrize("gone", [["last.pt"], ["last.pt", "last.previous.pt"]], ids=["the newest", "both"])
@pytest.mark.parametrize("hurt", [Path.unlink, damage], ids=["missing", "damaged"])
def test_without_its_newest_checkpoint_a_run_goes_on_from_the_one_before(calm, run, gone, hurt):
    for name in gone:
        hurt(run / "weights" / name)
    said = done("train", "--resume", run)
    used = "last.previous.pt" if len(gone) == 1 else "best.pt"
    assert said.out.count(f"Going on from {used} instead") == 1
    assert_as_calm(calm, run)


def test_a_record_of_the_end_that_is_garbage_does_not_end_a_run(calm, run):
    (run / "done.json").write_bytes(b'{"a')
    assert "this run is done" not in done("train", "--resume", run).out
    assert_as_calm(calm, run)
    (run / "done.json").write_bytes(b'{"a')
    assert "this run is done" not in done("train", "--resume", run).out
    assert_as_calm(calm, run)
    assert "this run is done" in done("train", "--resume", run).out


@pytest.mark.parametrize("hurt", [Path.unlink, damage], ids=["missing", "damaged"])
def test_a_best_that_is_not_on_the_disk_does_not_count(calm, run, hurt):
    hurt(run / "weights" / "best.pt")
    said = done("train", "--resume", run)
    assert "and its weights with it; the best from here on counts" in said.out
    assert not differences(newest_whole(calm.best)[0]["model"], newest_whole(run / "weights" / "best.pt")[0]["model"])


def test_in_july_the_runs_own_hint_goes_on_and_its_table_is_made_whole(july, tmp_path):
    ended = forked(tmp_path, july.ground.words(tmp_path, *JULY, epochs=EPOCHS), at_step(6, signal.SIGTERM))
    folder = tmp_path / "exp0"
    hint = ended.err.strip().rpartition("go on with: boxwright ")[2]
    assert hint == f"train --resume {folder}"
    (folder / "results.txt").write_bytes(b"\0" * 300)
    said = done(*hint.split())
    assert said.out.count("results.txt: 1 line was not whole") == 1
    names = [path.name for path in july.folder.iterdir() if path.name.startswith("results") and path.suffix == ".txt"]
    assert len(names) == 1
    for one, other in zip(
        (july.folder / names[0]).read_text().splitlines(), (folder / names[0]).read_text().splitlines(), strict=True
    ):
        assert one[:10] + one[20:] == other[:10] + other[20:]  # beside the memory of a device
    assert not differences(
        training_state(july.folder / "weights" / "last.pt"), training_state(folder / "weights" / "last.pt")
    )


# -- a disk that is full


def at_step_do(number: int, deed) -> object:
    def arm() -> None:
        left, optimize = [number], Trainer._optimize

        def trapped(trainer: Trainer) -> None:
            left[0] -= 1
            if left[0] == 0:
                deed()
            optimize(trainer)

        Trainer._optimize = trapped

    return arm


def test_a_best_that_cannot_be_written_ends_the_run_with_what_to_do_and_comes_with_the_resumed_one(calm, run):
    best = run / "weights" / "best.pt"

    def block() -> None:
        best.unlink()
        best.mkdir()

    ended = forked(run.parent, ["train", "--resume", str(run)], at_step_do(1, block))
    assert ended.code == 75, ended
    assert ended.err.count("\n") == 1
    assert "best.pt: cannot be written" in ended.err
    assert ended.err.rstrip().endswith(f"go on with: boxwright train --resume {run}")
    assert not (run / "done.json").exists()
    best.rmdir()
    done("train", "--resume", run)
    assert_as_calm(calm, run)


def test_with_no_room_for_the_first_checkpoint_nobody_is_told_that_one_is_kept(calm, tmp_path):
    def no_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (calm.best.stat().st_size // 2, resource.RLIM_INFINITY))

    folder = tmp_path / "runs" / "exp"
    ended = forked(tmp_path, calm.ground.words(tmp_path / "runs", *WORDS, epochs=EPOCHS), no_room)
    assert ended.code == 75
    assert "is kept" not in ended.err + ended.out
    assert "last.pt was not saved, and there is none yet" in ended.out
    assert ended.err.rstrip().endswith(f"nothing was saved yet, begin anew with: boxwright train --resume {folder}")
    said = done("train", "--resume", folder)
    assert "begins anew from its config.yaml" in said.out
    assert_as_calm(calm, folder)


def test_room_for_checkpoints_is_looked_at_before_anything_is_made(calm, tmp_path, monkeypatch):
    size = calm.best.stat().st_size
    monkeypatch.setattr(room, "free_disk_bytes", lambda _folder: size)
    refused = command(*calm.ground.words(tmp_path / "runs", *WORDS, epochs=1))
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert "a checkpoint takes" in refused.err
    assert not (tmp_path / "runs").exists()


# -- a folder that is in use


def test_a_second_training_in_a_folder_is_refused_and_told_who_has_it(calm, run):
    with claimed(run):
        before = contents(run)
        begun = (
            "train",
            "--data",
            calm.ground.data,
            "--cfg",
            calm.ground.cfg,
            "--imgsz",
            64,
            "--epochs",
            1,
            "--project",
            run.parent,
            "--exist-ok",
        )
        for words in (
            ("train", "--resume", run),
            ("train", "--resume", run / "weights" / "last.pt"),
            begun,
            ("replay", run),
        ):
            refused = command(*map(str, words))
            assert refused.code == 2
            assert refused.err.startswith(f"error: {run}: a training works in it already: process ")
            assert refused.err.count("\n") == 1
        assert contents(run) == before
    done("train", "--resume", run)
    assert_as_calm(calm, run)


def test_a_training_over_an_earlier_run_that_is_ended_at_once_begins_anew_and_the_earlier_weights_stay(calm, tmp_path):
    folder = Path(shutil.copytree(calm.folder, tmp_path / "exp"))
    words = calm.ground.words(tmp_path, *WORDS, "--exist-ok", epochs=EPOCHS)
    assert forked(tmp_path, words, at_step(1)).code == -signal.SIGKILL
    assert not previous_of(folder / "weights" / "last.pt").exists()
    earlier = contents(folder / "weights_earlier")
    assert earlier == contents(calm.folder / "weights")
    said = done("train", "--resume", folder)
    assert "begins anew from its config.yaml" in said.out
    assert_as_calm(calm, folder)
    assert contents(folder / "weights_earlier") == earlier

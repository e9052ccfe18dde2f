# SPDX-License-Identifier: Apache-2.0
"""Trainings whose folder is mirrored to a bucket, here a folder: the same bits, and they go on from there anywhere."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from boxwright.engine.loop import Trainer
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.folder import FolderStore
from boxwright.system.buckets.manifest import MANIFEST, read_manifest
from tests.support.commands import command, contents
from tests.support.kills import at_step, forked
from tests.support.runs import Ground, Trained, differences, train, training_state

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 3
OURS = {"bucket.json"}
WORDS = ("--bucket-every", "0", "--save-steps", "1")
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Trained:
    """The run without a bucket."""
    folder = tmp_path_factory.mktemp("calm")
    return train(Ground.laid(folder), folder / "runs", "--save-steps", "1", epochs=EPOCHS)


@pytest.fixture
def bucket(tmp_path) -> Path:
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@pytest.fixture
def orphans():
    """Processes that a killed training leaves behind become ours, so that one can wait for their end."""
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0

    def ended() -> None:
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            return

    yield ended
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def same(calm: Trained, folder: Path) -> None:
    assert differences(training_state(calm.last), training_state(folder / "weights" / "last.pt")) == []
    assert (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()


def mirrored(run: Path, place: Path) -> None:
    there = {name: digest for name, digest in contents(place).items() if name != MANIFEST}
    assert there == {name: digest for name, digest in contents(run).items() if name not in OURS}
    manifest = read_manifest(FolderStore(read_address(f"file://{place}", "-")))
    assert {name: entry.sha256 for name, entry in manifest.files.items()} == there
    assert manifest.coming == {}


def test_a_mirrored_run_has_the_same_bits_and_all_of_it_is_in_the_bucket(calm, bucket, tmp_path):
    run = train(calm.ground, tmp_path / "runs", "--bucket", f"file://{bucket}", *WORDS, epochs=EPOCHS)
    same(calm, run.folder)
    mirrored(run.folder, bucket / "runs/exp")
    for name in ("best.pt", "last.pt"):
        assert (bucket / "weights" / name).read_bytes() == (run.folder / "weights" / name).read_bytes()
    said = command("train", "--resume", f"file://{bucket}/runs/exp", "--project", tmp_path / "elsewhere")
    assert "this run is done" in said.out + said.err
    said = command(*calm.ground.words(tmp_path / "other/runs", "--bucket", f"file://{bucket}", epochs=1))
    assert said.code == 2
    assert "belongs to another run" in said.err
    assert not (tmp_path / "other").exists()


def test_a_run_that_is_killed_goes_on_from_its_bucket_on_another_machine(calm, bucket, tmp_path, orphans):
    words = calm.ground.words(tmp_path / "m0/runs", "--bucket", f"file://{bucket}", *WORDS, epochs=EPOCHS)
    for machine, step in enumerate((4, 3)):
        assert forked(tmp_path, words, at_step(step)).code == -signal.SIGKILL
        orphans()
        project = tmp_path / f"m{machine + 1}" / "runs"
        words = ["train", "--resume", f"file://{bucket}/runs/exp", "--project", str(project)]
    ended = forked(tmp_path, words)
    assert ended.code == 0, ended.err
    assert "exact: the same bits as without the interruption" in ended.out
    same(calm, project / "exp")
    mirrored(project / "exp", bucket / "runs/exp")


def test_a_bucket_that_goes_away_is_told_once_and_finished_later(calm, bucket, tmp_path):
    away = tmp_path / "away"

    def arm() -> None:
        optimize, left = Trainer._optimize, [3]

        def trapped(trainer: Trainer) -> None:
            left[0] -= 1
            if left[0] == 0:
                bucket.rename(away)
            optimize(trainer)

        Trainer._optimize = trapped

    words = calm.ground.words(
        tmp_path / "runs", "--bucket", f"file://{bucket}", *WORDS, "--bucket-wait", "1", epochs=EPOCHS
    )
    ended = forked(tmp_path, words, arm)
    assert ended.code == 0, ended.err
    run = tmp_path / "runs" / "exp"
    same(calm, run)
    assert ended.out.count("there is no such folder") == 2, ended.out  # once, and at the end as the last trouble
    assert f"Finish it with `boxwright bucket sync {run}`" in ended.out
    said = command("bucket", "sync", run)
    assert said.code == 2
    assert "there is no such folder" in said.err
    away.rename(bucket)
    said = command("bucket", "sync", run)
    assert said.code == 0, said.err
    mirrored(run, bucket / "runs/exp")
    assert (bucket / "weights" / "best.pt").exists()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--bucket", "file:///not/there"), "there is no such folder"),
        (("--bucket", "/tmp/x"), "Write file://FOLDER for a folder"),
        (("--bucket", "s3://mine"), "pip install 'boxwright[s3]'"),
        (("--bucket", "mine"), "pip install 'boxwright[gcs]'"),
        (("--bucket-wait", "3"), "it is for a bucket"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_one_line_before_anything_is_made(words, what, calm, tmp_path):
    said = command(*calm.ground.words(tmp_path / "runs", *words, epochs=1))
    assert said.code == 2
    assert said.err.count("error:") == 1
    assert what in said.err
    assert not (tmp_path / "runs").exists()


def test_a_run_without_a_bucket_gets_one_later(calm, bucket, tmp_path):
    run = tmp_path / "runs" / "exp"
    shutil.copytree(calm.folder, run)
    assert "Name the place with --to" in command("bucket", "sync", run).err
    assert command("bucket", "sync", run, "--to", f"file://{bucket}/mine").code == 0
    mirrored(run, bucket / "mine")
    assert command("bucket", "sync", run).code == 0
    assert "is no run folder" in command("bucket", "sync", bucket).err

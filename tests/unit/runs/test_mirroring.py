# SPDX-License-Identifier: Apache-2.0
"""Where a run goes in a bucket, and which of its files have further places there."""

from __future__ import annotations

import pytest

from boxwright.config.schema.train import TrainSettings
from boxwright.runs.mirroring import copies_of, job_of
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.job import write_job
from boxwright.system.run_folder import RunFolder

DONE = '{"reason": "", "epochs": 1, "hours": 0, "best_epoch": 0, "best_fitness": 0, "results": {}}'


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    (tmp_path / "runs/exp/weights").mkdir(parents=True)
    for name in ("results.txt", "weights/last.pt", "weights/best.pt", "weights/epoch1.pt"):
        (tmp_path / "runs/exp" / name).write_text(name)
    return RunFolder(tmp_path / "runs/exp")


def test_weights_have_their_old_place_when_the_run_is_done(folder):
    settings = TrainSettings()
    assert copies_of(folder, settings) == ()
    (folder.path / "done.json").write_text(DONE)
    assert copies_of(folder, settings) == (
        ("weights/last.pt", "weights/last.pt"),
        ("weights/best.pt", "weights/best.pt"),
    )


def test_the_table_of_a_named_run_of_2020_has_its_old_place_in_every_epoch(folder):
    settings = TrainSettings(results_file="txt", name="mine")
    assert copies_of(RunFolder(folder.path / "not-begun"), settings) == (("results.txt", "results/resultsmine.txt"),)
    assert copies_of(folder, settings) == (("results.txt", "results/resultsmine.txt"),)
    assert copies_of(folder, TrainSettings(results_file="txt", name="")) == ()
    (folder.path / "done.json").write_text(DONE)
    folder.put_behind("_mine")
    assert copies_of(folder, settings) == (
        ("results_mine.txt", "results/resultsmine.txt"),
        ("weights/last_mine.pt", "weights/last_mine.pt"),
        ("weights/best_mine.pt", "weights/best_mine.pt"),
    )


def test_a_run_that_goes_on_goes_to_where_it_was_unless_another_bucket_is_named(folder):
    bucket = read_address("s3://mine/team", "-")
    first = job_of(folder, bucket, str(folder.path.parent))
    assert (first.address, first.bucket) == ("s3://mine/team/runs/exp", "s3://mine/team")
    write_job(folder.path, first)
    again = job_of(folder, read_address("s3://mine", "-"), "elsewhere")
    assert (again.address, again.owner, again.bucket) == (first.address, first.owner, "s3://mine")
    other = job_of(folder, read_address("gs://mine/team", "-"), str(folder.path.parent))
    assert other.address == "gs://mine/team/runs/exp"
    assert other.owner != first.owner

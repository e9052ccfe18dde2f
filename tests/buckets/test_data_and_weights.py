# SPDX-License-Identifier: Apache-2.0
"""Data sets and weights that lie at real servers: fetched once; a training reads nothing from there after its start."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from boxwright.engine.loop import Trainer
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.remote import opened
from tests.support.commands import command, contents
from tests.support.runs import Ground, Trained, differences, train, training_state

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
EPOCHS = 2


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Trained:
    """A run on data that lies here."""
    folder = tmp_path_factory.mktemp("calm")
    return train(Ground.laid(folder), folder / "runs", epochs=EPOCHS)


def sent(folder: Path, address: str) -> str:
    """All of a folder, put into a bucket."""
    store = opened(read_address(address, "-"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        store.put(path.relative_to(folder).as_posix(), path)
    return address


def words(calm: Trained, data: str, project: Path, *more: str) -> list[str]:
    line = calm.ground.words(project, *more, epochs=EPOCHS)
    line[line.index("--data") + 1] = data
    return line


def test_a_training_on_a_bucket_has_the_same_bits_and_its_epochs_ask_for_nothing(calm, bucket, tmp_path, monkeypatch):
    address = sent(calm.ground.data.parent, f"{bucket.address}/set")
    asked_by_steps: list[int] = []
    optimize = Trainer._optimize
    monkeypatch.setattr(
        Trainer, "_optimize", lambda trainer: (asked_by_steps.append(len(bucket.proxy.asked)), optimize(trainer))[1]
    )
    said = command(*words(calm, f"{address}/data.yaml", tmp_path / "runs"))
    assert said.code == 0, said.err
    last = tmp_path / "runs" / "exp" / "weights" / "last.pt"
    assert differences(training_state(calm.last), training_state(last)) == []
    assert len(asked_by_steps) == 3 * EPOCHS
    assert set(asked_by_steps) == {len(bucket.proxy.asked)}
    images = [line for line in bucket.proxy.asked if ".png" in line and line.startswith("GET")]
    bucket.proxy.asked.clear()
    said = command("val", tmp_path / "runs" / "exp", "--device", "cpu")
    assert said.code == 0, said.err
    assert len(images) >= 18
    assert not [line for line in bucket.proxy.asked if ".png" in line and line.startswith("GET")]
    for path in (tmp_path / "cache").rglob("*.png"):
        assert path.read_bytes() == (calm.ground.data.parent / "images" / path.parent.name / path.name).read_bytes()


def test_a_yaml_here_may_name_a_folder_in_a_bucket_and_a_changed_object_is_noticed(calm, s3, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(calm.ground.data.parent, source)
    address = sent(source, f"{s3.address}/set")
    yaml = tmp_path / "mine.yaml"
    yaml.write_text(f"path: {address}\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n")
    assert command("data", "check", yaml).code == 0
    line = words(calm, str(yaml), tmp_path / "runs", "--time", "0.0000001")
    assert command(*line).code == 75
    (source / "labels/train/000.txt").write_text("7 0.5 0.5 0.2 0.2\n")
    sent(source / "labels", f"{address}/labels")
    s3.proxy.asked.clear()
    said = command("data", "check", yaml)
    assert said.code != 0
    assert "labels/train/000.txt:1" in said.out + said.err
    assert not [line for line in s3.proxy.asked if ".png" in line and line.startswith("GET")]
    said = command("train", "--resume", tmp_path / "runs" / "exp")
    assert said.code == 2
    yaml.write_text(f"train: {address}/images/train\nval: {address}/images/val\nnames: [red, blue, green]\n")
    assert "Write the folder that holds images and labels there under 'path'" in command("data", "check", yaml).err


def test_with_trust_cache_a_bucket_need_not_answer(calm, s3, tmp_path):
    address = sent(calm.ground.data.parent, f"{s3.address}/set")
    assert command(*words(calm, f"{address}/data.yaml", tmp_path / "runs")).code == 0
    s3.proxy.fail("500")
    said = command(*words(calm, f"{address}/data.yaml", tmp_path / "runs"))
    assert said.code == 75
    assert "does not answer as it should" in said.err
    assert command(*words(calm, f"{address}/data.yaml", tmp_path / "runs", "--trust-cache")).code == 0


def test_weights_and_runs_of_a_bucket_are_used_like_those_here(calm, bucket, tmp_path):
    address = sent(calm.folder, f"{bucket.address}/some/weights-of-a-run")
    said = command("val", f"{address}/weights/best.pt", "--data", calm.ground.data, "--device", "cpu", "--imgsz", "64")
    assert said.code == 0, said.err
    bucket.proxy.asked.clear()
    line = calm.ground.words(tmp_path / "runs", "--weights", f"{address}/weights/best.pt", epochs=1)
    assert command(*line).code == 0
    assert not [one for one in bucket.proxy.asked if one.startswith("GET") and "alt=media" in one and "best" in one]
    assert "there is no mirror" not in command("val", f"{address}/weights/none.pt").err
    run = tmp_path / "mirrored"
    shutil.copytree(calm.folder, run)
    assert command("bucket", "sync", run, "--to", f"{bucket.address}/runs/exp").code == 0
    said = command("val", f"{bucket.address}/runs/exp", "--data", calm.ground.data, "--device", "cpu", "--imgsz", "64")
    assert said.code == 0, said.err
    assert "is no weights file and no run" in command("val", f"{bucket.address}/nothing").err
    assert contents(calm.folder)  # and nothing was written to where it came from


def test_an_address_that_nobody_has_is_one_line(s3, tmp_path):
    for name, what in (("nowhere/data.yaml", "no such bucket"), (f"{s3.address[5:]}/data.yaml", "no pictures")):
        said = command("train", "--data", f"s3://{name}", "--project", tmp_path / "runs")
        assert said.code == 2
        assert what in said.err
    said = command("train", "--resume", f"{s3.address}/runs/exp", "--project", tmp_path / "runs")
    assert said.code == 2
    assert "there is no mirror of a run" in said.err
    assert not (tmp_path / "runs").exists()

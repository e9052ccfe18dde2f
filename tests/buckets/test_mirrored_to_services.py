# SPDX-License-Identifier: Apache-2.0
"""Trainings that are mirrored to real servers, which fail, and machines that are taken away: the same bits."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest

from boxwright.engine.loop import Trainer
from boxwright.runs import mirroring
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.manifest import MANIFEST, read_manifest
from boxwright.system.buckets.remote import opened
from tests.support.commands import command, contents
from tests.support.kills import forked
from tests.support.runs import Ground, Trained, differences, train, training_state

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
EPOCHS = 4
MOST_S = 120
WORDS = ("--bucket-every", "0", "--save-steps", "1")
LAST = "/runs/exp/weights/last.pt"


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Trained:
    """The run without a bucket."""
    folder = tmp_path_factory.mktemp("calm")
    return train(Ground.laid(folder), folder / "runs", "--save-steps", "1", epochs=EPOCHS)


def words(calm: Trained, project: Path, bucket, *more: str) -> list[str]:
    return calm.ground.words(project, "--bucket", bucket.address, *WORDS, *more, epochs=EPOCHS)


def same(calm: Trained, folder: Path) -> None:
    assert differences(training_state(calm.last), training_state(folder / "weights" / "last.pt")) == []
    assert (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()


def mirrored(run: Path, address: str) -> None:
    store = opened(read_address(address, "-"))
    names = set(store.names()) - {MANIFEST}
    here = {name: digest for name, digest in contents(run).items() if name != "bucket.json"}
    assert {name: store.digest(name) for name in names} == here
    manifest = read_manifest(store)
    assert {name: entry.sha256 for name, entry in manifest.files.items()} == here
    assert manifest.coming == {}


def test_all_of_a_run_is_at_the_service_when_it_ends(calm, bucket, tmp_path):
    said = command(*words(calm, tmp_path / "runs", bucket))
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "exp"
    same(calm, run)
    assert "is behind" not in said.out + said.err
    mirrored(run, f"{bucket.address}/runs/exp")
    whole = opened(read_address(bucket.address, "-"))
    assert whole.read("weights/best.pt", 1 << 30) == (run / "weights" / "best.pt").read_bytes()


@pytest.mark.parametrize("mode", ["500", "silent", "wrong key"])
def test_a_service_that_fails_from_the_middle_on_is_told_once_and_finished_later(mode, calm, s3, tmp_path, monkeypatch):
    """The proxy fails from the first state on, and the training sees to it that it has come to that."""
    failing, told = threading.Event(), threading.Event()
    answer, trouble, optimize = s3.proxy.answer, mirroring.Mirroring._trouble, Trainer._optimize

    def watched(handler) -> None:
        if f"{handler.command} {handler.path}".startswith(f"PUT /{s3.address[5:]}{LAST}") and not failing.is_set():
            s3.proxy.fail(mode)
            failing.set()
        answer(handler)

    def noted(self, kind: str, text: str) -> None:
        trouble(self, kind, text)
        told.set()

    def after_trouble(trainer: Trainer) -> None:
        if trainer.state.epoch == EPOCHS - 1:
            assert failing.wait(MOST_S)
            assert mode == "silent" or told.wait(MOST_S)  # whoever does not answer is waited for longer
        optimize(trainer)

    s3.proxy.answer = watched
    monkeypatch.setattr(mirroring.Mirroring, "_trouble", noted)
    monkeypatch.setattr(Trainer, "_optimize", after_trouble)
    said = command(*words(calm, tmp_path / "runs", s3, "--bucket-wait", "1"))
    assert said.code == 0, said.err
    run = tmp_path / "runs" / "exp"
    same(calm, run)
    lines = [line for line in said.out.splitlines() if "The run goes on" in line]
    assert len(lines) == (mode != "silent"), said.out
    assert f"Finish it with `boxwright bucket sync {run}`" in said.out
    s3.proxy.fail("")
    said = command("bucket", "sync", run)
    assert said.code == 0, said.err
    mirrored(run, f"{s3.address}/runs/exp")


def test_a_service_that_comes_back_has_all_of_the_run_at_its_end(calm, bucket, tmp_path):
    bucket.proxy.fail("gone", only=("PUT", "POST"), times=2)
    said = command(*words(calm, tmp_path / "runs", bucket))
    assert said.code == 0, said.err
    same(calm, tmp_path / "runs" / "exp")
    assert "is behind" not in said.out
    mirrored(tmp_path / "runs" / "exp", f"{bucket.address}/runs/exp")


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("wrong key", "the credentials are not accepted"),
        ("clock", "the clock of this machine is too far from the service's"),
        ("denied", "it may not be used with these credentials"),
    ],
)
def test_a_bucket_that_refuses_is_one_line_before_anything_is_made(mode, what, calm, s3, tmp_path):
    s3.proxy.fail(mode)
    said = command(*words(calm, tmp_path / "runs", s3))
    assert said.code == 2
    assert [line for line in said.err.splitlines() if line.startswith("error:")] == [said.err.splitlines()[-1]]
    assert what in said.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("s3", "gs")
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_is_not_there_is_one_line_before_anything_is_made(scheme, calm, tmp_path):
    said = command(*calm.ground.words(tmp_path / "runs", "--bucket", f"{scheme}://nowhere-at-all", epochs=1))
    assert said.code == 2
    assert "there is no such bucket" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_service_that_does_not_answer_at_the_start_is_told_and_the_run_begins(calm, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(mirroring, "CHECK_S", 3.0)
    s3.proxy.fail("silent")
    said = command(*words(calm, tmp_path / "runs", s3, "--bucket-wait", "0.5"))
    assert said.code == 0, said.err
    same(calm, tmp_path / "runs" / "exp")
    assert "The run begins all the same" in said.out
    assert "is behind" in said.out


class Machine:
    """A machine that is taken away, training and sender together, before a request of its own is answered."""

    def __init__(self, proxy, request: str, number: int) -> None:
        self.child, self.left, self.taken = 0, number, False
        self._answer, self._proxy, self._request = proxy.answer, proxy, request
        self._lock = threading.Lock()
        proxy.answer = self.answer

    def answer(self, handler) -> None:
        with self._lock:
            if f"{handler.command} {handler.path}".startswith(self._request):
                self.left -= 1
                if self.left == 0:
                    self.taken = True
                    for process in _with_children(os.getpid()):
                        process.kill()
        if not self.taken:
            self._answer(handler)

    def give_back(self) -> None:
        self._proxy.answer = self._answer


def _with_children(parent: int) -> list[psutil.Process]:
    """Forked trainings of this process and their senders, but no server."""
    own = psutil.Process(parent)
    trainings = [one for one in own.children() if one.cmdline() == own.cmdline()]
    return [*(sender for one in trainings for sender in one.children()), *trainings]


def test_machines_that_are_taken_away_again_and_again_come_to_the_bits_of_the_calm_run(calm, s3, tmp_path):
    """Each time at another request: states, the manifest, logs; and each time an empty machine goes on."""
    place = f"PUT /{s3.address[5:]}/runs/exp"
    positions = [
        (f"{place}/weights/last.pt", 1),
        (f"{place}/weights/last.pt", 2),
        (f"{place}/manifest.json", 4),
        (f"{place}/events.jsonl", 2),
        (f"{place}/weights/best.pt", 2),
        (f"GET /{s3.address[5:]}/runs/exp/weights", 2),
    ]
    line, taken = words(calm, tmp_path / "m0" / "runs", s3), 0
    for number, position in enumerate((*positions, ("", 0)), 1):
        machine = Machine(s3.proxy, *position)
        ended = forked(tmp_path, line)
        machine.give_back()
        folder = Path(line[line.index("--project") + 1]) / "exp"
        assert "Traceback" not in ended.out + ended.err
        if ended.code == 0:
            break
        assert ended.code == -signal.SIGKILL, (position, ended.err)
        taken += 1
        project = str(tmp_path / f"m{number}" / "runs")
        found = read_manifest(opened(read_address(f"{s3.address}/runs/exp", "-")))
        if found is None or not found.files:  # taken away before anything was there: it begins anew
            line = words(calm, project, s3)
        else:
            line = ["train", "--resume", f"{s3.address}/runs/exp", "--project", project]
    assert taken >= 4
    assert ended.code == 0
    same(calm, folder)
    mirrored(folder, f"{s3.address}/runs/exp")

# SPDX-License-Identifier: Apache-2.0
"""Two machines, processes with separate folders, work on one study in a bucket of S3; one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from boxwright.search.ledger import open_ledger
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore
from tests.support.runs import Ground

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
TRIALS = 4
MOST_S = 120


def started(ground: Ground, machine: str, bucket: str) -> subprocess.Popen[str]:
    words = ground.words(ground.folder / machine / "studies", "--workers", "0", "--name", "shared", epochs=1)[1:]
    more = ("--method", "mutation", "--trials", str(TRIALS), "--keys", "lr0", "scale", "--bucket", bucket)
    command = [sys.executable, "-m", "boxwright", "evolve", *words, *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_study_in_a_bucket_outlives_one_of_two_machines(s3, tmp_path):
    ground = Ground.laid(tmp_path)
    first = started(ground, "first", str(s3.address))
    assert first.stdout is not None
    seen = next(line for line in first.stdout if line.startswith("trial "))
    second = started(ground, "second", str(s3.address))
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=MOST_S)
    out, _ = second.communicate(timeout=MOST_S)
    assert second.returncode == 0, seen + out
    ledger = open_ledger(BucketStore(read_address(f"{s3.address}/studies/shared", "-")))
    assert ledger is not None
    ledger.look()
    assert sorted(ledger.results()) == [str(number) for number in range(TRIALS)]
    assert ledger.damaged() == {}
    root = BucketStore(read_address(str(s3.address), "-"))
    table = root.read("evolve.csv")
    assert table is not None
    assert len(table.decode().splitlines()) == 1 + TRIALS

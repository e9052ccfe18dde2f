# SPDX-License-Identifier: Apache-2.0
"""Two processes that make files in one bucket of S3: each file is made by one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
FILES = 25
WORK = """
import sys
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore
store, who = BucketStore(read_address(sys.argv[1], "-")), sys.argv[2].encode()
for line in sys.stdin:
    print(int(store.create(f"trials/{line.strip()}", who)), flush=True)
"""


def test_of_two_processes_that_make_a_file_at_once_one_does(s3):
    command = [sys.executable, "-c", WORK, f"{s3.address}/study"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([*command, str(who)], **pipes) for who in range(2)]
    store = BucketStore(read_address(f"{s3.address}/study", "-"))
    for number in range(FILES):
        for worker in workers:
            worker.stdin.write(f"{number}\n")
            worker.stdin.flush()
        made = [int(worker.stdout.readline()) for worker in workers]
        assert sorted(made) == [0, 1]
        assert store.read(f"trials/{number}") == str(made.index(1)).encode()
    assert len(store.names("trials/")) == FILES
    for worker in workers:
        worker.communicate(timeout=60)

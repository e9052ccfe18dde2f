# SPDX-License-Identifier: Apache-2.0
"""Two processes that make files in one bucket of S3: each file is made by one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
FILES, PROCESSES = 30, 2
WORK = """
import sys
from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.small_files import BucketStore
store, who = BucketStore(read_address(sys.argv[1], "-")), sys.argv[2].encode()
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    if store.create(f"trials/{number}", who):
        print(number, flush=True)
"""


def test_of_two_processes_one_makes_each_file(s3):
    command = [sys.executable, "-c", WORK, f"{s3.address}/study"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen([*command, str(who), str(FILES)], **pipes) for who in range(PROCESSES)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    made = [[int(line) for line in worker.communicate(timeout=120)[0].split()] for worker in workers]
    assert sorted(number for own in made for number in own) == list(range(FILES))
    store = BucketStore(read_address(f"{s3.address}/study", "-"))
    assert len(store.names("trials/")) == FILES
    for who, own in enumerate(made):
        assert {store.read(f"trials/{number}") for number in own} <= {str(who).encode()}
        assert own  # both were at work

# SPDX-License-Identifier: Apache-2.0
"""Memory does not grow with epochs.

What is alive at the end of the fifth is what is alive at the end of the twentieth.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.memory import CASES, EARLY, EPOCHS, Alive
from tests.support.processes import environment

ROOT = Path(__file__).parents[2]
ALLOWED_BYTES = 4 << 20  # 0.4 MiB were seen, pages that are touched for the first time; a system may hand out 2 at once


def test_memory_does_not_grow_with_epochs(tmp_path):
    command = [sys.executable, "-m", "tests.support.memory", str(tmp_path)]
    said = subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    found = [json.loads(line.removeprefix("FOUND")) for line in said.stdout.splitlines() if line.startswith("FOUND")]
    assert [name for name, *_ in found] == list(CASES)
    for name, *looks in found:
        early, late = (Alive(*look) for look in looks)
        assert (late.tensors, late.threads, late.files) == (early.tensors, early.threads, early.files), name
        assert late.objects - early.objects < EPOCHS - EARLY, f"{name}: not one object for each epoch"
        assert late.memory - early.memory < ALLOWED_BYTES, name

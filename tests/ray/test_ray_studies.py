# SPDX-License-Identifier: Apache-2.0
"""A study of hyperparameters whose workers are tasks of a real Ray; one of its nodes is killed: `make test-ray`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from boxwright.search.ledger import open_ledger
from boxwright.search.store import FolderStore
from tests.support.runs import Ground

pytestmark = pytest.mark.loopback
ROOT = Path(__file__).parents[2]
MOST_S = 240.0
TRIALS = 4
RAY = str(Path(sys.executable).with_name("ray"))


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", **(more or {})}


def started(*words: str) -> str:
    command = [RAY, "start", *words, "--num-cpus=1", "--disable-usage-stats"]
    said = subprocess.run(command, env=environment(), check=True, capture_output=True, text=True, timeout=MOST_S)
    return said.stdout


def raylets() -> set[int]:
    return {one.pid for one in psutil.process_iter(["name"]) if one.info["name"] == "raylet"}


@pytest.fixture
def cluster():
    """Two nodes of one core each: the address, and the process of the second one."""
    said = started("--head", "--port=0", "--include-dashboard=false")
    address = next(line.split("'")[1] for line in said.splitlines() if "--address='" in line)
    first = raylets()
    started(f"--address={address}")
    [second] = raylets() - first
    yield address, second
    subprocess.run([RAY, "stop", "--force"], env=environment(), check=True, capture_output=True, timeout=MOST_S)


def test_a_study_on_ray_outlives_the_loss_of_a_node(cluster, tmp_path):
    address, second = cluster
    ground = Ground.laid(tmp_path)
    words = ground.words(tmp_path / "studies", "--workers", "0", epochs=1)[1:]
    more = ("--method", "mutation", "--trials", str(TRIALS), "--engine", "ray", "--workers-evolve", "2")
    command = [sys.executable, "-m", "boxwright", "evolve", *words, *more]
    environ = environment({"RAY_ADDRESS": address})
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if line.startswith("trial "))
        psutil.Process(second).kill()
        rest = process.stdout.read()
    assert process.returncode == 0, first + rest
    ledger = open_ledger(FolderStore(tmp_path / "studies" / "exp"))
    assert ledger is not None
    ledger.look()
    assert sorted(ledger.results()) == [str(number) for number in range(TRIALS)]
    assert ledger.damaged() == {}

# SPDX-License-Identifier: Apache-2.0
"""A training on real workers of a real Ray on this machine, through the command line: `make test-ray`."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from boxwright.errors import EXIT_TRY_AGAIN, EXIT_USER_INPUT
from boxwright.system.signals import ENDED_BY_SIGNAL
from boxwright.system.tensors import read_tensors
from tests.support.ranks import commands
from tests.support.runs import Ground, differences, training_state

pytestmark = pytest.mark.loopback
EPOCHS = 3
MOST_S = 240.0
ROOT = Path(__file__).parents[2]
QUICK = ("--amp", "off", "--noplots", "--rank-timeout", "10")
KILLED = "import sys; from tests.support.ray_run import main; sys.exit(main(*map(int, sys.argv[1:3]), sys.argv[3:]))"


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("ray"))


@pytest.fixture(scope="module")
def calm(ground) -> Path:
    """A run of two processes without Ray that nobody disturbed."""
    found = commands(2, ground.words(ground.folder / "calm", *QUICK, epochs=EPOCHS))
    assert [one.code for one in found] == [0, 0], found
    return Path(found[0].answer.splitlines()[-1])


@pytest.fixture(scope="module")
def cluster():
    """A cluster of room for three workers that was there before, as RAY_ADDRESS says."""
    program = str(Path(sys.executable).with_name("ray"))
    start = [
        program,
        "start",
        "--head",
        "--port=0",
        "--num-cpus=3",
        "--include-dashboard=false",
        "--disable-usage-stats",
    ]
    said = subprocess.run(start, env=environment(), check=True, capture_output=True, text=True, timeout=MOST_S)
    address = next(line.split("'")[1] for line in said.stdout.splitlines() if "--address='" in line)
    yield {"RAY_ADDRESS": address}
    subprocess.run([program, "stop", "--force"], env=environment(), check=True, capture_output=True, timeout=MOST_S)


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TORCHELASTIC"))}
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled", **(more or {})}


def on_ray(words: list[str], workers: str, more: dict[str, str] | None = None, *start: str) -> tuple[int, str, str]:
    """Exit code and both streams of a command."""
    command = [sys.executable, *(start or ("-m", "boxwright")), *words, "--engine", "ray", "--workers-ray", workers]
    said = subprocess.run(
        command, env=environment(more), check=False, capture_output=True, text=True, timeout=MOST_S, cwd=ROOT
    )
    return said.returncode, said.stdout, said.stderr


def kept(run: Path) -> dict:
    path = run / "weights" / "last.pt"
    return {**training_state(path), "ranks": read_tensors(path)["ranks"]}


def test_a_worker_that_is_killed_is_started_anew_and_the_run_comes_to_the_same_bits(ground, calm, tmp_path):
    """Ray is started for the run, and ends with it."""
    words = ground.words(tmp_path, *QUICK, "--save-steps", "1", epochs=EPOCHS)
    code, out, err = on_ray(words, "2", None, "-c", KILLED, "1", "5")
    assert (code, out.splitlines()[-1]) == (0, str(tmp_path / "exp")), err
    assert out.count("Ray has started 2 workers") == 2
    assert "going on in epoch 2 before batch 2; exact: the same bits" in out
    assert "(raylet)" not in out + err
    assert "Traceback" not in out + err
    assert differences(kept(calm), kept(tmp_path / "exp")) == []
    assert (tmp_path / "exp" / "results.csv").read_bytes() == (calm / "results.csv").read_bytes()
    assert not (tmp_path / "exp2").exists()


def test_workers_that_are_lost_too_often_end_the_run_with_one_line(ground, cluster, tmp_path):
    words = ground.words(tmp_path, *QUICK, "--max-restarts", "0", epochs=EPOCHS)
    code, out, err = on_ray(words, "2", cluster, "-c", KILLED, "1", "5")
    assert code == EXIT_TRY_AGAIN, (out, err)
    last = err.splitlines()[-1]
    assert last.startswith("error: Ray lost rank ")
    assert last.endswith(", and --max-restarts 0 allows no more. Go on with --resume")
    assert "Traceback" not in out + err


def test_ctrl_c_saves_once_and_the_run_goes_on_with_another_number_of_workers(ground, cluster, tmp_path):
    words = ground.words(tmp_path, *QUICK, epochs=200)
    command = [sys.executable, "-m", "boxwright", *words, "--engine", "ray", "--workers-ray", "1:4"]
    with subprocess.Popen(
        command, env=environment(cluster), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        before = list(itertools.takewhile(lambda line: not line.lstrip().startswith("1/199"), running.stdout))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=MOST_S)
    assert running.returncode == ENDED_BY_SIGNAL + signal.SIGINT, (out, err)
    assert before[0] == "Ray has started 2 of 3 workers\n"  # a batch of four does not divide among three
    told = [line for line in err.splitlines() if line.startswith("stopped")]
    assert len(told) == 1
    assert "go on with: boxwright train --resume" in told[0]
    more = ["train", "--resume", str(tmp_path / "exp"), "--time", "0.0000001"]
    code, out, err = on_ray(more, "1", cluster)
    assert (code, "stopped: the time budget" in out) == (EXIT_TRY_AGAIN, True), (out, err)
    assert "processes 2 -> 1" in out


def test_a_mistake_that_only_workers_can_see_is_one_line_with_its_exit_code(ground, cluster, tmp_path):
    words = ground.words(tmp_path / "runs", *QUICK, epochs=1)
    words[words.index("--data") + 1] = str(tmp_path / "none.yaml")
    code, out, err = on_ray(words, "2", cluster)
    assert (code, len(err.splitlines())) == (EXIT_USER_INPUT, 1), (out, err)
    assert err.startswith(f"error: --data {tmp_path / 'none.yaml'}: ")
    assert "Traceback" not in out + err
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_is_not_there_is_one_line(ground, tmp_path):
    words = ground.words(tmp_path / "runs", *QUICK, epochs=1)
    code, _, err = on_ray(words, "2", {"RAY_ADDRESS": "127.0.0.1:1"})
    assert code == EXIT_USER_INPUT
    assert "error: RAY_ADDRESS: Ray cannot be had at 127.0.0.1:1" in err

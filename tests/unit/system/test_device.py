# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxwright.errors import DeviceError
from boxwright.system import cgroups, device
from boxwright.system.device import choose_device, free_memory_bytes, loader_threads, usable_cores

ROOT = Path(__file__).parents[3]


@pytest.fixture
def gpus(monkeypatch):
    """A machine with this many GPUs."""

    def present(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"Card {number}")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return present


@pytest.mark.parametrize(
    ("word", "expected"),
    [("", "cuda:0"), ("0", "cuda:0"), ("1", "cuda:1"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), (" CPU ", "cpu")],
)
def test_where_there_are_gpus_nothing_means_the_first_and_a_number_means_itself(gpus, word, expected):
    gpus(2)
    assert choose_device(word) == torch.device(expected)


def test_where_there_is_no_gpu_nothing_means_the_cpu(gpus):
    gpus(0)
    assert choose_device("") == choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("count", "word", "says"),
    [
        (0, "0", "there is no such GPU"),
        (0, "cuda:1", "there is no such GPU"),
        (2, "2", "there is no such GPU"),
        (2, "0,1", "several devices"),
        (2, "gpu", "is no device"),
        (2, "-1", "is no device"),
        (2, "²", "is no device"),
        (2, "cuda:x", "is no device"),
        (0, "mps", "there is no Apple GPU here"),
    ],
)
def test_a_device_that_is_not_there_is_one_line_that_lists_what_is(gpus, count, word, says):
    gpus(count)
    with pytest.raises(DeviceError, match=f"^--device {word}: {says}") as caught:
        choose_device(word)
    assert caught.value.remedy.endswith(", ".join([*(f"{i} (Card {i})" for i in range(count)), "cpu"]))
    assert caught.value.exit_code == 2


@given(st.text(max_size=8))
def test_no_word_whatever_raises_anything_but_our_error(word):
    try:
        assert choose_device(word).type in {"cpu", "cuda", "mps"}
    except DeviceError:
        assert word.strip().lower() not in {"", "cpu"}


# -- cores and memory that a container grants


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A machine of 64 cores whose control files hold what a test says."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)

    def grant(**files: str) -> None:
        for name, content in files.items():
            place = (
                tmp_path
                / "cgroup"
                / name.replace("__", "/")
                .replace("cfs", "cpu.cfs")
                .replace("cpu_max", "cpu.max")
                .replace("memory_", "memory.")
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)

    return grant


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        ({"cpu_max": "max 100000\n"}, 64),
        ({"cpu_max": "200000 100000\n"}, 2),
        ({"cpu_max": "150000 100000\n"}, 2),
        ({"cpu_max": "50000 100000\n"}, 1),
        ({"cpu_max": "9900000 100000\n"}, 64),
        ({"cpu__cfs_quota_us": "300000\n", "cpu__cfs_period_us": "100000\n"}, 3),
        ({"cpu__cfs_quota_us": "-1\n", "cpu__cfs_period_us": "100000\n"}, 64),
        ({"cpu_max": ""}, 64),
        ({"cpu_max": "1 0\n"}, 64),
        ({"cpu__cfs_quota_us": "100000\n"}, 64),
        ({"cpu_max": "0 100000\n"}, 1),
    ],
)
def test_no_more_cores_are_used_than_a_container_grants_and_at_least_one(container, files, cores):
    container(**files)
    assert usable_cores() == cores
    assert loader_threads(8) == min(8, cores)
    assert loader_threads(0) == 0


def test_a_process_that_is_bound_to_few_cores_uses_no_more(container, monkeypatch):
    container(cpu_max="max 100000")
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _pid: {3, 5})
    assert usable_cores() == 2


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 1 << 34),
        ({"memory_max": "max\n", "memory_current": "5\n"}, 1 << 34),
        ({"memory_max": "1000000\n", "memory_current": "400000\n"}, 600_000),
        (
            {
                "memory_max": "1000000\n",
                "memory_current": "400000\n",
                "memory_stat": "anon 7\ninactive_file 300000\nactive_file 9\n",
            },
            900_000,
        ),
        ({"memory_max": "1000000\n", "memory_current": "400000\n", "memory_stat": "anon 7\n"}, 600_000),
        ({"memory_max": "1000\n", "memory_current": "4000\n"}, 0),
        ({"memory_max": f"{1 << 40}\n", "memory_current": "0\n"}, 1 << 34),
        ({"memory__memory_limit_in_bytes": "900000\n", "memory__memory_usage_in_bytes": "400000\n"}, 500_000),
        (
            {
                "memory__memory_limit_in_bytes": "900000\n",
                "memory__memory_usage_in_bytes": "400000\n",
                "memory__memory_stat": "inactive_file 7\ntotal_inactive_file 100000\n",
            },
            600_000,
        ),
        (
            {"memory__memory_limit_in_bytes": "9223372036854771712\n", "memory__memory_usage_in_bytes": "400000\n"},
            1 << 34,
        ),
    ],
)
def test_no_more_memory_is_used_than_a_container_grants(container, monkeypatch, files, free):
    monkeypatch.setattr(device.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 34}))
    container(**files)
    assert free_memory_bytes() == free


@pytest.mark.parametrize(
    ("membership", "memory", "cores"),
    [
        ("0::/slurm/job\n", 300, 3),
        ("9:pids:/slurm/job\n0::/slurm\n", 500, 8),
        ("0::/\n", 700, 16),
        ("0::/../../other\n", 700, 16),
        ("4:memory,cpu:/slurm/job\n0::/\n", 700, 16),
        ("no such line", 700, 16),
    ],
)
def test_limits_of_a_group_and_of_those_above_it_count(container, tmp_path, monkeypatch, membership, memory, cores):
    monkeypatch.setattr(device.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1 << 34}))
    container(memory_max="700\n", memory_current="0\n", cpu_max="1600000 100000")
    container(slurm__memory_max="500\n", slurm__memory_current="0\n", slurm__cpu_max="800000 100000")
    container(slurm__job__memory_max="300\n", slurm__job__memory_current="0\n", slurm__job__cpu_max="300000 100000")
    (tmp_path / "membership").write_text(membership)
    assert free_memory_bytes() == memory
    assert usable_cores() == cores


# -- process-wide switches, in a process of their own


def in_a_process(program: str, **environment: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threads_are_those_asked_for_else_what_the_environment_says_within_the_cores_there_are():
    program = """
import torch
from boxwright.system import cgroups, device
device.usable_cores = lambda: 3
found = []
for asked in (0, 2, 5):
    torch.set_num_threads(8)
    with device.configured_process(torch.device("cpu"), asked):
        found.append(torch.get_num_threads())
    found.append(torch.get_num_threads())
torch.set_num_threads(1)
with device.configured_process(torch.device("cpu")):
    found.append(torch.get_num_threads())
print(*found)
"""
    assert in_a_process(program) == "3 8 2 8 5 8 1"


def test_the_image_library_starts_no_threads_of_its_own():
    cv2.setNumThreads(4)
    threads = torch.get_num_threads()
    with device.configured_process(torch.device("cpu"), threads):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == 4
    assert torch.get_num_threads() == threads


def test_a_loader_thread_steps_back_and_no_other_does():
    found = []

    def work() -> None:
        device.lower_this_thread()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    expected = min(before + device.LOADER_NICENESS, 19) if sys.platform == "linux" else before
    assert found == [expected]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_a_description_names_what_numbers_depend_on():
    said = device.describe(torch.device("cpu"))
    assert f"{torch.get_num_threads()} compute thread" in said
    assert said.endswith(device.cpu_capability(torch.device("cpu")))

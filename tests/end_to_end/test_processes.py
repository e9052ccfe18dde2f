# SPDX-License-Identifier: Apache-2.0
"""The program as its user starts it: real processes, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
PACKAGE = Path(__file__).parents[2] / "src"


def start(*words: str, **environment: str):
    paths = os.pathsep.join([str(SUPPORT / "offline"), str(PACKAGE)])
    environment = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


HEAVY = "torch", "cv2", "matplotlib", "tensorboard", "PIL"
SHOW_HEAVY = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
VERBS = [["schedule"], ["recipes"], ["model"], ["model", "info"], ["config", "show"], ["config", "explain"]]


def test_importing_the_package_loads_nothing_heavy():
    assert start("-c", f"import boxwright; {SHOW_HEAVY}").stdout.strip() == "[]"


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_help_loads_nothing_heavy(words):
    program = f"from boxwright import cli; cli.main({[*words, '--help']!r}); {SHOW_HEAVY}"
    shown = start("-c", program)
    assert shown.stdout.strip().splitlines()[-1] == "[]", shown.stdout + shown.stderr


@pytest.mark.parametrize("words", [["recipes"], ["schedule", "--epochs", "2"], ["config", "show"]], ids=" ".join)
def test_verbs_that_need_no_network_library_load_none(words):
    program = f"from boxwright import cli; cli.main({words!r}); {SHOW_HEAVY}"
    assert start("-c", program).stdout.strip().splitlines()[-1] == "[]"


def test_the_module_form_is_the_program():
    shown = start("-m", "boxwright", "recipes", "--json")
    assert shown.returncode == 0
    assert json.loads(shown.stdout)["recipes"]


def test_a_mistake_has_exit_code_2_and_no_traceback():
    shown = start("-m", "boxwright", "schedule", "--epochs", "-1")
    assert shown.returncode == 2
    assert shown.stderr == "error: --epochs: epochs is -1. Give a whole number above 0\n"


def test_a_closed_pipe_is_no_error():
    paths = os.pathsep.join([str(SUPPORT / "offline"), str(PACKAGE)])
    shown = subprocess.run(
        f"{sys.executable} -m boxwright schedule --epochs 200 --batches-per-epoch 200 --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=120,
        check=False,
    )
    assert shown.stdout == "{\n"
    assert not shown.stderr


def test_the_guard_against_the_network_fires():
    shown = start("-c", "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert shown.returncode == 99
    assert "the network was used" in shown.stderr


def test_public_functions_stay_functions_whatever_is_imported_before_or_after():
    imports = (
        "import boxwright; import boxwright.engine.schedule; a = boxwright.train; from boxwright.engine import ema"
    )
    program = f"{imports}; print(callable(a), boxwright.train is a)"
    assert start("-c", program).stdout == "True True\n"


@pytest.mark.parametrize(
    ("said", "expected"),
    [({}, "10000 None"), ({"GOMP_SPINCOUNT": "7"}, "7 None"), ({"OMP_WAIT_POLICY": "active"}, "None active")],
)
def test_compute_threads_sleep_soon_unless_the_user_says_how_they_wait(said, expected, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    asked = (
        "import os, boxwright.cli as c; c.main(['--version']); "
        "print(os.environ.get('GOMP_SPINCOUNT'), "
        "os.environ.get('OMP_WAIT_POLICY'))"
    )
    assert start("-c", asked, **said).stdout.splitlines()[-1] == expected

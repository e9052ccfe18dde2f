# SPDX-License-Identifier: Apache-2.0
"""What a training on Ray refuses before Ray is asked, and how many workers can share its batches."""

from __future__ import annotations

import sys

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.errors import EXIT_USER_INPUT, SettingError
from boxwright.runs.ray_engine import sizes_of
from boxwright.runs.training import train
from tests.support.commands import command
from tests.support.runs import Ground


@pytest.mark.parametrize(
    ("asked", "sizes"),
    [
        ({"workers_ray": "1:8"}, [1, 2, 4, 8]),
        ({"workers_ray": "3:5"}, [4]),
        ({"workers_ray": 2}, [2]),
        ({"workers_ray": "1:6", "batch_size": 12}, [1, 2, 3, 4, 6]),
        ({"workers_ray": "1:4", "quad": True}, [1, 2, 4]),
        ({"workers_ray": "1", "batch_size": -1}, [1]),
    ],
)
def test_workers_are_as_many_as_can_share_a_batch(asked, sizes):
    assert sizes_of(resolve_train({"engine": "ray", "batch_size": 16, **asked})) == sizes


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"workers_ray": "3"}, "16 images do not divide among 3 processes"),
        ({"workers_ray": "1:8", "batch_size": -1}, "cannot be measured by 8 processes together"),
    ],
)
def test_workers_that_cannot_share_a_batch_are_refused(asked, told):
    with pytest.raises(SettingError, match=told):
        sizes_of(resolve_train({"engine": "ray", "batch_size": 16, **asked}))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workers-ray", "2"), "error: --workers-ray: it says how many workers Ray starts, and the engine is torch"),
        (("--engine", "ray", "--processes", "2"), "error: --engine + --processes: Ray starts the workers"),
        (("--engine", "ray", "--device", "0,1"), "error: --engine ray: --device 0,1 cannot be chosen here"),
        (
            ("--engine", "ray", "--workers-ray", "0:2"),
            "error: --workers-ray: workers_ray is '0:2'. Give a word like N[:M]",
        ),
        (("--engine", "ray", "--workers-ray", "8:1"), "Turn it round: 1:8"),
        (("--engine", "rai"), "Did you mean 'ray'?"),
    ],
)
def test_what_ray_cannot_be_asked_for_is_one_line_before_anything_is_made(tmp_path, words, told):
    said = command(*Ground.laid(tmp_path / "ground").words(tmp_path / "runs", *words))
    assert (said.code, len(said.err.splitlines())) == (EXIT_USER_INPUT, 1), said.err
    assert told in said.err
    assert not (tmp_path / "runs").exists()


def test_without_ray_one_line_says_how_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # as where it is not
    said = command(*Ground.laid(tmp_path / "ground").words(tmp_path / "runs", "--engine", "ray"))
    assert (said.code, len(said.err.splitlines())) == (EXIT_USER_INPUT, 1)
    assert said.err.startswith("error: --engine ray: Ray Train cannot be imported")
    assert "Install it: pip install 'boxwright[ray]'" in said.err
    assert not (tmp_path / "runs").exists()


def test_processes_of_another_launcher_do_not_ask_ray_for_more(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match="another launcher has started several"):
        train(resolve_train({"engine": "ray"}))

# SPDX-License-Identifier: Apache-2.0
"""Names that no file system takes, files that are none, memory that is not there: one line each, never our fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxwright import cli
from boxwright.documents import read_yaml
from boxwright.errors import EXIT_USER_INPUT, UserError
from boxwright.structures.answer import Answer
from tests.support.commands import command

LONG, ENDLESS = "x" * 300, "y/" * 3000
VERBS = (
    ("train", "--data"),
    ("train", "--hyp"),
    ("train", "--config"),
    ("val", "--weights"),
    ("predict", "--weights"),
    ("data", "check"),
    ("data", "report"),
    ("data", "split"),
    ("config", "show", "--config"),
    ("model", "check"),
    ("model", "info"),
    ("weights", "inspect"),
    ("weights", "strip"),
    ("report",),
    ("errors",),
    ("replay",),
    ("anchors", "--data"),
)


def one_line(said) -> str:
    assert said.code == EXIT_USER_INPUT, said
    lines = said.err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert "our fault" not in lines[0]
    assert len(lines[0]) < 2500
    return lines[0]


@pytest.mark.parametrize("name", [LONG, ENDLESS, "a\0b", "\ud800"], ids=["long", "endless", "nul", "half"])
@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_a_name_that_no_file_can_have_is_one_line(words, name):
    one_line(command(*words, name))


@pytest.mark.parametrize("name", [LONG, "a\0b"], ids=["long", "nul"])
@pytest.mark.parametrize(
    "words", [("data", "convert", "sample_set", "--out"), ("model", "draw", "yolov5n", "--out")], ids=" ".join
)
def test_a_name_that_no_file_can_have_is_one_line_where_it_is_to_be_written(words, name):
    assert "our fault" not in command(*words, name).err
    assert command(*words, name).code == EXIT_USER_INPUT


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_a_yaml_that_is_no_regular_file_is_refused_and_never_waited_for(kind):
    path = {"pipe": Path("a.yaml"), "device": Path("/dev/zero"), "folder": Path("b.yaml")}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "memory ran out"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "memory",
        ),
        (PermissionError(13, "Permission denied", "locked/file"), "locked/file: cannot be used (permission denied)"),
        (OSError(36, "File name too long", LONG), "cannot be used (file name too long)"),
    ],
    ids=["memory", "allocator", "permission", "long"],
)
def test_what_the_machine_refuses_is_no_fault_of_ours(monkeypatch, error, said):
    import boxwright.system.device  # noqa: F401, PLC0415 -- as it is loaded wherever such an error comes from

    def fails(_resolved: object) -> Answer:
        raise error

    monkeypatch.setattr(
        cli, "_named", lambda package, place: fails if package.endswith("commands") else named(package, place)
    )
    assert said in one_line(command("recipes"))


named = cli._named

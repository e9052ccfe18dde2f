# SPDX-License-Identifier: Apache-2.0
"""Files that are made once, by whoever comes first."""

from __future__ import annotations

import errno
import os

import pytest

from boxwright.system import files
from boxwright.system.files import TEMPORARY_MARK, WriteError, create_bytes, read_created
from tests.support import killed

MINE, THEIRS = b"mine " * 30_000, b"theirs " * 20_000

KILL_AT_EVERY_CALL = f"""
from boxwright.system.files import create_bytes, read_created

MINE, THEIRS = b"mine " * {len(MINE) // 5}, b"theirs " * {len(THEIRS) // 7}

def without(*words, **named):
    raise PermissionError(1, "Operation not permitted")

def every_moment(folder):
    folder.mkdir()
    moment, lived, left = 0, False, []
    while not lived:
        path = folder / f"{{moment}}.json"
        lived = under_fire(lambda: create_bytes(path, MINE), moment)
        first = not create_bytes(path, THEIRS)
        assert read_created(path, 1 << 20) == (MINE if first else THEIRS)
        left.append("mine" if first else "theirs")
        moment += 1
    print(" ".join(left))

every_moment(Path(sys.argv[1]) / "links")
os.link = without
every_moment(Path(sys.argv[1]) / "no links")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study").mkdir()
    return tmp_path / "study"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fails(monkeypatch, number, *, done=False):
    """Links fail with this error; `done`: though they were made."""
    link = os.link

    def failing(source, target):
        if done:
            link(source, target)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "link", failing)


def test_the_first_writer_wins_and_nothing_else_is_left(folder):
    path = folder / "a.json"
    assert create_bytes(path, MINE)
    assert not create_bytes(path, THEIRS)
    assert read_created(path, 1 << 20) == MINE
    assert names(folder) == ["a.json"]


def test_a_writer_killed_at_any_call_leaves_a_whole_file_or_none_with_links_and_without(folder):
    for line in killed.run(KILL_AT_EVERY_CALL, str(folder)).splitlines():
        left = line.split()
        assert len(left) > 10
        assert left == sorted(left, reverse=True)  # first always none, from one call on always whole
        assert set(left) == {"mine", "theirs"}


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EIO, errno.EPERM])
def test_a_link_that_was_made_counts_whatever_the_server_answered(folder, monkeypatch, number):
    fails(monkeypatch, number, done=True)
    assert create_bytes(folder / "a.json", MINE)
    assert read_created(folder / "a.json", 1 << 20) == MINE
    assert names(folder) == ["a.json"]


def test_without_links_a_folder_stands_for_the_file_and_the_first_writer_wins(folder, monkeypatch):
    path, plain = folder / "a.json", folder / "b.json"
    assert create_bytes(plain, THEIRS)
    with monkeypatch.context() as patched:
        fails(patched, errno.EPERM)
        assert create_bytes(path, MINE)
        assert not create_bytes(path, THEIRS)
        assert not create_bytes(plain, MINE)  # made by somebody who has links
        assert (read_created(path, 1 << 20), read_created(plain, 1 << 20)) == (MINE, THEIRS)
    assert not create_bytes(path, THEIRS)  # the other way round
    assert names(folder) == ["a.json", "b.json"]


def test_a_full_disk_is_one_line_and_leaves_nothing(folder, monkeypatch):
    fails(monkeypatch, errno.ENOSPC)
    with pytest.raises(WriteError, match=r"a\.json: cannot be written \(no space left on device\)\. Free some space"):
        create_bytes(folder / "a.json", MINE)
    assert names(folder) == []


def test_of_many_processes_that_try_at_once_exactly_one_makes_each_file(folder, tmp_path):
    processes, many = 6, 40
    start, go = os.pipe()
    children = []
    for worker in range(processes):
        child = os.fork()
        if child == 0:
            try:
                os.close(go)
                os.read(start, 1)  # until all are there
                won = [number for number in range(many) if create_bytes(folder / str(number), b"%d" % worker)]
                (tmp_path / f"won{worker}").write_text(" ".join(map(str, won)))
            finally:
                os._exit(0)
        children.append(child)
    os.close(go)
    os.close(start)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    won = {int(n): w for w in range(processes) for n in (tmp_path / f"won{w}").read_text().split()}
    assert sum(len((tmp_path / f"won{w}").read_text().split()) for w in range(processes)) == many
    assert {n: int((folder / str(n)).read_text()) for n in range(many)} == won
    assert not [name for name in names(folder) if TEMPORARY_MARK in name]


def test_no_link_is_followed_to_what_somebody_else_put_there(folder):
    (folder / "secret").write_bytes(b"x")
    (folder / "a.json").symlink_to("secret")
    with pytest.raises(OSError, match="symbolic links") as caught:
        read_created(folder / "a.json", 100)
    assert caught.value.errno == errno.ELOOP
    assert not create_bytes(folder / "a.json", MINE)
    assert (folder / "secret").read_bytes() == b"x"

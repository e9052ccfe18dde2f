# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from boxwright.system import files
from boxwright.system.video_file import VideoFile
from tests.support import killed

OLD, NEW = b"old " * 50_000, b"new " * 60_000
NOWHERE = Path("/proc/no such place")  # cannot be written by anybody

KILL_AT_EVERY_CALL = f"""
from boxwright.system.files import write_bytes, sweep_unfinished

folder = Path(sys.argv[1])
OLD, NEW = b"old " * {len(OLD) // 4}, b"new " * {len(NEW) // 4}
moment, lived, left = 0, False, []
while not lived:
    (folder / "kept.bin").write_bytes(OLD)
    lived = under_fire(lambda: write_bytes(folder / "kept.bin", NEW), moment)
    content = (folder / "kept.bin").read_bytes()
    left.append("old" if content == OLD else "new" if content == NEW else "torn")
    swept = sweep_unfinished(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["kept.bin"], swept
    moment += 1
print(" ".join(left))
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_that_is_killed_at_any_call_leaves_the_old_file_or_the_new_one(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    left = killed.run(KILL_AT_EVERY_CALL, str(folder)).split()
    assert len(left) > 10  # open, write, flush, close, rename; then the same for the folder
    assert left == sorted(left, reverse=True)  # first always old, from the rename on always new
    assert set(left) == {"old", "new"}


def test_the_content_is_on_the_disk_before_its_name_and_the_name_after_it(tmp_path, monkeypatch):
    happened = []
    for name in ("write", "fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            files.os, name, lambda *words, real=real, name=name: (happened.append(name), real(*words))[1]
        )
    files.write_bytes(tmp_path / "a", b"x")
    assert happened == ["write", "fsync", "replace", "fsync"]
    happened.clear()
    files.write_bytes(tmp_path / "a", b"x", durable=False)
    assert happened == ["write", "replace"]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_at_any_call_leaves_the_old_file_alone_and_nothing_beside_it(tmp_path, monkeypatch, call):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "a").write_bytes(OLD)

    def full(*_words):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(files.WriteError, match=r"a: cannot be written \(no space left on device\)\. Free some space"):
        files.write_bytes(folder / "a", NEW)
    assert (folder / "a").read_bytes() == OLD
    assert names(folder) == ["a"]


def test_a_system_that_takes_a_few_bytes_at_a_time_gets_all_of_them(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(files.os, "write", lambda descriptor, content: real(descriptor, content[:1000]))
    files.write_bytes(tmp_path / "a", OLD)
    assert (tmp_path / "a").read_bytes() == OLD


def test_only_unfinished_writes_are_swept(tmp_path):
    folder = tmp_path / "run"
    (folder / "below").mkdir(parents=True)
    part = f".a{files.TEMPORARY_MARK}123"
    users = [".hidden", "a", "b.boxwright-part", f"c{files.TEMPORARY_MARK}1"]
    for name in (*users, part, f"below/{part}"):
        (folder / name).write_text("x")
    assert files.sweep_unfinished(folder) == [part]
    assert names(folder) == sorted([*users, "below"])
    assert names(folder / "below") == [part]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_bytes(path, b"x"),
        lambda path: files.write_text(path, "x"),
        lambda path: files.write_json(path, {}),
        lambda path: files.write_yaml(path, {}),
        lambda path: files.write_image(path, np.zeros((4, 4, 3), np.uint8)),
        lambda path: files.append_line(path, "x"),
    ],
    ids=["bytes", "text", "json", "yaml", "image", "line"],
)
def test_a_place_that_cannot_be_written_is_one_line_with_a_remedy(write):
    with pytest.raises(files.WriteError, match=r"^/proc/no such place/a\.png: cannot be written \(.*\)\. \w") as caught:
        write(NOWHERE / "a.png")
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_a_folder_under_a_file_is_one_line(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(files.WriteError, match=r"cannot be written \(not a directory\)"):
        files.make_folder(tmp_path / "a" / "b")


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=20)
@given(PLAIN)
def test_json_and_yaml_read_back_as_they_were_written(document):
    files.write_json(Path("a.json"), document)
    assert json.loads(Path("a.json").read_text()) == document
    files.write_yaml(Path("a.yaml"), document, head="# a head\n")
    assert Path("a.yaml").read_text().startswith("# a head\n")
    assert yaml.safe_load(Path("a.yaml").read_text()) == document


def test_the_same_picture_gives_the_same_bytes_and_png_keeps_every_pixel(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (24, 31, 3), np.uint8)
    for suffix in ("png", "jpg"):
        for name in ("a", "b"):
            files.write_image(tmp_path / f"{name}.{suffix}", image)
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)


def test_lines_are_added_and_what_is_removed_is_gone_and_nothing_else(tmp_path):
    folder = tmp_path / "run"
    (folder / "deep" / "er").mkdir(parents=True)
    for line in ("one", "two"):
        files.append_line(folder / "log", line)
    assert (folder / "log").read_text() == "one\ntwo\n"
    (folder / "link").symlink_to(folder / "deep")
    files.remove(folder / "link")
    assert names(folder) == ["deep", "log"]  # the link, not what it leads to
    files.remove(folder / "deep")
    files.remove(folder / "never there")
    assert names(folder) == ["log"]


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_a_log_is_not_written_through_what_somebody_else_put_in_its_place(tmp_path, kind):
    """In a folder of a stranger, *run.log* may lead to a start-up file of the user's shell."""
    other, log = tmp_path / "other", tmp_path / "run.log"
    if kind == "pipe":
        os.mkfifo(log)
    elif kind == "folder":
        log.mkdir()
    else:
        if kind == "link":
            other.write_bytes(b"mine\n")
        log.symlink_to(other)
    with pytest.raises(files.WriteError) as caught:
        files.append_line(log, "theirs")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{log}: ")
    assert not other.exists() or other.read_bytes() == b"mine\n"


def test_a_copied_folder_has_its_links_and_not_what_they_lead_to(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.pt").symlink_to("/dev/zero")
    files.copy_folder(tmp_path / "weights", tmp_path / "kept")
    assert (tmp_path / "kept" / "a.pt").is_symlink()


def test_a_film_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"mine\n")
    (tmp_path / "film.mp4").symlink_to(other)
    film = VideoFile(tmp_path / "film.mp4", 5)
    film.add(np.zeros((32, 32, 3), np.uint8))
    film.close()
    assert other.read_bytes() == b"mine\n"
    assert not (tmp_path / "film.mp4").is_symlink()


def test_a_shared_file_that_the_disk_has_no_room_for_is_an_error_before_anything_is_written_to_it(
    tmp_path, monkeypatch
):
    before = files.open_shared(tmp_path / "a", 64)
    before[:] = 7

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(files.WriteError, match="no space left"):
        files.open_shared(tmp_path / "b", 4096)
    with pytest.raises(files.WriteError, match="no space left"):
        files.open_shared(tmp_path / "a", 128)
    assert (tmp_path / "a").read_bytes() == b"\7" * 64
    assert (files.open_shared(tmp_path / "a", 64) == 7).all()

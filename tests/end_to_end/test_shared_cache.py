# SPDX-License-Identifier: Apache-2.0
"""Decoded images in memory that processes share: real processes, killed and stopped, full and changed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from boxwright.data.dataset import read_dataset
from boxwright.data.split import open_split
from boxwright.data.store import ImageStore
from boxwright.system import shared_memory
from boxwright.system.shared_memory import NotSharedError, SharedMemory, sweep_unused
from tests.support import datasets
from tests.support.commands import command
from tests.support.runs import Ground, differences, train, training_state
from tests.support.sharing import Sharer

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is shared on Linux")]

SIDE, IMAGES = 64, 12


class Usage(NamedTuple):
    """What the system says of a disk."""

    total: int
    used: int
    free: int


@pytest.fixture
def yaml(tmp_path) -> Path:
    return datasets.write(tmp_path / "set")


@pytest.fixture
def sharer(yaml):
    """Makes processes on the set, and ends those that are left."""
    made: list[Sharer] = []

    def start(**more: str) -> Sharer:
        made.append(Sharer(yaml, SIDE, **more))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.kill()


def files() -> list[Path]:
    home = Path(os.environ["BOXWRIGHT_SHARED"]) / f"boxwright-{os.getuid()}"
    return sorted(home.iterdir()) if home.exists() else []


def digest_of(yaml: Path, sharer) -> str:
    """What a process says that shares with nobody."""
    alone = sharer(BOXWRIGHT_SHARED=str(yaml.parent / "alone"))
    alone("open")
    found = alone("load")["digest"]
    alone.end()
    return found


def test_a_second_process_decodes_nothing_and_the_last_one_takes_the_file_away(yaml, sharer):
    first, second = sharer(), sharer()
    opened = first("open")
    assert (opened["note"], opened["shared"]) == ("", True)
    filled = first("load")
    assert filled["decoded"] == IMAGES
    assert (opened["needed"] > 0, filled["needed"]) == (True, 0)
    (path,) = files()
    assert second("open")["needed"] == 0
    assert second("load") == {**filled, "decoded": 0}
    assert files() == [path]
    first.end()
    assert files() == [path], "one is still there"
    assert second("load")["decoded"] == 0
    second("close")
    assert files() == []
    assert filled["digest"] == digest_of(yaml, sharer)


def test_two_that_fill_it_at_once_see_the_same_pictures(yaml, sharer):
    both = [sharer(), sharer()]
    for one in both:
        one("open")
    for one in both:
        one.process.stdin.write("load\n")
        one.process.stdin.flush()
    found = [one.process.stdout.readline() for one in both]
    digest = digest_of(yaml, sharer)
    assert all(digest in line for line in found)
    for one in both:
        one.end()
    assert files() == []


@pytest.mark.parametrize("when", ["empty", "filled"])
def test_a_killed_process_leaves_no_damage_and_the_next_goes_on_with_its_file(yaml, sharer, when):
    first = sharer()
    first("open")
    filled = first("load") if when == "filled" else None
    first.kill()
    (path,) = files()
    second = sharer()
    second("open")
    found = second("load")
    assert found["decoded"] == (0 if filled else IMAGES)
    assert files() == [path]
    assert found["digest"] == digest_of(yaml, sharer)
    second.end()
    assert files() == []


def test_a_process_killed_beside_another_takes_nothing_from_it(sharer):
    first, second = sharer(), sharer()
    for one in (first, second):
        one("open")
    digest = second("load")["digest"]
    first.kill()
    assert second("load") == {"decoded": 0, "digest": digest, "needed": 0}
    second.end()
    assert files() == []


def test_what_killed_processes_left_is_removed_and_what_is_held_is_not(yaml, sharer):
    held, killed = sharer(), Sharer(yaml, SIDE + 32)
    held("open")
    killed("open")
    killed.kill()
    assert len(files()) == 2
    swept = sweep_unused()
    assert len(swept) == 1
    assert [path.name for path in files()] != swept
    assert sweep_unused() == []
    held.end()


def test_a_training_removes_what_was_left_unless_it_goes_on_with_it(tmp_path, yaml, sharer):
    killed = [sharer(), Sharer(yaml, SIDE + 32)]
    for one in killed:
        one("open")
        one("load")
        one.kill()
    assert len(files()) == 2
    model = datasets.write_model(tmp_path)
    words = ["--data", yaml, "--cfg", model, "--imgsz", SIDE, "--epochs", 1, "--batch", 4, "--device", "cpu", "--workers", 0, "--noplots", "--quiet"]
    said = command("train", *map(str, words), "--cache", "ram", "--project", str(tmp_path / "runs"))
    assert said.code == 0, said.err
    assert files() == []


@pytest.mark.parametrize("when", ["held", "left by a killed process"])
def test_a_changed_image_is_decoded_anew(yaml, sharer, when):
    first = sharer()
    first("open")
    first("load")
    if when != "held":
        first.kill()
    images = yaml.parent / "images/train"
    shutil.copyfile(images / "004.png", images / "000.png")  # of the same size
    second = sharer()
    second("open")
    found = second("load")
    assert found["decoded"] == 1
    assert found["digest"] == digest_of(yaml, sharer)


def test_damaged_pixels_are_decoded_anew(sharer):
    first = sharer()
    first("open")
    filled = first("load")
    (path,) = files()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 255]))
    second = sharer()
    second("open")
    assert second("load") == {**filled, "decoded": 1}


# -- where there is no room


def store_of(yaml: Path) -> ImageStore:
    return ImageStore(open_split(read_dataset(yaml), "train"), SIDE, keep="memory", smooth=False)


def unshared(yaml: Path) -> list[bytes]:
    plain = ImageStore(open_split(read_dataset(yaml), "train"), SIDE, smooth=False)
    return [plain(number).tobytes() for number in range(IMAGES)]


def test_a_small_memory_file_system_leaves_images_to_the_process_and_says_so(yaml, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, 63 << 20, 1 << 20))
    store = store_of(yaml)
    assert "GiB left" in store.note
    assert "stay in this process alone" in store.note
    assert files() == []
    assert [store(number).tobytes() for number in range(IMAGES)] == unshared(yaml)
    assert store(0) is store(0)


def test_room_that_only_a_killed_process_takes_is_used(yaml, monkeypatch):
    killed = Sharer(yaml, SIDE + 32)
    killed("open")
    killed.kill()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 30, 0, 1 << 30) if len(files()) < 2 else Usage(1 << 30, 1 << 30, 0))
    store = store_of(yaml)
    assert store.note == ""
    assert len(files()) == 1


def test_memory_that_runs_full_under_way_leaves_the_rest_to_the_process(yaml, monkeypatch):
    store = store_of(yaml)
    first = [store(number) for number in range(3)]
    monkeypatch.setattr(os, "posix_fallocate", failing)
    rest = [store(number) for number in range(3, IMAGES)]
    assert [one.tobytes() for one in (*first, *rest)] == unshared(yaml)
    assert [store._file.load(number) is not None for number in range(IMAGES)] == [True] * 3 + [False] * (IMAGES - 3)
    assert store(5) is store(5)


def failing(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_not_even_the_head_fits(yaml, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", failing)
    assert "shared memory is full" in store_of(yaml).note
    assert files() == []


def test_a_system_without_a_memory_file_system_says_so(yaml, monkeypatch):
    monkeypatch.delenv("BOXWRIGHT_SHARED")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [])
    assert "no memory file system" in store_of(yaml).note
    monkeypatch.delattr(os, "posix_fallocate")
    assert "no memory file system" in store_of(yaml).note


def test_a_folder_that_others_may_write_to_is_not_used(yaml):
    home = Path(os.environ["BOXWRIGHT_SHARED"]) / f"boxwright-{os.getuid()}"
    home.mkdir(parents=True)
    home.chmod(0o777)
    assert "not a folder that this user alone may write to" in store_of(yaml).note
    home.chmod(0o700)
    home.rmdir()
    home.symlink_to(yaml.parent)
    assert "not a folder that this user alone may write to" in store_of(yaml).note


def test_a_name_that_holds_something_else_is_left_alone():
    mine = SharedMemory("a", 100)
    mine.bytes[:] = 7
    with pytest.raises(NotSharedError, match="holds something else"):
        SharedMemory("a", 50)
    other = SharedMemory("a", 100)
    assert np.array_equal(other.bytes, mine.bytes)
    mine.leave()
    assert len(files()) == 1
    other.leave()
    assert files() == []
    assert (other.bytes == 7).all(), "who still looks at it sees it"


def test_a_fork_does_not_give_back_what_its_parent_holds():
    memory = SharedMemory("a", 100)
    child = os.fork()
    if child == 0:
        memory.leave()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sweep_unused() == []
    assert len(files()) == 1


@pytest.mark.skipif(not shared_memory._is_memory(shared_memory.USUAL_FOLDER), reason="there is no /dev/shm")
def test_the_usual_place_is_the_memory_file_system(monkeypatch):
    monkeypatch.delenv("BOXWRIGHT_SHARED")
    memory = SharedMemory(f"test-{os.getpid()}", 100)
    path = shared_memory.USUAL_FOLDER / f"boxwright-{os.getuid()}" / f"test-{os.getpid()}"
    assert path.stat().st_mode & 0o777 == 0o600
    memory.leave()
    assert not path.exists()


# -- trainings


def test_a_training_has_the_same_bits_with_shared_images_and_says_nothing_of_it(tmp_path, sharer, yaml):
    ground = Ground(tmp_path, yaml, datasets.write_model(tmp_path))
    plain = train(ground, tmp_path / "plain")
    holder = sharer()
    holder("open")
    holder("load")
    for name in ("first", "second"):
        run = train(ground, tmp_path / name, "--cache", "ram")
        assert not differences(training_state(plain.last), training_state(run.last))
        assert "alone" not in (run.folder / "run.log").read_text()
    assert len(files()) == 1, "that of the process that is still there"


def test_a_training_where_nothing_can_be_shared_says_so_once_and_has_the_same_bits(tmp_path, yaml, monkeypatch):
    ground = Ground(tmp_path, yaml, datasets.write_model(tmp_path))
    plain = train(ground, tmp_path / "plain")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, 63 << 20, 1 << 20))
    run = train(ground, tmp_path / "ram", "--cache", "val")
    assert not differences(training_state(plain.last), training_state(run.last))
    assert (run.folder / "run.log").read_text().count("stay in this process alone") == 1


def test_what_others_hold_already_is_not_asked_for_again(tmp_path, yaml, sharer, monkeypatch):
    holder = sharer()
    holder("open")
    holder("load")
    monkeypatch.setattr("boxwright.commands.training.assembly.free_memory_bytes", lambda: 30_000)  # room for none of the twelve
    words = ["--data", yaml, "--cfg", datasets.write_model(tmp_path), "--imgsz", SIDE, "--epochs", 1, "--batch", 4, "--device", "cpu", "--workers", 0]
    settings = [*map(str, words), "--noplots", "--quiet", "--noval", "--project", str(tmp_path / "runs"), "--cache", "ram"]
    assert command("train", *settings).code == 0
    holder.end()
    said = command("train", *settings)
    assert said.code == 2
    assert "keeping 12 images in memory takes" in said.err

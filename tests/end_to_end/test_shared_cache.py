# SPDX-License-Identifier: Apache-2.0
"""Decoded images in memory that processes share: real processes, killed and stopped, full and changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.system import cgroups, shared_memory
from boxwright.system.device import CACHE_SHARE
from boxwright.system.shared_memory import NotSharedError, SharedMemory, sweep_unused
from tests.support import datasets
from tests.support.commands import command
from tests.support.processes import environment
from tests.support.runs import Ground, differences, train, training_state
from tests.support.sharing import Sharer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is shared on Linux"),
]

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


def digest_of(yaml: Path) -> str:
    """What every process ought to see."""
    return hashlib.sha256(b"".join(unshared(yaml))).hexdigest()


def unshared(yaml: Path) -> list[bytes]:
    plain = ImageStore(open_split(read_dataset(yaml), "train"), SIDE, smooth=False)
    return [plain(number).tobytes() for number in range(IMAGES)]


def test_a_second_process_decodes_nothing_and_the_last_one_takes_the_file_away(yaml, sharer):
    first, second = sharer(), sharer()
    opened = first("open")
    assert opened == {"unshared": "", "needed": 0, "shared": True}
    filled = first("load")
    assert filled["decoded"] == IMAGES
    (path,) = files()
    assert second("open") == opened
    assert second("load") == {**filled, "decoded": 0}
    assert files() == [path]
    first.end()
    assert files() == [path], "one is still there"
    assert second("load")["decoded"] == 0
    second("close")
    assert files() == []
    assert filled["digest"] == digest_of(yaml)


def test_two_that_fill_it_at_once_see_the_same_pictures(yaml, sharer):
    both = [sharer(), sharer()]
    for one in both:
        one("open")
    for one in both:
        one.process.stdin.write("load\n")
        one.process.stdin.flush()
    found = [one.process.stdout.readline() for one in both]
    digest = digest_of(yaml)
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
    assert found["digest"] == digest_of(yaml)
    second.end()
    assert files() == []


def test_a_process_killed_beside_another_takes_nothing_from_it(sharer):
    first, second = sharer(), sharer()
    for one in (first, second):
        one("open")
    digest = second("load")["digest"]
    first.kill()
    assert second("load") == {"decoded": 0, "digest": digest}
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
    words = [
        "--data",
        yaml,
        "--cfg",
        model,
        "--imgsz",
        SIDE,
        "--epochs",
        1,
        "--batch",
        4,
        "--device",
        "cpu",
        "--workers",
        0,
        "--noplots",
        "--quiet",
    ]
    said = command("train", *map(str, words), "--cache", "ram", "--project", str(tmp_path / "runs"))
    assert said.code == 0, said.err
    assert files() == []


def test_a_process_killed_before_it_had_all_memory_is_no_hindrance(sharer):
    first = sharer()
    first("open")
    filled = first("load")
    first.kill()
    (path,) = files()
    size = path.stat().st_size
    os.truncate(path, size // 2)
    second = sharer()
    second("open")
    assert path.stat().st_blocks * 512 >= path.stat().st_size == size, (
        "no holes: a write into one could end the process"
    )
    found = second("load")
    assert 0 < found["decoded"] < IMAGES
    assert found["digest"] == filled["digest"]


def test_a_changed_image_is_decoded_anew_and_whoever_is_at_work_keeps_what_it_has(yaml, sharer):
    first = sharer()
    first("open")
    filled = first("load")
    images = yaml.parent / "images/train"
    shutil.copyfile(images / "004.png", images / "000.png")  # of the same size
    second = sharer()
    second("open")
    found = second("load")
    assert found == {"decoded": IMAGES, "digest": digest_of(yaml)}
    assert first("load") == {"decoded": 0, "digest": filled["digest"]}
    assert found["digest"] != filled["digest"]


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


def test_a_small_memory_file_system_leaves_images_to_the_process_and_says_so(yaml, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, 63 << 20, 1 << 20))
    store = store_of(yaml)
    assert "has room for 0 MiB, and 0 MiB are needed" in store.unshared
    assert files() == []
    assert [store(number).tobytes() for number in range(IMAGES)] == unshared(yaml)
    assert store(0) is store(0)


def test_room_that_only_a_killed_process_takes_is_used(yaml, monkeypatch):
    killed = Sharer(yaml, SIDE + 32)
    killed("open")
    killed.kill()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: Usage(1 << 30, 0, 1 << 30) if len(files()) < 2 else Usage(1 << 30, 1 << 30, 0)
    )
    store = store_of(yaml)
    assert store.unshared == ""
    assert len(files()) == 1


def failing(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_memory_that_is_gone_when_it_is_taken_is_told_and_nothing_is_left(yaml, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", failing)
    assert "no space left on device" in store_of(yaml).unshared
    assert files() == []


def test_an_interruption_while_memory_is_taken_leaves_nothing(yaml, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "posix_fallocate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store_of(yaml)
    assert files() == []


def test_a_container_that_grants_little_memory_is_asked_before_it_is_taken(yaml, tmp_path, monkeypatch):
    grant(tmp_path, monkeypatch, 50_000)
    monkeypatch.setattr(os, "posix_fallocate", None)  # it is not come to that
    store = store_of(yaml)
    assert "memory has room for 0 MiB" in store.unshared
    assert files() == []


def grant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let a container have this much memory left."""
    place = tmp_path / "cgroup"
    place.mkdir(exist_ok=True)
    (place / "memory.max").write_text(f"{size + 1000}\n")
    (place / "memory.current").write_text("1000\n")
    monkeypatch.setattr(cgroups, "ROOT", place)
    monkeypatch.setattr(cgroups, "MEMBERSHIP", place / "membership")


WITHOUT = """
import os, sys
sys.modules["fcntl"] = None
for name in ("posix_fallocate", "getuid", "O_NOFOLLOW", "O_CLOEXEC"):
    delattr(os, name)
from pathlib import Path
from types import SimpleNamespace
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.system.shared_memory import sweep_unused
store = ImageStore(open_split(read_dataset(Path(sys.argv[1])), "train"), 64, keep="memory", smooth=False)
print(store.unshared)
assert store(3) is store(3)
assert sweep_unused() == []
"""


def test_a_system_that_knows_nothing_of_it_keeps_images_to_the_process(yaml):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(yaml)], capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "no memory file system" in done.stdout


def test_a_system_without_a_memory_file_system_says_so(yaml, monkeypatch):
    monkeypatch.delenv("BOXWRIGHT_SHARED")
    memory, disk = (SimpleNamespace(mountpoint="/dev/shm", fstype=kind) for kind in ("tmpfs", "ext4"))
    for mounted in ([], [disk], [memory, disk]):
        monkeypatch.setattr(psutil, "disk_partitions", lambda mounted=mounted, **_: mounted)
        assert "no memory file system" in store_of(yaml).unshared


def test_a_folder_that_others_may_write_to_is_not_used(yaml):
    home = Path(os.environ["BOXWRIGHT_SHARED"]) / f"boxwright-{os.getuid()}"
    home.mkdir(parents=True)
    home.chmod(0o777)
    assert "not a folder that this user alone may write to" in store_of(yaml).unshared
    home.rmdir()
    home.symlink_to(yaml.parent)
    assert "not a folder that this user alone may write to" in store_of(yaml).unshared
    home.unlink()
    home.write_text("")
    assert "file exists" in store_of(yaml).unshared


def test_a_place_that_cannot_be_made_is_named(yaml, monkeypatch):
    monkeypatch.setenv("BOXWRIGHT_SHARED", str(yaml))
    assert f"{yaml}/boxwright-{os.getuid()}: not a directory" in store_of(yaml).unshared


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


@pytest.mark.parametrize(("word", "which"), [("ram", "training and validation"), ("val", "validation")])
def test_a_training_where_nothing_can_be_shared_says_so_once_and_has_the_same_bits(
    tmp_path, yaml, monkeypatch, word, which
):
    ground = Ground(tmp_path, yaml, datasets.write_model(tmp_path))
    plain = train(ground, tmp_path / "plain")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, 63 << 20, 1 << 20))
    run = train(ground, tmp_path / "ram", "--cache", word)
    assert not differences(training_state(plain.last), training_state(run.last))
    assert (run.folder / "run.log").read_text().count(f"decoded {which} images stay in this process alone") == 1


WORDS = (
    "--imgsz",
    "64",
    "--epochs",
    "1",
    "--batch",
    "4",
    "--device",
    "cpu",
    "--workers",
    "0",
    "--noplots",
    "--quiet",
    "--cache",
    "ram",
)


def test_what_others_hold_already_is_not_asked_for_again(tmp_path, yaml, sharer, monkeypatch):
    holder = sharer()
    holder("open")
    grant(tmp_path, monkeypatch, 30_000)  # room for none of the twelve
    words = [
        "--data",
        str(yaml),
        "--cfg",
        str(datasets.write_model(tmp_path)),
        *WORDS,
        "--noval",
        "--project",
        str(tmp_path / "runs"),
    ]
    assert command("train", *words).code == 0
    holder.end()
    said = command("train", *words)
    assert said.code == 2
    assert "keeping 12 images in memory takes" in said.err
    assert "alone" not in said.err


def test_images_that_are_not_shared_are_asked_for_together(tmp_path, yaml, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, 63 << 20, 1 << 20))
    words = [
        "--data",
        str(yaml),
        "--cfg",
        str(datasets.write_model(tmp_path)),
        *WORDS,
        "--project",
        str(tmp_path / "runs"),
    ]
    train, val = (
        ImageStore(open_split(read_dataset(yaml), split), SIDE, keep="memory", smooth=False).bytes_needed()
        for split in ("train", "val")
    )
    assert train > val > 0
    grant(tmp_path, monkeypatch, int(train / CACHE_SHARE) + 1)  # enough for each of them
    said = command("train", *words)
    assert said.code == 2
    assert "keeping 6 images in memory takes" in said.err
    grant(tmp_path, monkeypatch, 2 * int((train + val) / CACHE_SHARE))
    assert command("train", *words).code == 0

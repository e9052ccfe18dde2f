# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.errors import SettingError, UserError
from boxwright.system.claim import owner_of
from boxwright.system.run_folder import RunFile, RunFolder, make_run_folder, newest_checkpoint, next_folder

NOW, IN_2020 = "exp-exp2", "exp0-exp1"


def with_folders(project: Path, *names: str) -> None:
    for name in names:
        (project / name).mkdir(parents=True)


def following(name: str, numbering: str = NOW, *, exist_ok: bool = False) -> str:
    return str(next_folder("runs/train", name, exist_ok=exist_ok, numbering=numbering).relative_to("runs/train"))


@pytest.mark.parametrize(
    ("taken", "name", "expected"),
    [
        ([], "exp", "exp"),
        ([], "", "exp"),
        (["exp"], "exp", "exp2"),
        (["exp", "exp2", "exp3"], "exp", "exp4"),
        (["exp", "exp3"], "exp", "exp2"),
        (["exp2"], "exp", "exp"),
        (["exp"], "bccd", "bccd"),
        (["bccd", "bccd2"], "bccd", "bccd3"),
        (["a.b"], "a.b", "a.b2"),
        (["group/one"], "group/one", "group/one2"),
    ],
)
def test_a_name_that_is_taken_is_numbered_from_2_on(taken, name, expected):
    with_folders(Path("runs/train"), *taken)
    assert following(name) == expected


@pytest.mark.parametrize(
    ("taken", "name", "expected"),
    [
        ([], "", "exp0"),
        (["exp0"], "", "exp1"),
        (["exp0", "exp7"], "", "exp8"),
        (["exp0_first", "exp10"], "second", "exp11_second"),
        (["experiment", "exp", "expx_3", "exp²"], "", "exp0"),
    ],
)
def test_in_2020_runs_are_numbered_from_0_on_with_the_name_behind(taken, name, expected):
    with_folders(Path("runs/train"), *taken)
    assert following(name, IN_2020) == expected


def test_an_existing_folder_is_used_when_that_is_asked_for():
    with_folders(Path("runs/train"), "exp")
    assert following("exp", exist_ok=True) == "exp"
    make_run_folder(Path("runs/train/exp"), exist_ok=True)
    assert Path("runs/train/exp/weights").is_dir()


def test_asking_for_the_next_folder_makes_none():
    following("exp")
    assert not Path("runs").exists()


@settings(max_examples=15)
@given(st.sampled_from([NOW, IN_2020]), st.sampled_from(["", "exp", "a b", "ü.1"]), st.integers(1, 5))
def test_runs_one_after_the_other_never_share_a_folder(tmp_path_factory, numbering, name, count):
    project = tmp_path_factory.mktemp("runs")
    folders = []
    for _ in range(count):
        folders.append(next_folder(str(project), name, exist_ok=False, numbering=numbering))
        make_run_folder(folders[-1], exist_ok=False)
    assert len(set(folders)) == count
    assert {path.name for path in project.iterdir()} == {folder.name for folder in folders}


def test_a_file_or_a_link_into_nowhere_is_not_taken_for_a_free_place():
    Path("runs/train").mkdir(parents=True)
    Path("runs/train/exp").write_text("mine")
    Path("runs/train/exp2").symlink_to("nowhere")
    assert following("exp") == "exp3"
    for name in ("exp", "exp2"):
        with pytest.raises(SettingError, match="is a file, and a run needs a folder"):
            make_run_folder(Path("runs/train") / name, exist_ok=True)
    assert Path("runs/train/exp").read_text() == "mine"


def test_a_folder_that_somebody_else_took_meanwhile_is_refused():
    folder = next_folder("runs", "exp", exist_ok=False, numbering=NOW)
    folder.mkdir(parents=True)
    with pytest.raises(SettingError, match="was taken by another run in the meantime"):
        make_run_folder(folder, exist_ok=False)
    assert not any(folder.iterdir())


@pytest.mark.parametrize("numbering", [NOW, IN_2020])
@pytest.mark.parametrize(
    "project", ["/proc/runs", "a file/runs", "n" * 300], ids=["read-only", "under a file", "too long"]
)
def test_a_place_that_cannot_be_written_is_one_line_with_a_remedy(project, numbering):
    Path("a file").write_text("x")
    folder = next_folder(project, "exp", exist_ok=False, numbering=numbering)
    with pytest.raises(UserError, match=r"cannot be written \(.*\)\. \w") as caught:
        make_run_folder(folder, exist_ok=False)
    assert caught.value.exit_code == 2
    assert newest_checkpoint(project) is None


def test_the_newest_checkpoint_is_the_last_pt_that_was_written_last():
    assert newest_checkpoint("runs") is None
    for seconds, place in enumerate(
        (
            "train/exp2/weights",
            "train/exp/weights",
            "other/exp9/weights",
            "train/exp3/elsewhere",
            "train/exp4/weights/deeper",
        )
    ):
        Path("runs", place).mkdir(parents=True)
        for name in ("last.pt", "best.pt", "last.previous.pt"):
            file = Path("runs", place, name)
            file.write_text("x")
            os.utime(file, (1000 + seconds, 1000 + seconds + (name != "last.pt")))
    assert newest_checkpoint("runs") == Path("runs/other/exp9/weights/last.pt")
    assert newest_checkpoint("runs/train") == Path("runs/train/exp/weights/last.pt")


def test_a_run_whose_newest_state_is_gone_is_found_by_the_one_before():
    for name in ("last.pt", "last.previous.pt"):
        Path("runs/exp/weights").mkdir(parents=True, exist_ok=True)
        Path("runs/exp/weights", name).write_text("x")
    Path("runs/exp/weights/last.pt").unlink()
    assert newest_checkpoint("runs") == Path("runs/exp/weights/last.pt")


def test_two_that_make_one_folder_at_once_do_not_both_have_it(monkeypatch):
    monkeypatch.setattr("boxwright.system.run_folder._is_taken", lambda _folder: False)  # both have looked before
    make_run_folder(Path("runs/exp"), exist_ok=False)
    with pytest.raises(SettingError, match="was taken by another run in the meantime"):
        make_run_folder(Path("runs/exp"), exist_ok=False)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_regular_file_is_no_record_of_the_end_and_no_claim_and_nobody_waits_for_it(tmp_path, kind):
    for name in (RunFile.DONE, RunFile.CLAIM):
        if kind == "pipe":
            os.mkfifo(tmp_path / name)
        elif kind == "device":
            (tmp_path / name).symlink_to("/dev/zero")
        else:
            (tmp_path / name).mkdir()
    assert RunFolder(tmp_path).done() is None
    assert owner_of(tmp_path / RunFile.CLAIM) is None

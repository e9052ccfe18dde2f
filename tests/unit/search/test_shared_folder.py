# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest

from boxwright.errors import BoxwrightError, UserError
from boxwright.search.store import MAX_BYTES, FolderStore, ForeignFileError, is_name


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "study")


def test_what_was_made_first_stays_and_what_is_put_is_replaced(store):
    assert store.read("results/a.json") is None
    assert store.names("results/") == []
    assert store.create("results/a.json", b"1")
    assert not store.create("results/a.json", b"2")
    assert store.read("results/a.json") == b"1"
    store.put("best.yaml", b"1")
    store.put("best.yaml", b"2")
    assert store.read("best.yaml") == b"2"
    assert store.names("results/") == ["results/a.json"]


def test_unfinished_writes_and_hidden_files_are_not_listed_and_strangers_are(store):
    store.create("results/a.json", b"1")
    for name in (".a.json.boxwright-part-12", ".nfs0001", "a (copy).json"):
        (store.folder / "results" / name).write_text("x")
    assert sorted(store.names("results/")) == ["results/a (copy).json", "results/a.json"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/b/c", ".a", "a/.b", "", "a/", "a b", "a\0", "é", "a" * 201])
def test_no_name_leads_out_of_the_folder(store, name):
    assert not is_name(name)
    for use in (store.read, lambda name: store.create(name, b""), lambda name: store.put(name, b"")):
        with pytest.raises(BoxwrightError, match="is no name for a file of a study"):
            use(name)


def foreign_link(path):
    (path.parent / "secret").write_bytes(b"x")
    path.symlink_to("secret")


@pytest.mark.parametrize(
    "lay",
    [
        foreign_link,
        os.mkfifo,
        lambda path: (path.mkdir(), (path / "content").mkdir()),
        lambda path: path.write_bytes(bytes(MAX_BYTES + 1)),
    ],
    ids=["link", "pipe", "folder", "large"],
)
def test_what_is_no_file_is_named_and_never_opened(store, lay):
    store.create("results/b.json", b"")
    lay(store.folder / "results" / "a.json")
    with pytest.raises(ForeignFileError, match=r"results/a\.json: is no file of a study \(.*\)\. Remove it"):
        store.read("results/a.json")
    assert not store.create("results/a.json", b"1")


def test_a_linked_folder_within_a_study_is_refused_and_the_study_itself_may_be_linked(tmp_path):
    real = FolderStore(tmp_path / "real")
    real.create("plan.json", b"1")
    (tmp_path / "study").symlink_to("real")
    (tmp_path / "elsewhere").mkdir()
    linked = FolderStore(tmp_path / "study")
    assert linked.read("plan.json") == b"1"
    (tmp_path / "real" / "results").symlink_to(tmp_path / "elsewhere")
    uses = (lambda: linked.create("results/a", b""), lambda: linked.read("results/a"), lambda: linked.names("results/"))
    for use in uses:
        with pytest.raises(UserError, match="results: is no folder, and a study needs one here"):
            use()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written \(.*\)\. \w"):
        FolderStore(tmp_path / "file").create("results/a", b"")

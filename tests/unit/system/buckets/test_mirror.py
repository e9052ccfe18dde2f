# SPDX-License-Identifier: Apache-2.0
"""A run folder and its mirror: what is sent in which order, and that every moment of it can be gone on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxwright.system.buckets.address import Address, AwayError, BucketError, ElsewhereError, read_address
from boxwright.system.buckets.fetched_run import local_or_fetched
from boxwright.system.buckets.folder import FolderStore
from boxwright.system.buckets.job import Job, place_of_run, read_job, write_job
from boxwright.system.buckets.manifest import MANIFEST, Entry, Manifest, read_manifest
from boxwright.system.buckets.mirror import Mirror, SupersededError
from boxwright.system.buckets.sender import claim_place
from tests.support.commands import contents

OWNER = "a" * 32


class TrappedError(Exception):
    """The sender was ended here."""


class WatchedStore(FolderStore):
    """Notes what is done, and ends the sender before one step of it."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self.steps: list[str] = []
        self.left = -1
        self.spoils = ""

    def _step(self, what: str, size: int = 0) -> None:
        super()._step(what, size)
        if what.startswith(("writing", "removing")):
            self.steps.append(what)
            self.left -= 1
            if self.left == 0:
                raise TrappedError

    def _put(self, name, pieces, *, new=False):
        if name == self.spoils:
            self.spoils = ""
            pieces = iter((b"spoilt" + next(pieces),))
        return super()._put(name, pieces, new=new)


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "runs" / "exp"
    (folder / "weights").mkdir(parents=True)
    for name in ("config.yaml", "events.jsonl", "claim.json"):
        (folder / name).write_text(f"{name} 1\n")
    state(folder, 1)
    return folder


def state(folder: Path, number: int, *, size: int = 10) -> None:
    """A new generation, as a training writes it: the best first, then the state before, then the newest."""
    for name in ("weights/best.new", "weights/last.new"):
        (folder / name).write_bytes((b"%d" % number).ljust(size, b"."))
    (folder / "weights/best.new").replace(folder / "weights/best.pt")
    if (folder / "weights/last.pt").exists():
        (folder / "weights/last.pt").replace(folder / "weights/last.previous.pt")
    (folder / "weights/last.new").replace(folder / "weights/last.pt")
    with (folder / "events.jsonl").open("a") as file:
        file.write(f"epoch {number}\n")


def number_of(weights: Path) -> int:
    return int(weights.read_bytes().rstrip(b"."))


def mirror(run: Path, tmp_path: Path, **more) -> tuple[Mirror, WatchedStore]:
    bucket = tmp_path / "bucket"
    bucket.mkdir(exist_ok=True)
    place = read_address(f"file://{bucket}", "--bucket") / "runs/exp"
    if not (run / "bucket.json").exists():
        write_job(run, Job(str(place), f"file://{bucket}", OWNER, "t", **more))
    store = WatchedStore(place)
    return Mirror(run, read_job(run), store, WatchedStore(read_address(f"file://{bucket}", "--bucket"))), store


def there(store: FolderStore) -> dict[str, str]:
    return {name: digest for name, digest in contents(store.root).items() if name != MANIFEST}


def here(run: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(run).items() if name not in {"bucket.json", "claim.json"}}


def test_all_of_a_run_is_sent_and_then_only_what_changed(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    assert sender.sync() == (0, 0)
    assert there(store) == here(run)
    assert read_manifest(store).files.keys() == here(run).keys()
    store.steps.clear()
    assert sender.sync() == (0, 0)
    assert store.steps == []
    (run / "config.yaml").write_text("other")
    sender.sync()
    assert store.steps == [f"writing {MANIFEST}", "writing config.yaml", f"writing {MANIFEST}"]
    assert there(store) == here(run)


def test_a_sender_that_is_started_anew_sends_nothing_again(run, tmp_path):
    mirror(run, tmp_path)[0].sync()
    sender, store = mirror(run, tmp_path)
    sender.sync()
    assert store.steps == []
    (store.root / "config.yaml").write_text("touched by somebody")
    sender, store = mirror(run, tmp_path)
    sender.sync()
    assert "writing config.yaml" in store.steps
    assert there(store) == here(run)


def test_what_a_put_that_was_cut_off_left_is_cleared_by_the_next_sender(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    part = store.root / "weights" / ".last.pt.boxwright-part-0123456789ab"
    part.write_bytes(b"half of it")
    mirror(run, tmp_path)[0].sync()
    assert not part.exists()


def test_the_newest_state_is_sent_last_and_the_one_before_is_there_by_then(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    state(run, 2)
    store.steps.clear()
    sender.sync()
    names = [step.split()[1] for step in store.steps]
    assert names[0] == names[-1] == MANIFEST
    assert names[1:-1] == ["events.jsonl", "weights/best.pt", "weights/last.previous.pt", "weights/last.pt"]


def test_what_the_folder_has_no_more_goes_behind_the_manifest(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    state(run, 2)
    sender.sync()
    (run / "weights/last.previous.pt").unlink()
    store.steps.clear()
    sender.sync()
    assert store.steps == [f"writing {MANIFEST}", "removing weights/last.previous.pt"]
    assert there(store) == here(run)


def test_that_a_run_is_done_is_sent_last_and_taken_back_first(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    state(run, 2)
    (run / "done.json").write_text("{}")
    store.steps.clear()
    sender.sync()
    assert [step.split()[1] for step in store.steps][-3:] == ["weights/last.pt", "done.json", MANIFEST]
    (run / "done.json").unlink()
    state(run, 3)
    store.left = 2
    with pytest.raises(TrappedError):
        sender.sync()
    assert "done.json" not in {**read_manifest(store).files, **read_manifest(store).coming}
    mirror(run, tmp_path)[0].sync()
    assert there(store) == here(run)


def test_large_files_are_held_by_a_second_name_while_they_are_sent(run, tmp_path, monkeypatch):
    sender, store = mirror(run, tmp_path)
    state(run, 1, size=2 << 20)
    (run / "events.jsonl").write_bytes(b"x" * (3 << 20))
    put = WatchedStore.put

    def replaced_meanwhile(self, name, path):
        if name == "events.jsonl":
            state(run, 2, size=2 << 20)
        put(self, name, path)

    monkeypatch.setattr(WatchedStore, "put", replaced_meanwhile)
    assert sender.sync().files == 4
    assert (store.root / "weights/last.pt").read_bytes()[:1] == b"1"
    assert (store.root / "events.jsonl").stat().st_size == 3 << 20
    monkeypatch.undo()
    assert sender.sync().files == 0
    assert there(store) == here(run)
    assert not list(run.rglob(".*"))


def test_what_arrives_otherwise_than_it_was_sent_is_sent_again(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    store.spoils = "weights/last.pt"
    with pytest.raises(AwayError, match="has not arrived as it was sent"):
        sender.sync()
    assert "weights/last.pt" not in read_manifest(store).files
    assert sender.sync() == (0, 0)
    assert there(store) == here(run)


def test_at_whatever_step_a_sender_is_ended_the_mirror_can_be_gone_on_from(run, tmp_path):
    """Each time another machine fetches it: a whole state, and everything that was written before that one."""
    mirror(run, tmp_path)[0].sync()
    steps, number = 1, 1
    while True:
        number += 1
        state(run, number)
        sender, store = mirror(run, tmp_path)
        store.left = steps
        try:
            sender.sync()
        except TrappedError:
            pass
        else:
            break
        fetched = local_or_fetched(store.address, tmp_path / f"fetched{steps}", lambda _: None)
        found = number_of(fetched / "weights/last.pt")
        events = (fetched / "events.jsonl").read_text()
        assert found in {number, number - 1}
        assert f"epoch {found}\n" in events
        assert number_of(fetched / "weights/best.pt") >= found
        own = read_job(run)
        write_job(run, Job(own.address, own.bucket, read_job(fetched).owner, own.turn))  # the test goes on as both
        mirror(run, tmp_path)[0].sync()
        steps += 1
    assert steps > 6


def test_whoever_takes_over_is_left_alone_by_the_machine_before(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    fetched = local_or_fetched(store.address, tmp_path / "other", lambda _: None)
    assert here(run) == here(fetched)
    state(run, 2)
    before = contents(store.root)
    with pytest.raises(ElsewhereError, match="goes on from there on another machine"):
        sender.sync()
    assert contents(store.root) == before
    state(fetched, 3)
    Mirror(fetched, read_job(fetched), store, store).sync()
    with pytest.raises(ElsewhereError, match="is there already"):
        local_or_fetched(store.address, run, lambda _: None)
    told: list[str] = []
    assert local_or_fetched(store.address, fetched, told.append) == fetched
    assert "goes on as it is here" in told[0]


def test_a_sender_whose_folder_another_one_sends_stops(run, tmp_path):
    sender, _ = mirror(run, tmp_path)
    sender.sync()
    write_job(run, read_job(run).taken_over())
    with pytest.raises(SupersededError):
        sender.sync()


def test_a_place_with_another_run_or_with_other_files_is_refused(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    with pytest.raises(ElsewhereError, match="belongs to another run"):
        claim_place(store, "b" * 32)
    claim_place(store, OWNER)
    place = store.address.parent / "mine"
    Path(place.bucket, place.key).mkdir(parents=True)
    (Path(place.bucket, place.key) / "notes.txt").write_text("mine")
    with pytest.raises(ElsewhereError, match="no mirror of a run"):
        claim_place(FolderStore(place), OWNER)
    free = FolderStore(store.address.parent / "free")
    claim_place(free, OWNER)
    claim_place(free, "b" * 32)  # nothing had come of it
    assert read_manifest(free) == Manifest("b" * 32)


def test_a_folder_that_is_not_there_is_not_made_into_a_bucket(tmp_path):
    store = FolderStore(Address("file", str(tmp_path / "mnt"), "runs/exp"))
    for asked in (store.names, lambda: store.write("a", b""), lambda: store.read("a", 1)):
        with pytest.raises(BucketError, match="there is no such folder"):
            asked()
    assert not (tmp_path / "mnt").exists()


def test_copies_go_to_their_further_places(run, tmp_path):
    sender, store = mirror(run, tmp_path, copies=(("events.jsonl", "results/mine.txt"),))
    sender.sync()
    bucket = tmp_path / "bucket"
    assert (bucket / "results/mine.txt").read_bytes() == (run / "events.jsonl").read_bytes()
    sender.bucket.steps.clear()
    state(run, 2)
    sender.sync()
    sender.sync()
    assert sender.bucket.steps == ["writing results/mine.txt"]
    assert (bucket / "results/mine.txt").read_bytes() == (run / "events.jsonl").read_bytes()
    assert there(store) == here(run)


@pytest.mark.parametrize(
    "name", ["../up.txt", "/etc/passwd", "a/../b", "a//b", "a\\b", "", "a/", ".", "a\nb", "x" * 300, "a/" * 600 + "b"]
)
def test_names_in_a_manifest_never_lead_out(name, run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    manifest = json.loads((store.root / MANIFEST).read_text())
    manifest["files"][name] = [1, "0" * 64, ""]
    (store.root / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BucketError, match="is no name for a file"):
        local_or_fetched(store.address, tmp_path / "other", lambda _: None)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"format": 1}',
        json.dumps(
            {"format": "boxwright mirror of a run", "version": 1, "owner": "x", "files": {}, "coming": {}}
        ).encode(),
        Manifest(OWNER, {"a": Entry(-1, "0" * 64)}).content(),
        Manifest(OWNER, {"a": Entry(1, "Z" * 64)}).content(),
        Manifest(OWNER, {str(i): Entry(1, "0" * 64) for i in range(20_001)}).content(),
    ],
)
def test_a_broken_manifest_is_one_line(content, tmp_path):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(BucketError, match="is no list of the files of a run"):
        read_manifest(FolderStore(Address("file", str(tmp_path))))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("address", 1),
        ("bucket", ""),
        ("turn", None),
        ("copies", 1),
        ("copies", [["a"]]),
        ("copies", [[1, 2]]),
    ],
)
def test_a_broken_record_of_a_bucket_is_one_line(key, value, run, tmp_path):
    mirror(run, tmp_path)
    record = json.loads((run / "bucket.json").read_text())
    (run / "bucket.json").write_text(json.dumps({**record, key: value}))
    with pytest.raises(BucketError, match="is no record of a bucket"):
        read_job(run)
    (run / "bucket.json").write_text(json.dumps({**record, "copies": [["../a", "b"]]}))
    with pytest.raises(BucketError, match="is no name for a file"):
        read_job(run)
    for content in ("", "[]", "[" * 100_000):
        (run / "bucket.json").write_text(content)
        with pytest.raises(BucketError, match="is no record of a bucket"):
            read_job(run)


def test_a_damaged_object_is_not_gone_on_from(run, tmp_path):
    sender, store = mirror(run, tmp_path)
    sender.sync()
    (store.root / "weights/best.pt").write_bytes(b"7777777777")
    with pytest.raises(AwayError, match="is not what the manifest says"):
        local_or_fetched(store.address, tmp_path / "other", lambda _: None)
    assert not (tmp_path / "other").exists()
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]


def test_addresses_are_read_as_they_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(read_address("mine", "-")) == "gs://mine"
    assert str(read_address("mine/team", "-")) == "gs://mine/team"
    assert str(read_address("s3://mine/a/b/", "-")) == "s3://mine/a/b"
    assert str(read_address("file://b", "-")) == f"file://{tmp_path}/b"
    assert (read_address("s3://mine/a", "-") / "b").key == "a/b"
    for wrong in ("", "s3://", "ftp://x", "/tmp/x", "./x", "s3://a", "gs://mine/../up", "s3://mi ne", "s3://mine//x"):
        with pytest.raises(BucketError):
            read_address(wrong, "--bucket")


def test_a_run_has_its_place_below_the_bucket(tmp_path):
    bucket = Address("s3", "mine", "team")
    assert str(place_of_run(bucket, Path("runs/train/exp"), "runs/train")) == "s3://mine/team/runs/train/exp"
    assert str(place_of_run(bucket, tmp_path / "birds" / "exp", str(tmp_path / "birds"))) == "s3://mine/team/birds/exp"
    assert str(place_of_run(bucket, Path("../birds/exp"), "../birds")) == "s3://mine/team/birds/exp"

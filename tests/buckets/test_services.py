# SPDX-License-Identifier: Apache-2.0
"""What the rest relies on, at real servers: whole objects, facts, refusals in one line, times that are kept."""

from __future__ import annotations

import hashlib
import time

import pytest

from boxwright.system.buckets import remote
from boxwright.system.buckets.address import AwayError, BucketError, read_address
from boxwright.system.buckets.remote import opened

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]


@pytest.fixture
def store(bucket):
    return opened(read_address(bucket.address, "-") / "runs/exp")


def test_objects_are_written_read_listed_copied_and_removed(store, tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(content)
    assert store.names() == {}
    assert (store.read("none", 10), store.facts("none")) == (None, None)
    store.put("weights/large.pt", tmp_path / "large")
    assert store.write("small", b"small")
    facts = store.facts("weights/large.pt")
    assert (facts.size, facts.md5) == (len(content), hashlib.md5(content).hexdigest())
    listed = store.names()
    assert listed.keys() == {"weights/large.pt", "small"}
    assert listed["weights/large.pt"] == facts
    assert store.names("wei").keys() == {"weights/large.pt"}
    digest = hashlib.sha256(content).hexdigest()
    assert store.digest("weights/large.pt") == digest
    assert store.get("weights/large.pt", tmp_path / "back", len(content)) == digest
    assert (tmp_path / "back").read_bytes() == content
    with pytest.raises(BucketError, match="over the limit"):
        store.get("weights/large.pt", tmp_path / "again", 10)
    store.copy("weights/large.pt", "twin")
    assert store.facts("twin").md5 == facts.md5
    store.write("small", b"")
    assert store.read("small", 10) == b""
    assert store.facts("small").tag != facts.tag
    store.remove("small")
    store.remove("small")
    assert "small" not in store.names()
    with pytest.raises(BucketError, match="is not there"):
        store.get("small", tmp_path / "none", 10)


def test_an_object_is_made_once_at_s3(s3):
    store = opened(read_address(s3.address, "-"))
    assert store.write("ledger/1", b"mine", new=True)
    assert not store.write("ledger/1", b"yours", new=True)
    assert store.read("ledger/1", 10) == b"mine"


def test_a_large_object_is_fetched_in_pieces(store, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "PIECE", 100_000)
    content = bytes(range(250)) * 4001
    store.write("pieces", content)
    assert store.get("pieces", tmp_path / "back", 1 << 30) == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "back").read_bytes() == content


@pytest.mark.parametrize(
    ("mode", "what"),
    [
        ("wrong key", "the credentials are not accepted"),
        ("clock", "the clock of this machine is too far from the service's. Set the clock right"),
        ("denied", "it may not be used with these credentials"),
    ],
)
def test_a_refusal_of_s3_is_one_line(mode, what, s3):
    store = opened(read_address(s3.address, "-"))
    s3.proxy.fail(mode)
    for ask in (lambda: store.write("a", b"b"), lambda: store.read("a", 10), store.names):
        with pytest.raises(BucketError, match=what) as raised:
            ask()
        assert not isinstance(raised.value, AwayError)


def test_a_refusal_of_google_is_one_line(gs):
    store = opened(read_address(gs.address, "-"))
    gs.proxy.fail("denied")
    for ask in (lambda: store.write("a", b"b"), lambda: store.read("a", 10), store.names):
        with pytest.raises(BucketError, match="it may not be used with these credentials") as raised:
            ask()
        assert not isinstance(raised.value, AwayError)


@pytest.mark.usefixtures("s3", "gs")
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_that_is_not_there_is_one_line(scheme):
    store = opened(read_address(f"{scheme}://nowhere/runs", "-"))
    for ask in (lambda: store.write("a", b"b"), store.names):
        with pytest.raises(BucketError, match="there is no such bucket") as raised:
            ask()
        assert not isinstance(raised.value, AwayError)


def test_without_credentials_it_is_one_line(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(BucketError, match="there are no credentials"):
        opened(read_address(s3.address, "-")).write("a", b"b")


@pytest.mark.parametrize("mode", ["500", "gone", "silent"])
def test_a_service_in_trouble_is_given_up_in_time(mode, bucket, monkeypatch):
    monkeypatch.setattr(remote, "STEP_S", 2.0)
    monkeypatch.setattr(remote, "SILENCE_S", 1.0)
    store = opened(read_address(bucket.address, "-"))
    said = []
    store.announce = lambda what, seconds: said.append((what, seconds))
    bucket.proxy.fail(mode)
    began = time.monotonic()
    with pytest.raises(AwayError):
        store.write("a", b"b")
    assert time.monotonic() - began < 30
    assert said[0][0] == "sending a"
    assert 2.0 <= said[0][1] < 3.0
    bucket.proxy.fail("")
    store.write("a", b"c")
    assert store.read("a", 10) == b"c"


def test_a_few_failures_are_the_business_of_the_client(bucket):
    store = opened(read_address(bucket.address, "-"))
    bucket.proxy.fail("500", times=1)
    store.write("a", b"b")
    assert store.read("a", 10) == b"b"


def test_an_answer_that_is_cut_off_is_never_taken_for_whole(s3, tmp_path):
    store = opened(read_address(s3.address, "-"))
    store.write("a", b"0123456789" * 1000)
    s3.proxy.fail("cut", only=("GET",))
    with pytest.raises(AwayError):
        store.get("a", tmp_path / "a", 1 << 20)

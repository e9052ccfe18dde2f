# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.cli import main
from boxwright.commands.dataset.fetch import fetched
from boxwright.commands.training.plan import plan_of
from boxwright.config.assemble import resolve_train
from boxwright.config.schema.datasets import FetchSettings
from boxwright.errors import DataError, UserError
from boxwright.system.archives import ArchiveError, unpack
from boxwright.system.fetch import FetchError, Limits, fetch, is_public
from boxwright.system.places import cache_folder
from tests.support import https

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = {"127.0.0.1", "::1"}


def limits(max_bytes: int = 1 << 20, **more) -> Limits:
    return Limits(max_bytes, silence_s=5.0, allowed=LOOPBACK.__contains__, trust=https.trust(), **more)


def zipped(*members: tuple[str, bytes], mode: int = 0o100644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def tarred(*members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


GOOD = zipped(("set/images/train/a.txt", b"one"), ("set/labels/train/a.txt", b"0 0.5 0.5 0.1 0.1"))


def yaml_for(folder: Path, url: str, more: str = "") -> FetchSettings:
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(f"path: data\ntrain: images/train\nnames: [a]\ndownload: {url}\n{more}")
    return FetchSettings(data=str(folder / "data.yaml"))


# -- the whole way


@pytest.mark.loopback
def test_an_archive_is_fetched_checked_unpacked_and_remembered(tmp_path):
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, asked):
        answer = fetched(yaml_for(tmp_path / "a", f"{server}/set.zip"), limits())
        assert (tmp_path / "a/data/labels/train/a.txt").read_text() == "0 0.5 0.5 0.1 0.1"
        assert answer.document["sha256"] == hashlib.sha256(GOOD).hexdigest()
        assert "is remembered and required from now on" in answer.notes[0]
        assert fetched(yaml_for(tmp_path / "b", f"{server}/set.zip"), limits()).notes == ()
        assert asked == ["/set.zip", "/set.zip"]
    assert not list((cache_folder() / "fetched").glob("*.archive"))


@pytest.mark.loopback
def test_what_has_changed_since_it_was_first_fetched_is_refused(tmp_path):
    answers = {"/set.zip": https.body(GOOD)}
    with https.serving(answers) as (server, _):
        fetched(yaml_for(tmp_path / "a", f"{server}/set.zip"), limits())
        answers["/set.zip"] = https.body(zipped(("x.txt", b"other")))
        with pytest.raises(FetchError, match="was expected"):
            fetched(yaml_for(tmp_path / "b", f"{server}/set.zip"), limits())
    assert not (tmp_path / "b/data").exists()


@pytest.mark.loopback
@pytest.mark.parametrize("stated", ["0" * 64, "sha256:" + "1" * 64])
def test_a_hash_in_the_yaml_has_to_be_met(tmp_path, stated):
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, _), pytest.raises(FetchError, match="was expected"):
        fetched(yaml_for(tmp_path / "a", f"{server}/set.zip", f"checksum: '{stated}'\n"), limits())
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["data.yaml"]


@pytest.mark.loopback
def test_nothing_is_fetched_over_data_that_is_there(tmp_path):
    with https.serving({}) as (server, asked):
        settings = yaml_for(tmp_path / "a", f"{server}/set.zip")
        (tmp_path / "a/data").mkdir()
        (tmp_path / "a/data/mine.txt").write_text("mine")
        with pytest.raises(UserError, match="Nothing is fetched over existing data"):
            fetched(settings, limits())
        assert asked == []


HOSTILE = {
    "climbs": zipped(("../outside.txt", b"x")),
    "climbs with backslashes": zipped(("..\\outside.txt", b"x")),
    "absolute": zipped(("/tmp/outside.txt", b"x")),
    "drive": zipped(("C:/outside.txt", b"x")),
    "control characters": zipped(("a\x1b[2J.txt", b"x")),
    "zip link": zipped(("link", b"/etc/passwd"), mode=0o120777),
    "bomb": zipped(("bomb.txt", b"\0" * (3 << 20))),
    "twice": zipped(("a.txt", b"x"), ("A.TXT", b"y")),
    "tar climbs": tarred(("../outside.txt", b"x")),
    "tar link": tarred(("link", b""), kind=tarfile.SYMTYPE),
    "tar hard link": tarred(("link", b""), kind=tarfile.LNKTYPE),
    "tar device": tarred(("device", b""), kind=tarfile.CHRTYPE),
    "tar large": tarred(("large", b"\0" * (9 << 20))),
    "cut": GOOD[: len(GOOD) // 2],
    "no archive": b"<html>not found</html>",
    "empty": b"",
}


@pytest.mark.loopback
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing_behind(tmp_path, case):
    with https.serving({"/set.zip": https.body(HOSTILE[case])}) as (server, _), pytest.raises((ArchiveError, FetchError)) as found:
        fetched(yaml_for(tmp_path / "a", f"{server}/set.zip"), limits(8 << 20))
    assert "\n" not in str(found.value)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["data.yaml"]
    assert not list(tmp_path.rglob("outside.txt"))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_archives_end_in_one_line(tmp_path, seed):
    draw = np.random.default_rng(seed)
    content = bytearray(GOOD if seed % 2 else tarred(("a.txt", b"x" * 300), ("b/c.txt", b"y")))
    for at in draw.integers(0, len(content), 4):
        content[at] = int(draw.integers(256))
    (tmp_path / "archive").write_bytes(content)
    with contextlib.suppress(ArchiveError):  # any other kind of end fails the test
        unpack(tmp_path / "archive", tmp_path / "out", 1 << 20, frozenset((".txt",)))
    assert not [path for path in tmp_path.iterdir() if path.name not in {"archive", "out", "work", "cache"}]


# -- servers


BEHAVIOURS = {
    "not there": (https.body(b"", status=404), "answers 404"),
    "too long by its word": (https.body(b"", length=2 << 30), "over the limit"),
    "too long by its deeds": (https.body(b"x" * (2 << 20), length=-1), "sends more than"),
    "ends early": (https.body(b"x" * 10, length=1000), "ended after|cannot be fetched"),
    "compressed": (https.body(b"x", headers={"Content-Encoding": "gzip"}), "compresses"),
    "to plain http": (https.body(b"", status=302, headers={"Location": "http://localhost/x"}), "not an https"),
    "to a file": (https.body(b"", status=302, headers={"Location": "file:///etc/passwd"}), "not an https"),
    "to a private address": (https.body(b"", status=302, headers={"Location": "https://10.0.0.1/x"}), "no public address"),
    "to the metadata of a cloud": (https.body(b"", status=302, headers={"Location": "https://169.254.169.254/x"}), "no public address"),
    "in circles": (https.body(b"", status=302, headers={"Location": "/x"}), "redirects more than"),
}


@pytest.mark.loopback
@pytest.mark.parametrize("case", BEHAVIOURS)
def test_a_server_that_misbehaves_is_refused_and_nothing_stays(tmp_path, case):
    answer, match = BEHAVIOURS[case]
    with https.serving({"/x": answer}) as (server, _), pytest.raises(FetchError, match=match):
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert not (tmp_path / "file").exists()


@pytest.mark.loopback
def test_a_redirect_within_the_rules_is_followed(tmp_path):
    answers = {"/a": https.body(b"", status=302, headers={"Location": "/b"}), "/b": https.body(b"content")}
    with https.serving(answers) as (server, asked):
        assert fetch(f"{server}/a", tmp_path / "file", limits()) == hashlib.sha256(b"content").hexdigest()
        assert asked == ["/a", "/b"]


@pytest.mark.loopback
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    own = Limits(1 << 20, allowed=LOOPBACK.__contains__)
    with https.serving({"/x": https.body(b"x")}) as (server, _), pytest.raises(FetchError, match="cannot be fetched"):
        fetch(f"{server}/x", tmp_path / "file", own)


@pytest.mark.loopback
@pytest.mark.parametrize("url", ["https://127.0.0.1/x", "https://[::1]/x", "https://0x7f.1/x", "https://192.168.1.1/x", "https://[::ffff:127.0.0.1]/x"])
def test_addresses_of_this_machine_and_its_neighbours_are_refused(tmp_path, url):
    with pytest.raises(FetchError):
        fetch(url, tmp_path / "file", Limits(1 << 20))


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://example.org/x", "https://", "https://user:secret@example.org/x", "https://h:99999/x"])
def test_addresses_of_another_form_are_refused_before_any_connection(tmp_path, url):
    with pytest.raises(FetchError) as found:
        fetch(url, tmp_path / "file", Limits(1 << 20))
    assert "secret" not in str(found.value)


def test_public_and_other_addresses():
    assert is_public("93.184.216.34")
    assert not any(is_public(one) for one in ("10.1.2.3", "127.0.0.1", "169.254.169.254", "224.0.0.1", "::1", "fe80::1", "::ffff:10.0.0.1", "100.64.0.1"))


# -- from a training


def test_a_training_fetches_only_when_it_may(tmp_path):
    settings = yaml_for(tmp_path / "a", "https://127.0.0.1/set.zip")
    with pytest.raises(DataError, match="boxwright data fetch"):
        plan_of(resolve_train({"data": settings.data}), None)


@pytest.mark.loopback
def test_a_training_that_may_fetch_does_so_by_the_same_rules(tmp_path):
    settings = yaml_for(tmp_path / "a", "https://127.0.0.1/set.zip")
    with pytest.raises(FetchError, match="no public address"):
        plan_of(resolve_train({"data": settings.data, "allow_download": True}), None)


# -- texts that would have to be run


@pytest.mark.parametrize("text", ["touch PWNED", "'| import os'", "bash data/get.sh", "https://a.example/x; rm -rf /"])
def test_text_is_shown_and_never_run(tmp_path, capsys, text):
    settings = yaml_for(tmp_path / "a", text)
    assert main(["data", "fetch", settings.data]) == 2
    assert "never does" in capsys.readouterr().err
    assert not list(tmp_path.rglob("PWNED*"))

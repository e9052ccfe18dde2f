# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import hashlib
import socket
import tarfile
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.cli import main
from boxwright.config.assemble import resolve_train
from boxwright.config.schema.datasets import FetchSettings
from boxwright.errors import DataError, UserError
from boxwright.runs.inputs.fetch_data import fetched
from boxwright.runs.plan import plan_of
from boxwright.system.archives import ArchiveError, unpack
from boxwright.system.fetch import FetchError, Limits, fetch, is_public
from boxwright.system.places import cache_folder
from tests.support import https
from tests.support.archives import tarred, zipped

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = {"127.0.0.1", "::1"}


def limits(max_bytes: int = 1 << 20, **more) -> Limits:
    return Limits(max_bytes, silence_s=5.0, allowed=LOOPBACK.__contains__, trust=https.trust(), **more)


GOOD = zipped(("set/images/train/a.txt", b"one"), ("set/labels/train/a.txt", b"0 0.5 0.5 0.1 0.1"))


def yaml_for(folder: Path, url: str, more: str = "", *, path: str = "data", to: str = "") -> FetchSettings:
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(f"path: {path}\ntrain: images/train\nnames: [a]\ndownload: {url}\n{more}")
    return FetchSettings(data=str(folder / "data.yaml"), to=to)


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


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
        with pytest.raises(UserError, match=r"holds 'mine.txt'\. Nothing is fetched over existing data"):
            fetched(settings, limits())
        assert asked == []


# -- where data goes


def elsewhere(tmp_path: Path, case: str) -> str:
    """What `path` says, for each way out of the folder of the YAML."""
    (tmp_path / "a/link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a/dangling").symlink_to(tmp_path / "nothing")
    return {
        "up": "..",
        "up and down": "../home/.local/lib",
        "down and up": "x/../../home",
        "absolute": f"{tmp_path}/home",
        "absolute, in quotes": f"'{tmp_path}/home'",
        "through a link": "link/home",
        "through a link to nothing": "dangling",
        "hidden": ".config",
        "hidden below": "x/.git/y",
        "hidden in a roundabout way": "x/../.vscode",
        "escape": r'"\e[31m"',
        "two lines": r'"x\ny"',
        "end of text": r'"x\0y"',
        "long": "x/" * 3000,
    }[case]


WAYS_OUT = (
    "up",
    "up and down",
    "down and up",
    "absolute",
    "absolute, in quotes",
    "through a link",
    "through a link to nothing",
)
NO_FOLDERS = ("hidden", "hidden below", "hidden in a roundabout way", "escape", "two lines", "end of text")


@pytest.mark.loopback
@pytest.mark.parametrize("case", [*WAYS_OUT, *NO_FOLDERS])
def test_a_yaml_cannot_send_data_out_of_its_folder(tmp_path, case, capsys):
    (tmp_path / "a").mkdir()
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, asked):
        settings = yaml_for(tmp_path / "a", f"{server}/set.zip", path=elsewhere(tmp_path, case))
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(UserError, match="Remove the escape" if case == "end of text" else "--to FOLDER"):
            fetched(settings, limits())
        assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []
        if case in WAYS_OUT:
            assert main(["train", "--data", settings.data, "--allow-download", "--epochs", "1"]) == 2
        assert asked == []
    assert not list(tmp_path.rglob("a.txt"))
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "our fault" not in err


@pytest.mark.loopback
@pytest.mark.parametrize("there", [False, True])
def test_the_command_may_name_another_folder_and_the_yaml_is_told_about_it(tmp_path, there):
    target = tmp_path / "elsewhere/deep"
    if there:
        target.mkdir(parents=True)
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, _):
        answer = fetched(yaml_for(tmp_path / "a", f"{server}/set.zip", path="../../x", to=str(target)), limits())
    assert files_in(tmp_path / "elsewhere") == ["deep/images/train/a.txt", "deep/labels/train/a.txt"]
    assert f"write 'path: {target}'" in answer.notes[-1]
    assert files_in(tmp_path / "a") == ["data.yaml"]


@pytest.mark.loopback
def test_a_folder_that_the_yaml_leads_to_needs_no_word_when_the_command_names_it(tmp_path):
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, _):
        answer = fetched(yaml_for(tmp_path / "a", f"{server}/set.zip", path="../b", to=str(tmp_path / "b")), limits())
    assert not any("leads elsewhere" in note for note in answer.notes)


@pytest.mark.loopback
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder with a file", "folder with a hidden file", "folder with a link"])
def test_what_is_in_the_way_is_told_and_stays_as_it_is(tmp_path, kind, named):
    target = tmp_path / "a/data"
    target.parent.mkdir()
    if kind == "file":
        target.write_text("mine")
    else:
        target.mkdir()
        name = ".mine" if "hidden" in kind else "data.yaml"
        if "link" in kind:
            (target / name).symlink_to(tmp_path / "nothing")
        else:
            (target / name).write_text("mine")
    with https.serving({"/set.zip": https.body(GOOD)}) as (server, asked):
        settings = yaml_for(tmp_path / "a", f"{server}/set.zip", to=str(target) if named else "")
        before = files_in(tmp_path / "a")
        with pytest.raises(UserError, match="is there already") as found:
            fetched(settings, limits())
        assert str(target) in str(found.value)
        assert asked == []
    assert files_in(tmp_path / "a") == before


@pytest.mark.loopback
def test_beside_its_yaml_data_is_put_and_the_yaml_stays_as_it_is(tmp_path):
    content = zipped(
        ("s/images/a.jpg", b"x"), ("s/data.yaml", b"other"), ("s/list.txt", b"images/a.jpg"), ("s/x.pth", b"import os")
    )
    with https.serving({"/set.zip": https.body(content)}) as (server, _):
        settings = yaml_for(tmp_path / "a", f"{server}/set.zip", path=".")
        before = (tmp_path / "a/data.yaml").read_text()
        answer = fetched(settings, limits())
    assert files_in(tmp_path / "a") == ["data.yaml", "images/a.jpg", "list.txt"]
    assert (tmp_path / "a/data.yaml").read_text() == before
    assert any("1 files were left out" in note and ".pth" in note for note in answer.notes)
    assert any("stays as it is" in note for note in answer.notes)


@pytest.mark.loopback
@pytest.mark.parametrize("name", ["sitecustomize.py", "x.pth", ".bashrc", "run", "inner.zip"])
def test_an_archive_without_data_is_refused_and_leaves_nothing(tmp_path, name):
    content = zipped((f"set/{name}", b"touch PWNED"))
    with (
        https.serving({"/set.zip": https.body(content)}) as (server, _),
        pytest.raises(DataError, match="no pictures, labels or lists"),
    ):
        fetched(yaml_for(tmp_path / "a", f"{server}/set.zip", path="lib/python"), limits())
    assert files_in(tmp_path / "a") == ["data.yaml"]


@pytest.mark.loopback
def test_what_takes_the_place_while_data_is_fetched_stays(tmp_path):
    def body(handler):
        (tmp_path / "a/data").mkdir()
        (tmp_path / "a/data/mine.txt").write_text("mine")
        https.body(GOOD)(handler)

    with https.serving({"/set.zip": body}) as (server, _):
        settings = yaml_for(tmp_path / "a", f"{server}/set.zip")
        with pytest.raises(UserError, match=r"holds 'mine\.txt'"):
            fetched(settings, limits())
    assert files_in(tmp_path / "a") == ["data.yaml", "data/mine.txt"]


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
    with (
        https.serving({"/set.zip": https.body(HOSTILE[case])}) as (server, _),
        pytest.raises((ArchiveError, FetchError)) as found,
    ):
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
    "to a private address": (
        https.body(b"", status=302, headers={"Location": "https://10.0.0.1/x"}),
        "no public address",
    ),
    "to the metadata of a cloud": (
        https.body(b"", status=302, headers={"Location": "https://169.254.169.254/x"}),
        "no public address",
    ),
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
@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://0x7f.1/x",
        "https://192.168.1.1/x",
        "https://[::ffff:127.0.0.1]/x",
    ],
)
def test_addresses_of_this_machine_and_its_neighbours_are_refused(tmp_path, url):
    with pytest.raises(FetchError):
        fetch(url, tmp_path / "file", Limits(1 << 20))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org/x",
        "https://",
        "https://user:secret@example.org/x",
        "https://h:99999/x",
    ],
)
def test_addresses_of_another_form_are_refused_before_any_connection(tmp_path, url):
    with pytest.raises(FetchError) as found:
        fetch(url, tmp_path / "file", Limits(1 << 20))
    assert "secret" not in str(found.value)


PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888")
NOT_PUBLIC = (
    *(
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.0.9",
    ),
    *(
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ),
    *(
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
    ),
    *(
        "64:ff9b::7f00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:808:808::1",
        "2001::1",
        "2001:0:7f00:1::",
    ),
    *(
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "3fff::1",
        "5f00::1",
        "100::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
    ),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_open_network_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_addresses_that_are_not_given_out_or_lead_elsewhere_are_not_public(address):
    assert not is_public(address)


ODD_ADDRESSES = (
    *(
        "https://local host/",
        "https://localhost\t/",
        "https://localhost\r\nX: y/",
        "https://h/a\r\nHost: x",
        "https://local\0host/",
        "https://h/\x1b[31m",
    ),
    *(
        "https://\u212bocalhost/",
        "https://h/\u00e9",
        f"https://{'a' * 64}.com/",
        f"https://{'a.' * 200}com/",
        "https://a..b/",
        "https://-a.b/",
        "https://a-/",
    ),
    *(
        "https://[::1/",
        "https://[x]/",
        "https://[127.0.0.1]/",
        "https://h:-1/",
        "https://h:0/",
        "https://h:\u00b2/",
        "https://h:x/",
        "https://h/" + "a" * 4000,
    ),
    *(
        "https://user@example.org/",
        "https://@example.org/",
        "https://a%2fb/",
        "https://a,b/",
        "//example.org/x",
        "HTTP://example.org/x",
        "javascript:x",
    ),
)


@pytest.mark.parametrize("url", ODD_ADDRESSES)
def test_addresses_that_are_none_are_refused_in_one_short_line(tmp_path, url):
    with pytest.raises(FetchError) as found:
        fetch(url, tmp_path / "file", Limits(1 << 20))
    assert str(found.value).isprintable()
    assert len(str(found.value)) < 400


@pytest.mark.loopback
@pytest.mark.parametrize(
    "location", [*ODD_ADDRESSES, "https://[::1", "//[", "https://127.0.0.2/x", "https://localhost@10.0.0.1/"]
)
def test_a_redirect_to_what_is_no_address_is_refused(tmp_path, location):
    def answer(handler):
        handler.send_response(302)
        handler.wfile.write(b"".join([*handler._headers_buffer, b"Location: ", location.encode("utf-8"), b"\r\n\r\n"]))

    with https.serving({"/x": answer}) as (server, asked), pytest.raises(FetchError) as found:
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert len(str(found.value)) < 400
    assert set(asked) == {"/x"}


def raw(*parts: bytes, forever: bytes = b""):
    """An answer byte by byte as it stands, then the last part again and again until the other side leaves."""

    def answer(handler):
        for part in parts:
            handler.wfile.write(part)
        while forever:
            handler.wfile.write(forever)

    return answer


def dripping(*parts: bytes):
    """An answer of which a byte comes now and then, without end."""

    def answer(handler):
        for part in parts:
            handler.wfile.write(part)
        pause = threading.Event()
        while not pause.wait(0.01):
            handler.wfile.write(b"x")

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH_WORDS = ("²", "-5", "+3", "3.0", "0x3", "1e1", "٣", "3 3", "3,3", "9" * 5000, "")
WIRES = {
    **{
        f"length {word[:5]!r}": (
            raw(OK, b"Content-Length: ", word.encode(), b"\r\n\r\nabc"),
            "no number|cannot be fetched",
        )
        for word in LENGTH_WORDS
    },
    "two lengths": (raw(OK, b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), "no number"),
    "a length and less": (raw(OK, b"Content-Length: 10\r\n\r\nabc"), "ended after 3 of 10|cannot be fetched"),
    "packed on the way": (raw(OK, b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "compresses"),
    "large headers": (raw(OK, *[b"X: " + b"y" * 30_000 + b"\r\n"] * 5), "around its content"),
    "many headers": (raw(OK, forever=b"X: y\r\n"), "around its content|cannot be fetched"),
    "one header without end": (raw(OK, b"X: ", forever=b"y" * 1000), "around its content|cannot be fetched"),
    "wait, without end": (raw(forever=b"HTTP/1.1 100 Continue\r\n\r\n"), "around its content"),
    "no status": (raw(b"hello\r\n\r\n"), "cannot be fetched"),
    "a status of three letters": (raw(b"HTTP/1.1 abc OK\r\n\r\n"), "cannot be fetched"),
    "a status that steers": (raw(b"HTTP/1.1 404 \x1b[31mred" + b"d" * 900 + b"\r\n\r\n"), "answers 404"),
    "content without end": (raw(OK, b"\r\n", forever=b"x" * 65536), "sends more than"),
    "a chunk of no size": (raw(OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "cannot be fetched"),
    "a chunk of negative size": (raw(OK, b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc"), "cannot be fetched"),
    "a chunk larger than it is": (raw(OK, b"Transfer-Encoding: chunked\r\n\r\nffff\r\nabc"), "cannot be fetched|ended"),
    "chunks of one byte": (
        raw(OK, b"Transfer-Encoding: chunked\r\n\r\n", forever=b"1;" + b"y" * 9000 + b"\r\nx\r\n"),
        "around its content",
    ),
    "trailers without end": (
        raw(OK, b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", forever=b"X: yyyyyyyyyyy\r\n"),
        "around its content",
    ),
    "nothing": (raw(), "cannot be fetched"),
}


@pytest.mark.loopback
@pytest.mark.parametrize("case", WIRES)
def test_a_server_that_writes_what_is_no_answer_ends_in_one_line(tmp_path, case):
    answer, match = WIRES[case]
    with https.serving({"/x": answer}) as (server, _), pytest.raises(FetchError, match=match) as found:
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert len(str(found.value)) < 400
    assert str(found.value).isprintable()
    assert not (tmp_path / "file").exists()


DRIPS = {
    "content": dripping(OK, b"\r\n"),
    "content of a length": dripping(OK, b"Content-Length: 1000000\r\n\r\n"),
    "a chunk": dripping(OK, b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n"),
    "the size of a chunk": dripping(OK, b"Transfer-Encoding: chunked\r\n\r\n1;"),
    "a header": dripping(OK, b"X: "),
    "the status": dripping(b"HTTP/1.1 200 "),
}


@pytest.mark.loopback
@pytest.mark.parametrize("case", DRIPS)
def test_a_server_that_is_never_silent_and_never_done_is_left_when_the_time_is_over(tmp_path, case):
    with https.serving({"/x": DRIPS[case]}) as (server, _), pytest.raises(FetchError, match="takes longer than"):
        fetch(f"{server}/x", tmp_path / "file", limits(total_s=0.5))
    assert not (tmp_path / "file").exists()


@pytest.mark.loopback
def test_a_server_that_takes_the_connection_and_says_nothing_is_left(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(FetchError, match=r"takes longer than|cannot be fetched"),
    ):
        fetch(f"https://localhost:{silent.getsockname()[1]}/x", tmp_path / "file", limits(total_s=0.3))


@pytest.mark.loopback
def test_content_in_chunks_is_fetched(tmp_path):
    answer = raw(OK, b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3;x=y\r\ntwo\r\n0\r\nX: y\r\n\r\n")
    with https.serving({"/x": answer}) as (server, _):
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert (tmp_path / "file").read_bytes() == b"onetwo"


@pytest.mark.loopback
def test_a_file_that_is_there_is_not_fetched_over(tmp_path):
    (tmp_path / "file").write_text("mine")
    with (
        https.serving({"/x": https.body(b"new")}) as (server, asked),
        pytest.raises(FetchError, match="is there already"),
    ):
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert (tmp_path / "file").read_text() == "mine"
    assert asked == []


class Names:
    """The look-up of names as a server of names may answer it: with other addresses each time.

    Numbers are looked up as ever.
    """

    def __init__(self, monkeypatch, *answers: tuple[str, ...]) -> None:
        self.answers, self.asked, self._real = list(answers), 0, socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, *words, **named):
        if host[0].isdigit():
            return self._real(host, port, *words, **named)
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.answers.pop(0)]


@pytest.mark.loopback
def test_the_connection_goes_to_the_address_that_was_checked(tmp_path, monkeypatch):
    with https.serving({"/x": https.body(b"content")}) as (server, _):
        names = Names(monkeypatch, ("127.0.0.1",), ("10.0.0.1",))
        fetch(f"{server}/x", tmp_path / "file", limits())
    assert names.asked == 1


@pytest.mark.loopback
def test_a_name_that_leads_elsewhere_after_a_redirect_is_refused(tmp_path, monkeypatch):
    redirect = https.body(b"", status=302, headers={"Location": "/y"})
    with https.serving({"/x": redirect, "/y": https.body(b"secret")}) as (server, asked):
        Names(monkeypatch, ("127.0.0.1",), ("10.0.0.1",))
        with pytest.raises(FetchError, match=r"leads to 10\.0\.0\.1"):
            fetch(f"{server}/x", tmp_path / "file", limits())
    assert asked == ["/x"]


@pytest.mark.loopback
@pytest.mark.parametrize("addresses", [("127.0.0.1", "10.0.0.1"), ("10.0.0.1", "127.0.0.1"), ()])
def test_a_name_of_which_any_address_is_not_allowed_is_not_connected_to(tmp_path, monkeypatch, addresses):
    with https.serving({"/x": https.body(b"content")}) as (server, asked):
        Names(monkeypatch, addresses)
        with pytest.raises(FetchError, match="no public address"):
            fetch(f"{server}/x", tmp_path / "file", limits())
    assert asked == []


@pytest.mark.loopback
def test_when_one_address_of_a_server_is_deaf_the_next_is_tried(tmp_path, monkeypatch):
    allowed = Limits(1 << 20, silence_s=5.0, allowed={"127.0.0.1", "127.0.0.9"}.__contains__, trust=https.trust())
    with https.serving({"/x": https.body(b"content")}) as (server, asked):
        Names(monkeypatch, ("127.0.0.9", "127.0.0.1"))
        fetch(f"{server}/x", tmp_path / "file", allowed)
    assert asked == ["/x"]


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


DOWNLOADS = {
    "a list": "[https://example.org/a.zip, https://example.org/b.zip]",
    "a mapping": "{a: https://example.org/a.zip}",
    "a number": "5",
    "yes": "true",
    "escapes": r'"https://example.org/\e]0;title\a\e[31m.zip"',
    "long": "https://example.org/" + "a" * 200_000,
    "a name that is long": f"https://{'a' * 100}.org/a.zip",
    "a secret": "https://user:secret@example.org/a.zip",
    "many words": "https://example.org/a.zip " + "word " * 40_000,
}


@pytest.mark.parametrize("case", DOWNLOADS)
@pytest.mark.parametrize("verb", ["fetch", "train"])
def test_whatever_stands_under_download_ends_in_one_short_line(tmp_path, capsys, case, verb):
    settings = yaml_for(tmp_path / "a", DOWNLOADS[case])
    words = (
        ["data", "fetch", settings.data] if verb == "fetch" else ["train", "--data", settings.data, "--allow-download"]
    )
    assert main(words) == 2
    err = capsys.readouterr().err
    assert len(err.strip().splitlines()) == 1
    assert err.strip().isprintable()
    assert len(err) < 1000
    assert "secret" not in err or verb == "train"


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": 1}', "[" * 100_000, "\0"])
def test_a_list_of_hashes_that_is_none_is_told_and_not_forgotten(tmp_path, content):
    ledger = cache_folder() / "fetched/hashes.json"
    ledger.parent.mkdir(parents=True, exist_ok=True)
    ledger.write_text(content)
    with pytest.raises(DataError, match="is no list of hashes"):
        fetched(yaml_for(tmp_path / "a", "https://127.0.0.1/set.zip"), limits())
    assert ledger.read_text() == content


def test_a_training_that_may_fetch_names_a_fault_of_data_that_is_there(tmp_path):
    settings = yaml_for(tmp_path / "a", "https://example.org/set.zip", "val: gone\n")
    (tmp_path / "a/data/images/train").mkdir(parents=True)
    (tmp_path / "a/data/images/train/a.txt").write_text("x")
    with pytest.raises(DataError, match="'gone' of split 'val' is not there"):
        plan_of(resolve_train({"data": settings.data, "allow_download": True}), None)

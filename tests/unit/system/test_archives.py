# SPDX-License-Identifier: Apache-2.0
"""Archives that strangers made: what is written, what is left out, what is refused, and what it costs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import stat
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.errors import UserError
from boxwright.system import archives, tar_archive
from boxwright.system.archives import ArchiveError, unpack
from boxwright.system.files import WriteError
from tests.support.archives import END, block, changed, gzipped, header, overlapping, tarred, wide_xz, zipped
from tests.support.budget import within_budget

pytestmark = pytest.mark.slow

if TYPE_CHECKING:
    from pathlib import Path

KINDS = frozenset((".txt", ".jpg"))
TWO = (("a.txt", b"one"), ("deep/er/b.txt", b"two" * 1000))
LONG = "folder of a long name/" * 12 + "a.txt"  # 270 letters


def unpacked(tmp_path: Path, content: bytes, *, most: int = 8 << 20, kinds: frozenset[str] = KINDS) -> dict[str, bytes]:
    archive, target = tmp_path / "archive", tmp_path / "out"
    archive.write_bytes(content)
    target.mkdir()
    done = unpack(archive, target, most, kinds)
    found = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert done.files == len(found)
    return found


# -- ordinary archives


ORDINARY = {
    "zip": zipped(*TWO),
    "zip that packs nothing": zipped(*TWO, method=zipfile.ZIP_STORED),
    "tar": tarred(*TWO, packing=""),
    "tar of GNU": tarred(*TWO, packing="", form=tarfile.GNU_FORMAT),
    "tar of old": tarred(*TWO, packing="", form=tarfile.USTAR_FORMAT),
    "tar.gz": tarred(*TWO),
    "tar.bz2": tarred(*TWO, packing="bz2"),
    "tar.xz": tarred(*TWO, packing="xz"),
    "tar.gz in two pieces": gzip.compress(tarred(*TWO, packing="")[:700])
    + gzip.compress(tarred(*TWO, packing="")[700:]),
    "tar.bz2 in two pieces": bz2.compress(tarred(*TWO, packing="")[:700])
    + bz2.compress(tarred(*TWO, packing="")[700:]),
    "tar with a header for all": tarred(*TWO, headers={"comment": "0123456789"}),
    "tar.gz with zeros behind it": tarred(*TWO) + bytes(3 << 20),
}


@pytest.mark.parametrize("case", ORDINARY)
def test_ordinary_archives_come_out_as_they_went_in(tmp_path, case):
    assert unpacked(tmp_path, ORDINARY[case]) == dict(TWO)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_with_accents_are_read_from_tars(tmp_path, form):
    assert unpacked(tmp_path, tarred((LONG, b"x"), ("é.txt", b"y"), form=form)) == {LONG: b"x", "é.txt": b"y"}


def test_names_with_accents_are_read_from_zips(tmp_path):
    assert unpacked(tmp_path, zipped((LONG, b"x"), ("é.txt", b"y"))) == {LONG: b"x", "é.txt": b"y"}


def test_a_zip_that_was_written_as_a_stream_is_read(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.content = b""

        def writable(self) -> bool:
            return True

        def write(self, data) -> int:
            self.content += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # sizes stand behind the content
        for name, content in TWO:
            archive.writestr(name, content)
    assert unpacked(tmp_path, pipe.content) == dict(TWO)


@pytest.mark.parametrize("comment", [b"", b"about this", b"PK\5\6" + b"\0" * 30])
def test_a_zip_with_wide_numbers_and_a_comment_is_read(tmp_path, comment):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in TWO:
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
        archive.comment = comment
    assert unpacked(tmp_path, buffer.getvalue()) == dict(TWO)


def test_a_zip_of_more_entries_than_the_old_form_counts_is_read(tmp_path):
    names = [f"{number}/" for number in range(66_000)]
    content = zipped(*((name, b"") for name in names), ("a.txt", b"x"))
    assert b"PK\6\6" in content
    assert unpacked(tmp_path, content) == {"a.txt": b"x"}


def test_folders_alone_are_not_made_and_modes_are_not_taken_over(tmp_path):
    assert unpacked(tmp_path, zipped(("empty/", b""), ("a.txt", b"x"), mode=stat.S_IFREG | 0o6777)) == {"a.txt": b"x"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.txt"]
    assert not (tmp_path / "out/a.txt").stat().st_mode & 0o7111


# -- what is left out


STARTERS = (
    "x.pth",
    "sitecustomize.py",
    "bin/run.sh",
    "a.so",
    "a.exe",
    "a.zip",
    "Makefile",
    ".bashrc",
    ".ssh/a.txt",
    ".git/config",
    "x/.a.txt",
    "a.html",
    "a.pt",
)


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_only_files_of_the_kinds_of_data_are_written_and_the_rest_is_counted(tmp_path, pack):
    archive = tmp_path / "archive"
    archive.write_bytes(
        pack(*((name, b"import os") for name in STARTERS), ("a/Picture.JPG", b"x"), ("b.txt", b"y"), ("c.TXT", b"z"))
    )
    done = unpack(archive, tmp_path / "out", 1 << 20, KINDS)
    assert sorted(p.name for p in tmp_path.rglob("out/**/*") if p.is_file()) == ["Picture.JPG", "b.txt", "c.TXT"]
    assert done.files == 3
    assert done.about_left_out().startswith(
        f"{len(STARTERS)} files were left out, which are no pictures, labels or lists ("
    )
    assert "\n" not in done.about_left_out()


def test_a_thousand_kinds_of_files_are_told_in_one_short_line(tmp_path):
    archive = tmp_path / "archive"
    archive.write_bytes(zipped(*((f"a.{number:x}{'y' * (number % 40)}", b"") for number in range(1000))))
    done = unpack(archive, tmp_path / "out", 1 << 20, KINDS)
    assert len(done.about_left_out()) < 200
    assert len(done.left_out) < 110


# -- what is refused


ONE = zipped(("a.txt", b"0" * 100))
PLAIN = tarred(("a.txt", b"x"), packing="")
ODD_NAMES = {
    "climbs": "../../x.txt",
    "climbs within": "a/../../x.txt",
    "climbs with backslashes": "..\\..\\x.txt",
    "absolute": "/tmp/x.txt",
    "of a share": "\\\\server\\x.txt",
    "of a drive": "C:/x.txt",
    "of a drive, relative": "a/C:x.txt",
    "itself": ".txt/..",
    "escape": "\x1b[31m.txt",
    "new line": "a\nb.txt",
    "turned around": "\u202etxt.jpg",
    "long part": f"{'a' * 300}.txt",
    "long as a whole": f"{'abc/' * 400}a.txt",
    "deep": f"{'d/' * 40}x.txt",
    "ends in a dot": "a./x.txt",
    "ends in a blank": "a /x.txt",
}
TWICE = {
    "the same": ("a.txt", "a.txt"),
    "by case": ("A/x.txt", "a/X.txt"),
    "by accents": ("e\u0301.txt", "\u00e9.txt"),
    "by Turkish letters": ("\u0130.txt", "i\u0307.txt"),
    "by dots": ("a/./b.txt", "a/b.txt"),
    "by slashes": ("a//b.txt", "a\\b.txt"),
    "a file as a folder": ("a.txt", "a.txt/b.txt"),
    "a folder as a file": ("a.txt/b.txt", "a.txt"),
}


REFUSED = {
    **{f"zip: name {case}": (zipped((name, b"x")), "no file name|bytes") for case, name in ODD_NAMES.items()},
    **{f"tar: name {case}": (tarred((name, b"x")), "no file name|letters") for case, name in ODD_NAMES.items()},
    "tar: name with an end within": (
        header("x", b"x", 21) + block(b"21 path=a.txt\0/../bc\n") + header("a.txt") + END,
        "no file name",
    ),
    "tar: folder that climbs": (header("../../up", tarfile.DIRTYPE) + END, "no file name"),
    "zip: folder that climbs": (zipped(("../../up/", b""), ("a.txt", b"x")), "no file name"),
    **{f"zip: twice {case}": (zipped(*((name, b"x") for name in names)), "twice") for case, names in TWICE.items()},
    **{f"tar: twice {case}": (tarred(*((name, b"x") for name in names)), "twice") for case, names in TWICE.items()},
    **{
        f"tar: type {kind!r}": (tarred(("a.txt", b""), kind=kind), "link or a device")
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.BLKTYPE,
            tarfile.FIFOTYPE,
            tarfile.GNUTYPE_SPARSE,
            b"Z",
            b"D",
        )
    },
    **{
        f"zip: mode {mode:o}": (zipped(("a.txt", b"x"), mode=mode | 0o666), "link or a device")
        for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)
    },
    "tar: long link": (
        header("././@LongLink", tarfile.GNUTYPE_LONGLINK, 5) + block(b"/etc\0") + header("a.txt") + END,
        "link or a device",
    ),
    "tar: holes told by pax": (tarred(("a.txt", b"x"), headers={"GNU.sparse.major": "1"}), "link or a device"),
    "tar: a path for all": (tarred(("a.txt", b"x"), headers={"path": "../x"}), "for all files"),
    "tar: a size for all": (tarred(("a.txt", b"x"), headers={"size": "5"}), "for all files"),
    "tar: long name of a gigabyte": (
        gzipped(header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 30)),
        "of 1,073,741,824 bytes",
    ),
    "tar: pax header of a gigabyte": (gzipped(header("x", tarfile.XHDTYPE, 1 << 30)), "of 1,073,741,824 bytes"),
    "tar: pax header for all of a gigabyte": (header("x", tarfile.XGLTYPE, 1 << 30), "of 1,073,741,824 bytes"),
    "tar: pax line that ends elsewhere": (
        header("x", b"x", 10) + block(b"99 path=a\n") + header("a.txt") + END,
        "pax header is damaged",
    ),
    "tar: pax line of no length": (
        header("x", b"x", 10) + block(b"0 path=aa\n") + header("a.txt") + END,
        "pax header is damaged",
    ),
    "tar: pax size that is no number": (
        header("x", b"x", 11) + block("11 size=²\n".encode()) + header("a.txt") + END,
        "no number",
    ),
    "tar: headers without end": (b"".join(header("x", b"x") for _ in range(20)) + END, "headers in front of one file"),
    "tar: header without its file": (
        header("x", tarfile.GNUTYPE_LONGNAME, 2) + block(b"a\0") + END,
        "without its file",
    ),
    "tar: folder with content": (header("a", tarfile.DIRTYPE, 512) + bytes(512) + END, "has content"),
    "tar: more than it holds": (header("a.txt", size=1 << 40) + END, "ends early"),
    "tar: cut at a file": (PLAIN[:512], "ends early"),
    "tar: cut before its end mark": (PLAIN[:1024], "ends early"),
    "tar: another behind it": (PLAIN + PLAIN, "behind its end"),
    "tar: a zip behind it": (PLAIN + ONE, "behind its end"),
    "tar.gz: text behind it": (tarred(("a.txt", b"x")) + b"text", "cannot be unpacked"),
    "tar.gz: cut": (tarred(*TWO)[:-9], "ends early"),
    "tar.xz: cut": (tarred(*TWO, packing="xz")[:-9], "ends early"),
    "tar.gz: wrong checksum": (tarred(*TWO)[:-8] + b"1234" + tarred(*TWO)[-4:], "cannot be unpacked"),
    "gzip of text": (gzip.compress(b"text" * 1000), "header is damaged"),
    "gzip of gzip": (gzip.compress(tarred(*TWO)), "cannot be unpacked"),
    "gzip: too many pieces": (gzip.compress(b"") * 3000 + tarred(*TWO), "too many pieces"),
    "tar.gz: bomb": (lambda: gzipped(header("a.txt", size=1 << 30), bytes(6 << 20)), "packed more than 200 times"),
    "tar.bz2: bomb": (
        lambda: bz2.compress(header("a.txt", size=1 << 30) + bytes(6 << 20)),
        "packed more than 200 times",
    ),
    "tar.xz: bomb": (
        lambda: lzma.compress(header("a.txt", size=1 << 30) + bytes(6 << 20), preset=0),
        "packed more than 200 times",
    ),
    "tar.gz: bomb in what is left out": (
        lambda: gzipped(header("a.bin", size=1 << 30), bytes(6 << 20)),
        "packed more than 200 times",
    ),
    "tar.xz: too much memory": (wide_xz(PLAIN), "cannot be unpacked"),
    "zip: bomb": (lambda: zipped(("a.txt", bytes(8 << 20))), "packed more than 200 times"),
    "zip: many small bombs": (
        lambda: zipped(*((f"{number}.txt", bytes(1_000_000)) for number in range(6))),
        "packed more than 200 times|more than is allowed",
    ),
    "zip: one content under many names": (lambda: overlapping(400, 25_600), "over each other"),
    "zip: locked": (changed(changed(ONE, 6, "H", 1, central=False), 8, "H", 1, central=True), "password"),
    "zip: packed otherwise": (zipped(("a.txt", b"x"), method=zipfile.ZIP_LZMA), "not read here"),
    "zip: another size in the list": (changed(ONE, 24, "I", 1 << 31, central=True), "two ways"),
    "zip: another packed size in the list": (changed(ONE, 20, "I", 3, central=True), "two ways"),
    "zip: another checksum in both": (
        changed(changed(ONE, 14, "I", 1, central=False), 16, "I", 1, central=True),
        "checksum",
    ),
    "zip: a smaller size in both": (
        changed(changed(ONE, 22, "I", 50, central=False), 24, "I", 50, central=True),
        "checksum",
    ),
    "zip: another way of packing in the list": (changed(ONE, 10, "H", 0, central=True), "two ways"),
    "zip: another name in the list": (changed(ONE, 46, "B", ord("b"), central=True), "two ways"),
    "zip: another place in the list": (changed(ONE, 42, "I", 1, central=True), "ends early|two ways"),
    "zip: a place behind its end": (changed(ONE, 42, "I", 1 << 30, central=True), "ends early"),
    "zip: text behind it": (ONE + b"text", "behind it"),
    "zip: text before its list": (
        ONE[: ONE.index(b"PK\1\2")] + b"text" + ONE[ONE.index(b"PK\1\2") :],
        "not where it says",
    ),
    "zip: a tar before it": (PLAIN + ONE, "behind its end"),
    "zip: a program before it": (b"#!/bin/sh\n" + ONE, "no zip and no tar"),
    "zip: cut": (ONE[:-30], "list at its end is missing"),
    "zip: more entries than there are": (ONE[:-12] + b"\xff\xff" + ONE[-10:], "parts|not where it says"),
    "nothing": (b"", "no zip and no tar"),
    "noise": (np.random.default_rng(1).bytes(9000), "no zip and no tar"),
    "a page": (b"<html>not found</html>", "no zip and no tar"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_archives_that_want_more_or_say_two_things_are_refused_in_one_line(tmp_path, case, monkeypatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 4 << 20)
    monkeypatch.setattr(tar_archive, "FREE_BYTES", 4 << 20)
    content, match = REFUSED[case]
    content = content() if callable(content) else content
    with pytest.raises((ArchiveError, WriteError), match=match) as found:
        unpacked(tmp_path, content, most=64 << 20)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 600
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(tmp_path / "out")]
    assert outside == [tmp_path / "archive"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_more_files_or_folders_than_allowed_are_refused(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 50)
    with pytest.raises(ArchiveError, match="more than 50 files"):
        unpacked(tmp_path, pack(*((f"{number}.txt", b"") for number in range(60))))


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_more_bytes_than_allowed_are_refused_before_they_are_written(tmp_path, pack):
    noise = np.random.default_rng(0)
    with pytest.raises(ArchiveError, match="more than is allowed"):
        unpacked(tmp_path, pack(*((f"{number}.txt", noise.bytes(400_000)) for number in range(4))), most=1 << 20)
    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 1 << 20


def test_folders_count_as_files_do(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 50)
    with pytest.raises(ArchiveError, match="more than 50 files"):
        unpacked(tmp_path, zipped(*((f"{'/'.join(str(number) * 20)}/a.txt", b"") for number in range(5))))


def test_nothing_is_written_over_a_file_or_through_a_link(tmp_path):
    (tmp_path / "archive").write_bytes(zipped(("a.txt", b"new")))
    (tmp_path / "out").mkdir()
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out/a.txt").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match="file exists"):
        unpack(tmp_path / "archive", tmp_path / "out", 1 << 20, KINDS)
    assert (tmp_path / "mine.txt").read_text() == "mine"


# -- damage and cost


@pytest.mark.parametrize("case", ["zip", "tar", "tar.gz", "tar.xz", "tar with a header for all"])
def test_an_archive_with_damaged_bytes_ends_in_one_line_or_unpacks(tmp_path, case):
    draw, good, here = np.random.default_rng(5), ORDINARY[case], tmp_path / "here"
    here.mkdir()
    for number in range(200):
        content = bytearray(good)
        for at in draw.integers(0, len(content), 1 + number % 4):
            content[at] = int(draw.integers(256))
        cut = int(draw.integers(len(content))) if number % 5 == 0 else len(content)
        (here / "archive").write_bytes(content[:cut])
        with contextlib.suppress(ArchiveError, WriteError):  # any other kind of end fails the test
            unpack(here / "archive", here / f"out{number}", 1 << 20, KINDS)
    assert {path.name.rstrip("0123456789") for path in here.iterdir()} <= {"archive", "out"}


PROGRAM = """
import sys
from pathlib import Path
from boxwright.errors import UserError
from boxwright.system.archives import unpack
try:
    print(unpack(Path(sys.argv[1]), Path(sys.argv[2]), 1 << 33, frozenset((".txt",))).files)
except UserError as error:
    print(error)
"""


def costly(case: str) -> bytes:
    if case == "long name":
        return gzipped(header("././@LongLink", tarfile.GNUTYPE_LONGNAME, 1 << 28), *[b"a" * (1 << 24)] * 16)
    if case == "zip list of many":
        return zipped(*((f"{number:x}/", b"") for number in range(30_000)))
    return gzipped(
        *(b"".join(header(f"{lot}/{number}", tarfile.DIRTYPE) for number in range(1000)) for lot in range(30)), END
    )


@pytest.mark.parametrize("case", ["long name", "zip list of many", "many folders"])
def test_costly_archives_stay_within_a_small_budget(tmp_path, case):
    (tmp_path / "archive").write_bytes(costly(case))
    spent = within_budget([tmp_path / "archive", tmp_path / "out"], memory_mb=300, cpu_s=30, program=("-c", PROGRAM))
    assert spent.code == 0, spent.err
    assert len(spent.out.splitlines()) == 1


@pytest.mark.parametrize("case", ["tar", "tar.gz"])
def test_what_the_tar_of_the_system_packs_is_read(tmp_path, case):
    folder = tmp_path / "set"
    for name, content in (*TWO, (LONG, b"x")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    words = [sys.executable, "-m", "tarfile", "-c", f"found.{case}", "."]
    subprocess.run(words, cwd=folder, check=True, capture_output=True)
    found = unpacked(tmp_path, (folder / f"found.{case}").read_bytes())
    assert found.pop(LONG) == b"x"
    assert found == dict(TWO)

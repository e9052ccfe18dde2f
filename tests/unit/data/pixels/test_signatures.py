# SPDX-License-Identifier: Apache-2.0
"""Formats are decided by content at one door.

Nothing else gets to a decoder, and nothing that claims more than memory holds.
"""

from __future__ import annotations

import os
import subprocess

import cv2
import numpy as np
import pytest
from PIL import Image

from boxwright.data.formats.yolo import read_file
from boxwright.data.pixels import image_files as images
from boxwright.data.pixels.channels import Kind, inspect_channels, read_channels
from boxwright.data.pixels.image_files import BrokenImageError, inspect, read_rgb
from boxwright.data.pixels.video import frames
from boxwright.paths import read_regular
from tests.support import corpus, foreign

CLAIMS = foreign.claims()


def said_of(path, *, kind=Kind()):  # noqa: B008 -- a frozen value
    """What every way of reading says of a file that none may read."""
    ways = (
        (inspect, read_rgb) if kind.usual else (lambda p: inspect_channels(p, kind), lambda p: read_channels(p, kind))
    )
    said = []
    for way in ways:
        with pytest.raises(BrokenImageError) as caught:
            way(str(path))
        said.append((str(caught.value), caught.value.remedy))
    return said


@pytest.mark.parametrize("name", foreign.OTHERS)
def test_another_format_is_named_and_no_decoder_sees_it(tmp_path, monkeypatch, name):
    what, content = foreign.OTHERS[name]
    (tmp_path / name).write_bytes(content)
    for door in ("imdecode", "imdecodemulti"):
        monkeypatch.setattr(cv2, door, lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(images, "_OPENERS", {})
    for kind in (Kind(), Kind(4, "uint16")):
        for text, remedy in said_of(tmp_path / name, kind=kind):
            assert text.startswith(f"is {what}"), text
            assert text.endswith("not a picture this program reads")
            assert remedy == "Convert it to PNG or JPEG"


def test_postscript_starts_no_program_under_any_name(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    for suffix in (*images.SUFFIXES, ".gif", ".npy", ".eps"):
        (tmp_path / f"x{suffix}").write_bytes(foreign.EPS)
        assert said_of(tmp_path / f"x{suffix}")[0][0] == "is EPS/PostScript, not a picture this program reads"


@pytest.mark.parametrize("name", foreign.UNKNOWN)
def test_what_nobody_knows_is_no_picture(tmp_path, name):
    (tmp_path / name).write_bytes(foreign.UNKNOWN[name])
    assert said_of(tmp_path / name)[0] == ("not an image of a known format", "")


@pytest.mark.parametrize("name", CLAIMS)
def test_a_header_that_claims_more_than_memory_holds_is_refused_before_decoding(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(CLAIMS[name])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(Image.Image, "getexif", lambda _self: pytest.fail("all of its EXIF block was read"))
    with pytest.raises(BrokenImageError):
        read_rgb(str(tmp_path / name)) if name != "exif.png" else inspect(str(tmp_path / name))
    if name not in {
        "exif.png",
        "scans.jpg",
    }:  # OpenCV does without the block; and scans are counted when all of the file is read
        said_of(tmp_path / name, kind=Kind(4))
        said_of(tmp_path / name)


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_every_format_that_is_read_is_read_under_every_name(tmp_path, kind):
    content = corpus.encoded(corpus.scene(), kind)
    expected = None
    for suffix in sorted(images.SUFFIXES):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(content)
        assert inspect(str(path)).size_wh == (corpus.WIDTH, corpus.HEIGHT)
        pixels = read_rgb(str(path))
        expected = pixels if expected is None else expected
        assert np.array_equal(pixels, expected)
    assert np.abs(expected[5, 120].astype(int) - 120).max() < 8


def test_only_regular_files_are_opened_and_nothing_waits(tmp_path, monkeypatch):
    names = foreign.devices(tmp_path)
    monkeypatch.chdir(tmp_path)
    reasons = ("not a regular file", "symbolic links", "input/output error", "larger than 1 GiB", "no such device")
    for name in names:
        text = said_of(tmp_path / name)[0][0]
        assert any(word in text for word in reasons), text
        with pytest.raises(BrokenImageError):
            list(frames(str(tmp_path / name), 1))
        found = read_file(str(tmp_path / name), 0.01).labels.findings
        assert [one.rule for one in found] in (["unreadable"], ["size"]), name


def test_a_file_may_grow_while_it_is_read_but_not_beyond_its_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    assert read_regular(tmp_path / "a", 1000) == b"x" * 1000
    with pytest.raises(OSError, match="larger than 999 bytes"):
        read_regular(tmp_path / "a", 999)
    assert read_regular("/proc/self/stat", 1 << 20).startswith(str(os.getpid()).encode()), (
        "it says that it is of no length"
    )
    with pytest.raises(OSError, match="larger than 2 bytes"):
        read_regular("/proc/self/stat", 2)
    with pytest.raises(OSError, match="not a name"):
        read_regular("a\0b", 9)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.mp4", b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\nother.avi\n#EXT-X-ENDLIST\n"),
        ("list.ts", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        ("cat.mp4", b"ffconcat version 1.0\nfile other.avi\n"),
        ("x%01d.mp4", corpus.encoded(corpus.scene())),
        ("eps.avi", foreign.EPS),
    ],
)
def test_a_film_is_one_by_its_content_and_opens_no_other_file(tmp_path, monkeypatch, name, content):
    write_film(tmp_path / "other.avi")
    (tmp_path / name).write_bytes(content)
    (tmp_path / "x1.mp4").write_bytes(corpus.encoded(corpus.scene()))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BrokenImageError, match=r"is .*not a video|is not a video"):
        list(frames(name, 1))
    monkeypatch.setattr("boxwright.data.pixels.video._require_film", lambda _path: None)
    with pytest.raises(BrokenImageError, match="no frame could be read"):
        list(frames(name, 1))


def write_film(path):
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(3):
        film.write(np.full((48, 64, 3), number * 40, np.uint8))
    film.release()


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "a.avi")
    (tmp_path / "concat:a.avi").write_bytes((tmp_path / "a.avi").read_bytes())
    assert len(list(frames("concat:a.avi", 1))) == 3


def test_frames_over_the_limit_are_refused_before_one_is_made(tmp_path, monkeypatch):
    write_film(tmp_path / "a.avi")
    monkeypatch.setattr("boxwright.data.pixels.video.MAX_FRAME_PIXELS", 64 * 48 - 1)
    with pytest.raises(BrokenImageError, match="its frames have 64 x 48 pixels, over the limit"):
        list(frames(str(tmp_path / "a.avi"), 1))

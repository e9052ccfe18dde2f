# SPDX-License-Identifier: Apache-2.0
"""Streams: a camera that sends pictures over HTTP on this machine, several at once, broken off, ended, refused."""

from __future__ import annotations

import os
import sys
import types

import numpy as np
import pytest

from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.stream import is_stream, opened_stream, shown
from boxwright.data.pixels.video import frames
from boxwright.errors import SettingError
from boxwright.infer.sources import Frame, image_paths, plain_name, stream_words
from boxwright.infer.streams import StreamRules, Streams
from boxwright.system.places import only_local_films, only_streams
from boxwright.system.video_file import VideoFile
from tests.support.mjpeg import Camera, number_of, serving

pytestmark = pytest.mark.slow

AT_ONCE = (0.0,)


def seen(words: list[str], **rules: object) -> tuple[list[tuple[str, int, int]], list[str], dict[str, str]]:
    """Name, number and content of every picture that came; what was said; what failed."""
    said: list[str] = []
    found = []
    with Streams(words, StreamRules(**{"waits": AT_ONCE, **rules}), said.append) as streams:
        for pictures in streams:
            found += [(frame.path, frame.number, number_of(pixels)) for frame, pixels in pictures]
    return found, said, streams.failed


@pytest.mark.loopback
def test_every_frame_of_a_camera_comes_in_order_and_its_end_is_one_line():
    with serving(Camera(pictures=6)) as address:
        found, said, failed = seen([address], every_frame=True, reconnect=0)
    assert found == [(address, number, number) for number in range(6)]
    assert said == [f"{address}: broke off after 6 pictures (no more came)"]
    assert not failed


@pytest.mark.loopback
def test_whoever_is_slow_gets_the_newest_picture():
    said: list[str] = []
    with (
        serving(Camera(pictures=9)) as address,
        Streams([address], StreamRules(reconnect=0), said.append) as streams,
    ):
        with streams.readers[0].changed:  # all of them have come before the first is asked for
            assert streams.readers[0].changed.wait_for(lambda: streams.readers[0].ended, timeout=30)
        found = [(frame.number, number_of(pixels)) for pictures in streams for frame, pixels in pictures]
    assert found == [(8, 8)]


@pytest.mark.loopback
def test_every_so_manyth_frame_is_taken():
    with serving(Camera(pictures=7)) as address:
        found, _, _ = seen([address], every_frame=True, reconnect=0, stride=3)
    assert [number for _, number, _ in found] == [0, 3, 6]


@pytest.mark.loopback
def test_a_stream_that_breaks_off_is_opened_again_and_counted_on():
    with serving(Camera(pictures=3, lives=2)) as address:
        found, said, _ = seen([address], every_frame=True, reconnect=2)
    assert [(number, content) for _, number, content in found] == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]
    assert said[0] == f"{address}: broke off after 3 pictures (no more came); opened again"
    assert said[1] == f"{address}: broke off after 6 pictures (no more came); opened again"
    assert said[2].startswith(f"{address}: broke off after 6 pictures (no video came from this address")
    assert len(said) == 3


@pytest.mark.loopback
def test_a_stream_that_breaks_off_again_and_again_ends():
    camera = Camera(pictures=3, lives=100)
    with serving(camera) as address:
        found, said, _ = seen([address], every_frame=True, reconnect=2)
    assert len(found) == 9
    assert said[-1] == f"{address}: broke off after 9 pictures (no more came)"
    assert len(camera.asked) == 3


@pytest.mark.loopback
def test_several_streams_come_side_by_side_and_one_that_fails_leaves_the_others():
    with serving(Camera(pictures=5)) as one, serving(Camera(pictures=5, first=10)) as other:
        gone = one.replace("/video", "/page")
        found, said, failed = seen([one, gone, other], every_frame=True, reconnect=0)
    assert [(number, content) for path, number, content in found if path == one] == [(n, n) for n in range(5)]
    assert [(number, content) for path, number, content in found if path == other] == [(n, n + 10) for n in range(5)]
    assert list(failed) == [gone]
    assert "no video came from this address" in failed[gone]
    assert len(said) == 2


@pytest.mark.loopback
@pytest.mark.parametrize("place", ["/moved", "/page", "/list.m3u8"])
def test_redirects_texts_and_playlists_are_not_followed(place):
    camera = Camera()
    with (
        serving(camera) as address,
        pytest.raises(BrokenImageError, match="no video came from this address"),
        opened_stream(address.replace("/video", place)),
    ):
        pass
    assert camera.asked == [place]


@pytest.mark.loopback
def test_films_stay_local_while_and_after_a_stream_is_open(tmp_path):
    film = VideoFile(tmp_path / "a.mp4", 10)
    film.add(np.zeros((32, 32, 3), np.uint8))
    film.close()
    with serving(Camera()) as address, opened_stream(address) as opened:
        assert number_of(next(opened.pictures)) == 0
        assert "http" not in os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
        assert len(list(frames(str(tmp_path / "a.mp4"), 1))) == 1


def test_what_the_user_set_for_the_decoder_stays(monkeypatch):
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "threads;1")
    with only_streams():
        inside = os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"]
        assert inside.startswith("threads;1|protocol_whitelist;http,")
        assert "file" not in inside
        assert "hls" not in inside
    with only_local_films():
        assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"].startswith("threads;1|protocol_whitelist;file|")


def test_a_camera_that_is_not_there_is_left_out_in_one_line():
    found, _, failed = seen(["987"])
    assert not found
    assert failed == {"camera 987": "there is no such camera, or another program has it"}


def test_the_screen_names_the_package_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(SettingError, match=r"--source screen: the package mss cannot be imported .* pip install mss"):
        stream_words(("screen",))


def test_the_screen_is_taken_whole_or_in_part(monkeypatch):
    """By a stand-in for the package, which needs a display."""

    class Screens:
        monitors = (
            {"left": 0, "top": 0, "width": 8, "height": 4},
            {"left": 4, "top": 0, "width": 4, "height": 4, "is_primary": True},
        )

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def grab(self, part):
            whole = np.zeros((4, 8, 4), np.uint8)
            whole[:, 4:, 0] = 200  # blue
            left, top = part["left"], part["top"]
            return whole[top : top + part["height"], left : left + part["width"]]

    package = types.ModuleType("mss")
    package.MSS = Screens
    package.exception = types.SimpleNamespace(ScreenShotError=OSError)
    monkeypatch.setitem(sys.modules, "mss", package)
    for word, shape in (("screen", (4, 8, 3)), ("screen 1", (4, 4, 3)), ("screen 1 0 0 2 3", (3, 2, 3))):
        with opened_stream(word) as opened:
            picture = next(opened.pictures)
        assert picture.shape == shape
        assert (picture[0, -1] == (0, 0, 200)).all()
    with pytest.raises(BrokenImageError, match="there is no screen 7"), opened_stream("screen 7"):
        pass


@pytest.mark.parametrize(
    ("word", "stream_"),
    [
        ("0", True),
        ("12", True),
        ("2024", False),  # no machine has so many cameras: a folder of a year
        ("rtsp://a:b@host/1", True),
        ("http://host/video.mjpg", True),
        ("screen", True),
        ("screen 0 0 640 480", True),
        ("screen a", False),
        ("screenshots", False),
        ("a.jpg", False),
        ("C:/a.jpg", False),
        ("-", False),
    ],
)
def test_what_is_a_stream(word, stream_):
    assert is_stream(word) == stream_


def test_passwords_are_neither_shown_nor_part_of_names():
    assert shown("rtsp://me:secret@host:554/1") == "rtsp://***@host:554/1"
    frame = Frame(shown("rtsp://me:secret@host:554/1"), 7, is_live=True)
    assert frame.name == "rtsp_host_554_1_7.jpg"
    assert plain_name("camera 0") == "camera_0"


def test_streams_of_a_list_count_when_the_list_is_named(tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("rtsp://one/1\na.png\n0\n")
    assert stream_words((str(listed),)) == ["rtsp://one/1"]
    assert image_paths((str(listed),), beside_streams=True)[0] == [str(tmp_path / "a.png"), str(tmp_path / "0")]
    cameras = tmp_path / "all.streams"
    cameras.write_text("0\nhttp://two/2\n")
    assert stream_words((str(cameras),)) == ["0", "http://two/2"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "list.txt").write_text("rtsp://one/1\n")
    assert stream_words((str(tmp_path / "folder"), str(tmp_path / "*.txt"))) == []  # found, not named
    assert image_paths(("-",), ["rtsp://one/1"])[0] == ["rtsp://one/1"]  # a file of this name, which is none


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        (("file:///etc/passwd",), r"streams are not opened by file://\. Known are rtsp"),
        (("concat://a|b",), "streams are not opened by concat://"),
        (("bad.streams",), r"'a\.png' is no stream"),
        (("7",), "means a camera or the screen, and there is a file or folder of this name. Write ./7"),
    ],
)
def test_words_that_name_no_stream_are_refused_in_one_line(tmp_path, monkeypatch, sources, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.streams").write_text("0\na.png\n")
    (tmp_path / "7").mkdir()
    with pytest.raises(SettingError, match=says) as caught:
        stream_words(sources)
    assert "\n" not in str(caught.value)


def test_a_fault_of_ours_in_a_thread_is_raised_where_the_pictures_are_taken():
    def broken(_word):
        raise ZeroDivisionError("ours")

    with Streams(["0"], StreamRules(), print, broken) as streams, pytest.raises(ZeroDivisionError):
        next(iter(streams))


@pytest.mark.loopback
def test_a_stream_of_pictures_over_the_limit_is_refused_before_one_is_made(monkeypatch):
    monkeypatch.setattr("boxwright.data.pixels.video.MAX_FRAME_PIXELS", 48 * 64 - 1)
    with serving(Camera()) as address:
        _, _, failed = seen([address])
    assert "over the limit" in failed[address]

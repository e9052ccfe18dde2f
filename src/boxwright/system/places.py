# SPDX-License-Identifier: Apache-2.0
"""The environment: folders of the user, where caches and data sets are kept, and what other packages look for in it."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# For the library that OpenCV decodes films with: a film comes from a file, and is one of these containers. Playlists
# and lists of files are none.
_FILMS = "protocol_whitelist;file|format_whitelist;mov,matroska,avi,asf,mpeg,mpegvideo,mpegts,gif"
# A stream that the user named comes over the network alone: no file, no playlist that names other addresses, no
# redirect to another one.
_STREAMS = (
    "protocol_whitelist;http,https,tls,tcp,udp,rtp,rtsp,rtsps,rtmp,rtmps|"
    "format_whitelist;mpjpeg,mjpeg,mov,matroska,avi,asf,mpeg,mpegvideo,mpegts,flv,rtsp,rtp,sdp,h264,hevc|"
    "rtsp_transport;tcp|max_redirects;0"
)
_decoder = threading.Lock()  # the variable is read when a decoder is opened
_FILM_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
MAX_PIXELS = (
    1 << 28
    # of a picture that OpenCV decodes; what a header claims is checked before, and this is for headers that two readers
    # read in two ways
)

BUCKET_CACHE_GIB, MOST_CACHE_GIB = 100, 1e6


def cache_folder() -> Path:
    """Where caches live: BOXWRIGHT_CACHE, else ~/.cache/boxwright."""
    return Path(os.environ.get("BOXWRIGHT_CACHE") or Path.home() / ".cache" / "boxwright")


def shared_folder() -> Path | None:
    """Where memory that processes share is, when it is not the usual place: BOXWRIGHT_SHARED, if set."""
    named = os.environ.get("BOXWRIGHT_SHARED")
    return Path(named) if named else None


def data_folder() -> Path | None:
    """Where data sets are looked for last: BOXWRIGHT_DATA, if set."""
    named = os.environ.get("BOXWRIGHT_DATA")
    return Path(named) if named else None


def keep_packages_offline() -> None:
    """Tell packages that would ask the network for news of themselves when they are imported to leave it."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"


@contextlib.contextmanager
def only_local_films() -> Iterator[None]:
    """While a film is opened, and afterwards: none opens another file or the network, whatever is in it.

    What the user has set there stays before it.
    """
    with _decoder:
        _keep_films_local()
        yield


@contextlib.contextmanager
def only_streams() -> Iterator[None]:
    """While a stream is opened: it uses the network alone. Afterwards films are local again."""
    with _decoder:
        _keep_films_local()
        local = os.environ[_FILM_OPTIONS]
        os.environ[_FILM_OPTIONS] = local.replace(_FILMS, _STREAMS)
        try:
            yield
        finally:
            os.environ[_FILM_OPTIONS] = local


def _keep_films_local() -> None:
    own = os.environ.get(_FILM_OPTIONS, "")
    if _FILMS not in own:
        os.environ[_FILM_OPTIONS] = f"{own}|{_FILMS}" if own else _FILMS


def bound_pictures() -> None:
    """Let OpenCV refuse larger pictures than this program uses, and leave it to us to say what is wrong with one.

    It has to be said before OpenCV is loaded. What the user has set there stays.
    """
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet


def told_columns() -> int:
    """Columns of the terminal as COLUMNS has them; 0 where it does not."""
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def wants_colour() -> bool:
    """Whether text on terminals may be in colour: not where NO_COLOR is set to anything."""
    return not os.environ.get("NO_COLOR")


def cursor_moves() -> bool:
    """Whether a terminal by its name in TERM can draw over a line. Windows gives its terminals no names."""
    return os.environ.get("TERM", "xterm" if os.name == "nt" else "") not in {"", "dumb", "unknown"}


def prepare_bucket_clients() -> bool:
    """What the client of Google's buckets reads when it is imported; whether a server of the user's own is named.

    With one named it would ask for the kind of each bucket over another protocol, for a minute, and for credentials.
    """
    emulated = bool(os.environ.get("STORAGE_EMULATOR_HOST"))
    if emulated:
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    return emulated


def bucket_cache_bytes() -> int:
    """Bytes that copies of objects of buckets may have in the cache: BOXWRIGHT_BUCKET_CACHE_GIB, else 100 GiB."""
    told = os.environ.get("BOXWRIGHT_BUCKET_CACHE_GIB", "")
    try:
        gib = float(told or BUCKET_CACHE_GIB)
    except ValueError:
        gib = BUCKET_CACHE_GIB
    return round(gib * 2**30) if 0 <= gib <= MOST_CACHE_GIB else BUCKET_CACHE_GIB * 2**30

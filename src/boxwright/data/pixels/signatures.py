# SPDX-License-Identifier: Apache-2.0
"""What a file is by its first bytes, whatever its name says. Only formats that are named here ever get to a decoder."""

from __future__ import annotations

import re
from typing import Literal, get_args

PictureKind = Literal["JPEG", "PNG", "BMP", "WebP", "TIFF", "GIF", "PFM", "NPY"]
LOOKED_AT = 600  # bytes: enough for every signature here

_PICTURES = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    (
        "BMP",
        re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    ),  # and the length of a header that there is
    ("WebP", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),  # the other byte after the order is that of BigTIFF
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("PFM", re.compile(rb"P[Ff]\s")),
    ("NPY", re.compile(rb"\x93NUMPY")),
)
_FILMS = (
    ("MP4", re.compile(rb".{4}(ftyp|styp|moov|mdat|free|skip|wide|pnot|uuid)", re.DOTALL)),
    ("Matroska", re.compile(rb"\x1aE\xdf\xa3")),
    ("AVI", re.compile(rb"RIFF.{4}AVI ", re.DOTALL)),
    ("ASF", re.compile(rb"0&\xb2u\x8ef\xcf\x11")),
    ("MPEG", re.compile(rb"\0\0\x01[\xb3\xba]")),
    ("MPEG-TS", re.compile(rb"G.{187}G|.{4}G.{191}G", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
)
# Only to say what a file is instead. The first that fits.
_OTHERS = (
    ("EPS/PostScript", re.compile(rb"\s*%!|\xc5\xd0\xd3\xc6")),
    ("PDF", re.compile(rb".{0,8}%PDF", re.DOTALL)),
    ("SVG", re.compile(rb"(\xef\xbb\xbf)?\s*<svg|(\xef\xbb\xbf)?\s*<\?xml.{0,500}<svg", re.DOTALL | re.IGNORECASE)),
    ("an HTML page", re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)", re.IGNORECASE)),
    ("an XML file", re.compile(rb"(\xef\xbb\xbf)?\s*<\?xml")),
    ("a playlist", re.compile(rb"(\xef\xbb\xbf)?\s*(#EXTM3U|ffconcat|\[playlist\])", re.IGNORECASE)),
    ("WMF", re.compile(rb"\xd7\xcd\xc6\x9a|\x01\0\x09\0\0\x03")),
    ("EMF", re.compile(rb"\x01\0\0\0.{36} EMF", re.DOTALL)),
    ("AVIF", re.compile(rb".{4}ftypavi[fs]", re.DOTALL)),
    ("HEIC", re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)),
    ("JPEG 2000", re.compile(rb"\0\0\0\x0cjP|\xff\x4f\xff\x51")),
    ("JPEG XL", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("FPX/MIC (a compound document)", re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")),
    ("FLI/FLC", re.compile(rb".{4}[\x11\x12]\xaf", re.DOTALL)),
    ("PSD", re.compile(rb"8BPS")),
    ("ICNS", re.compile(rb"icns")),
    ("ICO/CUR", re.compile(rb"\0\0[\x01\x02]\0[^\0]")),
    ("GRIB", re.compile(rb"GRIB")),
    ("BUFR", re.compile(rb"BUFR")),
    ("HDF5", re.compile(rb"\x89HDF\r\n\x1a\n")),
    ("OpenEXR", re.compile(rb"\x76\x2f\x31\x01")),
    ("Radiance HDR", re.compile(rb"#\?R")),
    ("PNM/PAM", re.compile(rb"P[1-7]\s")),
    ("a Sun raster", re.compile(rb"\x59\xa6\x6a\x95")),
    ("SGI", re.compile(rb"\x01\xda")),
    ("DDS", re.compile(rb"DDS ")),
    ("QOI", re.compile(rb"qoif")),
    ("FITS", re.compile(rb"SIMPLE  =")),
    ("XPM", re.compile(rb"/\* XPM")),
    ("XBM", re.compile(rb"\s*#define")),
    ("DCX", re.compile(rb"\xb1\x68\xde\x3a")),
    ("PCX", re.compile(rb"\x0a[\0\x02\x03\x05]\x01")),
    ("a ZIP archive", re.compile(rb"PK\x03\x04")),
    ("compressed by gzip", re.compile(rb"\x1f\x8b")),
)


def picture_kind(content: bytes) -> PictureKind | None:
    """The format of a picture that this program reads; None for everything else."""
    found = _first(_PICTURES, content)
    return next((kind for kind in get_args(PictureKind) if kind == found), None)


def film_kind(content: bytes) -> str | None:
    """The container of a film that this program reads; None for everything else."""
    return _first(_FILMS, content)


def foreign_kind(content: bytes) -> str | None:
    """What is in a file that is no picture of ours, in words; None when nobody knows."""
    other = _first(_OTHERS, content)
    film = None if other else _first(_FILMS, content)
    return f"a film ({film})" if film else other


def _first(table: tuple[tuple[str, re.Pattern[bytes]], ...], content: bytes) -> str | None:
    head = content[:LOOKED_AT]
    return next((name for name, pattern in table if pattern.match(head)), None)

# SPDX-License-Identifier: Apache-2.0
"""Contents that are no picture of ours, under names of pictures.

Files that a decoder would open programs or other files for, and bombs.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from tests.support import corpus

if TYPE_CHECKING:
    from pathlib import Path

EPS = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n(PWNED) (w) file closefile\nshowpage\n%%EOF\n"
)

# What the message calls them, and their first bytes.
OTHERS: dict[str, tuple[str, bytes]] = {
    "eps.png": ("EPS/PostScript", EPS),
    "ps.jpg": ("EPS/PostScript", b"%!PS-Adobe-3.0\n" + EPS),
    "dos_eps.jpg": (
        "EPS/PostScript",
        b"\xc5\xd0\xd3\xc6" + struct.pack("<IIIIIIH", 30, len(EPS), 0, 0, 0, 0, 0xFFFF) + EPS,
    ),
    "pdf.png": ("PDF", b"%PDF-1.7\n1 0 obj <</OpenAction <</S /Launch /F (touch PWNED)>>>> endobj\n"),
    "svg.png": ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    "xml_svg.png": ("SVG", b'<?xml version="1.0"?>\n<!-- -->\n<svg/>'),
    "wmf.png": ("WMF", b"\xd7\xcd\xc6\x9a\0\0" + struct.pack("<hhhhH", 0, 0, 100, 100, 96) + bytes(40)),
    "emf.png": (
        "EMF",
        b"\1\0\0\0" + struct.pack("<IiiiiIIII", 100, 0, 0, 100, 100, 0, 0, 100, 100) + b" EMF" + bytes(60),
    ),
    "fpx.png": ("FPX/MIC", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)),
    "fli.png": ("FLI/FLC", struct.pack("<IHHHHHH", 128, 0xAF11, 1, 100, 100, 8, 3) + bytes(110)),
    "psd.png": ("PSD", b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 100, 100, 8, 3)),
    "icns.png": ("ICNS", b"icns" + struct.pack(">I", 100) + bytes(92)),
    "ico.png": ("ICO/CUR", b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0"),
    "grib.png": ("GRIB", b"GRIB" + bytes(3) + b"\1" + bytes(100)),
    "bufr.png": ("BUFR", b"BUFR" + bytes(100)),
    "hdf.png": ("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "mpeg.png": ("a film (MPEG)", b"\0\0\1\xb3\x10\0\x10" + bytes(100)),
    "mp4.jpg": ("a film (MP4)", b"\0\0\0\x20ftypisom" + bytes(100)),
    "list.jpg": ("a playlist", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
    "heic.jpg": ("HEIC", b"\0\0\0\x18ftypheic" + bytes(100)),
    "avif.jpg": ("AVIF", b"\0\0\0\x18ftypavif" + bytes(100)),
    "jp2.jpg": ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)),
    "exr.png": ("OpenEXR", b"\x76\x2f\x31\x01" + bytes(100)),
    "hdr.png": ("Radiance HDR", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n"),
    "ppm.png": ("PNM/PAM", b"P6\n32000 32000\n255\n" + bytes(100)),
    "sun.png": ("a Sun raster", struct.pack(">IIIIIIII", 0x59A66A95, 32000, 32000, 24, 0, 1, 0, 0)),
    "sgi.png": ("SGI", b"\1\xda\0\1\0\3" + bytes(100)),
    "fits.png": ("FITS", b"SIMPLE  =                    T".ljust(2880)),
    "xpm.png": ("XPM", b'/* XPM */\nstatic char *x[] = {"100 100 2 1"};'),
    "xbm.png": ("XBM", b"#define x_width 100\n#define x_height 100\nstatic char x_bits[] = {"),
    "dcx.png": ("DCX", b"\xb1\x68\xde\x3a" + bytes(100)),
    "page.png": ("an HTML page", b"<!DOCTYPE html><html></html>"),
    "zip.png": ("a ZIP archive", b"PK\3\4" + bytes(100)),
}
# Nobody knows what these are; decoders that guess by name or by tail would take them.
UNKNOWN = {
    "palm.png": b"\0\x64\0\x64\0\x0d" + bytes(100),
    "pcd.png": bytes(2048) + b"PCD_IPI" + bytes(100),
    "tga.png": b"\0\0\2" + bytes(9) + b"\0\1\0\1\x18\0",
}


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *, bits: int = 8, colour: int = 2, more: bytes = b"") -> bytes:
    """A black one, made row by row."""
    row = bytes(1 + (width * bits * {0: 1, 2: 3}[colour] + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
        + more
        + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )


def exif_bomb(entries: int, room: int) -> bytes:
    """A block in which every entry claims all of it."""
    tags = b"".join(struct.pack("<HHII", tag, 7, room, 8) for tag in range(1000, 1000 + entries))
    return b"II*\0" + struct.pack("<IH", 8, entries) + tags + bytes(4) + bytes(room)


def jpeg_of(width: int, height: int, *, scans: int = 0) -> bytes:
    """A small JPEG that says it is of this size.

    With `scans`, a progressive one whose last scan stands there so many times.
    """
    made = corpus.encoded(corpus.scene(), progressive=bool(scans))
    at = made.index(b"\xff\xc2" if scans else b"\xff\xc0")
    made = made[: at + 5] + struct.pack(">HH", height, width) + made[at + 9 :]
    return made[:-2] + made[made.rindex(b"\xff\xda") : -2] * scans + made[-2:]


def tiff(entries: list[tuple[int, int, int, int]], following: int = 0, tail: bytes = b"") -> bytes:
    rows = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", following) + tail


def page(width: int, height: int, **more: int) -> list[tuple[int, int, int, int]]:
    usual = {
        256: width,
        257: height,
        258: 8,
        259: 1,
        262: 1,
        273: 200,
        277: 1,
        278: height,
        279: width * height & 0xFFFFFFFF,
    }
    return [
        (tag, 4, 1, value) for tag, value in {**usual, **{int(key[1:]): value for key, value in more.items()}}.items()
    ]


def claims() -> dict[str, bytes]:
    """Small files whose headers claim much, or which grow when they are decoded."""
    gif = (
        b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0)
        + bytes(6)
        + b"\x2c"
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
        + b"\2\2\x4c\1\0;"
    )
    webp = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\xff\xff\x00" * 2 + bytes(2)
    bmp = struct.pack("<IiiHHIIiiII", 40, 32000, -32000, 1, 24, 0, 0, 0, 0, 0, 0)
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": (60000, 60000, 3)})
    return {
        "claim.png": png(64, 64).replace(struct.pack(">II", 64, 64), struct.pack(">II", 60000, 60000)),
        "claim.jpg": jpeg_of(65500, 65500),
        "progressive.jpg": jpeg_of(16000, 16000, scans=1),
        "scans.jpg": jpeg_of(4000, 4000, scans=400),
        "claim.gif.png": gif,
        "claim.webp": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "claim.bmp": b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + bmp + bytes(100),
        "claim.pfm": b"PF\n30000 30000\n-1.0\n" + bytes(100),
        "claim.tif": tiff(page(60000, 60000)),
        "tile.tif": tiff(page(64, 64, t322=1 << 17, t323=1 << 17, t324=200, t325=100), tail=bytes(5000)),
        "circle.tif": tiff(page(64, 64), 8, bytes(5000)),
        "tags.tif": tiff([*page(64, 64), *((tag, 7, 1 << 21, 8) for tag in range(1000, 1400))], 0, bytes(1 << 21)),
        "exif.png": png(64, 64, more=chunk(b"eXIf", exif_bomb(3000, 1 << 21))),
        "claim.npy.png": array.getvalue(),
    }


def devices(folder: Path) -> list[str]:
    """Names that are no regular files: a device, a pipe and a link to it, a link to itself, a folder."""
    (folder / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "to_pipe.png").symlink_to(folder / "pipe.jpg")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "memory.jpg").symlink_to("/proc/self/mem")
    os.mknod(folder / "socket.jpg", stat.S_IFSOCK | 0o600)
    (folder / "large.jpg").write_bytes(corpus.encoded(corpus.scene()))
    os.truncate(folder / "large.jpg", 15 << 30)
    return ["zero.jpg", "pipe.jpg", "to_pipe.png", "circle.jpg", "memory.jpg", "socket.jpg", "large.jpg"]


def write_all(folder: Path) -> list[str]:
    """The sound set of the corpus with everything here among its images for training.

    Returns the names of what is no picture.
    """
    corpus.write_sound(folder)
    place = folder / "images" / "train"
    files = {name: content for name, (_, content) in OTHERS.items()} | UNKNOWN | claims()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return [*files, *devices(place)]

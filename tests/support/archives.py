# SPDX-License-Identifier: Apache-2.0
"""Archives for tests: ordinary ones, and ones that say other things than they hold."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib


def zipped(*members: tuple[str, bytes], mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip as Python writes it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # names that are there twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system, info.external_attr = method, 3, mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def tarred(
    *members: tuple[str, bytes],
    kind: bytes = tarfile.REGTYPE,
    packing: str = "gz",
    form: int = tarfile.PAX_FORMAT,
    headers=None,
) -> bytes:
    """A tar as Python writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packing}", format=form, pax_headers=headers) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    """One tar header that states this size, whatever follows."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def block(content: bytes) -> bytes:
    """Content with the zeros that a tar puts behind it."""
    return content + bytes(-len(content) % 512)


END = bytes(1024)


def changed(archive: bytes, at: int, form: str, value: int, *, central: bool) -> bytes:
    """A zip of one member with one number of its local or central header replaced."""
    content = bytearray(archive)
    struct.pack_into(f"<{form}", content, (content.index(b"PK\1\2") if central else 0) + at, value)
    return bytes(content)


def overlapping(count: int, size: int) -> bytes:
    """A zip whose members are all the same bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = bytes(range(256)) * (size // 256)
    packed = packer.compress(data) + packer.flush()
    fields = (20, 0, 8, 0, 33, zlib.crc32(data), len(packed), len(data), 5, 0)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *fields) + b"a.txt" + packed
    rows = b"".join(
        struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, *fields, 0, 0, 0, 0, 0) + b"a.txt" for _ in range(count)
    )
    return local + rows + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, count, count, len(rows), len(local), 0)


def gzipped(*parts: bytes) -> bytes:
    """Parts packed one after another into one stream."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0) as packed:
        for part in parts:
            packed.write(part)
    return buffer.getvalue()


def wide_xz(content: bytes) -> bytes:
    """An xz whose header asks for a dictionary of 1.5 GiB to unpack it."""
    packed = bytearray(lzma.compress(content, preset=0))
    length = (packed[12] + 1) * 4  # of the block header, which begins behind the 12 bytes of the stream header
    packed[12 + 4] = 37  # the size of the dictionary, as the format writes it
    packed[12 + length - 4 : 12 + length] = struct.pack("<I", zlib.crc32(packed[12 : 12 + length - 4]))
    return bytes(packed)

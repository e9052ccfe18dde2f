# SPDX-License-Identifier: Apache-2.0
"""The records of a zip whose content lies in the file as it is: none compressed, none inside another, none twice.

Whoever reads such a file needs no more memory than the file has bytes, whatever its directory claims.
"""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass

from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.nodes import RefusedError

_ENCRYPTED, _UNICODE = 0x1, 0x800
_ENTRY = b"PK\x01\x02"  # of the directory
_LOCAL = struct.Struct("<4s22xHH")  # signature; lengths of name and extra field
_DIRECTORY_WINDOW = 64 << 20  # bytes at the end of a file in which as many entries as are allowed find room
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    ValueError,
    OverflowError,
    EOFError,
    NotImplementedError,
    struct.error,
    RuntimeError,
    IndexError,
    KeyError,
    OSError,
)


@dataclass(frozen=True)
class Record:
    """A record: where its bytes begin, how many they are, and their CRC-32."""

    name: str
    begin: int
    size: int
    checksum: int


def stored_records(content: bytes, limits: Limits) -> list[Record]:
    """Every record of the zip. Raises RefusedError for compressed, encrypted, doubled, overlapping or too many ones."""
    if (
        content.count(_ENTRY, max(len(content) - _DIRECTORY_WINDOW, 0)) > limits.records
    ):  # before anything is made of them
        raise RefusedError("it holds too many records")
    try:
        listed = zipfile.ZipFile(io.BytesIO(content)).infolist()
        found = [_record(content, entry) for entry in listed]
    except _ZIP_ERRORS:
        raise RefusedError("it is a damaged or incomplete zip") from None
    if len(found) > limits.records:
        raise RefusedError("it holds too many records")
    if len({record.name for record in found}) != len(found):
        raise RefusedError("it holds two records of one name")
    end = 0
    for entry, record in sorted(zip(listed, found, strict=True), key=lambda pair: pair[0].header_offset):
        if entry.header_offset < end:
            raise RefusedError("it holds records that lie inside each other")
        end = record.begin + record.size
    if end > len(content):
        raise RefusedError("it holds a record longer than itself")
    return found


def _record(content: bytes, entry: zipfile.ZipInfo) -> Record:
    if (
        entry.compress_type != zipfile.ZIP_STORED
        or entry.file_size != entry.compress_size
        or entry.flag_bits & _ENCRYPTED
    ):
        raise RefusedError("it holds a compressed or encrypted record")
    signature, name, extra = _LOCAL.unpack(content[entry.header_offset : entry.header_offset + _LOCAL.size])
    begin = entry.header_offset + _LOCAL.size + name + extra
    named = content[begin - name - extra : begin - extra].decode("utf-8" if entry.flag_bits & _UNICODE else "cp437")
    if signature != b"PK\x03\x04" or named != entry.orig_filename:
        raise RefusedError("its directory does not fit its records")
    return Record(entry.filename, begin, entry.file_size, entry.CRC)

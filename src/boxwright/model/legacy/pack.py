# SPDX-License-Identifier: Apache-2.0
"""A program and its storages as a file in torch's zip layout."""

from __future__ import annotations

import hashlib
import io
import zipfile

from boxwright.system.torch_archive.nodes import Storage

ALIGNMENT = 64  # every record begins at a multiple of this, so that tensors can be mapped into memory
_LOCAL_HEADER = 30  # bytes before a record's name
_PADDING = b"FB"  # name of the extra field that torch pads with
_NO_DATE = (1980, 1, 1, 0, 0, 0)


def packed(program: bytes, storages: list[Storage], root: str) -> bytes:
    """The file's bytes. The same program and tensors give the same bytes."""
    buffer = io.BytesIO()
    identity = hashlib.sha256(program)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        head = {
            "data.pkl": program,
            ".format_version": b"1",
            ".storage_alignment": str(ALIGNMENT).encode(),
            "byteorder": b"little",
        }
        for name, content in head.items():
            _add(archive, buffer, f"{root}/{name}", content)
        for storage in storages:
            identity.update(storage.data)
            _add(archive, buffer, f"{root}/data/{storage.key}", bytes(storage.data))
        _add(archive, buffer, f"{root}/version", b"3\n")
        _add(
            archive,
            buffer,
            f"{root}/.data/serialization_id",
            str(int(identity.hexdigest()[:32], 16)).zfill(40).encode(),
        )
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, buffer: io.BytesIO, name: str, content: bytes) -> None:
    record = zipfile.ZipInfo(name, _NO_DATE)
    room = -(buffer.tell() + _LOCAL_HEADER + len(name.encode()) + 4) % ALIGNMENT
    record.extra = _PADDING + room.to_bytes(2, "little") + b"Z" * room
    archive.writestr(record, content)

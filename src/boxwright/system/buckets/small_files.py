# SPDX-License-Identifier: Apache-2.0
"""A place of small files that many processes share, in a bucket: made once by the first who tries, read, replaced.

It does what `search/` asks of a store, so that an evolution may work over a bucket.
"""

from __future__ import annotations

from boxwright.system.buckets.address import Address, AwayError, BucketError, Store
from boxwright.system.buckets.remote import opened

MAX_BYTES = 4 << 20  # of a file
TRIES = 3  # of a step that an answer was lost of


class BucketStore:
    """Small files below an address. Raises BucketError, AwayError for what may pass.

    Exclusive creation is what the service promises: `If-None-Match` of S3, `ifGenerationMatch=0` of Google's, a link of
    file systems.
    """

    def __init__(self, address: Address, store: Store | None = None) -> None:
        self.store = store or opened(address)

    def __str__(self) -> str:
        return str(self.store.address)

    def create(self, name: str, content: bytes) -> bool:
        """Make a file that is not there, whole or not at all. False when there is one.

        It may be one's own then, when the answer to the first attempt was lost on its way: whoever asks can read it.
        """
        for attempt in range(TRIES):
            try:
                return self.store.write(name, _bounded(name, content), new=True)
            except AwayError:
                if attempt == TRIES - 1:
                    raise
        return False

    def put(self, name: str, content: bytes) -> None:
        """Make or replace a file. The last writer wins."""
        self.store.write(name, _bounded(name, content))

    def read(self, name: str) -> bytes | None:
        """The content; None when it is not there."""
        return self.store.read(name, MAX_BYTES)

    def names(self, folder: str) -> list[str]:
        """Names in `FOLDER/`, or at the top for '', whole; not those of folders below."""
        return [name for name in self.store.names(folder) if "/" not in name.removeprefix(folder)]


def _bounded(name: str, content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise BucketError(name, f"has {len(content):,} bytes, over the limit of {MAX_BYTES:,}", "")
    return content

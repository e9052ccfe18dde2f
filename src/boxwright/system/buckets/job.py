# SPDX-License-Identifier: Apache-2.0
"""What is to be mirrored where: a record in the run folder, read by whoever sends."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from boxwright.paths import read_regular
from boxwright.system.buckets.address import Address, BucketError, read_address, require_key
from boxwright.system.files import write_json
from boxwright.system.run_folder import RunFile

MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Job:
    """A run folder and its place in a bucket.

    `owner` names this folder, and `turn` whoever sends from it now: a newer one takes over by writing another.
    `copies`, in `bucket`, are pairs of a file and a further place for it in the bucket.
    """

    address: str
    bucket: str
    owner: str
    turn: str
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> Address:
        """Where the run is mirrored to. Raises BucketError."""
        bucket = self.whole
        below = self.address.removeprefix(f"{bucket}/")
        return bucket / below if below != self.address else read_address(self.address, RunFile.BUCKET)

    @property
    def whole(self) -> Address:
        """The bucket, below which the further places are. Raises BucketError."""
        return read_address(self.bucket, RunFile.BUCKET)

    def taken_over(self) -> Job:
        """The same for a new sender."""
        return replace(self, turn=secrets.token_hex(8))


def new_owner() -> str:
    """A name that no other run folder has."""
    return secrets.token_hex(16)


def write_job(folder: Path, job: Job) -> None:
    """Leave it in the run folder. Raises WriteError."""
    write_json(folder / RunFile.BUCKET, {"version": 1, **asdict(job)})


def read_job(folder: Path) -> Job | None:
    """The job of a run folder, None where there is none. Raises BucketError for a broken one."""
    where = str(folder / RunFile.BUCKET)
    try:
        document = json.loads(read_regular(folder / RunFile.BUCKET, MAX_BYTES))
        return _of(document, where)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BucketError(where, "is no record of a bucket", "Remove it, and name the place with --to") from None


def _of(document: dict[str, Any], where: str) -> Job:
    words = [document[key] for key in ("address", "bucket", "owner", "turn")]
    if document["version"] != 1 or not all(isinstance(word, str) and word for word in words):
        raise ValueError
    copies = tuple((require_key(name, where), require_key(to, where)) for name, to in document["copies"])
    return Job(words[0], words[1], words[2], words[3], copies)


def place_of_run(bucket: Address, folder: Path, project: str) -> Address:
    """BUCKET/PROJECT/RUN. Of a project that does not lie below the working folder its own name is taken."""
    parts = list(folder.parts)
    if folder.is_absolute() or ".." in parts:
        parts = [Path(project).resolve().name, *folder.parts[len(Path(project).parts) :]]
    return bucket / "/".join(part for part in parts if part)

# SPDX-License-Identifier: Apache-2.0
"""Documents of a study as bytes, with a digest over what they say: a file that was damaged is known by it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from boxwright.errors import printable
from boxwright.paths import shortened
from boxwright.search.job import Job, Result
from boxwright.system.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD, _MIDDLE, _END = b'{"sha256": "', b'", "body":\n', b"\n}\n"
_HEX = 64

Record = TypeVar("Record")


class DamagedError(ValueError):
    """What a file holds is not what was written into it, or was written by another program."""


@dataclass(frozen=True)
class ClaimRecord:
    """Somebody began a job, which stands here whole, so that it can be begun again as it was.

    `owner` is the process of the worker. `deaths` of workers at earlier attempts; `damaged` files of results that were
    known to be so.
    """

    job: Job
    worker: str
    owner: Owner | None = None
    attempt: int = 0
    deaths: int = 0
    damaged: int = 0


@dataclass(frozen=True)
class ResultRecord:
    """What a job came to, and how many results its worker knew of when it was written down."""

    result: Result
    sequence: int


@dataclass(frozen=True)
class StopRecord:
    """The study ends before its time: these jobs failed in a row with the same kind of failure."""

    kind: str
    reason: str
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class LiftRecord:
    """A stop is lifted. Failures that were known then are not counted again."""

    worker: str
    excused: tuple[str, ...]


_CLAIM, _RESULT = TypeAdapter(ClaimRecord), TypeAdapter(ResultRecord)
_STOP, _LIFT = TypeAdapter(StopRecord), TypeAdapter(LiftRecord)


def sealed(record: ClaimRecord | ResultRecord | StopRecord | LiftRecord) -> bytes:
    """A record as the content of a file. Raises ValueError for a number that is not finite."""
    return seal(json.dumps(asdict(record), allow_nan=False).encode())


def seal(body: bytes) -> bytes:
    """A JSON document within another one that begins with its digest."""
    return b"".join((_HEAD, hashlib.sha256(body).hexdigest().encode(), _MIDDLE, body, _END))


def unseal(content: bytes) -> bytes:
    """The document, when it is the one that was sealed. Raises DamagedError."""
    start = len(_HEAD) + _HEX + len(_MIDDLE)
    body = content[start : -len(_END)]
    if seal(body) != content:
        raise DamagedError("is not as it was written" if content else "is empty")
    return body


def claim_in(content: bytes, job: str, attempt: int) -> ClaimRecord:
    """The claim that such an attempt at a job is, from its file. Raises DamagedError."""
    found = _valid(_CLAIM, content)
    if (found.job.name, found.attempt) != (job, attempt):
        raise DamagedError(f"is attempt {found.attempt} at job '{shortened(printable(found.job.name))}'")
    _require_finite(found.job.values.values())
    return found


def result_in(content: bytes, job: str) -> ResultRecord:
    """The result of a job from its file. Raises DamagedError."""
    found = _valid(_RESULT, content)
    if found.result.job.name != job:
        raise DamagedError(f"is of job '{shortened(printable(found.result.job.name))}'")
    measured = [value for value in found.result.results.values() if value is not None]
    _require_finite((found.result.fitness, *measured, *found.result.job.values.values()))
    return found


def stop_in(content: bytes) -> StopRecord:
    """A stop from its file. Raises DamagedError."""
    return _valid(_STOP, content)


def lift_in(content: bytes) -> LiftRecord:
    """A lifted stop from its file. Raises DamagedError."""
    return _valid(_LIFT, content)


def _valid(adapter: TypeAdapter[Record], content: bytes) -> Record:
    try:
        return adapter.validate_json(unseal(content), strict=True)
    except ValidationError:  # it speaks of our classes; who reads the message knows a file
        raise DamagedError("does not say what such a file has to say") from None


def _require_finite(numbers: Iterable[float]) -> None:
    if any(number - number != 0 for number in numbers):
        raise DamagedError("holds a number that is not finite")

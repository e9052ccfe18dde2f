# SPDX-License-Identifier: Apache-2.0
"""Every file of a study, by name. Nobody else knows these names.

None is ever changed or removed, apart from signs of life and from what is made of the others.
"""

from __future__ import annotations

import re
from enum import StrEnum

_NUMBERED = re.compile(r"[a-z]+/([A-Za-z0-9][A-Za-z0-9-]{0,99})(?:\.(0|[1-9][0-9]{0,3}))?\.json")
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


class StudyFile(StrEnum):
    """Files and folders with one fixed name."""

    PLAN = "plan.json"
    EXTENT = "extent.json"  # how long it is now; the only record that is replaced
    CLAIMS = "claims/"  # who began which job
    BEATS = "beats/"  # signs of life of those who work on one
    RESULTS = "results/"  # what a job came to


def is_job_name(name: str) -> bool:
    """Whether a job can have this name: letters, digits and strokes, as its files bear it."""
    return _JOB.fullmatch(name) is not None


def claim_file(job: str, attempt: int) -> str:
    """Who began a job for the first time (0), or again."""
    return f"{StudyFile.CLAIMS}{job}.{attempt}.json"


def beat_file(job: str, attempt: int) -> str:
    """The sign of life of whoever began it."""
    return f"{StudyFile.BEATS}{job}.{attempt}.json"


def result_file(job: str, place: int = 0) -> str:
    """What a job came to. The next place is for one whose file before it is damaged."""
    return f"{StudyFile.RESULTS}{job}{f'.{place}' if place else ''}.json"


def stop_file(number: int) -> str:
    """Why the study was stopped for the first time (1), or again."""
    return f"stopped{f'.{number}' if number > 1 else ''}.json"


def lift_file(number: int) -> str:
    """That somebody let it go on behind that stop."""
    return f"lifted{f'.{number}' if number > 1 else ''}.json"


def claim_of(name: str) -> tuple[str, int] | None:
    """Job and attempt of a claim; None for a file that is none."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], int(found[2])) if found and found[2] else None


def result_of(name: str) -> tuple[str, int] | None:
    """Job and place of a result; None for a file that is none."""
    found = _NUMBERED.fullmatch(name)
    return (found[1], int(found[2] or 0)) if found and found[2] != "0" else None

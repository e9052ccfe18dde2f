# SPDX-License-Identifier: Apache-2.0
"""The error tree. What a user can cause has a place, a reason and a remedy; anything else is our fault.

BoxwrightError            exit 1   something of ours broke
└── UserError             exit 2   the input is at fault: WHERE: WHAT. REMEDY
    ├── SettingError               a flag, a key or a value
    ├── DataError                  a data set, a label file, an image
    ├── ModelError                 a network description
    ├── WeightsError               a weights file
    ├── DeviceError                a device that is not there
    └── FindingsError     exit 3   findings under --strict or a policy
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2000  # characters of what an error says: a value of a file may be of any length
LONGEST_WORD = 100  # characters of a word for which a likely one is looked for: the search takes the square of it
EXIT_DONE = 0
EXIT_OUR_FAULT = 1
EXIT_USER_INPUT = 2
EXIT_FINDINGS = 3
EXIT_TRY_AGAIN = 75  # stopped by itself, and can be resumed; what supervisors know as a temporary failure


class BoxwrightError(Exception):
    """Root of everything this package raises on purpose."""

    exit_code = EXIT_OUR_FAULT
    is_told = False  # whether another process has told the user already
    is_to_tell = False  # whether this one has to, of several that may have the same to tell


class UserError(BoxwrightError):
    """One line for a person: where the fault is, what it is, what to do about it."""

    exit_code = EXIT_USER_INPUT

    def __init__(self, where: str, what: str, remedy: str = "") -> None:
        self.where, self.what, self.remedy = where, what, remedy
        sentence = f"{where}: {_short(what).rstrip('.')}."
        super().__init__(printable(f"{sentence} {_short(remedy)}".strip()))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


class SettingError(UserError):
    """A flag, key or value that cannot be used."""


class DataError(UserError):
    """A data set, label file or image that cannot be used."""


class ModelError(UserError):
    """A network description that cannot be built."""


class WeightsError(UserError):
    """A weights file that cannot be read or does not fit."""


class DeviceError(UserError):
    """A device that is not there or fails its self-test."""


class FindingsError(UserError):
    """Findings that the user asked to treat as errors."""

    exit_code = EXIT_FINDINGS


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like a misspelt one, or ''. A word that begins alike may differ more."""
    if len(word) > LONGEST_WORD:
        return ""
    words = [candidate for candidate in known if len(candidate) <= LONGEST_WORD]
    begun = [candidate for candidate in words if candidate[:2] == word[:2]]
    alike = difflib.get_close_matches(word, words, 1) or difflib.get_close_matches(word, begun, 1, cutoff=0.3)
    return alike[0] if alike else ""


def printable(text: str) -> str:
    """Text from a file, safe to print: control characters become visible escapes, so no file can steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)

# SPDX-License-Identifier: Apache-2.0
"""The program in this process: its words in, its exit code and what it printed out."""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import TYPE_CHECKING, NamedTuple

from boxwright import cli

if TYPE_CHECKING:
    from pathlib import Path


class Said(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def command(*words: str | Path) -> Said:
    """One command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(word) for word in words])
    return Said(code, out.getvalue(), err.getvalue())


def done(*words: str | Path) -> Said:
    """One command line that has to succeed."""
    said = command(*words)
    assert said.code == 0, said.err
    return said


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with a digest of what is in it; caches of ours aside."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".boxwright.cache")
    }

# SPDX-License-Identifier: Apache-2.0
"""Faults in data as values: found, named, counted, never raised where the data can be used without them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from boxwright.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "note"]
Action = Literal["image skipped", "box dropped", "box clipped", "kept", "refused", "made anew"]


@dataclass(frozen=True)
class Finding:
    """One fault: in which file and line, by which rule, what it is, what was done about it, and how to mend it."""

    file: str
    line: int | None
    rule: str
    severity: Severity
    text: str
    action: Action
    fix: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return printable(f"{place}: {self.text} ({self.action})")


def summary(findings: Iterable[Finding]) -> str:
    """One line: how many of what was done, by rule."""
    counts = Counter((finding.action, finding.rule) for finding in findings if finding.severity != "note")
    parts = [f"{count} {action}: {rule}" for (action, rule), count in sorted(counts.items())]
    return "; ".join(parts)

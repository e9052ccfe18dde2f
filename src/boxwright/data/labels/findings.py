# SPDX-License-Identifier: Apache-2.0
"""Faults in data as values: found, named, counted, never raised where the data can be used without them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from boxwright.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "note"]
Action = Literal["image skipped", "box dropped", "box clipped", "kept", "refused", "made anew"]

MAX_FINDINGS = 20_000  # of one image: more are counted, not kept; a file of nothing but faults would fill the memory


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: in which file and line, by which rule, what it is, what was done about it, and how to mend it."""

    file: str
    line: int | None
    rule: str
    severity: Severity
    text: str
    action: Action
    fix: str = ""

    def record(self) -> dict[str, str | int | None]:
        """As plain values by name. Of thousands of findings; `asdict` would copy each value deeply."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return printable(f"{place}: {self.text} ({self.action})")


class Found(list[Finding]):
    """What was found about one image. Beyond MAX_FINDINGS faults are counted, and one more finding says how many."""

    more = 0

    @property
    def full(self) -> bool:
        """Whether a further finding would only be counted."""
        return len(self) >= MAX_FINDINGS

    def note(self, finding: Finding) -> None:
        """Keep a finding, or count it."""
        if self.full:
            self.more += 1
        else:
            self.append(finding)

    def listed(self) -> tuple[Finding, ...]:
        """All of them, and how many more there are."""
        if not self.more:
            return tuple(self)
        text = f"{self.more} more faults are not listed"
        return (*self, replace(self[-1], line=None, text=text, fix="Mend those that are listed, and look again"))


def summary(findings: Iterable[Finding]) -> str:
    """One line: how many of what was done, by rule."""
    counts = Counter((finding.action, finding.rule) for finding in findings if finding.severity != "note")
    parts = [f"{count} {action}: {rule}" for (action, rule), count in sorted(counts.items())]
    return "; ".join(parts)

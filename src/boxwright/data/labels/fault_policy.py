# SPDX-License-Identifier: Apache-2.0
"""What is done about each kind of fault: clip the box, drop it, leave the image out, or refuse the data set."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

from boxwright.data.labels.findings import Action, Finding
from boxwright.documents import Document
from boxwright.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Choice = Literal["keep", "clip", "drop box", "skip image", "fail"]

OF_IMAGES: tuple[Choice, ...] = ("skip image", "fail")
OF_BOXES: tuple[Choice, ...] = ("drop box", "skip image", "fail")
# Every rule with what may be done about it; the first is done when nothing else is asked for.
RULES: Mapping[str, tuple[Choice, ...]] = MappingProxyType(
    {
        "unreadable": OF_IMAGES,
        "format": OF_IMAGES,
        "no-usable-label": OF_IMAGES,
        "no-label-file": ("keep", *OF_IMAGES),
        "not-a-number": OF_BOXES,
        "not-finite": OF_BOXES,
        "columns": OF_BOXES,
        "class": OF_BOXES,
        "class-range": ("fail", "drop box", "skip image"),
        "duplicate": OF_BOXES,
        "no-area": OF_BOXES,
        "outside": ("drop box", "clip", "skip image", "fail"),
        "slightly-outside": ("clip", "drop box", "skip image", "fail"),
        "size": ("keep", *OF_IMAGES),
        "outline": ("keep", *OF_BOXES),
        "annotation": OF_BOXES,
    }
)
CLIP_MARGIN = 0.01  # coordinates out by up to this share of the side are clipped, further out the box is dropped
_WORDS: Mapping[Choice, Action] = MappingProxyType(
    {"keep": "kept", "clip": "box clipped", "drop box": "box dropped", "skip image": "image skipped", "fail": "refused"}
)


@dataclass(frozen=True)
class Policy:
    """Choices that differ from the usual ones, by rule."""

    chosen: Mapping[str, Choice] = field(default_factory=dict)

    def of(self, rule: str) -> Choice:
        """What is done about a rule's findings."""
        return self.chosen.get(rule, RULES[rule][0])

    @property
    def clip_margin(self) -> float:
        """How far out, as a share of the side, a box is clipped rather than dropped."""
        if self.of("outside") == "clip":
            return math.inf
        return 0.0 if self.of("slightly-outside") == "drop box" else CLIP_MARGIN

    def applied(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings with what this policy makes of them."""
        return tuple(self._applied(finding) for finding in findings)

    def _applied(self, finding: Finding) -> Finding:
        choice = self.chosen.get(finding.rule)
        if choice is None:
            return finding
        return replace(finding, action=_WORDS[choice], severity="error" if choice == "fail" else finding.severity)


def read_policy(document: Document, raw: dict[str, Any]) -> Policy:
    """The `policy:` of a data set YAML. Raises DataError for a rule or a choice that does not exist."""
    stated = raw.get("policy") or {}
    if not isinstance(stated, dict):
        raise DataError(document.place("policy"), f"policy is {stated!r}", "Write 'rule: choice' lines")
    for rule, choice in stated.items():
        if rule not in RULES:
            near = nearest(str(rule), RULES)
            raise DataError(
                document.place("policy", rule),
                f"there is no rule '{rule}'",
                f"Did you mean '{near}'?" if near else f"Rules: {', '.join(RULES)}",
            )
        if choice not in RULES[rule]:
            raise DataError(
                document.place("policy", rule),
                f"'{choice}' cannot be done about '{rule}'",
                f"Choose one of: {', '.join(RULES[rule])}",
            )
    return Policy({str(rule): cast("Choice", choice) for rule, choice in stated.items()})

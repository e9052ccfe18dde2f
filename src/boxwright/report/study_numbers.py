# SPDX-License-Identifier: Apache-2.0
"""Numbers of a study as people read them; a dash for what is not known."""

from __future__ import annotations

import math
from typing import Any

from boxwright.report.page import UNKNOWN
from boxwright.report.study_content import StudyTrial

VERDICT = "verdict"  # the stage of trainings that judge, and are no part of the search
MINUTE_S, HOUR_S = 60, 3600
SMALL = 0.1
LEAST_PLAIN = 1e-6  # what is smaller has an exponent


def duration(seconds: float | None) -> str:
    """A length of time, as short as it is understood."""
    known = finite(seconds)
    if known is None:
        return UNKNOWN
    if known < 2 * MINUTE_S:
        return f"{known:.0f} s"
    if known < 2 * HOUR_S:
        return f"{known / MINUTE_S:.0f} min"
    hours = known / HOUR_S
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"  # noqa: PLR2004 -- what three digits are enough for


def number(value: float | None, form: str = ".4f") -> str:
    """A number as text; a dash where it is not known or not finite."""
    known = finite(value)
    return UNKNOWN if known is None else format(known, form)


def short(value: float | None) -> str:
    """A number as people write it: five digits, and no exponent where a learning rate may lie."""
    known = finite(value)
    if known is not None and LEAST_PLAIN <= abs(known) < 1:
        return f"{known:.{4 - math.floor(math.log10(abs(known)))}f}".rstrip("0").rstrip(".")
    return number(known, ".5g")


def fitness_words(value: float | None) -> str:
    """Four places, and three digits of what is below 0.1: the first epochs of a training come to little."""
    known = finite(value)
    return number(known) if known is None or known <= 0 or known >= SMALL else short(float(f"{known:.3g}"))


def finite(value: Any) -> float | None:
    """The number, or None for what is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def counted(count: int, noun: str) -> str:
    """With its noun: 1 epoch, 2 epochs."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: float | None) -> str:
    """Rounded, and never to a certainty that is none."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.001 or 0.999 < share < 1:  # noqa: PLR2004 -- what three digits would round away
        return "< 0.1 %" if share < 0.001 else "> 99.9 %"  # noqa: PLR2004 -- as above
    return f"{100 * share:.1f} %"


def fitness_of(trial: StudyTrial) -> float | None:
    """What a training came to; None where nothing was measured."""
    return None if trial.get("failure") else finite(trial.get("fitness"))


def judges(trial: StudyTrial) -> bool:
    """Whether a training is one of the verdict, and no part of the search."""
    return trial.get("stage") == VERDICT

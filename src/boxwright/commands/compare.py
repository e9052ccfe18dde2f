# SPDX-License-Identifier: Apache-2.0
"""`boxwright compare RUN_A RUN_B`: whether one run is better than another, or their difference is chance."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import CompareSettings
from boxwright.runs.evaluation.comparison import compared
from boxwright.structures.answer import Answer


def run(resolved: Resolved[CompareSettings]) -> Answer:
    """Validate both on the data of the first and compare."""
    found = compared(resolved.settings)
    return Answer(found.lines(), found.document())

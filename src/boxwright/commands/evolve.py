# SPDX-License-Identifier: Apache-2.0
"""`boxwright evolve`: search hyperparameters, trial by trial, on any number of workers; or see how a search stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import EvolveVerbSettings, SearchSettings
from boxwright.evolution.command import evolve
from boxwright.structures.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable


def run(resolved: Resolved[EvolveVerbSettings], tell: Callable[[str], None]) -> Answer:
    """Work on the study until nothing is left to do."""
    return evolve(resolved, resolved.settings.part(SearchSettings), tell)

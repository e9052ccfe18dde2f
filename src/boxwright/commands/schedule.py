# SPDX-License-Identifier: Apache-2.0
"""`boxwright schedule`: rates, momentum, accumulation and the moving average of a planned run, batch by batch."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.verbs import ScheduleVerbSettings
from boxwright.engine.schedule import Schedule
from boxwright.engine.schedule_table import table_of
from boxwright.structures.answer import Answer


def run(resolved: Resolved[ScheduleVerbSettings]) -> Answer:
    """The whole table as JSON; for people the first batch of each epoch and the end of the warm-up."""
    settings = resolved.settings
    schedule = Schedule(settings.part(ScheduleSettings), settings.batches_per_epoch, max(settings.batch_size, 1))
    return Answer(*table_of(schedule))

# SPDX-License-Identifier: Apache-2.0
"""`boxwright schedule --out`: the same as a picture.

Apart from the table, which is there at once, because drawing takes long to load.
"""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.verbs import ScheduleVerbSettings
from boxwright.engine.schedule import Schedule
from boxwright.engine.schedule_table import table_of
from boxwright.errors import SettingError
from boxwright.report.schedule_figure import schedule_figure
from boxwright.structures.answer import Answer
from boxwright.system.files import write_image


def run(resolved: Resolved[ScheduleVerbSettings]) -> Answer:
    """The table, and its picture in a file."""
    settings = resolved.settings
    out = Path(settings.out)
    if out.suffix.lower() != ".png":
        raise SettingError(
            f"--out {out}", f"'{out.suffix}' is no kind of picture that is drawn here", "End the name in .png"
        )
    schedule = Schedule(settings.part(ScheduleSettings), settings.batches_per_epoch, max(settings.batch_size, 1))
    lines, document = table_of(schedule)
    write_image(out, schedule_figure(document["rows"], document["ema_decay"]))
    return Answer([*lines, f"picture in {out}"], {**document, "picture": str(out)})

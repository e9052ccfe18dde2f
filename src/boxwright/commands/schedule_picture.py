# SPDX-License-Identifier: Apache-2.0
"""`boxwright schedule --out`: the same as a picture.

Apart from the table, which is there at once, because drawing takes long to load.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from boxwright.commands import schedule
from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ScheduleVerbSettings
from boxwright.errors import SettingError
from boxwright.report.schedule_figure import schedule_figure
from boxwright.structures.answer import Answer
from boxwright.system.files import write_image


def run(resolved: Resolved[ScheduleVerbSettings]) -> Answer:
    """The table, and its picture in a file."""
    out = Path(resolved.settings.out)
    if out.suffix.lower() != ".png":
        raise SettingError(
            f"--out {out}", f"'{out.suffix}' is no kind of picture that is drawn here", "End the name in .png"
        )
    answer = schedule.run(resolved)
    write_image(out, schedule_figure(answer.document["rows"], answer.document["ema_decay"]))
    return replace(
        answer, lines=[*answer.lines, f"picture in {out}"], document={**answer.document, "picture": str(out)}
    )

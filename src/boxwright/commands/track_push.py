# SPDX-License-Identifier: Apache-2.0
"""`boxwright track push RUN --to NAMES`: send a run to trackers, from its event log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import TrackPushSettings
from boxwright.runs.push import push
from boxwright.structures.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable


def run(resolved: Resolved[TrackPushSettings], tell: Callable[[str], None]) -> Answer:
    """Send it; above 0 when something did not arrive."""
    settings = resolved.settings
    found, code = push(settings.run, settings.to, tell)
    document = {one.name: {"arrived": one.arrived, "left": one.left, "place": one.place} for one in found}
    return Answer([one.line for one in found], document, exit_code=code)

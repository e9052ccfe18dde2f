# SPDX-License-Identifier: Apache-2.0
"""`boxwright bucket`: what is done with the mirror of a run by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import BucketSyncSettings
from boxwright.runs.mirroring import sync as synced
from boxwright.structures.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable


def sync(resolved: Resolved[BucketSyncSettings], tell: Callable[[str], None]) -> Answer:
    """Run the verb."""
    return synced(resolved.settings.run, resolved.settings.to, tell)

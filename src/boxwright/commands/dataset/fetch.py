# SPDX-License-Identifier: Apache-2.0
"""`boxwright data fetch`: the one verb that uses the network, when told to, to fetch one archive and unpack it."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import FetchSettings
from boxwright.runs.inputs.fetch_data import run_with
from boxwright.structures.answer import Answer


def run(resolved: Resolved[FetchSettings]) -> Answer:
    """Fetch by the rules of the public network."""
    return run_with(resolved.settings)

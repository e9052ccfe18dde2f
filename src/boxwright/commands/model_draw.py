# SPDX-License-Identifier: Apache-2.0
"""`boxwright model draw`: a network as a picture."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ModelDrawSettings
from boxwright.report.network_picture import require_kind, write_network
from boxwright.runs.inputs.described_network import described
from boxwright.structures.answer import Answer


def run(resolved: Resolved[ModelDrawSettings]) -> Answer:
    """The rows in a column for every stride, with lines for what goes where."""
    out = Path(resolved.settings.out)
    require_kind(out)
    spec, summary, notes = described(resolved.settings)
    size_wh = write_network(out, spec, summary)
    return Answer([str(out)], {"picture": str(out), "rows": len(summary.rows), "size_wh": list(size_wh)}, notes)

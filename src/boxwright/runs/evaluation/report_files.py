# SPDX-License-Identifier: Apache-2.0
"""report.html of a run and the files beside it: its content, matrices and mistakes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from boxwright.metrics.mistakes import outcomes
from boxwright.report.page import page
from boxwright.runs.evaluation.confusion_tables import write_matrices
from boxwright.runs.evaluation.mistake_files import write_mistakes
from boxwright.runs.evaluation.report_content import content, history_of
from boxwright.runs.evaluation.report_source import Source
from boxwright.runs.evaluation.stored import ReportContent, read_json
from boxwright.system.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

REPORT, CONTENT = "report.html", "report.json"


def write_report(source: Source) -> dict[str, Any]:
    """Write report.html, its content, the matrices and what went wrong into the run folder; returns the content."""
    flat, index = source.found.metrics.flat, source.indexes[source.split]
    listed = outcomes(flat)
    write_matrices(source.folder, source.found.metrics.confusion, source.names)
    write_mistakes(source.folder, listed, index, flat, source.names)
    document = content(source, listed)
    write_text(source.folder / CONTENT, json.dumps(document, separators=(",", ":")) + "\n")
    write_text(source.folder / REPORT, page([document]))
    return document


def read_content(folder: Path) -> dict[str, Any] | None:
    """The content of a report that was made before, if there is one. Raises DataError."""
    path = folder / CONTENT
    return (
        read_json(path, ReportContent, f"Remove it: `boxwright report {folder}` makes it anew")[0]
        if path.exists()
        else None
    )


def redraw(folder: Path) -> bool:
    """Make the page anew from its content and the table of the run; whether there is any content."""
    found = read_content(folder)
    if found is not None:
        write_text(folder / REPORT, page([{**found, "history": history_of(folder)}]))
    return found is not None

# SPDX-License-Identifier: Apache-2.0
"""`boxwright errors`: what went wrong in a run, object by object."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ErrorsSettings
from boxwright.metrics.confusion import MIN_CONFIDENCE, MIN_IOU
from boxwright.runs.evaluation.report_files import write_report
from boxwright.runs.evaluation.report_source import run_folder, source_of
from boxwright.structures.answer import Answer, table
from boxwright.system.run_folder import RunFile


def run(resolved: Resolved[ErrorsSettings]) -> Answer:
    """What became of every object, into the run folder; the counts as an answer."""
    settings = resolved.settings
    folder = run_folder(settings.run)
    counted = write_report(source_of(folder, settings))["kinds"]
    rows = [(one["kind"], one["count"], "" if one["gain"] is None else f"{one['gain']:+.3f}") for one in counted]
    lines = [
        *table(rows, ("kind", "count", "mAP50 to win")),
        f"counted above confidence {MIN_CONFIDENCE} at IoU {MIN_IOU}; what is to win, over all detections",
        f"every one in {folder / RunFile.ERRORS}, lists of images in {folder / RunFile.LISTS}",
        f"pictures in {folder / RunFile.REPORT}",
    ]
    kinds = [{key: one[key] for key in ("kind", "count", "gain")} for one in counted]
    return Answer(lines, {"kinds": kinds, "folder": str(folder)})

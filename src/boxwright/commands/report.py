# SPDX-License-Identifier: Apache-2.0
"""`boxwright report`: the page of a run made again, or one page for several runs.

`boxwright errors`: what went wrong in a run.
"""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ErrorsSettings, ReportSettings
from boxwright.metrics.confusion import MIN_CONFIDENCE, MIN_IOU
from boxwright.report.page import page
from boxwright.runs.evaluation.report_content import REPORT, read_content, write_report
from boxwright.runs.evaluation.run_source import run_folder, source_of
from boxwright.structures.answer import Answer, table
from boxwright.system.files import make_folder, write_text
from boxwright.system.run_folder import RunFile, next_folder


def run(resolved: Resolved[ReportSettings]) -> Answer:
    """One run: validate it and write its page.

    Several: one page of all, from their pages' content where there is one.
    """
    settings = resolved.settings
    folders = [run_folder(name) for name in settings.runs]
    if len(folders) == 1:
        write_report(source_of(folders[0], settings.threads))
        return Answer([str(folders[0] / REPORT)], {"report": str(folders[0] / REPORT)})
    documents = [read_content(folder) or write_report(source_of(folder, settings.threads)) for folder in folders]
    target = next_folder(settings.project, settings.name, exist_ok=False, numbering="exp-exp2")
    make_folder(target)
    write_text(target / REPORT, page(documents))
    return Answer([str(target / REPORT)], {"report": str(target / REPORT)})


def errors(resolved: Resolved[ErrorsSettings]) -> Answer:
    """What became of every object, into the run folder; the counts as an answer."""
    settings = resolved.settings
    folder = run_folder(settings.run)
    document = write_report(source_of(folder, settings.threads))
    rows = [
        (one["kind"], one["count"], "" if one["gain"] is None else f"{one['gain']:+.3f}") for one in document["kinds"]
    ]
    counted = f"counted above confidence {MIN_CONFIDENCE} at IoU {MIN_IOU}; what is to win, over all detections"
    lines = [
        *table(rows, ("kind", "count", "mAP50 to win")),
        counted,
        f"every one in {folder / RunFile.ERRORS}, lists of images in {folder / RunFile.LISTS}",
    ]
    lines += [f"pictures in {folder / REPORT}"]
    kinds = [{key: one[key] for key in ("kind", "count", "gain")} for one in document["kinds"]]
    return Answer(lines, {"kinds": kinds, "folder": str(folder)})

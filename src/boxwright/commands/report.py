# SPDX-License-Identifier: Apache-2.0
"""`boxwright report`: the page of a run made again, or one page for several runs."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ReportSettings
from boxwright.report.page import page
from boxwright.runs.evaluation.report_files import read_content, write_report
from boxwright.runs.evaluation.report_source import run_folder, source_of
from boxwright.structures.answer import Answer
from boxwright.system.files import make_folder, write_text
from boxwright.system.run_folder import RunFile, next_folder


def run(resolved: Resolved[ReportSettings]) -> Answer:
    """One run: validate it and write its page.

    Several: one page of all, from their pages' content where there is one.
    """
    settings = resolved.settings
    folders = [run_folder(name) for name in settings.runs]
    if len(folders) == 1:
        write_report(source_of(folders[0], settings))
        return _answer(str(folders[0] / RunFile.REPORT))
    documents = [read_content(folder) or write_report(source_of(folder, settings)) for folder in folders]
    target = next_folder(settings.project, settings.name, exist_ok=False, numbering="exp-exp2")
    make_folder(target)
    write_text(target / RunFile.REPORT, page(documents))
    return _answer(str(target / RunFile.REPORT))


def _answer(path: str) -> Answer:
    return Answer([path], {"report": path})

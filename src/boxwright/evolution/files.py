# SPDX-License-Identifier: Apache-2.0
"""What is written from the ledger of a study: the files of its year, its picture and its page. Made anew each time."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from boxwright.evolution.overview import Overview
from boxwright.evolution.place import StudyFolder
from boxwright.report.evolve_figure import evolve_figure
from boxwright.report.study_page import study_page
from boxwright.search.finalists import finalists
from boxwright.search.ledger import Ledger
from boxwright.search.records import closing_line, course_of, write_records
from boxwright.system.buckets.address import AwayError
from boxwright.system.buckets.small_files import BucketStore
from boxwright.system.files import write_image, write_text

DRAWN_EVERY_S = 60.0  # while a study goes on


@dataclass
class Files:
    """Writes them. `draws`: picture and page too, which take seconds, so that one of several workers does it.

    `beside` gets the table as well.
    """

    folder: StudyFolder
    ledger: Ledger
    draws: bool = True
    beside: BucketStore | None = None
    drawn_at: float = float("-inf")

    def write(self, overview: Overview, *, whole: bool) -> None:
        """The tables, and the picture and the page where it is time for them, or when `whole`. Raises WriteError."""
        plan, verdict = self.ledger.plan, overview.verdict
        judged = verdict is not None and not verdict.missing
        winner = verdict.winner if verdict is not None and judged else None
        best = None if winner is None else finalists(plan, overview.done).get(winner.trial)
        said = " ".join(verdict.answer()) if verdict is not None and judged else ""
        write_records(self.folder.path, plan, overview.whole, self.folder.form, best, said)
        if self.draws and self.beside is not None:
            with contextlib.suppress(AwayError):  # it is written again
                self.beside.put(self.folder.table.name, self.folder.table.read_bytes())
        if self.draws and (whole or time.monotonic() - self.drawn_at > DRAWN_EVERY_S):
            self._draw(overview)
            self.drawn_at = time.monotonic()

    def _draw(self, overview: Overview) -> None:
        plan = self.ledger.plan
        write_text(self.folder.page, study_page(overview.document()), durable=False)
        course = course_of(plan, overview.whole)
        if course.fitness and plan.facts.get("pictures"):
            write_image(self.folder.picture, evolve_figure(course.values, course.fitness, course.best))

    def closing(self, overview: Overview) -> str:
        """What came of it, and the command that trains with the best set."""
        return closing_line(self.folder.path, self.ledger.plan, overview.whole, self.folder.form)

# SPDX-License-Identifier: Apache-2.0
"""`boxwright val`: a checkpoint on a split. With nothing but a checkpoint it repeats the number of its training."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.val import ValSettings
from boxwright.runs.evaluation.answers import Asked, origins_of, summary
from boxwright.runs.evaluation.open_evaluation import open_evaluation
from boxwright.runs.evaluation.study import study
from boxwright.runs.evaluation.val_folder import write_results
from boxwright.runs.inputs.coco_ids import CocoIds, ids_for
from boxwright.structures.answer import Answer


def run(resolved: Resolved[ValSettings]) -> Answer:
    """Validate and report."""
    settings = resolved.settings
    opened = open_evaluation(settings)
    if settings.task == "study":
        return Answer(*study(settings, opened), opened.notes)
    # before the work, which a file that does not fit would waste
    data, split = opened.data, opened.plan.split
    ids = ids_for(settings.ids, data, split) if settings.ids or settings.save_json else CocoIds(data.names)
    found = opened.run()
    asked = Asked(settings.verbose, settings.at_conf, settings.ci, origins=origins_of(data, split))
    lines, document = summary(found, data.names, opened.plan, asked)
    return Answer(lines + write_results(settings, opened, found, ids, document), document, opened.notes)

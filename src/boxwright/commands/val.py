# SPDX-License-Identifier: Apache-2.0
"""`boxwright val`: a checkpoint on a split. With nothing but a checkpoint it repeats the number of its training."""

from __future__ import annotations

from dataclasses import replace

from boxwright.config.load import Resolved
from boxwright.config.schema.val import ValSettings
from boxwright.runs.agree_before_start import PATIENCE_S, on_own_device
from boxwright.runs.evaluation.answers import Asked, origins_of, summary
from boxwright.runs.evaluation.open_evaluation import open_evaluation
from boxwright.runs.evaluation.study import study
from boxwright.runs.evaluation.val_folder import write_results
from boxwright.runs.inputs.coco_ids import CocoIds, ids_for
from boxwright.runs.several_processes import answer_of_processes, left_in, processes_asked
from boxwright.structures.answer import Answer
from boxwright.system.distributed.launch_environment import launch_of_environment
from boxwright.system.distributed.process_group import world_of
from boxwright.system.distributed.world import World


def run(resolved: Resolved[ValSettings]) -> Answer:
    """Validate and report, with the other processes that share the images."""
    launch, settings = launch_of_environment(), resolved.settings
    if (launch is None or launch.size == 1) and (processes := processes_asked(settings)) > 1:
        return answer_of_processes("val", resolved, processes)
    with world_of(launch, PATIENCE_S) as world:
        answer = _validated(on_own_device(resolved, world).settings, world)
    return left_in(settings.result_file, answer) if world.is_main else answer


def _validated(settings: ValSettings, world: World) -> Answer:
    opened = world.first_on_host(lambda: open_evaluation(settings), "reading data and weights")
    opened = replace(opened, world=world)
    if settings.task == "study":
        lines, document = study(settings, opened)
        return Answer(lines, document, opened.notes) if world.is_main else Answer([], None)
    # before the work, which a file that does not fit would waste
    data, split = opened.data, opened.plan.split
    ids = ids_for(settings.ids, data, split) if settings.ids or settings.save_json else CocoIds(data.names)
    found = opened.run()
    if not world.is_main:
        return Answer([], None)
    asked = Asked(settings.verbose, settings.at_conf, settings.ci, origins=origins_of(data, split))
    lines, document = summary(found, data.names, opened.plan, asked)
    return Answer(lines + write_results(settings, opened, found, ids, document), document, opened.notes)

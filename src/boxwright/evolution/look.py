# SPDX-License-Identifier: Apache-2.0
"""A study that is there, looked at: how it stands, or one of its trials trained again. Nothing is written."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS, SettingError
from boxwright.evolution.methods import method_of
from boxwright.evolution.overview import Overview
from boxwright.evolution.place import Where, ledger_in, study_folder
from boxwright.evolution.trial import PLACE_KEYS, Trainer, expected_hash
from boxwright.search.job import Stage
from boxwright.structures.answer import Answer
from boxwright.system.terminal import clear_terminal

if TYPE_CHECKING:
    from collections.abc import Callable

WATCH_S = 2.0  # between two looks


def looked_at(where: Where, asked: SearchSettings, tell: Callable[[str], None]) -> Answer:
    """How a study stands; with --watch again and again until it is over."""
    ledger = ledger_in(where)
    ledger.look()
    place, method = study_folder(where.folder, ledger.plan), method_of(ledger.plan)
    while True:
        over = method.is_over(ledger.results())
        overview = Overview(place, ledger, "the study is over" if over else "", is_over=over)
        if over or not asked.watch or ledger.stopped() is not None:
            return Answer(overview.lines(), overview.document())
        clear_terminal()
        for line in [*overview.lines(), ""]:
            tell(line)
        time.sleep(WATCH_S)
        ledger.look()


def repeated(
    where: Where, resolved: Resolved[TrainSettings], asked: SearchSettings, tell: Callable[[str], None]
) -> Answer:
    """Train one trial of a study again, alone, and compare what it comes to. Nothing is written."""
    ledger = ledger_in(where)
    ledger.look()
    done = ledger.results()
    names = [name for name in done if name == asked.repeat] or [
        name for name, one in done.items() if str(one.job.trial) == asked.repeat and one.job.stage is Stage.TRIAL
    ]
    if not names:
        raise SettingError(
            "--repeat", f"the study has no result of trial {asked.repeat}", "See --status for those it has"
        )
    before = done[max(names, key=lambda name: done[name].job.epochs)]
    place = {key: getattr(resolved.settings, key) for key in PLACE_KEYS}
    trainer = Trainer(ledger.plan, where.folder, place | {"engine": "torch", "quiet": True})
    job = replace(before.job, goes_on_from="")
    tell(f"training trial {job.name} again: {', '.join(f'{key} {value:g}' for key, value in job.values.items())}")
    again = trainer.train(job, keeps_state=False)
    same = again.fitness == before.fitness and again.plan_hash == expected_hash(ledger.plan, job)
    lines = [
        f"fitness {again.fitness!r}, and it was {before.fitness!r}: {'the same' if same else 'not the same'}",
        *([f"failed: {again.failure}: {again.reason}"] if again.is_failed else []),
    ]
    document = {"job": job.document(), "fitness": again.fitness, "before": before.fitness, "same": same}
    return Answer(lines, document, exit_code=EXIT_DONE if same else EXIT_FINDINGS)

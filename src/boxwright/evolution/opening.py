# SPDX-License-Identifier: Apache-2.0
"""A study opened for a command that works on it: begun or joined, as long as it asks for, with earlier records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.evolution.overview import whole_trials
from boxwright.evolution.place import StudyFolder, Where, begun, is_study, ledger_in, study_folder
from boxwright.evolution.study_plan import plan_of_study
from boxwright.evolution.trial import PLACE_KEYS
from boxwright.search.extent import Extent, write_extent
from boxwright.search.job import Stage
from boxwright.search.ledger import Ledger
from boxwright.search.old_records import read_old
from boxwright.search.study import StudyPlan, VerdictRules
from boxwright.structures.answer import counted
from boxwright.system.files import make_folder, write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[str], None]

ONE_MORE = 1  # trials of `--evolve 1`, which adds one to whatever is there
# What may be said to a study that is there: where and how to work on it, and how long it is.
OF_ONE_THAT_IS_THERE = {
    *PLACE_KEYS,
    *("study", "resume", "project", "name", "bucket", "dry_run"),
    *("evolve", "trials", "budget", "workers_evolve", "verdict_seeds", "finalists", "worker_of"),
    *("status", "watch", "repeat"),
}


def opened(
    where: Where, resolved: Resolved[TrainSettings], asked: SearchSettings, tell: Tell
) -> tuple[StudyFolder, Ledger]:
    """The study of a command: with its own plan, or with the one that is in the place. Raises SettingError."""
    settings = resolved.settings
    if asked.study or (settings.resume and is_study(where)):
        require_fit(resolved, where)
        ledger = ledger_in(where)
    else:
        made = plan_of_study(resolved, asked)
        for line in [*resolved.notes, *made.notes]:
            tell(f"warning: {line}")
        for line in made.lines:
            tell(line)
        ledger = begun(where, made.plan)
    _set_extent(where, ledger, resolved, asked)
    make_folder(where.folder)
    place = study_folder(where.folder, ledger.plan)
    _take_over_old(place, where, ledger, tell)
    if not asked.worker_of:
        tell(f"study in {where}: {len(ledger.results())} results there, {length(ledger.plan)}")
    return place, ledger


def require_fit(resolved: Resolved[TrainSettings], where: Where) -> None:
    """Raise SettingError for a flag that a study with a plan of its own would pass over."""
    for key, source in resolved.sources.items():
        if source.typed and key not in OF_ONE_THAT_IS_THERE:
            what = f"the study in {where} has settings of its own, and this one would be without effect"
            raise SettingError(str(source), what, "Leave it out, or begin another study")


def length(plan: StudyPlan) -> str:
    """How long a study is, in words."""
    limit = Extent.of(plan).limit
    return counted(plan.trials, "trial") if limit is None else f"until {limit.amount:g} {limit.unit} were trained"


def _set_extent(where: Where, ledger: Ledger, resolved: Resolved[TrainSettings], asked: SearchSettings) -> None:
    """Make the study as long as this command asks for, and judged as it asks; what it does not say stays."""
    ledger.look()
    old = Extent.of(ledger.plan)
    typed = {key for key, source in resolved.sources.items() if source.typed}
    seeds = asked.verdict_seeds if "verdict_seeds" in typed and asked.verdict_seeds >= 0 else old.verdict.seeds
    finalists = asked.finalists if "finalists" in typed else old.verdict.finalists
    new = Extent(
        trials=_trials(ledger, resolved.settings, asked) or old.trials,
        verdict=VerdictRules(finalists=finalists, seeds=seeds),
        budget=asked.budget or old.budget,
        workers=asked.workers_evolve if "budget" in typed else old.workers,
    )
    if new != old and not asked.worker_of:
        write_extent(where.store, new)
        ledger.plan = new.applied(ledger.plan)


def _trials(ledger: Ledger, settings: TrainSettings, asked: SearchSettings) -> int:
    """How many trials the study has from now on; 0: the command does not say."""
    plan = ledger.plan
    begun_trials = len({job.trial for job in ledger.taken().values() if job.stage is Stage.TRIAL and job.trial >= 0})
    per_generation = plan.population.size if plan.method == "population" else 1
    if settings.evolve == ONE_MORE and begun_trials:
        return begun_trials + per_generation
    return asked.trials or (settings.evolve or 0) * per_generation


def _take_over_old(place: StudyFolder, where: Where, ledger: Ledger, tell: Tell) -> None:
    """Rows of an earlier record in the folder, of whatever program, become results of a study that begins there."""
    if ledger.taken():
        return
    if where.root is not None and not place.table.exists():
        content = where.root.read(place.table.name)
        if content is not None:
            write_bytes(place.table, content)
    found = read_old(place.table, ledger.plan, whole_trials(ledger))
    for note in found.notes:
        tell(f"warning: {note}")
    for result in found.results:
        ledger.record(result)
    if found.results:
        tell(f"{place.table}: {counted(len(found.results), 'earlier trial')} taken over")
        ledger.look()

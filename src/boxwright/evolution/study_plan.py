# SPDX-License-Identifier: Apache-2.0
"""The plan of a study from the settings of a command: everything is checked before anything is made."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from boxwright.config import packaged
from boxwright.config.load import Resolved
from boxwright.config.not_yet import OF_EVOLUTION
from boxwright.config.origin import BUILT_IN
from boxwright.config.run_paths import with_whole_paths
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import spelling_of
from boxwright.documents import read_yaml
from boxwright.errors import SettingError
from boxwright.evolution.effects import without_effect
from boxwright.evolution.methods import method_of
from boxwright.evolution.trial import NOTHING_KEPT, PLACE_KEYS
from boxwright.runs.inputs.fetch_data import ensure_present
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.search.budget import read_budget
from boxwright.search.population_files import first_sets
from boxwright.search.space import Space, space_of
from boxwright.search.study import MutationRules, PopulationRules, SearchRules, StudyPlan, VerdictRules
from boxwright.search.tables import mutation_rules, table_of
from boxwright.search.tpe import proposer_for

Method = Literal["mutation", "population", "search"]
USUAL_TRIALS = 50  # of a search that is given neither a number nor a budget
ENDLESS = 1_000_000  # trials of a study that its budget ends
USUAL_SEEDS = 5  # of the verdict of a search
PRIORS = ("scratch-low", "scratch-med", "scratch-high", "small-data", "no-augmentation")
KEYS_FLAG = "--keys"


# What acts on a run with a folder, on several processes or on its length; a trial has none of it.
NOT_IN_TRIALS = (
    *("track", "ndjson_console", "ndjson_file", "result_file", "keep_best"),
    *("save_period", "save_steps", "save_minutes", "time"),
    *("processes", "sync_bn", "rank_timeout", "max_restarts", "log_ranks"),
)
NOT_WHEN_HALVED = ("patience", "noval")  # halving ends trainings, and validates each epoch


class Asked(NamedTuple):
    """The plan of a study, what is searched and what stays in lines, and notes."""

    plan: StudyPlan
    lines: list[str]
    notes: list[str]


def plan_of_study(resolved: Resolved[TrainSettings], asked: SearchSettings) -> Asked:
    """The plan that a command asks for. Raises for the first thing that cannot work."""
    settings = resolved.settings
    fetched = ensure_present(settings.data) if settings.allow_download else ()
    if settings.batch_size == -1:
        what = "trials of different batch sizes cannot be compared, and -1 is measured anew by each"
        raise SettingError("--batch-size", what, "Give a number")
    trial = _first_trial(resolved)
    if trial.carried is not None:
        what = "they hold the state of a training, and each trial would go on with it for a length of its own"
        raise SettingError(f"--weights {settings.weights}", what, "Strip them first: boxwright weights strip")
    method = settings.evolve_method if asked.method == "auto" else asked.method
    _require_use(resolved, asked, method)
    space = _space(trial, method, asked.keys)
    plan = StudyPlan(
        method=method,
        trials=_trials(settings, asked, method),
        epochs=settings.epochs,
        seed=settings.seed,
        start=space.start,
        keys=space.keys,
        mutation=_mutation(settings, asked) if method == "mutation" else MutationRules(),
        population=_population(settings, asked, space) if method == "population" else PopulationRules(),
        search=_search(asked, space) if method == "search" else SearchRules(),
        verdict=VerdictRules(finalists=asked.finalists, seeds=_seeds(asked, method)),
        settings=_stored(trial),
        facts=_facts(trial, asked, space, noplots=settings.noplots),
    )
    method_of(plan)  # a budget that is too small is told before anything is made
    return Asked(plan, space.lines(), [*fetched, *trial.notes, *_without_use(resolved, method)])


def _first_trial(resolved: Resolved[TrainSettings]) -> TrainPlan:
    """The training of the start set, checked as any other, in the words of the command."""
    kept = {key: getattr(resolved.settings, key) for key in TrainSettings.model_fields} | NOTHING_KEPT
    sources = {key: resolved.sources[key] for key in TrainSettings.model_fields} | dict.fromkeys(OF_EVOLUTION, BUILT_IN)
    return plan_of(Resolved(TrainSettings(**kept), sources, resolved.notes), None)


def _require_use(resolved: Resolved[TrainSettings], asked: SearchSettings, method: Method) -> None:
    """Raise SettingError for a flag that the method would pass over."""
    owners = {
        "parents": "mutation",
        "population": "population",
        "proposer": "search",
        "evolve_population": "population",
        "resume_evolve": "population",
    }
    for key, owner in owners.items():
        if key in resolved.sources and resolved.sources[key].typed and owner != method:
            flag = f"--{key.replace('_', '-')}"
            raise SettingError(flag, f"it is for --method {owner}, and this is {method}", "Leave it out")
    if asked.trials and resolved.settings.evolve:
        raise SettingError("--evolve + --trials", "both say how long the study is", "Give one of them")


def _without_use(resolved: Resolved[TrainSettings], method: Method) -> list[str]:
    """What was typed and does not reach a trial, in a line."""
    keys = (*NOT_IN_TRIALS, *(NOT_WHEN_HALVED if method == "search" else ()))
    flags = [f"--{key.replace('_', '-')}" for key in keys if resolved.sources[key].typed]
    why = "trials train in one process, without a run folder, as long as the method says"
    return [f"{', '.join(flags)}: without effect, since {why}"] if flags else []


def _space(trial: TrainPlan, method: Method, chosen: tuple[str, ...]) -> Space:
    settings = trial.settings
    table = table_of(_table(settings, method))
    moving = set(chosen) or {key.name for key in table.keys if key.gain}
    start = {
        key: getattr(settings, key)
        for key, info in TrainSettings.model_fields.items()
        if spelling_of(info).kind == "hyp"
    }
    return space_of(
        table,
        start,
        method=method,
        chosen=chosen,
        noautoanchor=settings.noautoanchor,
        without_effect=without_effect(settings, trial.data, moving),
        flag=KEYS_FLAG,
    )


def _table(settings: TrainSettings, method: Method) -> str:
    """The year whose keys and limits count: that of the recipe, where the recipe evolved in this way."""
    return settings.evolve_table if settings.evolve_method == method else {"population": "7.0"}.get(method, "6.0")


def _trials(settings: TrainSettings, asked: SearchSettings, method: Method) -> int:
    """How many trials there will be; a number of generations counts their sets."""
    if asked.trials:
        return asked.trials
    if asked.budget and not settings.evolve:
        return ENDLESS
    if method == "search":
        return settings.evolve or USUAL_TRIALS
    generations = settings.evolve or settings.evolve_default_generations
    return generations * asked.population if method == "population" else generations


def _seeds(asked: SearchSettings, method: Method) -> int:
    if asked.verdict_seeds >= 0:
        return asked.verdict_seeds
    return USUAL_SEEDS if method == "search" else 0


def _mutation(settings: TrainSettings, asked: SearchSettings) -> MutationRules:
    table = {"evolve_table": _table(settings, "mutation")}
    return mutation_rules(settings.model_copy(update=table), asked.parents)


def _population(settings: TrainSettings, asked: SearchSettings, space: Space) -> PopulationRules:
    """The rules of the year, the sets that were named to begin with among them. Raises SettingError for a bad file."""
    rules = table_of(_table(settings, "population")).population
    first = first_sets(space.keys, settings.evolve_population, settings.resume_evolve)
    trials = _trials(settings, asked, "population")
    generations = settings.evolve or max(-(-trials // asked.population), 1)
    return rules.model_copy(update={"size": asked.population, "generations": generations, "first": first})


def _search(asked: SearchSettings, space: Space) -> SearchRules:
    names = [key.name for key in space.keys]
    priors = []
    for name in PRIORS:
        values = read_yaml(packaged.locate("hyps", name, "hyp")).mapping()
        priors.append({key: float(values[key]) for key in names if isinstance(values.get(key), int | float)})
    budget = read_budget(asked.budget, asked.workers_evolve) if asked.budget else None
    epochs = round(budget.amount) if budget is not None and budget.unit == "epochs" else 0
    proposer = proposer_for(None if asked.proposer == "auto" else asked.proposer)
    return SearchRules(priors=tuple(priors), proposer=proposer, budget=epochs)


def _stored(trial: TrainPlan) -> dict[str, Any]:
    """The settings as every worker reads them: paths are whole, and where it trains is left to each."""
    whole = with_whole_paths(trial.resolved).settings.model_dump(mode="json")
    usual = {key: TrainSettings.model_fields[key].get_default() for key in (*PLACE_KEYS, "project", "name", "noplots")}
    return {**whole, **usual}


def _facts(trial: TrainPlan, asked: SearchSettings, space: Space, *, noplots: bool) -> dict[str, Any]:
    images = {split: len(index) for split, index in trial.data.splits.items()}
    return {
        "network": trial.detector.spec.name,
        "data": str(trial.data.dataset.file),
        "images": images,
        "classes": list(trial.data.names),
        "prints": {split: index.fingerprint() for split, index in trial.data.splits.items()},
        "budget": asked.budget,
        "stays": [[one.name, f"{one.why}. {one.way_out}".strip()] for one in space.stays],
        "pictures": not noplots,
        "workers": asked.workers_evolve,
    }


class Difference(NamedTuple):
    """What two plans of one study do not share."""

    key: str
    mine: Any
    theirs: Any


def difference(mine: StudyPlan, theirs: StudyPlan) -> Difference | None:
    """The first thing that makes them other studies. How long they are, and who judges, may differ."""
    for name in ("method", "epochs", "seed", "start", "keys", "mutation"):
        if getattr(mine, name) != getattr(theirs, name):
            return Difference(name, getattr(mine, name), getattr(theirs, name))
    if mine.method == "population" and mine.population.size != theirs.population.size:
        return Difference("population", mine.population.size, theirs.population.size)
    for key in sorted({*mine.settings, *theirs.settings}):
        if mine.settings.get(key) != theirs.settings.get(key):
            return Difference(key, mine.settings.get(key), theirs.settings.get(key))
    prints = [plan.facts.get("prints") for plan in (mine, theirs)]
    return None if prints[0] == prints[1] else Difference("data", *prints)

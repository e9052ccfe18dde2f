# SPDX-License-Identifier: Apache-2.0
"""What an evolution leaves in its folder, named as in its year: table, best set, population. Made anew at any time.

Nothing is added to and nothing continued: the files say what the trials that are done say.
"""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from boxwright.config.schema.run import EvolveSettings
from boxwright.config.schema.train import DEFAULT_RECIPE
from boxwright.search.evolve_table import DIGITS, RESULTS, WIDTH, columns_of, csv_text, plain_text, row_of, values_of
from boxwright.search.job import Result
from boxwright.search.population_files import population_document
from boxwright.search.ranking import best_of, is_old, measured, trials
from boxwright.search.study import StudyPlan
from boxwright.search.tables import table_of
from boxwright.system.files import write_text, write_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WIDEST = 100  # characters of a line of comment
PICTURE = "evolve.png"
POPULATION = "evolve_population.yaml"


@dataclass(frozen=True)
class RecordForm:
    """How the files of a year are called, and how it spelled its keys."""

    table: str = "evolve.csv"
    best: str = "hyp_evolve.yaml"
    spelled: dict[str, str] = field(default_factory=dict)


def form_of(settings: EvolveSettings) -> RecordForm:
    """The form that goes with a recipe."""
    spelled = table_of(settings.evolve_table).spelled
    if settings.evolve_file == "txt":
        return RecordForm("evolve.txt", "hyp_evolved.yaml", spelled)
    return RecordForm(spelled=spelled)


def write_records(
    folder: Path,
    plan: StudyPlan,
    done: Mapping[str, Result],
    form: RecordForm,
    winner: Result | None = None,
    verdict: str = "",
) -> list[Path]:
    """Write what there is to write into a folder; each file whole or not at all. Raises WriteError.

    The best set is that of the `winner` of a verdict, where there is one; what the `verdict` says stands above it.
    """
    written = [folder / form.table]
    is_csv = form.table.endswith(".csv")
    write_text(written[0], csv_text(plan, done, form.spelled) if is_csv else plain_text(plan, done), durable=False)
    best = winner or best_of(done)
    if best is not None:
        values = {form.spelled.get(name, name): value for name, value in values_of(plan, best).items()}
        write_yaml(folder / form.best, values, head=best_head(plan, done, best, verdict))
        written.append(folder / form.best)
    population = population_document(plan, done) if plan.method == "population" else {}
    if population:
        write_yaml(folder / POPULATION, population)
        written.append(folder / POPULATION)
    return written


def best_head(plan: StudyPlan, done: Mapping[str, Result], best: Result, verdict: str = "") -> str:
    """The comment above the best set: its generation, the last one, what it came to, and whether that was believed."""
    known = trials(done)
    cells = (f"{value:>{WIDTH}.{DIGITS}g}" for value in row_of(plan, best, ()))
    return (
        "".join(
            f"# {line}\n"
            for line in (
                "Hyperparameter evolution",
                f"Best generation: {_generation(plan, known, best)}",
                f"Last generation: {_generation(plan, known, known[-1])}",
                ",".join(f"{name:>{WIDTH}}" for name in RESULTS),
                ",".join(cells),
                *textwrap.wrap(verdict, WIDEST),
            )
        )
        + "\n"
    )


def _generation(plan: StudyPlan, known: list[Result], result: Result) -> str:
    """Of a population the generation of a trial; otherwise the row of the table, counted from 0. And its own name."""
    row = known.index(result)
    number = result.job.trial // plan.population.size if plan.method == "population" else row
    if plan.method == "population" and is_old(result):
        return f"of an earlier record (row {row})"
    return f"{number}" if str(number) == result.job.name else f"{number} (trial {result.job.name})"


def closing_line(folder: Path, plan: StudyPlan, done: Mapping[str, Result], form: RecordForm) -> str:
    """What came of it, and the command that trains with the best set."""
    best, failed = best_of(done), sum(result.is_failed for result in trials(done))
    count = f"{len(trials(done))} trial{'s' * (len(trials(done)) != 1)}" + f", {failed} of them failed," * bool(failed)
    if best is None:
        return f"{count} in {folder}: none came to a number"
    command = command_of(folder, plan, form)
    return f"{count} in {folder}, best fitness {best.fitness:.5g} in trial {best.job.name}. Train with it: {command}"


def command_of(folder: Path, plan: StudyPlan, form: RecordForm) -> str:
    """The command that trains as the trials did, with the best set."""
    recipe = plan.settings.get("recipe", DEFAULT_RECIPE)
    words = ["--recipe", str(recipe)] * (recipe != DEFAULT_RECIPE)
    for key, flag in (("data", "data"), ("cfg", "cfg"), ("weights", "weights"), ("batch_size", "batch")):
        if value := plan.settings.get(key):
            words += [f"--{flag}", str(value)]
    if size := plan.settings.get("imgsz"):
        words += ["--imgsz", *map(str, size)]
    return shlex.join(
        [
            "boxwright",
            "train",
            "--hyp",
            str(folder / form.best),
            *words,
            "--epochs",
            str(plan.settings.get("epochs", plan.epochs)),
        ]
    )


class Course(NamedTuple):
    """The trials that came to a number: each key's values, their fitness, and the place of the best one."""

    values: dict[str, list[float]]
    fitness: list[float]
    best: int | None


def course_of(plan: StudyPlan, done: Mapping[str, Result]) -> Course:
    """What evolve.png shows."""
    known, best, names = measured(done), best_of(done), columns_of(plan, done)
    rows = [row_of(plan, result, names)[len(RESULTS) :] for result in known]
    values = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    return Course(values, [result.fitness for result in known], None if best is None else known.index(best))

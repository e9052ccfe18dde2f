# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.config.schema.run import EvolveSettings
from boxwright.documents import read_yaml
from boxwright.errors import DataError
from boxwright.search.evolve_table import RESULTS
from boxwright.search.job import Stage
from boxwright.search.old_records import fitness_of, read_old
from boxwright.search.population_files import first_sets
from boxwright.search.ranking import best_of, trials
from boxwright.search.records import closing_line, course_of, form_of, write_records
from boxwright.search.study import PopulationRules
from boxwright.search.tables import table_of
from tests.support.evolving import START, failed, known, method_of, plan_of, trained

HERE = Path()
CSV = form_of(EvolveSettings())
TXT = form_of(EvolveSettings(evolve_table="2020.7", evolve_file="txt"))
JULY = dict.fromkeys(table_of("2020.7").names(), 0.5) | {"anchor_t": 4.0}
AUGUST = dict.fromkeys(table_of("2020.8").names(), 0.5) | {"anchor_t": 4.0, "perspective": 0.001}


def test_the_table_has_names_and_cells_of_twenty():
    plan = plan_of()
    done = trained(plan)
    write_records(HERE, plan, done, CSV)
    lines = Path("evolve.csv").read_text().splitlines()
    assert len(lines) == 1 + 12
    assert {len(cell) for line in lines for cell in line.split(",")} == {20}
    rows = list(csv.reader(lines, skipinitialspace=True))
    assert rows[0] == [*RESULTS, *START]
    assert [float(cell) for cell in rows[5][7:]] == pytest.approx(
        [done["4"].job.values.get(key, START[key]) for key in START], rel=1e-4
    )


def test_the_files_are_a_function_of_what_is_done():
    plan = plan_of()
    done = trained(plan)
    names = [path.name for path in write_records(HERE, plan, done, CSV)]
    assert names == ["evolve.csv", "hyp_evolve.yaml"]
    first = [Path(name).read_bytes() for name in names]
    shuffled = list(done.items())
    random.Random(1).shuffle(shuffled)
    write_records(HERE, plan, dict(shuffled), CSV)
    assert [Path(name).read_bytes() for name in names] == first


def test_a_failed_trial_has_a_row_of_zeros_that_every_program_reads():
    plan = plan_of(trials=1)
    job = method_of(plan).next_job({}, {})
    write_records(HERE, plan, {"0": failed(job)}, CSV)
    row = Path("evolve.csv").read_text().splitlines()[1].split(",")
    assert [float(cell) for cell in row[:7]] == [0.0] * 7
    assert not Path("hyp_evolve.yaml").exists()
    assert closing_line(HERE, plan, {"0": failed(job)}, CSV) == "1 trial, 1 of them failed, in .: none came to a number"


def test_the_best_set_is_that_of_the_highest_fitness_and_trains():
    plan = plan_of(settings={"recipe": "6.0", "data": "my set.yaml"})
    done = trained(plan)
    done["11"] = failed(done["11"].job)
    write_records(HERE, plan, done, CSV)
    best = max(done.values(), key=lambda result: result.fitness)
    text = Path("hyp_evolve.yaml").read_text()
    assert text.startswith(f"# Hyperparameter evolution\n# Best generation: {best.job.trial}\n# Last generation: 11\n")
    assert f"{best.results['metrics/precision']:>20.5g}" in text
    found = resolve_train({"hyp": "hyp_evolve.yaml"}).settings
    assert {key: getattr(found, key) for key in START} == {**START, **best.job.values}
    said = closing_line(HERE, plan, done, CSV)
    assert said.endswith("boxwright train --hyp hyp_evolve.yaml --recipe 6.0 --data 'my set.yaml' --epochs 3")
    assert f"best fitness {best.fitness:.5g} in trial {best.job.name}" in said


def test_the_best_ever_seen_is_not_the_latest():
    results = {one.job.name: one for one in known([0.2, 0.9, 0.9, 0.3])}
    assert best_of(results).job.name == "1"
    assert best_of({}) is None


def test_of_a_trial_in_several_parts_the_longest_counts_and_verdicts_are_no_trials():
    first, second = known([0.2, 0.3])
    long = replace(second, fitness=0.25, job=replace(second.job, name="1-9", epochs=9))
    verdict = replace(first, fitness=0.9, job=replace(first.job, name="v", stage=Stage.VERDICT))
    done = {one.job.name: one for one in (long, verdict, second, first)}
    assert [one.job.name for one in trials(done)] == ["0", "1-9"]
    assert best_of(done).job.name == "1-9"
    write_records(HERE, plan_of(), {"0": first, "1": second}, CSV)
    assert read_old(Path("evolve.csv"), plan_of(), done).results == ()  # the row of a shorter part is known as well


def test_files_of_2020_have_its_names_and_its_layout():
    plan = plan_of(start=JULY, keys=table_of("2020.7").keys)
    done = trained(plan)
    write_records(HERE, plan, done, TXT)
    lines = Path("evolve.txt").read_text().splitlines()
    assert len(lines) == 12
    assert {len(line) for line in lines} == {25 * 10}
    best = read_yaml(Path("hyp_evolved.yaml")).mapping()
    assert "giou" in best
    assert "box" not in best
    assert resolve_train({"hyp": "hyp_evolved.yaml", "recipe": "2020.7"}).settings.box == best["giou"]


# -- old ones


def rows() -> list[str]:
    return Path("evolve.csv").read_text().splitlines()[1:]


def test_what_was_written_is_read_as_earlier_trials_and_written_again():
    plan = plan_of()
    done = trained(plan)
    write_records(HERE, plan, done, CSV)
    text = Path("evolve.csv").read_text()
    old = read_old(Path("evolve.csv"))
    assert old.notes == ()
    assert [one.job.trial for one in old.results] == list(range(-12, 0))
    assert [one.fitness for one in old.results] == pytest.approx([one.fitness for one in trials(done)], rel=1e-3)
    again = {one.job.name: one for one in old.results}
    assert len(again) == 12
    write_records(HERE, plan, again, CSV)
    assert Path("evolve.csv").read_text() == text
    assert read_old(Path("evolve.csv")) == old


def test_old_rows_are_parents_and_stand_before_the_new_ones():
    first = plan_of(trials=3)
    write_records(HERE, first, trained(first), CSV)
    before = rows()
    plan = plan_of(trials=2, seed=5)
    done = {one.job.name: one for one in read_old(Path("evolve.csv"), plan, {}).results}
    job = method_of(plan).next_job(done, {})
    assert set(job.made_from) == set(done)
    done[job.name] = replace(known([0.99])[0], job=job)
    write_records(HERE, plan, done, CSV)
    assert rows()[:3] == before
    assert len(rows()) == 4
    assert "# Best generation: 3 (trial 0)\n# Last generation: 3 (trial 0)\n" in Path("hyp_evolve.yaml").read_text()


def test_rows_that_are_known_are_not_read_again():
    plan = plan_of()
    done = trained(plan)
    write_records(HERE, plan, done, CSV)
    assert read_old(Path("evolve.csv"), plan, done).results == ()
    some = {name: result for name, result in done.items() if name not in {"3", "7"}}
    assert len(read_old(Path("evolve.csv"), plan, some).results) == 2
    known_rows = Path("evolve.csv").read_text()
    with Path("evolve.csv").open("a") as file:
        file.write(known_rows.splitlines()[-1] + "\n")  # the same once more is another trial
    [another] = read_old(Path("evolve.csv"), plan, done).results
    assert another.job.name.endswith("-2")


def test_columns_that_only_the_old_table_has_stay():
    head = ",".join((*RESULTS, "lr0", "shear"))
    Path("evolve.csv").write_text(f"{head}\n0.1,0.2,0.3,0.4,1,2,3,0.02,7.5\n")
    plan = plan_of(trials=1, settings={"shear": 1.5})
    done = {one.job.name: one for one in read_old(Path("evolve.csv")).results}
    done |= {"0": known([0.1])[0]}
    write_records(HERE, plan, done, CSV)
    rows = list(csv.DictReader(Path("evolve.csv").read_text().replace(" ", "").splitlines()))
    assert [row["shear"] for row in rows] == ["7.5", "1.5"]
    assert [row["lr0"] for row in rows] == ["0.02", "0.01"]
    assert read_old(Path("evolve.csv"), plan, done).results == ()


def test_an_old_name_of_a_key_is_understood():
    Path("evolve.csv").write_text(f"{','.join(RESULTS)},giou\n{','.join(['0.5'] * 7)},0.06\n")
    [result] = read_old(Path("evolve.csv")).results
    assert result.job.values == {"box": 0.06}
    assert result.fitness == pytest.approx(0.5)


@pytest.mark.parametrize("keys", [JULY, AUGUST])
def test_a_table_of_2020_is_read_by_the_number_of_its_columns(keys):
    values = [0.1 + i / 100 for i in range(7)] + list(keys.values())
    Path("evolve.txt").write_text("".join(f"{value:10.3g}" for value in values) + "\n")
    [result] = read_old(Path("evolve.txt")).results
    assert result.job.values == pytest.approx(keys)
    assert result.fitness == pytest.approx(0.1 * 0.12 + 0.9 * 0.13)
    assert list(result.job.values) == list(keys)


def test_numbers_that_fill_their_cells_are_told_apart_by_width():
    values = [0.1] * 4 + [-1.234e-05] * 3 + list(JULY.values())
    Path("evolve.txt").write_text("".join(f"{value:10.4g}" for value in values) + "\n")
    [result] = read_old(Path("evolve.txt")).results
    assert result.results["val/obj_loss"] == -1.234e-05
    assert result.job.values == pytest.approx(JULY)


def test_a_table_of_2020_goes_there_and_back():
    plan = plan_of(start=JULY, keys=table_of("2020.7").keys)
    write_records(HERE, plan, trained(plan), TXT)
    text = Path("evolve.txt").read_text()
    again = {one.job.name: one for one in read_old(Path("evolve.txt")).results}
    write_records(HERE, plan, again, TXT)
    assert Path("evolve.txt").read_text() == text
    assert read_old(Path("evolve.txt"), plan, again).results == ()


def test_a_torn_row_is_passed_over_with_its_line():
    plan = plan_of()
    write_records(HERE, plan, trained(plan), CSV)
    text = Path("evolve.csv").read_text()
    Path("evolve.csv").write_text(text[:-30])
    old = read_old(Path("evolve.csv"))
    assert len(old.results) == 11
    assert old.notes == ("evolve.csv: not whole, or no trial, and passed over: line 13",)


@pytest.mark.parametrize("cell", ["nan", "inf", "1e30", "-5", "word", ""])
def test_what_no_training_could_take_is_no_trial(cell):
    head = f"{','.join(RESULTS)},lr0\n"
    Path("evolve.csv").write_text(f"{head}{','.join(['0.5'] * 7)},{cell}\n{','.join(['0.5'] * 7)},0.02\n")
    old = read_old(Path("evolve.csv"))
    assert [one.job.values for one in old.results] == [{"lr0": 0.02}]
    assert old.notes == ("evolve.csv: not whole, or no trial, and passed over: line 2",)


@pytest.mark.parametrize("share", ["nan", "1.5", "-0.1", "inf"])
def test_a_share_beyond_1_is_no_result(share):
    Path("evolve.csv").write_text(f"{','.join(RESULTS)},lr0\n0.5,0.5,{share},0.5,1,1,1,0.02\n")
    with pytest.raises(DataError, match=r"^evolve.csv:2: is no trial of an evolution, nor is any other row\. Move"):
        read_old(Path("evolve.csv"))


def test_a_row_without_results_is_a_failed_trial():
    Path("evolve.csv").write_text(f"{','.join(RESULTS)},lr0\n{','.join(['0'] * 7)},0.02\n")
    [result] = read_old(Path("evolve.csv")).results
    assert result.is_failed


def test_columns_that_are_no_hyperparameters_are_named():
    Path("evolve.csv").write_text(f"{','.join(RESULTS)},lr0,\x1b[31mtime\n{','.join(['0.5'] * 7)},0.02,77\n")
    old = read_old(Path("evolve.csv"))
    assert [one.job.values for one in old.results] == [{"lr0": 0.02}]
    assert old.notes == (r"evolve.csv: columns that are no hyperparameters here are left out: \x1b[31mtime",)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        (
            "evolve.csv",
            "epoch,train/box_loss\n0,1\n",
            "evolve.csv:1: does not begin with the columns metrics/precision",
        ),
        ("evolve.csv", f"{','.join(RESULTS)},box,giou\n", "evolve.csv:1: has the column box twice"),
        ("evolve.csv", "\x00\xff\n", "evolve.csv:1: does not begin with"),
        ("evolve.txt", "1 2 3\n", "evolve.txt:1: has .* columns, and an evolve.txt 25, 30, 34, 35, 36"),
    ],
)
def test_a_file_that_is_no_record_is_one_line(name, text, why):
    Path(name).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=f"^{why}.*Move {name} away to begin a new record$"):
        read_old(Path(name))
    assert Path(name).read_bytes() == text.encode("latin-1")


def test_a_file_that_is_not_there_or_empty_has_no_trials():
    assert read_old(Path("evolve.csv")).results == ()
    Path("evolve.csv").write_text("\n")
    assert read_old(Path("evolve.csv")).results == ()
    Path("evolve.txt").write_text("")
    assert read_old(Path("evolve.txt")).results == ()


def test_a_folder_of_that_name_is_one_line():
    Path("evolve.csv").mkdir()
    with pytest.raises(DataError, match=r"^evolve.csv: cannot be read"):
        read_old(Path("evolve.csv"))


def test_another_fitness_may_be_asked_for():
    Path("evolve.csv").write_text(f"{','.join(RESULTS)},lr0\n0.1,0.2,0.3,0.4,1,2,3,0.02\n")
    assert read_old(Path("evolve.csv")).results[0].fitness == pytest.approx(0.39)
    assert read_old(Path("evolve.csv"), judge=lambda seven: seven[1]).results[0].fitness == pytest.approx(0.2)
    assert fitness_of([0, 0, 1, 1, 5, 5, 5]) == pytest.approx(1)


# -- populations


def population(**rules):
    return plan_of("population", population=PopulationRules(size=4, generations=3, **rules))


def test_the_newest_population_is_saved_and_another_begins_with_it():
    plan = population()
    done = trained(plan)
    written = write_records(HERE, plan, done, CSV)
    assert [path.name for path in written] == ["evolve.csv", "hyp_evolve.yaml", "evolve_population.yaml"]
    found = read_yaml(written[2]).mapping()
    assert list(found) == [f"gen2number{i}" for i in range(4)]
    assert [found[f"gen2number{i}"] for i in range(4)] == [done[str(8 + i)].job.values for i in range(4)]
    sets = first_sets(plan.keys, saved="evolve_population.yaml")
    assert method_of(population(first=sets)).next_job({}, {}).values == done["8"].job.values


def test_the_population_is_saved_as_soon_as_its_parents_are_done_and_not_before_the_first():
    plan = population()
    done = trained(plan)
    some = {str(number): done[str(number)] for number in range(3)}
    assert len(write_records(HERE, plan, some, CSV)) == 2
    some["3"] = done["3"]
    write_records(HERE, plan, some, CSV)
    assert next(iter(read_yaml(Path("evolve_population.yaml")).mapping())) == "gen1number0"


def test_the_best_set_of_a_population_says_its_own_generation():
    plan = population()
    done = trained(plan)
    done["5"] = replace(done["5"], fitness=0.95)
    write_records(HERE, plan, done, CSV)
    text = Path("hyp_evolve.yaml").read_text()
    assert "# Best generation: 1 (trial 5)\n# Last generation: 2 (trial 11)\n" in text
    assert {key: value for key, value in read_yaml(Path("hyp_evolve.yaml")).mapping().items() if key != "box"} == (
        done["5"].job.values
    )


def test_the_course_holds_every_key_of_trials_that_came_to_a_number():
    plan = plan_of()
    done = trained(plan)
    done["4"] = failed(done["4"].job)
    course = course_of(plan, done)
    assert list(course.values) == list(START)
    assert {len(column) for column in course.values.values()} == {11} == {len(course.fitness)}
    assert course.fitness[course.best] == max(course.fitness)
    assert course_of(plan, {}).best is None

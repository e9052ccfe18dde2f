# SPDX-License-Identifier: Apache-2.0
"""Studies of hyperparameters through the command line: all methods, workers that are killed, going on, looking on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from boxwright.errors import EXIT_FINDINGS, EXIT_USER_INPUT
from boxwright.search.ledger import open_ledger
from boxwright.search.store import FolderStore
from tests.support.commands import Said, command
from tests.support.runs import Ground

if TYPE_CHECKING:
    from pathlib import Path

MOST_S = 120.0
KEYS = ("--keys", "lr0", "hsv_h", "scale")


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("evolve"))


def words(ground: Ground, *more: str, name: str, epochs: int = 1) -> list[str]:
    kept = ground.words(ground.folder / "studies", "--name", name, "--workers", "0", *more, epochs=epochs)
    return ["evolve", *kept[1:]]


def evolve(ground: Ground, *more: str, name: str, epochs: int = 1) -> Said:
    return command(*words(ground, *more, name=name, epochs=epochs))


def study_of(ground: Ground, name: str) -> Path:
    return ground.folder / "studies" / name


def results(folder: Path) -> dict:
    ledger = open_ledger(FolderStore(folder))
    assert ledger is not None
    ledger.look()
    assert ledger.damaged() == {}
    return dict(ledger.results())


class Mutated(NamedTuple):
    said: Said
    folder: Path


@pytest.fixture(scope="module")
def mutated(ground) -> Mutated:
    said = evolve(ground, "--method", "mutation", "--trials", "3", *KEYS, name="mutated")
    assert said.code == 0, said.err
    return Mutated(said, study_of(ground, "mutated"))


def test_a_mutation_leaves_the_files_of_the_family(mutated):
    folder = mutated.folder
    found = results(folder)
    assert sorted(found) == ["0", "1", "2"]
    table = (folder / "evolve.csv").read_text().splitlines()
    assert len(table) == 1 + 3
    assert "lr0" in table[0]
    best = max(found.values(), key=lambda one: one.fitness)
    assert f"lr0: {best.job.values['lr0']}" in (folder / "hyp_evolve.yaml").read_text()
    assert (folder / "study.html").read_text().startswith("<!doctype html>")
    assert "boxwright train --hyp" in mutated.said.lines[-1]


def test_the_same_command_goes_on_and_repeats_nothing(ground, mutated):
    before = results(mutated.folder)
    assert evolve(ground, "--method", "mutation", "--trials", "3", *KEYS, name="mutated").code == 0
    assert results(mutated.folder) == before
    assert evolve(ground, "--method", "mutation", "--trials", "4", *KEYS, name="mutated").code == 0
    after = results(mutated.folder)
    assert {name: after[name] for name in before} == before
    assert sorted(after) == ["0", "1", "2", "3"]


def test_another_study_in_the_same_folder_is_refused(ground, mutated):
    said = evolve(ground, "--method", "mutation", "--trials", "3", *KEYS, "lr0=0.02", name="mutated")
    assert said.code == EXIT_USER_INPUT
    assert f"{mutated.folder}: the study there has start" in said.err
    assert len(said.err.splitlines()) == 1


def test_a_verdict_and_more_trials_can_be_asked_for_later(ground):
    more = ("--method", "mutation", *KEYS)
    assert evolve(ground, *more, "--trials", "1", name="later").code == 0
    said = evolve(ground, *more, "--trials", "2", "--verdict-seeds", "2", "--finalists", "1", name="later")
    assert said.code == 0, said.err
    found = json.loads(command("evolve", study_of(ground, "later"), "--status", "--json").out)
    assert found["trials_planned"] == 2, "whoever looks knows of it"
    assert found["verdict"]["seeds"] == 2
    assert found["verdict"]["is_whole"]


@pytest.mark.parametrize("flag", [("--epochs", "9"), ("--method", "search"), ("lr0=0.1",)])
def test_a_study_that_is_there_takes_no_settings_of_trials(mutated, flag):
    said = command("evolve", mutated.folder, *flag)
    assert said.code == EXIT_USER_INPUT
    assert "has settings of its own, and this one would be without effect" in said.err
    assert len(said.err.splitlines()) == 1


def test_what_each_trial_would_change_for_itself_is_refused(ground, tmp_path):
    said = evolve(ground, "--batch", "-1", "--trials", "2", name="never")
    assert (said.code, len(said.err.splitlines())) == (EXIT_USER_INPUT, 1)
    assert "trials of different batch sizes cannot be compared" in said.err
    assert command(*ground.words(tmp_path, "--save-period", "1", "--recipe", "6.0", epochs=2)).code == 0
    state = tmp_path / "exp" / "weights" / "epoch1.pt"
    said = evolve(ground, "--recipe", "6.0", "--weights", str(state), "--trials", "2", name="never")
    assert (said.code, len(said.err.splitlines())) == (EXIT_USER_INPUT, 1), said.err
    assert "they hold the state of a training" in said.err
    assert not study_of(ground, "never").exists()


def test_what_does_not_reach_a_trial_is_said(ground):
    said = evolve(ground, "--method", "search", "--dry-run", "--save-period", "2", "--patience", "3", *KEYS, name="dry")
    assert said.code == 0
    assert "--save-period, --patience: without effect" in said.err


def test_a_trial_can_be_trained_again_alone_to_the_same_fitness(mutated):
    said = command("evolve", mutated.folder, "--repeat", "1", "--device", "cpu", "--workers", "0", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["same"]
    assert found["fitness"] == results(mutated.folder)["1"].fitness


def test_how_a_study_stands_is_told_to_people_and_programs(mutated):
    folder = mutated.folder
    said = command("evolve", folder, "--status")
    assert said.code == 0
    assert "trials done" in said.out
    found = json.loads(command("evolve", folder, "--status", "--json").out)
    fitness = {one["name"]: one["fitness"] for one in found["trials"]}
    assert fitness[found["best"]] == max(fitness.values())


def test_evolve_1_in_a_loop_adds_a_trial_each_time(ground):
    kept = ground.words(
        ground.folder / "studies", "--name", "loop", "--workers", "0", "--recipe", "6.2", "--evolve", "1", epochs=1
    )
    for count in (1, 2):
        said = command(*kept)
        assert said.code == 0, said.err
        assert len(results(study_of(ground, "loop"))) == count


@pytest.mark.parametrize(("recipe", "table"), [("6.2", "evolve.csv"), ("2020.8", "evolve.txt")])
def test_an_earlier_record_goes_on(ground, recipe, table):
    first, second = (ground.folder / "studies" / f"{order}-{recipe}" for order in ("first", "second"))
    for folder in (first, second):
        if folder is second:
            second.mkdir(parents=True)
            shutil.copy(first / table, second / table)
        more = ("--name", folder.name, "--workers", "0", "--recipe", recipe, "--evolve", "1")
        said = command(*ground.words(ground.folder / "studies", *more, epochs=1))
        assert said.code == 0, said.err
    assert "1 earlier trial taken over" in said.out
    found = results(second)
    assert len(found) == 2
    [old] = [one for name, one in found.items() if name.startswith("old-")]
    assert found["0"].job.made_from == (old.job.name,), "its row is a parent"
    assert len((second / table).read_text().splitlines()) == 2 + table.endswith("csv")


def test_a_population_and_a_search_come_to_their_ends(ground):
    said = evolve(ground, "--method", "population", "--population", "2", "--trials", "4", name="population")
    assert said.code == 0, said.err
    assert len(results(study_of(ground, "population"))) == 4
    assert "gen1number0" in (study_of(ground, "population") / "evolve_population.yaml").read_text()
    said = evolve(
        ground, "--method", "search", "--proposer", "random", "--trials", "3", "--finalists", "1", "--verdict-seeds",
        "2", *KEYS, name="search", epochs=3,
    )  # fmt: skip
    assert said.code == 0, said.err
    found = results(study_of(ground, "search"))
    assert {name for name in found if name.startswith("0-")} == {"0-r0", "0-r1"}, "the start set goes to the end"
    assert json.loads(command("evolve", study_of(ground, "search"), "--status", "--json").out)["verdict"]["is_whole"]


def test_two_folders_work_on_one_study_in_a_bucket(ground, tmp_path):
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    for name, trials in (("here", 1), ("there", 2)):
        kept = ground.words(tmp_path / name / "studies", "--name", "shared", "--workers", "0", epochs=1)
        more = ("--method", "mutation", "--trials", str(trials), "--bucket", f"file://{bucket}", *KEYS)
        said = command("evolve", *kept[1:], *more)
        assert said.code == 0, said.err
    address = f"file://{bucket}/studies/shared"
    found = json.loads(command("evolve", address, "--status", "--json", "--project", tmp_path / "third").out)
    assert [one["name"] for one in found["trials"]] == ["0", "1"]
    assert len((bucket / "evolve.csv").read_text().splitlines()) == 1 + 2, "the old place of the table"
    assert not list((tmp_path / "there" / "studies" / "shared").glob("results/*"))


def test_a_dry_run_begins_no_study(ground):
    said = evolve(ground, "--method", "mutation", "--trials", "3", "--dry-run", *KEYS, name="dry")
    assert said.code == 0, said.err
    assert "searched (3)" in said.out
    assert not study_of(ground, "dry").exists()


def test_a_trial_that_cannot_train_is_recorded_and_three_in_a_row_stop_the_study(tmp_path):
    own = Ground.laid(tmp_path)
    assert evolve(own, "--method", "mutation", "--trials", "1", *KEYS, name="failing").code == 0
    away = own.data.rename(own.data.with_suffix(".away"))
    again = ("evolve", study_of(own, "failing"), "--trials", "5", "--device", "cpu", "--workers", "0")
    said = command(*again)
    assert said.code == EXIT_FINDINGS
    assert "stopped: 3 trainings in a row failed with 'data'" in said.out
    found = results(study_of(own, "failing"))
    assert [found[name].failure for name in ("1", "2", "3")] == ["data"] * 3
    assert all(found[name].fitness == 0 for name in ("1", "2", "3"))
    away.rename(own.data)
    said = command(*again)
    assert said.code == 0, said.err
    assert "the study was stopped, and goes on" in said.out
    assert not results(study_of(own, "failing"))["4"].is_failed


def test_a_study_of_two_workers_outlives_the_kill_of_one(ground):
    command_line = words(ground, "--method", "mutation", "--trials", "4", "--workers-evolve", "2", *KEYS, name="killed")
    start = [sys.executable, "-m", "boxwright", *command_line]
    with subprocess.Popen(start, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        begun = next(line for line in process.stdout if line.startswith("worker 0 is process"))
        os.kill(int(begun.split()[-1]), signal.SIGKILL)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
    assert "worker 0" in rest
    assert "was killed" in rest
    assert sorted(results(study_of(ground, "killed"))) == ["0", "1", "2", "3"]

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.errors import SettingError
from boxwright.runs.resume import checkpoint_place

RUNS = ("runs/exp0", "runs/exp1_cars", "runs/train/exp", "runs/train/exp2")


def stopped(*runs: str, newest: str) -> None:
    """Runs of several years, of which one was written to last."""
    for number, run in enumerate((*(run for run in runs if run != newest), newest)):
        file = Path(run) / "weights" / "last.pt"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
        os.utime(file, (1e9 + number, 1e9 + number))


@pytest.mark.parametrize("newest", RUNS)
@pytest.mark.parametrize("recipe", ["2020.7", "6.0", "7.0"])
def test_a_bare_resume_finds_the_newest_run_of_every_year(recipe, newest):
    stopped(*RUNS, newest=newest)
    asked = resolve_train({"resume": True, "recipe": recipe})
    assert checkpoint_place(asked) == Path(newest) / "weights" / "last.pt"


def test_a_bare_resume_stays_in_the_project_that_was_named():
    stopped(*RUNS, newest="runs/exp0")
    asked = resolve_train({"resume": True, "project": "runs/train"})
    assert checkpoint_place(asked) == Path("runs/train/exp2/weights/last.pt")


def test_a_bare_resume_without_any_run_says_where_it_looked():
    with pytest.raises(SettingError, match=r"no last\.pt below runs/train or runs\."):
        checkpoint_place(resolve_train({"resume": True}))

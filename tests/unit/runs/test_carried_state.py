# SPDX-License-Identifier: Apache-2.0
"""What un-stripped weights bring along without --resume, by the year of the recipe."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from boxwright.config.assemble import resolve_train
from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import named_state
from boxwright.engine.patience import Patience
from boxwright.engine.state import TrainState
from boxwright.errors import SettingError, UserError
from boxwright.runs.build import machines_of
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.session import session
from boxwright.system.run_folder import RunFolder
from tests.support import datasets
from tests.support.legacy_files import midrun_bytes, momentum_of
from tests.support.networks import tiny
from tests.support.training import same_bits

pytestmark = pytest.mark.slow

NAMES = datasets.NAMES
ROW = "".join(f"{word:>10}" for word in ("0/2", "1.5G")) + "".join(f"{value:10.4g}" for value in range(13))
BATCHES = 3


def shifted(by: float):
    """The tiny network with other weights, that half precision holds exactly."""
    network = tiny()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter + by).half().float())
    return network


@pytest.fixture
def planned():
    """A training from un-stripped weights of the original program, after two epochs."""
    datasets.write(Path.cwd())
    cfg = datasets.write_model(Path.cwd())

    def planned(recipe: str, entries: dict | None = None, **asked: object) -> TrainPlan:
        stored = {"training_results": f"{ROW}\n", **(entries or {})}
        Path("old.pt").write_bytes(midrun_bytes(shifted(0.5), shifted(0.25), NAMES, epoch=1, **stored))
        usual = {"data": "data.yaml", "cfg": str(cfg), "imgsz": 64, "batch_size": 4, "device": "cpu", "workers": 0}
        more = {"noautoanchor": True, "epochs": 4, "weights": "old.pt", "recipe": recipe, "noplots": True}
        return plan_of(resolve_train({**usual, **more, "quiet": True, **asked}), None)

    return planned


def started(plan: TrainPlan) -> tuple[Machinery, TrainState, list[str]]:
    lines: list[str] = []
    machines, state = machines_of(plan, BATCHES, lines.append, lines.append), TrainState(Patience(0))
    if plan.carried is not None:
        plan.carried.into(machines, state, lines.append)
    return machines, state, [*plan.lines, *plan.notes, *lines]


@pytest.mark.parametrize(
    ("recipe", "average", "updates"),
    [("2020.7", 0.5, 2 * BATCHES / 8), ("2020.8", 0.5, math.floor(2 * BATCHES / 16)), ("6.0", 0.25, 7)],
)
def test_a_file_of_the_original_program_brings_all_of_its_state_by_the_rule_of_the_year(
    planned, recipe, average, updates
):
    machines, state, lines = started(planned(recipe))
    assert (state.epoch, state.best_fitness) == (2, 0.25)
    assert same_bits(machines.detector.state_dict(), shifted(0.5).state_dict())
    assert same_bits(machines.average.network.state_dict(), shifted(average).state_dict())
    assert machines.average.updates == updates
    found = named_state(machines.detector, machines.optimizer)
    assert same_bits({name: kept["momentum_buffer"] for name, kept in found.items()}, momentum_of(tiny()))
    text = " ".join(lines)
    assert "the weights bring their state and go on at epoch 3 of 4" in text
    assert f"memory of {len(found)} of {len(found)} parameters" in text


@pytest.mark.parametrize("recipe", ["6.2", "7.0"])
def test_from_2022_on_weights_are_weights_alone_and_those_that_the_optimizer_remembered(planned, recipe):
    plan = planned(recipe, round_start_to_half=False)
    machines, state, _ = started(plan)
    assert plan.carried is None
    assert (state.epoch, machines.average.updates) == (0, 0)
    assert same_bits(machines.detector.state_dict(), shifted(0.5).state_dict())
    averaged = started(planned(recipe, round_start_to_half=False, weights_start_from="average"))[0]
    assert same_bits(averaged.detector.state_dict(), shifted(0.25).state_dict())


def test_the_results_of_2020_stand_before_those_of_the_run_that_goes_on_and_stay_there(planned):
    plan = planned("2020.8", epochs=3)
    with session(plan, folder=RunFolder(Path("runs/exp0"))) as run:
        run.train()
    rows = Path("runs/exp0/results.txt").read_text().splitlines()
    assert rows[0] == ROW
    assert [row.split()[0] for row in rows] == ["0/2", "2/2"]


@pytest.mark.parametrize("asked", [1, 2])
def test_no_more_epochs_than_are_done_means_that_many_more(planned, asked):
    plan = planned("6.0", epochs=asked)
    assert plan.settings.epochs == 2 + asked
    assert plan.own_changes == (("epochs", 2 + asked),)
    with pytest.raises(SettingError, match="have 2 epochs behind them, and --epochs 2 asks for no more"):
        planned("7.0", epochs=2, weights_carry_state="optimizer")


def test_an_optimizer_that_does_not_fit_is_left_out_and_said(planned):
    machines, state, lines = started(planned("6.0", optimizer="Adam"))
    assert state.epoch == 2
    assert not machines.optimizer.state
    assert "holds no memory of Adam" in " ".join(lines)
    machines, state, lines = started(planned("2020.7", {"optimizer": None}))  # the last epoch of 2020
    assert state.epoch == 2
    assert "memory of 0 of " in " ".join(lines)


def test_in_july_a_tensor_that_the_network_does_not_have_is_refused(planned):
    large = datasets.TINY_MODEL.replace("[-1, 1, C3, [24]]", "[-1, 1, Conv, [24, 1, 1]]")
    assert large != datasets.TINY_MODEL
    Path("other.yaml").write_text(large)
    with pytest.raises(
        UserError, match=r"old\.pt: holds \d+ tensors that the network other does not have, .*--weights ''"
    ):
        planned("2020.7", cfg="other.yaml")
    assert planned("2020.8", cfg="other.yaml").carried is not None

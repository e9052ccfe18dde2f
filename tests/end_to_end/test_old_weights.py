# SPDX-License-Identifier: Apache-2.0
"""Weights of the original program in every verb: as the how-to page says, resumed, and hostile ones refused."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch

from boxwright import cli
from boxwright.config.assemble import resolve_train
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.engine.schedule import Schedule
from boxwright.errors import UserError
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs import resume_legacy as legacy
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.plan import plan_of
from boxwright.structures.checkpoint import Origin
from boxwright.system.tensors import rotate_and_write, write_tensors
from tests.support import datasets, hostile
from tests.support.legacy_files import midrun_bytes, momentum_of
from tests.support.networks import TINY, tiny
from tests.support.training import same_bits

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bring-your-old-weights.md"
NAMES = datasets.NAMES


@pytest.fixture
def folder() -> Path:
    """The working folder with what the page assumes."""
    here = Path.cwd()
    datasets.write(here)
    Path("old.pt").write_bytes(legacy_bytes(LegacyContent(tiny(), NAMES)))
    Path("last.pt").write_bytes(midrun_bytes(shifted(0.01), shifted(0.02), NAMES, epoch=1))
    return here


def shifted(by: float):
    """The tiny network with other weights."""
    network = tiny()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(by)
    return network


def run(capsys, *words: object):
    code = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_every_command_of_the_page_works(capsys, folder):
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert len(lines) > 10
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "boxwright"
        code, out, err = run(capsys, *words)
        assert code == 0, f"{line}\n{out}{err}"
    assert {path.name for path in (folder / "runs" / "train").iterdir()} == {"exp", "exp2", "exp3"}


@pytest.mark.usefixtures("folder")
def test_a_resumed_run_goes_on_where_the_old_one_stood(capsys):
    code, out, err = run(capsys, "train", "--resume", "last.pt", "--data", "data.yaml", "--workers", 0, "--noplots")
    assert code == 0, err
    assert "not exact are" in out + err
    assert "options without a meaning here are left out: unheard_of" in out + err
    assert "recipe 7.0" in out
    stored = open_weights("runs/train/exp/weights/last.pt").checkpoint
    assert stored.position.epoch == 3
    assert stored.ema_updates == 7 + 2  # of three batches the first steps at once, then every second while it warms up
    assert stored.settings["lr0"] == 0.02
    rows = Path("runs/train/exp/results.csv").read_text().splitlines()
    assert [row.split(",")[0].strip() for row in rows[1:]] == ["2"]
    assert Path("last.pt").read_bytes() == midrun_bytes(shifted(0.01), shifted(0.02), NAMES, epoch=1)


def prepared(**asked: object):
    settings = resolve_train({"resume": "last.pt", **asked})
    checkpoint = open_weights("last.pt")
    return legacy.resumed_checkpoint(
        checkpoint, legacy.resumed_settings(settings, checkpoint, {"resume"}).settings
    ).checkpoint


@pytest.mark.usefixtures("folder")
def test_every_parameter_gets_its_own_momentum():
    checkpoint = prepared()
    found = {name: memory["momentum_buffer"] for name, memory in checkpoint.optimizer.memory.items()}
    assert same_bits(found, momentum_of(tiny()))
    assert same_bits(checkpoint.model, shifted(0.01).state_dict())
    assert same_bits(checkpoint.ema, shifted(0.02).state_dict())
    assert checkpoint.position.epoch == 2
    assert checkpoint.position.best_fitness == 0.25


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"lr0": 0.5}, r"lr0 is 0.5 here and 0.02 in the run that is resumed"),
        ({"batch_size": 2}, "batch_size is 2 here and 4"),
    ],
)
def test_what_contradicts_the_old_run_is_one_line(asked, says):
    with pytest.raises(UserError, match=says):
        prepared(**asked)


@pytest.mark.usefixtures("folder")
def test_an_old_run_that_is_made_longer_goes_on_from_the_rate_where_it_stood():
    checkpoint = open_weights("last.pt")

    def resumed(**asked):
        return legacy.resumed_settings(resolve_train({"resume": "last.pt", **asked}), checkpoint, {"resume", "extend"})

    as_planned, longer = resumed(), resumed(epochs=30)
    old, new = (Schedule(one.settings.part(ScheduleSettings), 3, 4) for one in (as_planned, longer))
    assert old.factor(1) == new.factor(1)
    assert new.factor(3) < new.factor(2) == old.factor(2)
    assert "3 epochs become 30; learning rate from epoch 3 on: the rest of its curve" in " ".join(longer.notes)
    assert resumed(epochs=30, extend="restart").settings.lr_joins == ("restart@2/3",)
    more = resumed(epochs=1)  # two are done
    assert more.settings.epochs == 3
    assert "1 more follow" in " ".join(more.notes)


@pytest.mark.usefixtures("folder")
def test_an_old_run_that_is_done_says_so():
    Path("last.pt").write_bytes(midrun_bytes(tiny(), tiny(), NAMES, epoch=2))
    with pytest.raises(UserError, match="its run of 3 epochs is done"):
        prepared()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("recipe", "updates"), [("2020.7", 6 / 8), ("2020.8", 0), ("6.0", 7)])
def test_updates_of_the_average_follow_the_year(recipe, updates):
    """Files of 2020 keep no count and no average.

    Two epochs of three batches, eight to a step in July, sixteen in August.
    """
    entries = {} if recipe == "6.0" else {"updates": None, "ema": None, "training_results": "0/1 ..."}
    Path("last.pt").write_bytes(midrun_bytes(tiny(), tiny(), NAMES, epoch=1, **entries))
    checkpoint = open_weights("last.pt")
    assert legacy.recipe_of(checkpoint.legacy, {}) == ("6.0" if recipe == "6.0" else "2020.8")
    asked = resolve_train({"resume": "last.pt", "recipe": recipe, "data": "data.yaml"})
    settings = legacy.resumed_settings(asked, checkpoint, {"resume"})
    plan = legacy.with_average_updates(plan_of(settings, legacy.resumed_checkpoint(checkpoint, settings.settings)))
    assert plan.resumed.ema_updates == updates
    assert same_bits(plan.resumed.ema, tiny().state_dict())


@pytest.mark.usefixtures("folder")
def test_a_damaged_generation_of_ours_falls_back_and_an_old_file_beside_one_does_not():
    write_tensors(Path("run.pt"), stored := {"network": TINY, "names": list(NAMES), "model": dict(tiny().state_dict())})
    rotate_and_write(Path("run.pt"), stored)
    Path("run.pt").write_bytes(Path("run.pt").read_bytes()[:5000])
    assert open_weights("run.pt").path.name == "run.previous.pt"
    Path("run.pt").write_bytes(Path("old.pt").read_bytes())
    assert open_weights("run.pt").checkpoint.origin is Origin.LEGACY


@pytest.mark.usefixtures("folder")
def test_an_optimizer_of_another_network_is_refused():
    Path("last.pt").write_bytes(
        midrun_bytes(
            tiny(), tiny(), NAMES, optimizer={"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": []}
        )
    )
    with pytest.raises(UserError, match="groups do not fit"):
        prepared()


def test_options_are_found_beside_files_that_hold_none(folder):
    run_folder = folder / "run"
    (run_folder / "weights").mkdir(parents=True)
    (run_folder / "opt.yaml").write_text("epochs: 9\nbatch_size: 4\nimg_size: [64, 64]\nseed: 0\ncos_lr: true\n")
    (run_folder / "hyp.yaml").write_text("lr0: 0.03\n")
    path = run_folder / "weights" / "last.pt"
    path.write_bytes(midrun_bytes(tiny(), tiny(), NAMES, opt={}))
    found = legacy.resumed_settings(resolve_train({"resume": str(path)}), open_weights(str(path)), {"resume"}).settings
    assert isinstance(found, TrainSettings)
    assert (found.epochs, found.lr0, found.imgsz, found.recipe, found.cos_lr) == (9, 0.03, (64, 64), "6.2", True)


def test_files_that_cannot_go_on_are_refused(capsys, folder):
    code, _, err = run(capsys, "train", "--resume", "old.pt", "--data", "data.yaml")
    assert code == 2
    assert "stripped" in err
    other = folder / "other.yaml"
    other.write_text((folder / "data.yaml").read_text().replace("red", "scarlet"))
    code, _, err = run(capsys, "train", "--resume", "last.pt", "--data", other)
    assert code == 2
    assert "classes of the data" in err
    assert not Path("runs").exists()


@pytest.mark.parametrize("verb", ["train", "val", "predict"])
def test_a_hostile_file_is_one_line_in_every_verb(capsys, folder, verb):
    Path("evil.pt").write_bytes(hostile.cases()["call 0 of os.system"])
    where = ("--source", "images/val") if verb == "predict" else ("--data", "data.yaml")
    code, out, err = run(capsys, verb, "--weights", "evil.pt", *where)
    assert code == 2
    assert not out
    assert err.count("\n") == 1
    assert "evil.pt: is not read: it names os.system" in err
    assert not {path.name for path in folder.iterdir()} & {"PWNED", "runs"}


def test_tensors_of_another_network_do_not_pass_for_loaded(capsys, folder):
    torch.save({"model": {"model.0.conv.weight": torch.zeros(7, 3, 6, 6), "model.0.bn.weight": torch.zeros(7)}}, "w.pt")
    code, _, err = run(
        capsys,
        "train",
        "--weights",
        "w.pt",
        "--cfg",
        datasets.write_model(folder),
        "--data",
        "data.yaml",
        "--imgsz",
        64,
    )
    assert code == 2
    assert re.search(r"w\.pt: does not fit the network: 0 of \d+ tensors match", err)

# SPDX-License-Identifier: Apache-2.0
"""Weights meet data: classes that are called differently are refused, go by number, or go by name."""

from __future__ import annotations

import json

import pytest
import torch

from boxwright.config.assemble import resolve_train
from boxwright.engine.checkpoint import read_checkpoint
from boxwright.errors import SettingError
from boxwright.model.class_names import same_classes
from boxwright.runs.carried_state import Carried
from boxwright.runs.plan import plan_of
from boxwright.structures.checkpoint import PatienceRecord, Position
from tests.support import datasets
from tests.support.commands import command, done
from tests.support.training import machines
from tests.support.weights import called, lively

pytestmark = pytest.mark.slow

HEAD = "model.10.m.0.bias"
NAMES = ["red", "blue", "green"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of classes red, blue, green that find something, and the data that they were made for."""
    folder = tmp_path_factory.mktemp("weights")
    data = datasets.write(folder / "data", train=4, val=5)
    return called(folder / "weights.pt", lively(), NAMES), data


def relabelled(folder, names: list[str]):
    """The same pictures and objects, the classes in this order; those without a name here are gone."""
    data = datasets.write(folder, train=4, val=5)
    data.write_text(data.read_text().replace("[red, blue, green]", f"[{', '.join(names)}]"))
    for label in folder.glob("labels/*/*.txt"):
        rows = [line.split() for line in label.read_text().splitlines()]
        kept = [row for row in rows if NAMES[int(row[0])] in names]
        label.write_text("".join(f"{names.index(NAMES[int(row[0])])} {' '.join(row[1:])}\n" for row in kept))
    return data


def val(weights, data, *more: str):
    words = ("val", weights, "--data", data, "--workers", 0, "--device", "cpu", "--noplots", "--json", *more)
    said = command(*words)
    return said.code, json.loads(said.out) if said.code == 0 else {}, said.err


def by_name(document) -> dict:
    found = {one["name"]: {**one, "number": None} for one in document["classes"]}
    return {name: {key: value for key, value in one.items() if key != "number"} for name, one in found.items()}


# -- val


def test_val_refuses_classes_in_another_order_and_shows_both(weights, tmp_path):
    data = relabelled(tmp_path / "data", ["green", "red", "blue"])
    code, _, err = val(weights[0], data)
    assert code == 2
    assert err.startswith(f"error: {weights[0]}: its classes are not those of {data} (number, weights / data: ")
    assert "0 red / green, 1 blue / red, 2 green / blue; the same names in another order" in err
    assert "Give --match-names to go by name, or --names-by-position" in err
    code, _, err = val(weights[0], data, "--match-names", "--names-by-position")
    assert (code, "classes go by number or by name" in err) == (2, True)


def test_val_by_name_says_of_reordered_data_what_it_says_of_the_first(weights, tmp_path):
    _, before, _ = val(*weights)
    assert before["metrics"]["metrics/mAP_0.5"] > 0
    code, after, err = val(weights[0], relabelled(tmp_path / "data", ["green", "red", "blue"]), "--match-names")
    assert code == 0, err
    assert "3 of 3 classes go by name" in err
    assert by_name(after) == by_name(before)
    assert after["metrics"] == pytest.approx(before["metrics"], abs=1e-12)


def test_val_by_name_judges_on_the_classes_that_the_data_has(weights, tmp_path):
    _, before, _ = val(*weights)
    fewer = relabelled(tmp_path / "fewer", ["green", "blue"])
    assert "or --match-names to go by name" in val(weights[0], fewer)[2]
    code, after, err = val(weights[0], fewer, "--match-names")
    assert code == 0, err
    seen = ("labels", "precision_recall", "map50", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95")
    for name in ("green", "blue"):
        found = [{key: by_name(one)[name].get(key) for key in seen} for one in (before, after)]
        assert found[0] == found[1]
        assert found[0]["map50"] is not None
    more = relabelled(tmp_path / "more", ["red", "violet", "blue", "green"])
    code, _, err = val(weights[0], more, "--match-names")
    assert (code, "3 of 4 classes go by name; never found, since it does not know them: violet" in err) == (0, True)
    strange = relabelled(tmp_path / "strange", ["one", "two"])
    assert "none of its classes bears a name of" in val(weights[0], strange, "--match-names")[2]


def test_val_by_position_keeps_numbers_whatever_they_are_called(weights, tmp_path):
    data = datasets.write(tmp_path / "data", train=4, val=5)
    data.write_text(data.read_text().replace("[red, blue, green]", "[rot, blau, blue]"))
    assert val(weights[0], data)[0] == 2
    code, after, err = val(weights[0], data, "--names-by-position")
    assert code == 0, err
    assert after["metrics"] == val(*weights)[1]["metrics"]


@pytest.mark.parametrize("names", [["0", "1", "2"], ["class0", "class1", "class2"]])
def test_weights_whose_names_a_program_made_are_taken_as_they_are(weights, tmp_path, names):
    unnamed = called(tmp_path / "unnamed.pt", read_checkpoint(weights[0]).model, names)
    code, found, err = val(unnamed, weights[1])
    assert code == 0, err
    assert found["metrics"] == val(*weights)[1]["metrics"]
    assert "does not name its classes" in val(unnamed, relabelled(tmp_path / "d", NAMES[::-1]), "--match-names")[2]


# -- train


def planned(weights, data, **more):
    found = resolve_train({"data": str(data), "weights": str(weights), "imgsz": (64,), "device": "cpu", **more})
    return plan_of(found, None)


def rows(state, count: int = 3) -> torch.Tensor:
    return state[HEAD].view(3, 5 + count)


def test_training_from_weights_with_other_names_is_refused_and_either_way_out_works(weights, tmp_path):
    data = relabelled(tmp_path / "data", ["green", "red", "violet"])
    with pytest.raises(SettingError, match=r"not those of .* 0 red / green, 1 blue / red, 2 green / violet"):
        planned(weights[0], data)
    theirs = rows(read_checkpoint(weights[0]).model)
    assert torch.equal(rows(planned(weights[0], data, names_by_position=True).detector.state_dict()), theirs)
    mine = rows(planned(weights[0], data, match_names=True).detector.state_dict())
    fresh = rows(planned("", data, cfg=str(datasets.write_model(tmp_path))).detector.state_dict())
    assert torch.equal(mine[:, [0, 1, 2, 3, 4, 5, 6]], theirs[:, [0, 1, 2, 3, 4, 7, 5]])
    assert torch.equal(mine[:, 7], fresh[:, 7])


def test_another_number_of_classes_is_learnt_anew_unless_told_otherwise(weights, tmp_path):
    data = relabelled(tmp_path / "data", ["green", "red", "blue", "more"])
    theirs = rows(read_checkpoint(weights[0]).model)
    plan = planned(weights[0], data)
    assert any("other shape" in line for line in plan.lines)
    mine = rows(planned(weights[0], data, names_by_position=True).detector.state_dict(), 4)
    assert torch.equal(mine[:, :8], theirs)
    assert torch.equal(mine[:, 8], rows(plan.detector.state_dict(), 4)[:, 8])


def test_one_class_made_of_many_has_no_name_that_could_differ(weights, tmp_path):
    state = dict(read_checkpoint(weights[0]).model)
    for name in [name for name in state if name.startswith("model.10.m.")]:
        state[name] = state[name].view(3, 8, *state[name].shape[1:])[:, :6].flatten(0, 1)
    one = called(tmp_path / "one.pt", state, ["face"])
    assert planned(one, weights[1], single_cls=True).lines
    with pytest.raises(SettingError, match="0 face / head"):
        planned(one, relabelled_as_one(tmp_path / "one"))


def relabelled_as_one(folder):
    data = relabelled(folder, ["red"])
    data.write_text(data.read_text().replace("[red]", "[head]"))
    return data


def test_a_head_that_does_not_come_over_may_have_any_names(weights, tmp_path):
    data = relabelled(tmp_path / "data", ["green", "red", "blue"])
    cfg = tmp_path / "other.yaml"
    cfg.write_text(datasets.TINY_MODEL.replace(", 33, 23]", "]").replace(", 59, 119]", "]"))
    assert planned(weights[0], data, cfg=str(cfg)).lines


def test_what_an_optimizer_remembers_of_a_class_goes_where_the_class_goes():
    made = machines()
    kept = {
        name: {"momentum_buffer": torch.arange(value.numel(), dtype=torch.float32).view(value.shape)}
        for name, value in made.detector.named_parameters()
    }
    pairs = same_classes(("green", "red", "violet"), NAMES)
    carried = Carried(Position(PatienceRecord(0)), kept, None, None, "stored", classes=pairs)
    found = carried._by_class(made.detector, kept)
    before, after = (one[HEAD]["momentum_buffer"].view(3, 8) for one in (kept, found))
    assert torch.equal(after[:, :7], before[:, [0, 1, 2, 3, 4, 7, 5]])
    assert after[:, 7].tolist() == [0, 0, 0]
    assert all(found[name] == kept[name] for name in kept if not name.startswith("model.10."))


# -- compare, errors, report


def test_looking_at_a_run_on_renamed_data_takes_the_same_ways_out(tmp_path):
    data, cfg = datasets.write(tmp_path / "data", train=4, val=4), datasets.write_model(tmp_path)
    words = ("--cfg", cfg, "--imgsz", 64, "--batch", 4, "--epochs", 1, "--workers", 0, "--device", "cpu", "--noplots")
    run = done("train", "--data", data, *words, "--project", tmp_path / "runs").lines[-1]
    other = relabelled(tmp_path / "other", NAMES[::-1])
    ways = {"errors": "--match-names", "report": "--names-by-position", "compare": "--match-names"}
    for verb, way in ways.items():
        words = (verb, run, *((run, "--rounds", 10) if verb == "compare" else ()), "--data", other)
        refused = command(*words)
        assert (refused.code, "0 red / green, 1 blue / blue, 2 green / red" in refused.err) == (2, True), refused.err
        done(*words, way)

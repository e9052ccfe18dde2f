# SPDX-License-Identifier: Apache-2.0
"""The keys of a checkpoint file are read and written in one place; everybody else asks a `Checkpoint` for attributes.

Which keys there are is taken from the schema. Of those, a word that another record has as well (a setting, an event,
a report, what an exported network says about itself) is nobody's alone and may be read by name; the rest may not, from
anything. What would hold a checkpoint as a dictionary cannot be had outside either: its readers and writers have doors.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect

from pydantic import BaseModel

from boxwright.config.schema.train import TrainSettings
from boxwright.runs.evaluation import stored
from boxwright.structures.checkpoint_schema import StoredCheckpoint, StoredEvaluation
from boxwright.structures.passport import Passport
from boxwright.track import events
from tests.architecture.test_house import files, is_within, name_of, room_of_file, tree_of, uses
from tests.support.every import every

ROOMS = {"api", "commands", "engine", "export_formats", "infer", "report", "runs"}
# Who may hold a checkpoint as a dictionary, and who may know its keys.
DOORS = {
    "boxwright.system.tensors.read_tensors": set(),
    "boxwright.system.tensors.read_versioned": {"engine/checkpoint.py"},
    "boxwright.system.tensors.write_tensors": {"engine/checkpoint.py"},
    "boxwright.system.tensors.rotate_and_write": {"engine/checkpoint.py"},
    "boxwright.structures.checkpoint_keys.checkpoint_of": {"engine/checkpoint.py"},
    "boxwright.structures.checkpoint_keys.document_of": {"engine/checkpoint.py"},
    "boxwright.structures.checkpoint_schema.StoredCheckpoint": {"structures/checkpoint_keys.py"},
}


def fields_of(kinds: list[type]) -> set[str]:
    return {
        name
        for kind in kinds
        for name in (
            kind.model_fields if issubclass(kind, BaseModel) else [one.name for one in dataclasses.fields(kind)]
        )
    }


def classes_in(module: object) -> list[type]:
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and (dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel))
    ]


def own_keys() -> set[str]:
    """Keys that a checkpoint has and no other record."""
    others = [TrainSettings, StoredEvaluation, Passport, *classes_in(events), *classes_in(stored)]
    return set(StoredCheckpoint.model_fields) - fields_of(others)


def keys_read(tree: ast.AST) -> list[tuple[int, str]]:
    """Every constant that something is asked for: x["key"], x.get("key"), x.pop("key"), "key" in x."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()):
                found.append((node.lineno, key))
            case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
                found.append((node.lineno, key))
            case ast.Compare(left=ast.Constant(value=str(key)), ops=[ast.In() | ast.NotIn()]):
                found.append((node.lineno, key))
    return found


ABOVE = every([path for path in files() if room_of_file(path) in ROOMS], name_of)


@ABOVE
def test_nobody_asks_for_a_key_of_a_checkpoint(path):
    keys = own_keys()
    for line, key in keys_read(tree_of(path)):
        assert key not in keys, f"{name_of(path)}:{line}: '{key}' is a key of a checkpoint; ask a Checkpoint for it"


@every(files(), name_of)
def test_a_checkpoint_as_a_dictionary_is_in_one_place(path):
    for line, name in uses(tree_of(path)):
        for door, keepers in DOORS.items():
            assert not is_within(name, door) or name_of(path) in keepers, f"{name_of(path)}:{line}: {name}"


def test_the_rule_knows_the_keys_and_sees_every_way_of_asking():
    assert {"model", "ema", "state", "gradients", "torch_rng", "sources"} <= own_keys()
    assert "epochs" not in own_keys()
    text = 'a["model"]; a.get("ema", 1); a.pop("state"); "running" in a; "bests" not in a; a["machine"] = 1; a[key]'
    assert [key for _, key in sorted(keys_read(ast.parse(text)))] == ["bests", "ema", "model", "running", "state"]

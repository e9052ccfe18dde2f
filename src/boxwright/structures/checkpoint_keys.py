# SPDX-License-Identifier: Apache-2.0
"""The keys of a checkpoint file: the one reader that makes a value of them, and the one writer that makes them of it.

What the keys may hold is said in `checkpoint_schema.py`. Nothing else asks for one.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from boxwright.errors import WeightsError
from boxwright.structures.checkpoint import (
    STRIPPED_EPOCH,
    Checkpoint,
    DataRecord,
    EvaluationRecord,
    ExactState,
    NetworkRecord,
    OptimizerRecord,
    PatienceRecord,
    PlanRecord,
    Position,
    PrecisionRecord,
    RankRecord,
    RunningRecord,
)
from boxwright.structures.checkpoint_schema import (
    KIND,
    StoredCheckpoint,
    StoredDescription,
    require_sound,
    sound_evaluation,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1  # of the keys; it stands in the header of the file, not among them
# Values that stand in the file as the checkpoint has them.
_AS_THEY_ARE = (
    "stripped_from_epoch",
    "date",
    "program",
    "machine",
    "thresholds",
    "bests",
    "logged",
    "sinks",
    "ema_updates",
)
# The order of a file that was made of another one, and not by a run.
_CONVERTED = ("kind", "network", "network_name", "names", "strides", "program", "evaluation", "date", "epoch", "model")


def migrate(document: Mapping[str, Any], version: int, where: str) -> Mapping[str, Any]:
    """The keys of an earlier version as those of today. Raises WeightsError for a version that nobody wrote yet.

    Keys that came up within a version have defaults in the schema; a new version is for keys that change their meaning.
    """
    if version != VERSION:
        raise WeightsError(where, f"has keys of version {version}, this program reads {VERSION}", "Use a newer program")
    return document


def checkpoint_of(document: Mapping[str, Any], where: str, version: int = VERSION) -> Checkpoint:
    """The checkpoint that a file of ours holds. Raises WeightsError that names the first key that makes no sense."""
    document = migrate(document, version, where)
    require_sound(document, where)
    strides = document.get("strides")
    return Checkpoint(
        model=document["model"],
        ema=document.get("ema"),
        network=NetworkRecord(
            document["network"],
            document.get("network_name", ""),
            tuple(document["names"]),
            None if strides is None else tuple(strides),
        ),
        evaluation=EvaluationRecord.of(document.get("evaluation", {})),
        epoch=document.get("epoch", STRIPPED_EPOCH),
        plan=PlanRecord(document["settings"], document.get("sources", {})) if "settings" in document else None,
        data=_data(document),
        position=_position(document.get("state")),
        optimizer=_optimizer(document.get("optimizer")),
        exact=_exact(document),
        ranks=tuple(RankRecord(rank["buffers"], rank["gradients"]) for rank in document.get("ranks", ())),
        others={key: value for key, value in document.items() if key not in StoredCheckpoint.model_fields},
        **{key: document[key] for key in _AS_THEY_ARE if key in document},
    )


def _data(document: Mapping[str, Any]) -> DataRecord | None:
    stored = document.get("data")
    if stored is None:
        return None
    prints = document.get("data_prints", {})
    places = stored.get("folder", ""), stored.get("started_in", "")
    return DataRecord(stored["yaml"], stored["fingerprints"], stored.get("contents", {}), prints, *places)


def _position(stored: Mapping[str, Any] | None) -> Position | None:
    if stored is None:
        return None
    return Position(**{**stored, "patience": PatienceRecord(**_known(PatienceRecord, stored["patience"]))})


def _optimizer(stored: Mapping[str, Any] | None) -> OptimizerRecord | None:
    if stored is None:
        return None
    return OptimizerRecord(stored["memory"], tuple(stored["groups"]) if "groups" in stored else None)


def _exact(document: Mapping[str, Any]) -> ExactState | None:
    if document.get("state") is None:
        return None
    return ExactState(
        document["gradients"],
        PrecisionRecord(document["precision"]["name"], document["precision"].get("scaler", {})),
        document["balance"],
        RunningRecord(document["running"]["sums"], document["running"]["batches"]),
        document["torch_rng"],
    )


def _known(kind: type[Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: stored[one.name] for one in fields(kind) if one.name in stored}


def document_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The keys of a file of ours, in the order in which they have always been written."""
    document: dict[str, Any] = {
        "kind": KIND,
        "date": checkpoint.date,
        "epoch": checkpoint.epoch,
        "state": None if checkpoint.position is None else asdict(checkpoint.position),
        "model": checkpoint.model,
        "ema": checkpoint.ema,
        "ema_updates": checkpoint.ema_updates,
        **_training(checkpoint),
        **_description(checkpoint),
        **_about_run(checkpoint),
        "evaluation": checkpoint.evaluation.given(),
        **({} if checkpoint.plan is None else {"thresholds": checkpoint.thresholds, "bests": checkpoint.bests}),
        "logged": checkpoint.logged,
        "sinks": checkpoint.sinks or None,
        **checkpoint.others,
        "stripped_from_epoch": checkpoint.stripped_from_epoch,
    }
    order = document if checkpoint.plan is not None else dict.fromkeys((*_CONVERTED, *document))
    return {key: document[key] for key in order if key == "date" or document.get(key) is not None}


def _training(checkpoint: Checkpoint) -> dict[str, Any]:
    """The optimizer's memory and what makes going on exact."""
    optimizer, exact = checkpoint.optimizer, checkpoint.exact
    document: dict[str, Any] = {}
    if optimizer is not None:
        groups = {} if optimizer.groups is None else {"groups": list(optimizer.groups)}
        document["optimizer"] = {**groups, "memory": optimizer.memory}
    if exact is not None:
        document |= {
            "gradients": exact.gradients,
            "precision": {"name": exact.precision.name, "scaler": exact.precision.scaler},
            "balance": exact.balance,
            "running": {"sums": exact.running.sums, "batches": exact.running.batches},
            "torch_rng": exact.torch_rng,
        }
    if checkpoint.ranks:
        document["ranks"] = [{"buffers": rank.buffers, "gradients": rank.gradients} for rank in checkpoint.ranks]
    return document


def _description(checkpoint: Checkpoint) -> dict[str, Any]:
    network = checkpoint.network
    return {
        "program": checkpoint.program,
        "network": network.text,
        "network_name": network.name or None,
        "names": list(network.names),
        "strides": None if network.strides is None else list(network.strides),
    }


def _about_run(checkpoint: Checkpoint) -> dict[str, Any]:
    """Its settings, its data and what it ran on."""
    document: dict[str, Any] = {}
    plan, data = checkpoint.plan, checkpoint.data
    if plan is not None:
        document |= {"settings": plan.settings, "sources": plan.sources}
    if data is not None:
        contents = {"contents": data.contents} if data.contents else {}
        places = {"folder": data.folder, "started_in": data.started_in} if data.folder else {}
        document["data"] = {"yaml": data.yaml, "fingerprints": data.fingerprints, **contents, **places}
        document |= {"data_prints": data.prints} if data.prints else {}
    return document if plan is None else {**document, "machine": checkpoint.machine}


def is_document(entries: Mapping[str, Any]) -> bool:
    """Whether entries that were read as something else are those of a checkpoint of ours."""
    return entries.get("kind") == KIND and "network" in entries


# -- what a file of another format says about its network


def description_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """What stands beside tensors in another format, so that a network can be made of them."""
    document = {**_description(checkpoint), "evaluation": checkpoint.evaluation.given()}
    return {key: document[key] for key in _CONVERTED if document.get(key) is not None}


def with_description(checkpoint: Checkpoint, stored: object) -> Checkpoint:
    """A checkpoint of tensors with what their file says about them. Raises pydantic's ValidationError."""
    if isinstance(stored, dict) and not isinstance(stored.get("strides"), list):
        stored = {**stored, "strides": None}
    found = StoredDescription.model_validate(stored)
    return replace(
        checkpoint,
        network=NetworkRecord(
            found.network,
            found.network_name,
            tuple(found.names),
            None if found.strides is None else tuple(found.strides),
        ),
        program=found.program or None,
        evaluation=EvaluationRecord.of(sound_evaluation(found.evaluation)),
    )

# SPDX-License-Identifier: Apache-2.0
"""A run that goes on from a file, in a fresh process's machines, ends in the bits of one that was never interrupted."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from boxwright.engine.checkpoint import read_checkpoint, restore, snapshot, write_checkpoint
from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import named_state
from boxwright.engine.patience import Patience
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.loss.detection import DetectionLoss
from boxwright.structures.checkpoint import Checkpoint, DataRecord, NetworkRecord, PatienceRecord, PlanRecord
from boxwright.structures.checkpoint_keys import document_of
from boxwright.track.events import StepLogged
from tests.support.networks import TINY
from tests.support.training import CPU, Watch, bits_of, machines, same_bits, schedule, trainer

FITNESS = [0.2, 0.4, 0.3]
CLEARED = {"clear_gradients_each_epoch": True}
PENDING = {"clear_gradients_each_epoch": False}  # as in July 2020


def facts(optimizer: str = "SGD") -> Checkpoint:
    """What a run says about itself beside its state, as far as a file has to say it."""
    return Checkpoint(
        network=NetworkRecord(TINY, "tiny", ("a", "b", "c"), (8, 16)),
        plan=PlanRecord({"optimizer": optimizer}),
        data=DataRecord("data.yaml", {}),
    )


class Balancing(DetectionLoss):
    """One whose balance between levels moves, so that it is part of the state."""

    def __init__(self, rules, *rest):
        super().__init__(dataclasses.replace(rules, autobalance=True), *rest)


def fresh(seed: int = 0, **kinds) -> Machinery:
    return machines(schedule(), seed=seed, **kinds)


def uninterrupted(folder, rules=CLEARED, **kinds):
    """A run of three epochs: how it ended, and a file of every moment at which one could be written."""
    made, state, running = fresh(**kinds), TrainState(Patience(0)), RunningLosses(CPU)
    files = {}

    def save(kind: str) -> None:
        if kind == "last":
            place = state.epoch, state.batch
            files[place] = folder / f"{state.epoch}-{state.batch}.pt"
            write_checkpoint(files[place], snapshot(made, state, running, facts(kinds.get("optimizer", "SGD"))))

    watch = Watch(fitness=FITNESS, save_within=True, on_save=save)
    trainer(made, watch, state=state, running=running, **rules).fit()
    return ending(made, state, running, watch), files


def gone_on(stored, rules=CLEARED, **kinds):
    """The end of a run that begins with other weights and takes everything from a file."""
    made, running = fresh(seed=9, **kinds), RunningLosses(CPU)
    state = restore(made, running, stored)
    watch = Watch(fitness=FITNESS)
    trainer(made, watch, state=state, running=running, **rules).fit()
    return ending(made, state, running, watch)


def ending(made: Machinery, state: TrainState, running: RunningLosses, watch: Watch) -> dict:
    """Everything that can differ, as values that are compared exactly."""
    memory = {
        name: {key: bits_of(torch.as_tensor(value)) for key, value in kept.items()}
        for name, kept in named_state(made.detector, made.optimizer).items()
    }
    logged = {
        (event.epoch, event.batch): tuple(loss.hex() for loss in event.losses)
        for event in watch.told
        if isinstance(event, StepLogged)
    }
    return {
        "weights": made.detector.state_dict(),
        "average": made.average.network.state_dict(),
        "updates": made.average.updates,
        "memory": memory,
        "balance": bits_of(made.loss.balance),
        "running": (bits_of(running.sums), running.batches),
        "state": state.position(),
        "logged": logged,
    }


def differences(one: dict, other: dict) -> list[str]:
    """Names of what differs. Of what was logged, the batches that both have trained."""
    found = [name for name in ("weights", "average") if not same_bits(one[name], other[name])]
    found += [name for name in ("updates", "memory", "balance", "running", "state") if one[name] != other[name]]
    return found + [
        f"losses of {place}"
        for place in other["logged"]
        if one["logged"].get(place) not in {None, other["logged"][place]}
    ]


@pytest.mark.parametrize(
    ("optimizer", "precision"),
    [("SGD", "fp32"), ("SGD", "bf16"), ("Adam", "fp32"), ("AdamW", "bf16"), ("RMSProp", "fp32")],
)
def test_from_every_moment_at_which_a_file_is_written_the_same_bits_follow(tmp_path, optimizer, precision):
    kinds = {"optimizer": optimizer, "precision": precision}
    straight, files = uninterrupted(tmp_path, **kinds)
    assert list(files) == [
        (0, 1),
        (0, 2),
        (0, 4),
        (0, 5),
        (1, 0),
        (1, 2),
        (1, 5),
        (2, 0),
        (2, 1),
        (2, 5),
        (3, 0),
    ]  # 5: before the validation
    places = (
        files if (optimizer, precision) == ("SGD", "fp32") else [(1, 0), (1, 2)] if optimizer == "SGD" else [(1, 2)]
    )
    for place in places:
        stored = read_checkpoint(files[place])
        assert not stored.exact.gradients  # none waits after a step, nor over the end of an epoch
        assert differences(straight, gone_on(stored, **kinds)) == [], place


def test_a_moving_balance_of_the_loss_goes_on_where_it_stood(tmp_path):
    straight, files = uninterrupted(tmp_path, loss=Balancing)
    assert differences(straight, gone_on(read_checkpoint(files[1, 2]), loss=Balancing)) == []
    forgotten = with_exact(read_checkpoint(files[1, 2]), balance=fresh(loss=Balancing).loss.balance)
    assert "weights" in differences(straight, gone_on(forgotten, loss=Balancing))


def test_gradients_that_wait_over_the_end_of_an_epoch_are_kept_where_the_recipe_keeps_them(tmp_path):
    straight, files = uninterrupted(tmp_path, PENDING)
    kept = {place: bool(read_checkpoint(file).exact.gradients) for place, file in files.items()}
    assert kept == {place: place[1] in {0, 5} and place not in {(2, 5), (3, 0)} for place in files}
    assert differences(straight, gone_on(read_checkpoint(files[1, 0]), PENDING)) == []
    without = with_exact(read_checkpoint(files[1, 0]), gradients={})
    assert "weights" in differences(straight, gone_on(without, PENDING))


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """What a file in the middle of the last epoch holds, and how a run from it ends."""
    _, files = uninterrupted(tmp_path_factory.mktemp("run"), optimizer="Adam")
    stored = read_checkpoint(files[2, 1])
    return stored, gone_on(stored, optimizer="Adam")


def with_exact(stored: Checkpoint, **changes: object) -> Checkpoint:
    return dataclasses.replace(stored, exact=dataclasses.replace(stored.exact, **changes))


def _blank(part: str):
    def forget(stored: Checkpoint, made: Machinery) -> Checkpoint:
        empty = snapshot(made, TrainState(Patience(0)), RunningLosses(CPU), facts())
        return dataclasses.replace(stored, **{part: getattr(empty, part)})

    return forget


def _without_running(stored: Checkpoint, made: Machinery) -> Checkpoint:
    return with_exact(stored, running=_blank("exact")(stored, made).exact.running)


def _with_state(**changes: object):
    return lambda stored, _made: dataclasses.replace(stored, position=dataclasses.replace(stored.position, **changes))


@pytest.mark.parametrize(
    ("forget", "seen_in"),
    [
        (_blank("model"), "weights"),
        (_blank("ema"), "average"),
        (_blank("ema_updates"), "updates"),
        (_blank("optimizer"), "memory"),
        (_without_running, "running"),
        (_with_state(last_step=-1), "weights"),
        (_with_state(batch=0), "weights"),
        (_with_state(epoch=0), "weights"),
        (_with_state(best_fitness=0.9), "state"),
        (_with_state(patience=PatienceRecord(0)), "state"),
    ],
    ids=[
        "model",
        "ema",
        "ema_updates",
        "optimizer",
        "running",
        "last_step",
        "batch",
        "epoch",
        "best_fitness",
        "patience",
    ],
)
def test_whatever_a_file_would_forget_is_seen_in_the_end(started, forget, seen_in):
    stored, complete = started
    assert seen_in in differences(complete, gone_on(forget(stored, fresh(seed=3, optimizer="Adam")), optimizer="Adam"))


def test_the_generator_of_the_framework_goes_on_where_it_stood():
    made = fresh()
    torch.manual_seed(4)
    torch.rand(7)
    stored = snapshot(made, TrainState(Patience(0)), RunningLosses(CPU), facts())
    expected = torch.rand(5)
    torch.manual_seed(99)
    restore(fresh(), RunningLosses(CPU), stored)
    assert torch.equal(torch.rand(5), expected)


def test_a_snapshot_does_not_move_with_the_training_that_goes_on():
    made, state, running = fresh(), TrainState(Patience(0)), RunningLosses(CPU)
    worker = trainer(made, state=state, running=running)
    worker._epoch()
    taken = snapshot(made, state, running, facts())
    before = (
        {name: bits_of(tensor) for name, tensor in (taken.model | taken.ema).items()},
        bits_of(taken.exact.running.sums),
    )
    momenta = {
        name: bits_of(torch.as_tensor(memory["momentum_buffer"])) for name, memory in taken.optimizer.memory.items()
    }
    worker.fit()
    assert before == (
        {name: bits_of(tensor) for name, tensor in (taken.model | taken.ema).items()},
        bits_of(taken.exact.running.sums),
    )
    assert momenta == {
        name: bits_of(torch.as_tensor(memory["momentum_buffer"])) for name, memory in taken.optimizer.memory.items()
    }


def test_a_stripped_file_holds_the_average_in_full_precision_and_nothing_to_go_on_with():
    made, state, running = fresh(), TrainState(Patience(0)), RunningLosses(CPU)
    trainer(made, state=state, running=running).fit()
    whole = snapshot(made, state, running, facts())
    small = document_of(whole.stripped())
    assert same_bits(small["model"], made.average.network.state_dict())
    said = {"network", "network_name", "names", "strides", "evaluation"}
    of_the_run = {"settings", "sources", "data", "machine", "thresholds", "bests"}
    assert set(small) == {"kind", "date", "epoch", "stripped_from_epoch", "model"} | said | of_the_run
    assert (small["epoch"], small["stripped_from_epoch"]) == (-1, whole.epoch)
    assert same_bits(whole.model, made.detector.state_dict())

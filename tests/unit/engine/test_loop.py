# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest
import torch

from boxwright.engine.loop import NotFiniteError
from boxwright.engine.multi_scale import size_of
from boxwright.engine.optimizer import rates
from boxwright.engine.state import RunningLosses
from boxwright.loss.detection import DetectionLoss, LossTerms
from boxwright.track.events import EpochEnded, EpochStarted, StepLogged
from tests.support.training import (
    BATCHES_PER_EPOCH,
    CPU,
    Watch,
    batch,
    batches,
    frozen,
    machines,
    same_bits,
    schedule,
    trainer,
)

pytestmark = pytest.mark.slow


def spoiling(*numbers: int) -> type[DetectionLoss]:
    """A loss that is not a number at these calls, counted from 0."""

    class Spoilt(DetectionLoss):
        def __init__(self, *given):
            super().__init__(*given)
            self.calls = itertools.count()

        def __call__(self, maps, *known):
            terms = super().__call__(maps, *known)
            return LossTerms(terms.total * torch.nan, terms.items * torch.nan) if next(self.calls) in numbers else terms

    return Spoilt


EVERY_BATCH = {"nominal_batch": 2}  # a step after each


def one(epoch: int, _first: int):
    """The shortest epoch, for what does not depend on batches."""
    return iter([batch(epoch, 0)])


def steps_of(made) -> list[dict[str, float]]:
    """What the optimizer was given at each step: norm of the gradient, rates."""
    seen = []

    def before(optimizer, *_):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        seen.append({"norm": float(torch.nn.utils.get_total_norm(gradients)), "rates": rates(optimizer)})

    made.optimizer.register_step_pre_hook(before)
    return seen


# -- the course of a run


def test_an_epoch_is_told_trained_validated_judged_told_and_saved_in_this_order():
    watch = Watch(fitness=[0.3])
    assert trainer(machines(schedule(epochs=1)), watch).fit().reason == "done"
    assert watch.log == [
        "EpochStarted",
        *["StepLogged"] * 5,
        "EpochTrained",
        "validate 0 final",
        "EpochEnded",
        "save best",
        "save last",
    ]


def test_the_first_and_every_better_or_equal_epoch_is_the_best():
    watch = Watch(batches=one, fitness=[0.1, 0.3, 0.2, 0.3])
    made = trainer(machines(schedule(epochs=4)), watch)
    made.fit()
    assert [epoch for kind, epoch, *_ in watch.saved if kind == "best"] == [0, 1, 3]
    assert [epoch for kind, epoch, *_ in watch.saved if kind == "last"] == [0, 1, 2, 3]
    assert (made.state.best_fitness, made.state.best_epoch) == (0.3, 3)
    ended = [event for event in watch.told if isinstance(event, EpochEnded)]
    assert [event.best_epoch for event in ended] == [0, 1, 1, 3]
    assert [event.fitness for event in ended] == [0.1, 0.3, 0.2, 0.3]


def test_an_untrained_network_that_finds_nothing_is_the_best_so_far():
    watch = Watch(batches=one, fitness=[0.0, 0.0])
    trainer(machines(schedule(epochs=2)), watch).fit()
    assert [epoch for kind, epoch, *_ in watch.saved if kind == "best"] == [0, 1]


def test_a_recipe_may_keep_best_from_being_written_in_the_final_epoch():
    watch = Watch(batches=one, fitness=[0.1, 0.2, 0.3])
    made = trainer(machines(), watch, best_in_final_epoch=False)
    made.fit()
    assert [epoch for kind, epoch, *_ in watch.saved if kind == "best"] == [0, 1]
    assert made.state.best_epoch == 2


@pytest.mark.parametrize(
    ("period", "kept"),
    [
        (0, []),
        (-1, []),
        (1, ["epoch0", "epoch1", "epoch2", "epoch3"]),
        (2, ["epoch0", "epoch2"]),
        (3, ["epoch0", "epoch3"]),
    ],
)
def test_epochs_are_kept_by_period(period, kept):
    watch = Watch(batches=one)
    trainer(machines(schedule(epochs=4)), watch, save_period=period).fit()
    assert [kind for kind, *_ in watch.saved if kind.startswith("epoch")] == kept


def test_without_saving_only_the_final_epoch_is_saved_and_without_validation_only_it_is_validated():
    watch = Watch(batches=one, fitness=[0.1, 0.2, 0.3])
    trainer(machines(), watch, nosave=True, noval=True).fit()
    assert watch.saved == [("best", 2, 3, 0), ("last", 2, 3, 0)]
    assert [line for line in watch.log if line.startswith("validate")] == ["validate 2 final"]


def test_what_is_saved_at_the_end_of_an_epoch_stands_at_the_start_of_the_next():
    watch = Watch(batches=one)
    trainer(machines(), watch).fit()
    assert [(epoch, batch) for kind, _, epoch, batch in watch.saved if kind == "last"] == [(1, 0), (2, 0), (3, 0)]


def test_a_run_that_is_done_does_nothing_more():
    made = trainer(machines(), watch := Watch(batches=one))
    made.fit()
    watch.log.clear()
    assert made.fit().reason == "done"
    assert not watch.log


# -- early stopping


@pytest.mark.parametrize(
    ("fitness", "patience", "epochs_done"),
    [
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 2, 3),
        ([0.1, 0.4, 0.3, 0.5, 0.4, 0.6], 2, 6),
        ([0.4, 0.4, 0.4, 0.4, 0.4, 0.4], 3, 4),
        ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2, 6),
        ([0.5, 0.4, 0.4, 0.4, 0.4, 0.4], 0, 6),
    ],
)
def test_a_run_ends_after_as_many_epochs_without_improvement_as_patience_has(fitness, patience, epochs_done):
    watch = Watch(batches=one, fitness=fitness)
    made = trainer(machines(schedule(epochs=6)), watch, patience=patience)
    reason = made.fit().reason
    assert made.state.epoch == epochs_done
    assert reason == ("done" if epochs_done == 6 else f"no improvement in the last {patience} epochs")


def test_the_epoch_that_may_be_the_last_is_validated_and_saved_like_it():
    watch = Watch(batches=one, fitness=[0.5, 0.4, 0.4])
    trainer(machines(schedule(epochs=9)), watch, patience=2, nosave=True).fit()
    assert [line for line in watch.log if line.startswith("validate")] == [
        "validate 0",
        "validate 1",
        "validate 2 final",
    ]
    assert [(kind, epoch) for kind, epoch, *_ in watch.saved] == [("last", 2)]


def test_a_recipe_without_early_stopping_does_not_look_at_patience():
    made = trainer(
        machines(schedule(epochs=4)), Watch(batches=one, fitness=[0.5, 0.1, 0.1, 0.1]), patience=1, early_stopping=False
    )
    assert made.fit().reason == "done"
    assert made.state.epoch == 4


# -- stops and saves inside an epoch


def asked_at(question: int, **settings):
    """A run that is asked to stop at this question, the network just after it, and every batch that was drawn."""
    drawn = []

    def counted(epoch: int, first: int):
        for number, given in enumerate(batches(epoch, first), first):
            drawn.append((epoch, number))
            yield given

    watch = Watch(stops=[""] * question + ["asked to"], batches=counted)
    made = trainer(machines(schedule(**settings)), watch)
    return made, watch, drawn


@pytest.mark.parametrize("question", range(7))
def test_a_request_to_stop_is_obeyed_within_one_optimizer_step(question):
    made, watch, drawn = asked_at(question)
    assert made.fit().reason == "asked to"
    steps = [(0, 1), (0, 2), (0, 4), (0, 5), (1, 0), (1, 2), (1, 5)]  # behind a step, before a validation and after it
    place = steps[question]
    assert (made.state.epoch, made.state.batch) == place
    assert drawn[-1] == (place[0], place[1] - 1) if place[1] else drawn[-1] == (place[0] - 1, BATCHES_PER_EPOCH - 1)
    assert [(epoch, batch) for kind, _, epoch, batch in watch.saved if kind == "last"][-1] == place


def test_where_a_run_stops_or_saves_no_gradient_is_pending():
    made = machines()
    worker = trainer(
        made,
        Watch(
            save_within=True,
            on_save=lambda _kind: pending.append(any(p.grad is not None for p in made.detector.parameters())),
        ),
    )
    pending: list[bool] = []
    worker.fit()
    assert (
        len(pending) == 3 + 3 + 5 + 3
    )  # ends of epochs before and after the validation, steps inside them, and the best each time
    assert not any(pending)


def test_saves_inside_an_epoch_happen_only_when_they_are_due():
    watch = Watch()
    trainer(machines(), watch).fit()
    assert all(batch == 0 for *_, batch in watch.saved)


def test_an_epoch_that_was_left_goes_on_at_its_next_batch():
    made, _, drawn = asked_at(5)
    made.fit()
    assert drawn[-1] == (1, 1)
    watch = Watch()
    going = trainer(made.m, watch, state=made.state, running=made.running)
    assert going.fit().reason == "done"
    assert [(event.epoch, event.first_batch) for event in watch.told if isinstance(event, EpochStarted)] == [
        (1, 2),
        (2, 0),
    ]
    assert [event.batch for event in watch.told if isinstance(event, StepLogged)][:3] == [2, 3, 4]


# -- numbers that are not finite


def test_a_step_that_is_not_finite_is_skipped_and_counted_and_training_goes_on():
    made = machines(schedule(epochs=1, **EVERY_BATCH), loss=spoiling(2))
    seen = []
    worker = trainer(made, Watch())
    made.optimizer.register_step_post_hook(lambda *_: seen.append(worker.state.batch))
    worker.fit()
    assert seen == [0, 1, 3, 4]
    assert (int(worker.guard.total), int(worker.guard.in_a_row)) == (1, 0)
    assert all(torch.isfinite(parameter).all() for parameter in made.detector.parameters())
    assert all(map(torch.isfinite, torch.tensor(worker.running.means())))


def test_weights_and_momenta_are_as_if_the_skipped_step_had_not_been():
    made = machines(schedule(**EVERY_BATCH), loss=spoiling(0))
    before = {
        name: tensor
        for name, tensor in frozen(made.detector).items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    worker = trainer(made, Watch(stops=["now"]))
    assert worker.fit().reason == "now"
    after = made.detector.state_dict()
    assert same_bits(before, {name: after[name] for name in before})
    assert not any(memory["momentum_buffer"].any() for memory in made.optimizer.state.values())


def test_one_spoilt_batch_costs_the_whole_group_it_is_summed_with():
    made = machines(schedule(epochs=1, warmup_min_batches=0, nominal_batch=8), loss=spoiling(1))
    before = {name: parameter.clone() for name, parameter in made.detector.named_parameters()}
    worker = trainer(made)
    worker.fit()
    assert int(worker.guard.total) == 1
    assert all(torch.equal(before[name], parameter) for name, parameter in made.detector.named_parameters())


def test_an_infinite_gradient_under_a_finite_loss_is_seen_too():
    made = machines(schedule(epochs=1, **EVERY_BATCH))
    calls = itertools.count()
    weight = made.detector.get_parameter("model.0.conv.weight")
    weight.register_hook(lambda gradient: gradient * torch.inf if next(calls) == 1 else gradient)
    worker = trainer(made)
    worker.fit()
    assert int(worker.guard.total) == 1
    assert torch.isfinite(weight).all()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSProp"])
def test_no_optimizer_lets_a_number_that_is_not_finite_into_weights_or_memory(optimizer):
    made = machines(schedule(epochs=1, lr0=0.001, **EVERY_BATCH), optimizer=optimizer, loss=spoiling(2))
    trainer(made).fit()
    numbers = [
        *made.detector.parameters(),
        *(torch.as_tensor(value) for memory in made.optimizer.state.values() for value in memory.values()),
    ]
    assert len(numbers) > 2 * len(list(made.detector.parameters())) - 1
    assert all(torch.isfinite(tensor).all() for tensor in numbers)


@pytest.mark.parametrize("clip_norm", [10.0, 0.0])
def test_too_many_in_a_row_end_the_run_and_the_last_good_file_is_the_one_before(clip_norm):
    watch = Watch(fitness=[0.4])
    made = machines(schedule(**EVERY_BATCH), loss=spoiling(*range(6, 30)))
    worker = trainer(made, watch, max_nonfinite_steps=3, clip_norm=clip_norm)
    with pytest.raises(NotFiniteError, match=r"not finite in 3 steps in a row$") as caught:
        worker.fit()
    assert caught.value.exit_code == 75
    assert (worker.state.epoch, worker.state.batch) == (1, 4)
    assert [kind for kind, *_ in watch.saved] == ["best", "last"]
    assert all(torch.isfinite(parameter).all() for parameter in made.detector.parameters())


def test_good_steps_between_start_the_count_again():
    worker = trainer(machines(schedule(**EVERY_BATCH), loss=spoiling(1, 2, 4, 5, 7, 8)), max_nonfinite_steps=3)
    assert worker.fit().reason == "done"
    assert int(worker.guard.total) == 6


# -- what happens in a step


def test_gradients_are_clipped_to_the_norm_and_not_where_clipping_is_off():
    norms = {}
    for clip_norm in (0.0, 1.5):
        made = machines(schedule(epochs=1, **EVERY_BATCH))
        seen = steps_of(made)
        trainer(made, clip_norm=clip_norm).fit()
        norms[clip_norm] = [step["norm"] for step in seen]
    assert norms[0.0][0] > 1.5  # the first step begins from the same weights
    assert norms[1.5][0] == pytest.approx(1.5, rel=1e-4)
    assert max(norms[1.5]) <= 1.5 + 1e-4
    assert max(norms[0.0]) > 2


def test_gradients_of_accumulated_batches_are_summed_not_averaged():
    together, apart = [], []
    made = machines(schedule(epochs=1, warmup_min_batches=0, nominal_batch=8))
    made.optimizer.register_step_pre_hook(
        lambda *_: together.append(made.detector.get_parameter("model.0.conv.weight").grad.clone())
    )
    trainer(made, clip_norm=0.0).fit()
    assert len(together) == 1
    fresh = machines()
    fresh.detector.train()
    weight = fresh.detector.get_parameter("model.0.conv.weight")
    for given in itertools.islice(batches(0, 0), 4):
        images = (given.images.float() / 255).contiguous(memory_format=torch.channels_last)
        total = fresh.loss(fresh.detector(images), given.targets).total
        apart.append(torch.autograd.grad(total, weight)[0])
    assert torch.allclose(together[0], sum(apart), rtol=1e-4, atol=1e-5)


def test_every_step_runs_at_the_rates_of_its_batch_and_an_epoch_reports_those_of_its_last():
    made, watch = machines(), Watch()
    seen = steps_of(made)
    trainer(made, watch).fit()
    plan = made.schedule
    expected = [
        [plan.at(number).lr_bias, plan.at(number).lr_other, plan.at(number).lr_other] for number in (0, 1, 3, 6, 10, 14)
    ]
    assert [step["rates"] for step in seen] == expected
    ended = [event.results for event in watch.told if isinstance(event, EpochEnded)]
    assert [[row[f"x/lr{i}"] for i in range(3)] for row in ended] == [
        [plan.at(n).lr_bias, plan.at(n).lr_other, plan.at(n).lr_other] for n in (4, 9, 14)
    ]


def test_losses_of_an_epoch_are_means_over_its_batches():
    items: list[torch.Tensor] = []

    class Listening(DetectionLoss):
        def __call__(self, maps, *known):
            terms = super().__call__(maps, *known)
            items.append(terms.items.clone())
            return terms

    watch = Watch()
    trainer(machines(schedule(epochs=2), loss=Listening), watch).fit()
    ended = [event for event in watch.told if isinstance(event, EpochEnded)]
    for epoch, event in enumerate(ended):
        mean = torch.stack(items[epoch * 5 : epoch * 5 + 5]).double().mean(0).tolist()
        assert [event.results[f"train/{name}_loss"] for name in ("box", "obj", "cls")] == pytest.approx(mean, rel=1e-6)
    logged = [event.losses for event in watch.told if isinstance(event, StepLogged)]
    assert logged[0] == pytest.approx(items[0].tolist(), rel=1e-6)
    assert logged[5] == pytest.approx(items[5].tolist(), rel=1e-6)


def test_the_average_is_what_is_validated_and_it_moves_once_per_step():
    validated = []
    made = machines()
    watch = Watch()
    watch.validate = lambda network, _epoch, final: (validated.append(network), ({}, 0.5))[1]
    trainer(made, watch).fit()
    assert all(network is made.average.network for network in validated)
    assert len(validated) == 3
    assert made.average.updates == 6
    assert not made.average.network.training
    assert made.detector.training


def test_multi_scale_gives_every_batch_the_size_of_its_key():
    made = machines(schedule(epochs=2))
    sizes = []
    made.detector.register_forward_pre_hook(lambda _module, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    trainer(made, multi_scale=True, seed=5).fit()
    expected = [size_of(number, seed=5, image_size=64, grid=32) for number in range(10)]
    assert sizes == [(size, size) for size in expected]
    assert len(set(sizes)) > 1


def test_the_network_sees_pixels_from_0_to_1_with_the_channels_last():
    made = machines(schedule(epochs=1))
    seen = []
    made.detector.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    trainer(made).fit()
    for given, images in zip(batches(0, 0), seen, strict=True):
        assert torch.equal(images, given.images / 255)
        assert images.is_contiguous(memory_format=torch.channels_last)


def test_running_means_are_of_nothing_before_the_first_batch():
    running = RunningLosses(CPU)
    assert running.means() == (0.0, 0.0, 0.0)
    running.add(torch.tensor([1.0, torch.nan, torch.inf]))
    running.add(torch.tensor([3.0, 2.0, 4.0]))
    assert running.means() == (2.0, 1.0, 2.0)
    running.reset()
    assert running.means() == (0.0, 0.0, 0.0)

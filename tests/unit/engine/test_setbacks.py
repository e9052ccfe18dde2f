# SPDX-License-Identifier: Apache-2.0
"""Steps that are not finite, and batches that do not fit in memory."""

from __future__ import annotations

import math

import pytest
import torch

from boxwright.engine.finite import NotFiniteError
from boxwright.engine.loop import MAX_RESTORES, Outcome
from boxwright.engine.micro_batches import in_parts
from boxwright.engine.patience import Patience
from boxwright.engine.state import TrainState
from boxwright.loss.detection import DetectionLoss, LossTerms
from boxwright.structures.batch import part_of
from boxwright.system.device import is_out_of_memory
from boxwright.track.events import Ended, Warned
from tests.support import training
from tests.support.training import Watch, frozen, machines, same_bits, trainer

pytestmark = pytest.mark.slow


class Spoiled(DetectionLoss):
    """A loss whose calls of these numbers come out as no number, as an overflow in a forward pass does."""

    at: frozenset[int] = frozenset()
    calls = 0

    def __call__(self, maps, *known):
        terms = super().__call__(maps, *known)
        self.calls += 1
        return LossTerms(terms.total * math.inf, terms.items) if self.calls in self.at else terms


def spoiled(*calls: int, **settings):
    return machines(loss=type("Spoiled", (Spoiled,), {"at": frozenset(calls)}), **settings)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSProp"])
def test_a_step_that_is_not_finite_leaves_no_trace(optimizer):
    plan = training.schedule(nominal_batch=2, epochs=1)
    made = spoiled(3, plan=plan, optimizer=optimizer)
    states = []

    run = trainer(made)
    optimize = run._optimize

    def watched():
        before = frozen(made.detector), frozen(made.average.network)
        optimize()
        states.append((before, (frozen(made.detector), frozen(made.average.network))))

    run._optimize = watched
    run.fit()
    (network, average), (network_after, average_after) = states[2]
    weights = [name for name, _ in made.detector.named_parameters()]
    assert all(torch.equal(network[name], network_after[name]) for name in weights)
    assert same_bits(average, average_after)
    assert run.state.skipped == 1
    assert run.state.skipped_in_a_row == 0
    assert all(torch.isfinite(tensor).all() for tensor in network_after.values() if tensor.is_floating_point())


def test_statistics_that_a_bad_forward_pass_spoiled_are_put_back():
    plan = training.schedule(nominal_batch=2, epochs=1)
    made = machines(plan)
    run = trainer(made)
    norm = next(m for m in made.detector.modules() if isinstance(m, torch.nn.BatchNorm2d))
    gradients = run.add_gradients

    def bad(pixels, *known):
        number = run.state.batch
        return gradients(pixels * math.nan if number == 2 else pixels, *known)

    run.add_gradients = bad
    run.fit()
    assert run.state.skipped == 1
    assert torch.isfinite(norm.running_mean).all()
    assert all(
        torch.isfinite(tensor).all()
        for tensor in made.average.network.state_dict().values()
        if tensor.is_floating_point()
    )


def test_too_many_bad_steps_stop_the_run_and_name_the_batch():
    plan = training.schedule(nominal_batch=2, epochs=1)
    reported = []
    watch = Watch(on_report=lambda number, batch: reported.append((number, len(batch))) or ", in picture.jpg")
    run = trainer(spoiled(2, 3, plan=plan), watch, max_nonfinite_steps=2)
    with pytest.raises(NotFiniteError, match=r"2 steps in a row, in picture\.jpg$") as stopped:
        run.fit()
    assert stopped.value.exit_code == 75
    assert reported == [(2, training.BATCH_SIZE)]


def test_by_policy_the_last_good_weights_come_back_and_training_goes_on_behind_the_batches():
    plan = training.schedule(nominal_batch=2, epochs=2)
    restored = []
    watch = Watch(on_put_back=lambda: restored.append(run.state.batch) or True)
    run = trainer(spoiled(2, 3, plan=plan), watch, max_nonfinite_steps=2, on_nonfinite="restore")
    assert run.fit().reason == "done"
    assert restored == [3]
    assert (run.state.restored, run.state.skipped) == (1, 2)


def test_a_run_that_keeps_failing_is_stopped_in_the_end():
    plan = training.schedule(nominal_batch=2, epochs=4)
    run = trainer(
        spoiled(*range(100), plan=plan), Watch(on_put_back=lambda: True), max_nonfinite_steps=2, on_nonfinite="restore"
    )
    with pytest.raises(NotFiniteError):
        run.fit()
    assert run.state.restored == MAX_RESTORES


def test_a_gradient_scaler_lowers_its_scale_and_what_it_skips_while_it_calibrates_does_not_count():
    plan = training.schedule(nominal_batch=2, epochs=2)
    made = machines(plan)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    made.precision.scaler = scaler
    run = trainer(made, max_nonfinite_steps=3)
    gradients = run.add_gradients

    def overflowing(pixels, *known):
        items = gradients(pixels, *known)
        if scaler.get_scale() > 2.0**11:
            next(iter(made.detector.parameters())).grad[0, 0, 0, 0] = math.inf
        return items

    run.add_gradients = overflowing
    assert run.fit().reason == "done"
    assert scaler.get_scale() == 2.0**11
    assert run.state.skipped == 5
    assert all(
        torch.isfinite(tensor).all()
        for tensor in made.average.network.state_dict().values()
        if tensor.is_floating_point()
    )


# -- memory


class Narrow(DetectionLoss):
    """Runs out of memory when a batch has more images than this, after the forward pass, as a real step does."""

    room = 1

    def __call__(self, maps, *known):
        if maps.grid(0)[0] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().__call__(maps, *known)


def test_a_step_that_does_not_fit_is_run_in_parts_told_once_and_remembered():
    watch = Watch()
    run = trainer(machines(loss=Narrow), watch)
    assert run.fit().reason == "done"
    assert run.state.parts == training.BATCH_SIZE
    told = [event.text for event in watch.told if isinstance(event, Warned)]
    assert len(told) == 1
    assert "each batch is run as 2 parts of up to 1 images" in told[0]
    assert TrainState.at(run.state.position()).parts == training.BATCH_SIZE


def test_parts_add_up_to_the_gradient_of_the_batch_where_normalisation_does_not_mix_images():
    """In evaluation mode normalisation is the same for every image.

    Then only means over matches are taken differently, and none is with one match.
    """
    made = machines()
    run = trainer(made)
    batch = training.batch(0, 0)
    pixels = run._pixels(batch, 0)
    targets = torch.tensor([[0, 1, 0.5, 0.5, 0.3, 0.3], [1, 1, 0.5, 0.5, 0.3, 0.3]])
    pixels[1] = pixels[0]
    made.detector.eval()
    for module in made.detector.modules():
        module.training = isinstance(module, type(made.detector.head)) or module is made.detector
    found = []
    for parts in (1, 2):
        made.optimizer.zero_grad()
        items = in_parts(run.add_gradients, pixels, targets, None, parts)
        found.append((items, [p.grad.clone() for p in made.detector.parameters() if p.grad is not None]))
    (whole_items, whole), (parts_items, of_parts) = found
    torch.testing.assert_close(parts_items, whole_items)
    torch.testing.assert_close(of_parts, whole, rtol=1e-4, atol=1e-5)


class NarrowOnce(Narrow):
    """Has room until the second batch of a group, whose first batch has left its gradients."""

    calls = 0

    def __call__(self, maps, *known):
        self.calls += 1
        self.room = training.BATCH_SIZE if self.calls == 1 else 1
        return super().__call__(maps, *known)


@pytest.mark.parametrize("cleared", [True, False])
def test_after_memory_ran_out_everything_is_as_if_each_batch_since_the_last_step_had_been_run_in_parts(cleared):
    """The gradients of the first batch are dropped and made again.

    So that one group is not half of whole batches and half of parts.
    """
    plan = training.schedule(warmup_min_batches=0, nominal_batch=8)
    options = {"clear_gradients_each_epoch": cleared}
    late, early = machines(plan, loss=NarrowOnce), machines(plan)
    tried, always = trainer(late, **options), trainer(early, **options)
    always.state.parts = 2
    assert tried.fit() == always.fit() == Outcome(Ended.DONE, "done")
    assert (tried.state.parts, tried.state.batch, tried.running.batches) == (2, 0, always.running.batches)
    counted = {
        name: tensor for name, tensor in frozen(late.detector).items() if not name.endswith("num_batches_tracked")
    }
    assert same_bits(counted, {name: tensor for name, tensor in frozen(early.detector).items() if name in counted})
    assert torch.equal(tried.running.sums, always.running.sums)
    assert late.average.updates == early.average.updates


def test_gradients_that_wait_over_the_end_of_an_epoch_are_there_again():
    plan = training.schedule(warmup_min_batches=0, nominal_batch=8)

    class NarrowLater(Narrow):
        calls = 0

        def __call__(self, maps, *known):
            self.calls += 1
            self.room = training.BATCH_SIZE if self.calls <= training.BATCHES_PER_EPOCH else 1
            return super().__call__(maps, *known)

    made = machines(plan, loss=NarrowLater)
    run = trainer(made, clear_gradients_each_epoch=False)
    waited = []
    divide = run._divide_batches

    def watched(error):
        waited.append([None if gradient is None else gradient.clone() for gradient in run.restart.waiting])
        divide(error)
        grads = [parameter.grad for parameter in made.detector.parameters()]
        waited.append([None if gradient is None else gradient.clone() for gradient in grads])  # they go on growing

    run._divide_batches = watched
    assert run.fit().reason == "done"
    kept, there = waited
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in kept)
    assert all(torch.equal(one, other) for one, other in zip(kept, there, strict=True) if one is not None)


def test_an_ordinary_step_sets_no_gradient_aside():
    made = machines(training.schedule(epochs=1, warmup_min_batches=0, nominal_batch=8))
    run = trainer(made)
    places = []
    made.detector.register_forward_pre_hook(
        lambda *_: places.append([p.grad.data_ptr() for p in made.detector.parameters() if p.grad is not None])
    )
    run.fit()
    assert [bool(one) for one in places[:4]] == [False, True, True, True]
    assert places[1] == places[2] == places[3]


def test_what_is_no_lack_of_memory_is_raised_as_it_is():
    assert is_out_of_memory(
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )
    )
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_every_part_of_a_batch_has_its_own_regions_to_ignore():
    given: list[tuple[torch.Tensor, ...]] = []
    made = training.batch(0, 0)
    regions = torch.tensor([[1, 0.1, 0.2, 0.3, 0.4], [0, 0.5, 0.5, 1, 1]])
    for ignored in (regions, None):
        in_parts(lambda *part: given.append(part) or torch.zeros(3), made.images.float(), made.targets, ignored, 2)
    assert [part[2].tolist() for part in given[:2]] == [[[0, 0.5, 0.5, 1, 1]], [pytest.approx([0, 0.1, 0.2, 0.3, 0.4])]]
    assert [part[2] for part in given[2:]] == [None, None]


def test_a_part_has_its_own_targets_counted_from_zero():
    targets = torch.tensor([[0.0, 5], [1, 6], [2, 7], [3, 8]])
    assert part_of(targets, 1, 3).tolist() == [[0, 6], [1, 7]]
    assert targets[1, 0] == 1


def test_a_run_that_was_killed_after_its_last_save_has_nothing_more_to_do():
    made = machines()
    state = TrainState(Patience(2, best_fitness=0.5, best_epoch=0, last_epoch=2), epoch=3)
    run = trainer(made, state=state)
    run.epochs = 10
    assert run.fit().reason == "no improvement in the last 2 epochs"
    assert state.epoch == 3

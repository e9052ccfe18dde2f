# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from boxwright.data.sampling.batches import RectangularBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.infer.evaluator import VALIDATION_RULES, Evaluator
from boxwright.infer.validation_event import validated
from boxwright.model.head import Inference
from boxwright.native.binary import portable
from boxwright.structures.batch import Batch
from boxwright.structures.maps import DenseMaps
from boxwright.track.sinks.console import footnotes
from tests.support import datasets
from tests.support.knowing import Knowing, certain
from tests.support.networks import tiny
from tests.support.training import loss_of

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
NAMES = datasets.NAMES


class Split:
    """The batches of a drawn split, and an evaluator for them."""

    def __init__(self, *, images: int = 10, batch_size: int = 4) -> None:
        index = open_split(read_dataset(datasets.write(Path("set"), train=1, val=images)), "val", cached=False)
        self.samples = PlainSamples(index, ImageStore(index, 64, smooth=True))
        self.index = index
        order = RectangularBatches(index.sizes_wh, batch_size, 64, 32, 0.5).batches()
        self.batches: list[Batch] = [batch.copied() for batch in Loader(self.samples, threads=0)(order)]
        self.seen: list = []

    def evaluator(self) -> Evaluator:
        return Evaluator(num_classes=3, rules=VALIDATION_RULES, samples=self.samples, seen=self.seen.append)

    def truth(self) -> list[torch.Tensor]:
        """For every batch the rows that a perfect network would say.

        What is not there is padded with rows of no objectness.
        """
        return [padded([rows_of(batch, place) for place in range(len(batch))]) for batch in self.batches]


def rows_of(batch: Batch, place: int) -> torch.Tensor:
    height, width = batch.images.shape[2:]
    mine = batch.targets[batch.targets[:, 0] == place]
    return certain(mine[:, 2:] * torch.tensor([width, height, width, height]), mine[:, 1], 3)


def padded(rows: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([torch.cat((one, torch.zeros(20 - len(one), 8))) for one in rows])


@pytest.fixture
def split():
    return Split()


def test_a_network_that_knows_everything_gets_full_marks(split):
    found = split.evaluator().run(Knowing(split.truth()), split.batches, CPU)
    scores = found.metrics.scores
    assert scores.precision == pytest.approx(1, abs=1e-3)
    assert scores.recall == pytest.approx(1, abs=1e-3)
    assert (scores.map50, scores.map50_95) == pytest.approx((0.995, 0.995))
    assert (found.metrics.num_images, found.metrics.num_labels) == (10, len(split.index.classes))
    assert found.losses is None
    assert not found.capped


def test_one_wrong_class_and_one_missed_object_are_seen(split):
    answers = split.truth()
    place = next(i for i in range(len(split.batches[0])) if len(rows_of(split.batches[0], i)))
    answers[0][place, 0, 5:] = answers[0][place, 0, 5:].roll(1)
    found = split.evaluator().run(Knowing(answers), split.batches, CPU)
    assert found.metrics.scores.map50 < 0.99
    assert found.metrics.confusion[:3, :3].sum() - np.trace(found.metrics.confusion[:3, :3]) == 1
    answers[0][place, 0, 4] = 0
    found = split.evaluator().run(Knowing(answers), split.batches, CPU)
    assert found.metrics.scores.map50 < 0.99
    assert found.metrics.confusion[3, :3].sum() == 1


def test_the_order_of_batches_does_not_matter(split):
    network = tiny().eval()
    with torch.no_grad():
        one = split.evaluator().run(network, split.batches, CPU)
        other = split.evaluator().run(network, split.batches[::-1], CPU)
    assert one.metrics.scores == other.metrics.scores
    np.testing.assert_array_equal(one.metrics.confusion, other.metrics.confusion)


def test_losses_are_means_over_images_not_over_batches(split):
    network = tiny().eval()
    loss = loss_of(network)
    found = split.evaluator().run(network, split.batches, CPU, loss)
    with torch.no_grad():
        items = [loss(network(batch.images.float() / 255).maps, batch.targets).items for batch in split.batches]
    sizes = torch.tensor([len(batch) for batch in split.batches])
    assert len(set(sizes.tolist())) > 1, "the last batch is smaller, else both means are the same"
    wanted = (torch.stack(items) * sizes[:, None]).sum(0) / sizes.sum()
    torch.testing.assert_close(torch.tensor(found.losses), wanted)


def test_who_watches_sees_every_batch_with_its_rows_in_canvas_pixels(split):
    split.evaluator().run(Knowing(split.truth()), split.batches, CPU)
    assert [seen.number for seen in split.seen] == list(range(len(split.batches)))
    for seen, batch in zip(split.seen, split.batches, strict=True):
        assert seen.batch is batch
        assert [len(rows) for rows in seen.rows] == [
            int((batch.targets[:, 0] == place).sum()) for place in range(len(batch))
        ]
        height, width = batch.images.shape[2:]
        for rows in seen.rows:
            assert (rows[:, :4] >= -1e-3).all()
            assert (rows[:, [0, 2]] <= width + 1e-3).all()
            assert (rows[:, [1, 3]] <= height + 1e-3).all()


def test_a_split_without_objects_has_no_score_and_no_fault():
    split = Split(images=5)
    batches = [Batch(batch.images, torch.zeros(0, 6), batch.image_numbers) for batch in split.batches]
    found = split.evaluator().run(Knowing(split.truth()), batches, CPU)
    assert (found.metrics.scores.map50, found.metrics.num_labels) == (0, 0)


def test_a_validation_is_told_with_totals_and_classes(split):
    found = split.evaluator().run(Knowing(split.truth()), split.batches, CPU)
    event = validated(found, NAMES, 3, show_classes=True)
    assert (event.epoch, event.images, event.labels) == (3, 10, len(split.index.classes))
    assert [one.name for one in event.classes] == list(NAMES)
    assert sum(one.labels for one in event.classes) == event.labels
    assert event.map50_95 == pytest.approx(np.mean([one.map50_95 for one in event.classes]))
    assert set(event.speed_ms) == {"pre-process", "inference", "NMS"}


def test_numbers_are_the_same_whether_somebody_watches_or_answers_are_gone_through_beside_the_network(split):
    watched = split.evaluator()
    alone = Evaluator(num_classes=3, rules=VALIDATION_RULES, samples=split.samples)
    network = tiny().eval()
    loss = loss_of(network)
    one, other = (evaluator.run(network, split.batches, CPU, loss) for evaluator in (watched, alone))
    assert len(split.seen) == len(split.batches) > 1
    assert (one.metrics.scores, one.losses) == (other.metrics.scores, other.losses)
    np.testing.assert_array_equal(one.metrics.flat.detections, other.metrics.flat.detections)


def test_a_fault_behind_the_network_ends_the_validation_with_its_own_error(split):
    answers = split.truth()
    answers[1] = answers[1][:, :, :2]
    evaluator = Evaluator(num_classes=3, rules=VALIDATION_RULES, samples=split.samples)
    with pytest.raises((IndexError, ValueError, AssertionError)):
        evaluator.run(Knowing(answers), split.batches, CPU)


class Untrained(torch.nn.Module):
    """Says of every place that it may be anything.

    Counts how many of its answers are still held when it is asked again.
    """

    ROWS, CLASSES = 400, 80

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[weakref.ref] = []
        self.held: list[int] = []

    def forward(self, images: torch.Tensor) -> Inference:
        self.held.append(sum(answer() is not None for answer in self.answers))
        centres = torch.rand(len(images), self.ROWS, 2, generator=torch.Generator().manual_seed(len(self.held))) * 64
        rows = torch.cat(
            (centres, torch.full_like(centres, 4.0), torch.full((*centres.shape[:2], 1 + self.CLASSES), 0.1)), dim=2
        )
        self.answers.append(weakref.ref(rows))
        return Inference(rows, DenseMaps(()))


@pytest.mark.parametrize("way", [contextlib.nullcontext, portable], ids=["compiled", "portable"])
def test_an_untrained_network_is_capped_by_count_and_every_cap_is_told(way):
    split = Split(images=9, batch_size=2)
    rules = replace(VALIDATION_RULES, max_candidates=30_000, max_det=20)
    network = Untrained()
    with way():
        found = Evaluator(num_classes=80, rules=rules, samples=split.samples).run(network, split.batches, CPU)
    over = Untrained.ROWS * Untrained.CLASSES - rules.max_candidates
    assert found.capped == dict.fromkeys(range(9), over)
    assert len(found.metrics.flat.detections) <= 9 * rules.max_det
    assert max(network.held) <= 1, "while one batch is under way, the answers to one more are held and no others"
    event = validated(found, tuple(map(str, range(80))), None, show_classes=False)
    assert f"{9 * over} candidates of low confidence were left out by the cap per image" in footnotes(event)

# SPDX-License-Identifier: Apache-2.0
"""Training samples: mosaic, map, colour, flip, channels and labels, against a canvas of twice the size.

One by one and through a loader.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import psutil
import torch

from benchmarks.measure import Result, against, share_of
from benchmarks.photographs import encoded, index_of, photograph, rows_of
from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.partner_pool import Pool
from boxwright.data.augment.plan import Plan
from boxwright.data.augment.planner import Planner
from boxwright.data.augment.transformed_labels import labels_of
from boxwright.data.sampling.batches import ShuffledBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import Address, TrainingSamples
from boxwright.data.stores.image_store import ImageStore
from tests.oracles import canvas_mosaic

if TYPE_CHECKING:
    from collections.abc import Callable

PHOTOGRAPHS, SAMPLES, BATCH, WORKERS, POOL = 128, 48, 16, 2, 64
STRONG = {"degrees": 20.0, "shear": 8.0}
PERSPECTIVE = {"degrees": 5.0, "perspective": 0.0005}
SPARE_BYTES = 1 << 30  # the default of decoded_memory
SLOWER = 4 / 3  # what any map may cost of what a straight one costs


def run() -> list[Result]:
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number:03}.jpg") for number in range(PHOTOGRAPHS)]
        for number, path in enumerate(paths):
            Path(path).write_bytes(encoded(number))
        memory = [photograph(number) for number in range(PHOTOGRAPHS)]
        return [
            _per_sample("sample from memory, 640", Side(paths, memory, 640), 3.0),
            _per_sample("sample from memory, 320", Side(paths, memory, 320), 1.8),
            _loaded(
                "loader, two threads, from memory, 640, batch 16 / DataLoader with two workers",
                Side(paths, memory, 640),
                4.0,
            ),
            _per_sample("sample from JPEG files, 640, none kept", Side(paths, paths, 640), 1.4),
            _epoch(
                "epoch from JPEG files, 640, as many kept as the default allows",
                Side(paths, paths, 640, SPARE_BYTES),
                3.0,
            ),
            _pooled(f"epoch from JPEG files, 640, partners from a pool of {POOL}", Side(paths, paths, 640), 4.0),
            _epoch(
                "epoch from JPEG files, 320, as many kept as the default allows",
                Side(paths, paths, 320, SPARE_BYTES),
                1.8,
            ),
            _turned("sample, 640, turned and sheared / straight", Side(paths, memory, 640), STRONG),
            _turned("sample, 640, in perspective / straight", Side(paths, memory, 640), PERSPECTIVE),
        ]


@dataclass
class Side:
    """Both ways to the same pictures: `sources` are pixels in memory, or files."""

    paths: list[str]
    sources: list
    size: int
    spare_bytes: int = 0

    def ours(self, **settings: float) -> TrainingSamples:
        index = index_of(self.paths)
        in_memory = not isinstance(self.sources[0], str)
        store = ImageStore(
            index,
            self.size,
            keep="memory" if in_memory else "no",
            smooth=False,
            spare_bytes=0 if in_memory else self.spare_bytes,
        )
        if in_memory:
            for number in range(len(index)):
                store(number)
        return TrainingSamples(Planner(AugmentSettings(**settings), index.sizes_wh, self.size), index, store, seed=0)

    def textbook(self) -> canvas_mosaic.MosaicDataset:
        in_memory = not isinstance(self.sources[0], str)
        pictures = (
            [canvas_mosaic.resized(picture, self.size) for picture in self.sources] if in_memory else self.sources
        )
        return canvas_mosaic.MosaicDataset(pictures, [rows_of(number) for number in range(len(self.paths))], self.size)


def _per_sample(name: str, side: Side, goal: float) -> Result:
    samples, dataset = side.ours(), side.textbook()
    _require_alike(samples)
    draw = _drawer(samples)
    return against(f"{name}, x {SAMPLES}", draw, lambda: [dataset[number] for number in range(SAMPLES)], goal=goal)


def _epoch(name: str, side: Side, goal: float) -> Result:
    """A first epoch over the files: each is decoded when it is first met."""
    dataset = side.textbook()

    def ours() -> None:
        draw_all = _drawer(side.ours(), PHOTOGRAPHS)
        draw_all()

    return against(name, ours, lambda: [dataset[number] for number in range(PHOTOGRAPHS)], goal=goal, rounds=5)


def _pooled(name: str, side: Side, goal: float) -> Result:
    """One epoch after the other, each of which decodes every file once; what is kept is the pool alone."""
    dataset, size = side.textbook(), side.size
    samples, order = side.ours(), ShuffledBatches(PHOTOGRAPHS, BATCH, size, 0)
    samples.store = ImageStore(samples.index, size, smooth=False, pool=POOL + BATCH)
    samples.pool = Pool(order.order, POOL)
    out, epochs = np.zeros((3, size, size), np.uint8), itertools.count()

    def ours() -> None:
        for batch in order.batches(next(epochs)):
            for address in batch:
                samples(address, out)

    return against(name, ours, lambda: [dataset[number] for number in range(PHOTOGRAPHS)], goal=goal, rounds=5)


def _drawer(samples: TrainingSamples, count: int = SAMPLES) -> Callable[[], object]:
    size = samples.planner.image_size
    out = np.zeros((3, size, size), np.uint8)
    addresses = [Address(0, number, number, (size, size)) for number in range(count)]
    return lambda: [samples(address, out) for address in addresses]


def _turned(name: str, side: Side, settings: dict[str, float]) -> Result:
    return share_of(name, _drawer(side.ours(**settings)), _drawer(side.ours()), goal=SLOWER)


def _loaded(name: str, side: Side, goal: float) -> Result:
    """CPU seconds of this process and of its workers, which stay from round to round."""
    samples = side.ours()
    loader = Loader(samples, threads=WORKERS)
    batches = ShuffledBatches(PHOTOGRAPHS, BATCH, side.size, 0).batches(0)
    dataset = side.textbook()
    theirs = torch.utils.data.DataLoader(
        dataset, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True, collate_fn=dataset.collate
    )

    def clock() -> float:
        children = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return time.process_time() + sum(times.user + times.system for times in children)

    return against(
        name,
        lambda: [len(batch) for batch in loader(batches)],
        lambda: [len(images) for images, _ in theirs],
        goal=goal,
        clock=clock,
        rounds=9,
    )


# -- the gate: the same plan, drawn over a canvas


def _require_alike(samples: TrainingSamples) -> None:
    size = samples.planner.image_size
    for number in range(8):
        address = Address(0, number, number, (size, size))
        out = np.zeros((3, size, size), np.uint8)
        rows = samples(address, out).objects
        image, expected = _over_a_canvas(samples.plan(address), samples)
        assert np.abs(out.astype(int) - image).mean() <= 1.0
        assert rows.shape == expected.shape
        assert np.abs(rows - expected).max(initial=0) <= 1e-5
        assert np.array_equal(rows, labels_of(samples.plan(address), samples.index))


def _over_a_canvas(plan: Plan, samples: TrainingSamples) -> tuple[np.ndarray, np.ndarray]:
    scene, size = plan.scenes[0], samples.planner.image_size
    pictures, labels = (
        [samples.store(tile.image) for tile in scene.tiles],
        [rows_of(tile.image) for tile in scene.tiles],
    )
    centre = int(scene.tiles[3].offset_xy[0]), int(scene.tiles[3].offset_xy[1])
    canvas, rows = canvas_mosaic.canvas_of(pictures, labels, centre, size)
    warp = scene.warp
    matrix = canvas_mosaic.matrix_of(
        2 * size, size, warp.perspective_xy, warp.angle, warp.scale, warp.shear_xy, warp.translate_xy
    )
    image, rows = canvas_mosaic.warped(canvas, rows, matrix, size, warp.scale)
    image = canvas_mosaic.coloured(image, np.array(plan.gains_hsv))
    boxes = (
        np.stack(
            (
                (rows[:, 1] + rows[:, 3]) / 2,
                (rows[:, 2] + rows[:, 4]) / 2,
                rows[:, 3] - rows[:, 1],
                rows[:, 4] - rows[:, 2],
            ),
            1,
        )
        / size
    )
    if plan.flip_left_right:
        image, boxes[:, 0] = image[:, ::-1], 1 - boxes[:, 0]
    return image[..., ::-1].transpose(2, 0, 1).astype(int), np.concatenate((rows[:, :1], boxes), axis=1)

# SPDX-License-Identifier: Apache-2.0
"""A whole validation, from files to numbers.

A trained yolov5n on real pictures, against the textbook's way from end to end.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, against
from boxwright.config.schema.val import ValSettings
from boxwright.data.sampling.batches import RectangularBatches
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.stores.image_store import ImageStore
from boxwright.metrics.flat import Flat
from boxwright.runs.evaluation.open_evaluation import OpenEvaluation, open_evaluation
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.system.device import configured_process
from tests.oracles import plain_validation

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

WEIGHTS = Path(__file__).parents[1] / "tests" / "data" / "legacy" / "yolov5n_bccd_final.pt"
BATCH, SIZE = 32, 320  # as it was trained
GOAL = 2.5
MAX_DIFFERENCE = 1e-3  # of mAP50-95, between a validation in bfloat16 and one in float32: a tenth of a point
PRECISIONS = {"bf16": "bfloat16", "fp32": "float32"}


def run() -> list[Result]:
    source = Path(os.environ.get("BOXWRIGHT_DATA", "shared/data")) / "bccd"
    if not source.is_dir():
        sys.stderr.write(
            f"{source}: there is no such data set, and validation is left out. Set BOXWRIGHT_DATA to a folder of data "
            "sets\n"
        )
        return []
    with tempfile.TemporaryDirectory() as place:
        data = shutil.copytree(source, Path(place) / "bccd") / "bccd.yaml"
        return _measured(data)


def _measured(data: Path) -> list[Result]:
    opened = open_evaluation(
        ValSettings(
            weights=(str(WEIGHTS),),
            data=str(data),
            imgsz=SIZE,
            batch_size=BATCH,
            threads=1,
            workers=1,
            device="cpu",
        )
    )
    with configured_process(opened.device, 1):  # for both sides, the allocator that keeps its memory included
        return _both_sides(opened)


def _both_sides(opened: OpenEvaluation) -> list[Result]:
    textbook = _textbook(opened, opened.run().metrics.flat)
    theirs = float(textbook().mean())
    results = []
    for precision, word in PRECISIONS.items():
        mine = opened.under(precision=precision)
        found = mine.run().metrics.scores.map50_95
        assert abs(found - theirs) <= MAX_DIFFERENCE, (precision, found, theirs)
        note = f"mAP50-95 {found:.4f}, textbook {theirs:.4f}"
        name = f"validation, n, {SIZE}, BCCD, {word} / textbook from end to end"
        results.append(against(name, mine.run, textbook, goal=GOAL, rounds=3, note=note))
    return results


def _textbook(opened: OpenEvaluation, flat: Flat) -> Callable[[], np.ndarray]:
    """The other side, with the same canvases, batches and labels."""
    index = opened.index
    samples = PlainSamples(index, ImageStore(index, SIZE, smooth=True))
    batches = RectangularBatches(index.sizes_wh, BATCH, SIZE, 32, opened.plan.pad).batches()
    canvases = {address.image: address.output_hw for batch in batches for address in batch}
    pictures = plain_validation.Pictures(
        index.paths, [samples.to_source(image, canvases[image]) for image in range(len(index))]
    )
    network = network_of_weights(open_weights(str(WEIGHTS)))
    network.requires_grad_(requires_grad=False)
    places = [[address.image for address in batch] for batch in batches]
    return partial(plain_validation.average_precision, network, pictures, places, flat.labels, flat.label_images)

# SPDX-License-Identifier: Apache-2.0
"""`boxwright data report`: what is in a data set, as a page and as JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import ReportSettings
from boxwright.data.index.duplicates import pairs_of, prints_of
from boxwright.data.index.index import Index
from boxwright.data.index.statistics import statistics
from boxwright.data.sampling.samples import Address, PlainSamples
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.open_split import findings_of, label_of
from boxwright.data.splits.scan import Scan
from boxwright.data.stores.image_store import ImageStore
from boxwright.geometry.anchors import fit
from boxwright.keyed import Purpose, permutation
from boxwright.report.batches import batch_sheet
from boxwright.report.data_advice import advice
from boxwright.report.data_page import page
from boxwright.runs.inputs.open_data import locate_data
from boxwright.runs.inputs.open_weights import spec_of_cfg
from boxwright.structures.answer import Answer
from boxwright.structures.batch import Batch
from boxwright.system.device import usable_cores
from boxwright.system.files import make_folder, write_json, write_text
from boxwright.track.sinks.console import Progress

SHOWN = 16  # samples of a split
SAMPLE_PX = 320
ANCHOR_T = 4.0  # how many times a box may differ from its anchor: the default of all five trainers


def run(resolved: Resolved[ReportSettings]) -> Answer:
    """Count, compare, draw, write."""
    settings = resolved.settings
    dataset = read_dataset(locate_data(settings.data), needed=())
    scan = Scan(
        usable_cores(),
        clip_margin=dataset.policy.clip_margin,
        kind=dataset.kind,
        progress=Progress(f"reading {dataset.file}"),
    )
    indexes = {split: findings_of(dataset, split, scan) for split in dataset.sources}
    document = _document(dataset, indexes, settings)
    document["advice"] = advice(document)
    title = dataset.file.stem
    folder = Path(settings.out or f"runs/data/{title}")
    make_folder(folder)
    mosaics = {split: _mosaic(dataset, index) for split, index in indexes.items() if len(index)}
    write_json(folder / "report.json", document)
    write_text(folder / "report.html", page(document, mosaics))
    lines = [
        f"{split}: {facts['images']} images, {facts['objects']} objects, {facts['backgrounds']} backgrounds"
        for split, facts in document["splits"].items()
    ]
    lines.append(
        f"{len(document['duplicates'])} pairs of pictures alike, {len(document['leakage'])} of them in two splits"
    )
    anchors = document["anchors"]
    lines.append(
        f"{anchors['recall']:.1%} of the training boxes fit the anchors of {anchors['network']}, "
        f"{anchors['per_box']:.2f} anchors each"
    )
    lines += [f"- {what}. {remedy}" for what, remedy in document["advice"]]
    return Answer([*lines, str(folder / "report.html")], document, dataset.notes)


def _document(dataset: Dataset, indexes: dict[str, Index], settings: ReportSettings) -> dict[str, Any]:
    pairs = _pairs(dataset, indexes)
    return {
        "title": dataset.file.stem,
        "data": str(dataset.file),
        "names": list(dataset.names),
        "image_size": settings.imgsz,
        "findings": dict(Counter(f.rule for index in indexes.values() for f in index.findings)),
        "duplicates": pairs,
        "leakage": [pair for pair in pairs if len(set(pair["splits"])) > 1],
        "anchors": _anchors(indexes, settings),
        "splits": {split: _facts(dataset, split, index, settings.imgsz) for split, index in indexes.items()},
    }


def _facts(dataset: Dataset, split: str, index: Index, image_size: int) -> dict[str, Any]:
    found = asdict(statistics(index, dataset.num_classes, image_size))
    empty = np.flatnonzero(np.diff(index.first_object) == 0).tolist()
    kinds: dict[str, list[str]] = {"no file": [], "empty file": []}
    for number in empty:
        kinds["empty file" if Path(label_of(dataset, split, index, number)).exists() else "no file"].append(
            index.paths[number]
        )
    return {**found, "backgrounds_by_kind": kinds, "ignored": len(index.ignored), "skipped": index.skipped}


def _pairs(dataset: Dataset, indexes: dict[str, Index]) -> list[dict[str, Any]]:
    paths = [(split, path) for split, index in indexes.items() for path in index.paths]
    prints = prints_of([path for _, path in paths], dataset.kind, usable_cores(), Progress("comparing images"))
    found = []
    for pair in pairs_of(prints):
        (first_split, first), (second_split, second) = paths[pair.first], paths[pair.second]
        found.append(
            {
                "first": first,
                "second": second,
                "splits": [first_split, second_split],
                "likeness": pair.likeness,
                "exact": pair.exact,
            }
        )
    return found


def _anchors(indexes: dict[str, Index], settings: ReportSettings) -> dict[str, Any]:
    """How the anchors of a network fit the training boxes."""
    spec = spec_of_cfg(settings.cfg)
    index = indexes.get("train") or next(iter(indexes.values()))
    boxes = index.boxes_wh_px(settings.imgsz)
    if not len(boxes) or spec.placeholder_anchors:
        return {"network": spec.name, "recall": 0.0, "per_box": 0.0}
    found = fit(boxes, np.array(spec.anchors_px, np.float64).reshape(-1, 2), ANCHOR_T)
    return {"network": spec.name, "recall": found.recall, "per_box": found.per_box}


def _mosaic(dataset: Dataset, index: Index) -> np.ndarray:
    """Some images with their boxes, chosen by key. (H, W, 3) uint8"""
    chosen = permutation(len(index), 0, Purpose.DRAWING)[:SHOWN].tolist()
    samples = PlainSamples(index, ImageStore(index, SAMPLE_PX, smooth=True, kind=dataset.kind))
    images, targets = [], []
    for place, number in enumerate(chosen):
        out = np.empty((dataset.kind.channels, SAMPLE_PX, SAMPLE_PX), dataset.kind.dtype)
        rows = samples(Address(0, place, number, (SAMPLE_PX, SAMPLE_PX)), out).objects
        images.append(out)
        targets.append(np.concatenate((np.full((len(rows), 1), place), rows), axis=1))
    batch = Batch(torch.from_numpy(np.stack(images)), torch.from_numpy(np.concatenate(targets)), tuple(chosen))
    return batch_sheet(
        batch.visible(), np.concatenate(targets), dataset.names, [index.paths[number] for number in chosen]
    )

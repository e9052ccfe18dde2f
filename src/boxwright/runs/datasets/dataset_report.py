# SPDX-License-Identifier: Apache-2.0
"""What is in a data set, as a page and as JSON: counts, pictures that are alike, fit of anchors, samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boxwright.config.schema.datasets import ReportSettings
from boxwright.data.index.duplicates import pairs_of, prints_of
from boxwright.data.index.index import Index
from boxwright.data.index.statistics import statistics
from boxwright.data.sampling.samples import Address, PlainSamples
from boxwright.data.splits.dataset import Dataset
from boxwright.data.splits.open_split import label_of
from boxwright.data.stores.image_store import ImageStore
from boxwright.geometry.anchors import fit
from boxwright.keyed import Purpose, permutation
from boxwright.report.batches import batch_sheet
from boxwright.report.data_advice import advice
from boxwright.report.data_page import page
from boxwright.runs.datasets.scan_dataset import scan_dataset
from boxwright.runs.inputs.open_weights import spec_of_cfg
from boxwright.structures.batch import Batch
from boxwright.system.device import usable_cores
from boxwright.system.files import make_folder, write_json, write_text
from boxwright.system.run_folder import RunFile
from boxwright.track.sinks.console import Progress

SHOWN = 16  # samples of a split
SAMPLE_PX = 320
ANCHOR_T = 4.0  # how many times a box may differ from its anchor: the default of all five trainers


def write_report(settings: ReportSettings) -> tuple[Path, dict[str, Any], tuple[str, ...]]:
    """Count, compare, draw, write; returns the page, its content and notes about the data set."""
    scanned = scan_dataset(settings.data, "reading")
    dataset, indexes = scanned.dataset, scanned.indexes
    document = _document(dataset, indexes, settings)
    document["advice"] = advice(document)
    folder = Path(settings.out or f"runs/data/{dataset.file.stem}")
    make_folder(folder)
    mosaics = {split: _mosaic(dataset, index) for split, index in indexes.items() if len(index)}
    write_json(folder / RunFile.REPORT_CONTENT, document)
    write_text(folder / RunFile.REPORT, page(document, mosaics))
    return folder / RunFile.REPORT, document, dataset.lines


def _document(dataset: Dataset, indexes: dict[str, Index], settings: ReportSettings) -> dict[str, Any]:
    """Everything that was counted and compared."""
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

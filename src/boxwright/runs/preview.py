# SPDX-License-Identifier: Apache-2.0
"""The very samples that a training with these settings draws, with boxes and the recipe of each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import PreviewSettings
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import Address
from boxwright.errors import SettingError
from boxwright.report.batches import batch_sheet
from boxwright.runs.build import TrainingData, training_data
from boxwright.runs.plan import plan_of
from boxwright.system.files import make_folder, write_image, write_json

DEFAULT_FOLDER = "runs/preview"


def write_preview(resolved: Resolved[PreviewSettings]) -> tuple[Path, list[dict[str, Any]], tuple[str, ...]]:
    """Draw samples into a folder; returns it, how each sample was made, and notes."""
    settings = resolved.settings
    notes: list[str] = []
    plan = plan_of(resolved, None)
    training = training_data(plan, notes.append)
    addresses = _chosen(training, settings)
    folder = Path(settings.out or DEFAULT_FOLDER)
    make_folder(folder)
    index, names = plan.data.splits["train"], plan.data.names
    records: list[dict[str, Any]] = []
    loader = Loader(training.loader.samples, threads=0, kind=plan.data.dataset.kind)
    for address, batch in zip(addresses, loader([[address] for address in addresses]), strict=True):
        stem = f"epoch{address.epoch}_image{address.image}_position{address.position}"
        pixels = batch.visible()
        regions = None if batch.regions is None else batch.regions.numpy()
        write_image(
            folder / f"{stem}.png",
            batch_sheet(pixels, batch.targets.numpy(), names, [index.paths[address.image]], regions=regions),
        )
        write_image(folder / f"{stem}_pixels.png", pixels[0].transpose(1, 2, 0))
        recipe = asdict(training.samples.plan(address))
        known = {"labels": batch.targets[:, 1:].tolist(), "ignored": [] if regions is None else regions[:, 1:].tolist()}
        records.append({"file": f"{stem}.png", "source": index.paths[address.image], **known, "plan": recipe})
    write_json(folder / "preview.json", {"seed": settings.seed, "epoch": settings.epoch, "samples": records})
    return folder, records, (*plan.notes, *notes)


def _chosen(training: TrainingData, settings: PreviewSettings) -> list[Address]:
    """The samples of the epoch that begin with the asked images."""
    every = [address for batch in training.batches.batches(settings.epoch) for address in batch]
    if not settings.index:
        return every[: settings.count]
    first: dict[int, Address] = {}
    for address in every:
        first.setdefault(address.image, address)
    missing = [number for number in settings.index if number not in first]
    if missing:
        what = f"no sample of epoch {settings.epoch} begins with image {missing[0]}"
        raise SettingError(
            "--index", what, f"Give numbers from 0 to {len(training.samples.index) - 1}, or another --epoch"
        )
    return [first[number] for number in settings.index]

# SPDX-License-Identifier: Apache-2.0
"""The very samples that a training with these settings draws, with boxes and the recipe of each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import PreviewSettings
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import Address
from boxwright.errors import SettingError
from boxwright.report.batches import batch_sheet
from boxwright.runs.build import TrainingData
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.session import session
from boxwright.system.files import make_folder, write_image, write_json
from boxwright.track.bus import Delivery
from boxwright.track.events import Event, Warned

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_FOLDER = "runs/preview"


class _Warnings:
    """The lines that people should know of, kept for the answer."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self) -> None:
        self.lines: list[str] = []

    def handle(self, event: Event) -> None:
        """Keep a warning."""
        if isinstance(event, Warned):
            self.lines.append(event.text)

    def close(self) -> None:
        """Nothing is open."""


def write_preview(resolved: Resolved[PreviewSettings]) -> tuple[Path, list[dict[str, Any]], tuple[str, ...]]:
    """Draw samples into a folder; returns it, how each sample was made, and notes."""
    settings, heard = resolved.settings, _Warnings()
    plan, folder = plan_of(resolved, None), Path(settings.out or DEFAULT_FOLDER)
    with session(plan, sinks=[heard]) as run:
        addresses = _chosen(run.training, settings)
        make_folder(folder)
        records = [*_written(folder, plan, run.training, addresses)]
    write_json(folder / "preview.json", {"seed": settings.seed, "epoch": settings.epoch, "samples": records})
    return folder, records, (*plan.notes, *heard.lines)


def _written(
    folder: Path, plan: TrainPlan, training: TrainingData, addresses: list[Address]
) -> Iterator[dict[str, Any]]:
    """Each sample with its boxes and without, as a file; how it was made."""
    index, names = plan.data.splits["train"], plan.data.names
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
        yield {"file": f"{stem}.png", "source": index.paths[address.image], **known, "plan": recipe}


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

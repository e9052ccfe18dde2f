# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run: labels at the start, first batches, curves and predictions at the end.

A failing picture never ends a run.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from boxwright.data.index.index import Index
from boxwright.report import batches as sheets
from boxwright.report import confusion_figure, correlogram_figure, curves_figure, labels_figure, results_figure
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.evaluation.report_content import Source, write_report
from boxwright.runs.plan import TrainPlan
from boxwright.structures.batch import Batch
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.files import WriteError, write_image, write_json
from boxwright.track.events import Event, Pictured, Warned
from boxwright.track.sinks import results_table as table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

TRAIN_BATCHES = 3
MAX_NAMED = 4  # images of a batch that a message names
CURVES = {
    "PR": curves_figure.pr_curve,
    "F1": curves_figure.f1_curve,
    "P": curves_figure.p_curve,
    "R": curves_figure.r_curve,
}


class RunPictures:
    """Draws into a run folder."""

    def __init__(self, folder: Path, plan: TrainPlan, tell: Callable[[Event], None]) -> None:
        self.folder, self.plan, self.tell = folder, plan, tell
        self.on = not plan.settings.noplots

    def labels(self) -> None:
        """Statistics of the training labels."""
        index = self.plan.data.splits["train"]
        self._draw(
            "labels.jpg",
            "labels",
            lambda: labels_figure.labels_figure(index.boxes, index.classes, self.plan.data.names),
        )
        self._draw(
            "labels_correlogram.jpg", "label correlations", lambda: correlogram_figure.correlogram_figure(index.boxes)
        )

    def train_batch(self, number: int, batch: Batch) -> None:
        """One of the first batches as the network sees it."""
        if number < TRAIN_BATCHES:
            title = f"training batch {number}"
            self._draw(f"train_batch{number}.jpg", title, lambda: self._targets(batch, self.plan.data.splits["train"]))

    def report_batch(self, number: int, batch: Batch) -> str:
        """A batch that is not finite: its paths, labels and picture, and where they are, in words."""
        index = self.plan.data.splits["train"]
        paths = [index.paths[image] for image in batch.image_numbers]
        name = f"not_finite_batch{number}"
        try:
            write_json(
                self.folder / f"{name}.json", {"batch": number, "paths": paths, "labels": batch.targets.tolist()}
            )
            write_image(self.folder / f"{name}.jpg", self._targets(batch, index))
        except (WriteError, ValueError, ArithmeticError, MemoryError) as error:
            self.tell(Warned(f"the batch could not be written down ({error})"))
        return (
            f", last with {', '.join(paths[:MAX_NAMED])}{' ...' if len(paths) > MAX_NAMED else ''} (all of it "
            "in "
            f"{self.folder / name}.json and .jpg)"
        )

    def ending(self, validation: RunValidation) -> None:
        """Curves, confusion and predictions of the final validation, and the course of the run."""
        names = self.plan.data.names
        if validation.last is not None:
            metrics = validation.last.metrics
            for name, figure in CURVES.items():
                self._draw(f"{name}_curve.png", f"{name} curve", partial(figure, metrics.curves, names))
            self._draw(
                "confusion_matrix.png",
                "confusion matrix",
                lambda: confusion_figure.confusion_figure(metrics.confusion, names),
            )
        for seen in validation.kept:
            title = f"validation batch {seen.number}"
            self._draw(
                f"val_batch{seen.number}_labels.jpg",
                f"{title}, labels",
                partial(self._targets, seen.batch, self.plan.data.splits["val"]),
            )
            self._draw(
                f"val_batch{seen.number}_pred.jpg",
                f"{title}, predictions",
                partial(self._predictions, seen.batch, seen.rows),
            )
        results = self.folder / "results.csv"
        if results.exists():
            self._draw("results.png", "results", lambda: results_figure.figure_of(table.read(results)))

    def report(self, validation: RunValidation, checkpoint: Checkpoint, best_epoch: int, judged: str) -> None:
        """The page of the run, with what went wrong in the final validation. `judged` says whose numbers these are."""
        if not self.on or validation.last is None:
            return
        data = self.plan.data
        try:
            write_report(
                Source(
                    self.folder,
                    validation.last,
                    data.names,
                    data.splits,
                    "val",
                    checkpoint,
                    best_epoch,
                    data.dataset.kind,
                    judged,
                )
            )
        except (WriteError, ValueError, ArithmeticError, MemoryError, LookupError) as error:
            self.tell(Warned(f"the report could not be made ({error}); `boxwright report {self.folder}` tries again"))

    def _targets(self, batch: Batch, index: Index) -> np.ndarray:
        paths = [index.paths[number] for number in batch.image_numbers]
        regions = None if batch.regions is None else batch.regions.numpy()
        return sheets.batch_sheet(batch.visible(), batch.targets.numpy(), self.plan.data.names, paths, regions=regions)

    def _predictions(self, batch: Batch, rows: list[np.ndarray]) -> np.ndarray:
        index = self.plan.data.splits["val"]
        paths = [index.paths[number] for number in batch.image_numbers]
        return sheets.prediction_sheet(batch.visible(), rows, self.plan.data.names, paths)

    def _draw(self, name: str, title: str, figure: Callable[[], np.ndarray]) -> None:
        if not self.on:
            return
        try:
            image = figure()
            write_image(self.folder / name, image)
        except (WriteError, ValueError, ArithmeticError, MemoryError) as error:
            self.tell(Warned(f"the picture {name} could not be made ({error}); the run goes on"))
        else:
            self.tell(Pictured(str(self.folder / name), title, image.shape[:2]))

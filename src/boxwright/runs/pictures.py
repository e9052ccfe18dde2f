# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run: labels at the start, first batches, curves and predictions at the end.

A failing picture never ends a run.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.data.index.index import Index
from boxwright.report import batches as sheets
from boxwright.report import confusion_figure, correlogram_figure, curves_figure, labels_figure, results_figure
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.evaluation.report_files import write_report
from boxwright.runs.evaluation.report_source import Source
from boxwright.runs.plan import TrainPlan
from boxwright.structures.batch import Batch
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.files import WriteError, write_image, write_json
from boxwright.system.run_folder import OF_REPORT, RunFile, RunFolder
from boxwright.track.events import Event, Pictured, Warned
from boxwright.track.sinks import results_table as table

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Draws into a run folder, if there is one."""

    def __init__(self, folder: RunFolder | None, plan: TrainPlan, tell: Callable[[Event], None]) -> None:
        self.folder, self.plan, self.tell = folder or RunFolder(Path()), plan, tell
        self.writes = folder is not None
        self.on = folder is not None and not plan.settings.noplots

    def labels(self) -> None:
        """Statistics of the training labels."""
        index = self.plan.data.splits["train"]
        names = self.plan.data.names
        self._draw(
            self.folder / RunFile.LABELS_PICTURE,
            "labels",
            lambda: labels_figure.labels_figure(index.boxes, index.classes, names),
        )
        self._draw(
            self.folder / RunFile.CORRELOGRAM,
            "label correlations",
            lambda: correlogram_figure.correlogram_figure(index.boxes),
        )

    def train_batch(self, number: int, batch: Batch) -> None:
        """One of the first batches as the network sees it."""
        title = f"training batch {number}"
        index = self.plan.data.splits["train"]
        self._draw(self.folder.train_batch(number), title, lambda: self._targets(batch, index))

    def report_batch(self, number: int, batch: Batch) -> str:
        """A batch that is not finite: its paths, labels and picture, and where they are, in words."""
        index = self.plan.data.splits["train"]
        paths = [index.paths[image] for image in batch.image_numbers]
        said = f", last with {', '.join(paths[:MAX_NAMED])}{' ...' if len(paths) > MAX_NAMED else ''}"
        if not self.writes:
            return said
        place = self.folder.not_finite_batch(number)
        record, picture = place.with_suffix(".json"), place.with_suffix(".jpg")
        try:
            write_json(record, {"batch": number, "paths": paths, "labels": batch.targets.tolist()})
            write_image(picture, self._targets(batch, index))
        except (WriteError, ValueError, ArithmeticError, MemoryError) as error:
            self.tell(Warned(f"the batch could not be written down ({error})"))
        self.folder.wrote(record, picture)
        return f"{said} (all of it in {record} and {picture.suffix})"

    def ending(self, validation: RunValidation, best_epoch: int) -> None:
        """Curves, confusion and predictions of the final validation, and the course of the run with its best epoch."""
        names = self.plan.data.names
        if validation.last is not None:
            metrics = validation.last.metrics
            for name, figure in CURVES.items():
                self._draw(self.folder.curve(name), f"{name} curve", partial(figure, metrics.curves, names))
            self._draw(
                self.folder / RunFile.CONFUSION,
                "confusion matrix",
                lambda: confusion_figure.confusion_figure(metrics.confusion, names),
            )
        for seen in validation.kept:
            title = f"validation batch {seen.number}"
            self._draw(
                self.folder.val_batch(seen.number, "labels"),
                f"{title}, labels",
                partial(self._targets, seen.batch, self.plan.data.splits["val"]),
            )
            self._draw(
                self.folder.val_batch(seen.number, "pred"),
                f"{title}, predictions",
                partial(self._predictions, seen.batch, seen.rows),
            )
        results = self.folder / RunFile.RESULTS
        if self.on and results.exists():
            place = self.folder / RunFile.RESULTS_PICTURE
            self._draw(place, "results", lambda: results_figure.figure_of(table.read(results), best_epoch))

    def report(self, validation: RunValidation, checkpoint: Checkpoint, best_epoch: int, judged: str) -> None:
        """The page of the run, with what went wrong in the final validation. `judged` says whose numbers these are."""
        if not self.on or validation.last is None:
            return
        data = self.plan.data
        try:
            write_report(
                Source(
                    self.folder.path,
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
        self.folder.wrote(*OF_REPORT)

    def _targets(self, batch: Batch, index: Index) -> np.ndarray:
        paths = [index.paths[number] for number in batch.image_numbers]
        regions = None if batch.regions is None else batch.regions.numpy()
        return sheets.batch_sheet(batch.visible(), batch.targets.numpy(), self.plan.data.names, paths, regions=regions)

    def _predictions(self, batch: Batch, rows: list[np.ndarray]) -> np.ndarray:
        index = self.plan.data.splits["val"]
        paths = [index.paths[number] for number in batch.image_numbers]
        return sheets.prediction_sheet(batch.visible(), rows, self.plan.data.names, paths)

    def _draw(self, place: Path, title: str, figure: Callable[[], np.ndarray]) -> None:
        if not self.on:
            return
        try:
            image = figure()
            write_image(place, image)
        except (WriteError, ValueError, ArithmeticError, MemoryError) as error:
            self.tell(Warned(f"the picture {place.name} could not be made ({error}); the run goes on"))
        else:
            self.tell(Pictured(str(place), title, image.shape[:2]))
            self.folder.wrote(place)

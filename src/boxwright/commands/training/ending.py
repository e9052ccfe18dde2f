# SPDX-License-Identifier: Apache-2.0
"""The end of a run: strip best.pt, validate it once more, draw, and leave a record that says the run is done."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from boxwright.commands.training.pictures import RunPictures
from boxwright.commands.training.plan import TrainPlan
from boxwright.commands.training.validation import RunValidation
from boxwright.commands.validating.files import coco_results
from boxwright.commands.validating.identity import CocoIds
from boxwright.config.schema.train import TrainSettings
from boxwright.model.detector import Detector
from boxwright.system.files import rename, write_json, write_text
from boxwright.system.tensors import read_tensors, write_tensors
from boxwright.track.events import Event, RunEnded
from boxwright.train.checkpoint import stripped
from boxwright.train.state import TrainState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DONE = "done.json"
COCO_CLASSES = 80
MANY_CLASSES = 50  # from which on a table of classes is too long to be shown unasked


def shows_classes(settings: TrainSettings, num_classes: int) -> bool:
    """Whether the last validation tells of every class."""
    return settings.final_per_class == "always" or num_classes < MANY_CLASSES


@dataclass(frozen=True)
class Ending:
    """What the end of a run works with."""

    plan: TrainPlan
    folder: Path
    network: Detector  # the average; best.pt is loaded into it
    validation: RunValidation
    pictures: RunPictures
    state: TrainState
    tell: Callable[[Event], None]

    @property
    def suffix(self) -> str:
        """What the trainers of 2020 add to the names of results and weights: _NAME, a number without the stroke, nothing without a name."""
        name = self.plan.settings.name if self.plan.settings.rename_with_name else ""
        return name if name.isdecimal() or not name else f"_{name}"

    def finish(self, reason: str, hours: float) -> dict[str, float | None]:
        """Do all of it; returns the last results."""
        lines = [f"{self.state.epoch} epochs done in {hours:.3f} hours ({reason})"]
        results = dict(self.state.results)
        weights = self.folder / "weights"
        if self._final_validation == "coco-last-and-best":
            self._validated(weights / "last.pt")
            lines.append(self._predictions("last"))
        if (weights / "best.pt").exists():
            results |= self._best(weights / "best.pt")
            lines.append(self._about_best(weights / "best.pt"))
            if self.is_coco and self._final_validation != "none":
                lines.append(self._predictions("best"))
        if self.is_coco and self._final_validation == "none":
            lines.append(self._predictions("last"))  # those of the final epoch's validation
        self.pictures.ending(self.validation)
        if (weights / "best.pt").exists():
            self.pictures.report(self.validation, read_tensors(weights / "best.pt"), self.state.best_epoch)
        self._rename()
        lines.append(f"results in {self.folder}")
        record = {"reason": reason, "epochs": self.state.epoch, "hours": hours, "best_epoch": self.state.best_epoch, "best_fitness": self.state.best_fitness}
        write_json(self.folder / DONE, {**record, "results": results})
        self.tell(RunEnded(reason, self.state.epoch, hours, self.state.best_epoch, self.state.best_fitness, str(self.folder), tuple(lines)))
        return results

    @property
    def is_coco(self) -> bool:
        """Whether the data is COCO, by the rule of the recipe; it counts for the end of a run only."""
        dataset = self.plan.data.dataset
        path = dataset.file.as_posix()
        match self.plan.settings.coco_rule:
            case "data-path":
                return path.endswith("/coco.yaml")
            case "80-classes":
                return path.endswith("coco.yaml") and self.plan.data.num_classes == COCO_CLASSES
            case "val-entry":
                return any(source.place.as_posix().endswith("coco/val2017.txt") for source in dataset.sources.get("val", ()))

    @property
    def tells_once_more(self) -> bool:
        """Whether observers hear of the final validation as of another epoch: from 2022 on for COCO."""
        return self.is_coco and self._final_validation == "best"

    @property
    def _final_validation(self) -> str:
        """What is validated once more: "best", both files where the data is COCO, or "none"."""
        chosen = self.plan.settings.final_val
        return "none" if chosen == "coco-last-and-best" and not self.is_coco else chosen

    def _best(self, path: Path) -> dict[str, float | None]:
        """Strip the best checkpoint and, where the recipe says so, validate it with everything shown."""
        document = read_tensors(path)
        if document.get("state") is not None:
            write_tensors(path, stripped(document))
        return {} if self._final_validation == "none" else self._validated(path)

    def _validated(self, path: Path) -> dict[str, float | None]:
        """The results of a checkpoint's average, with pictures and per class."""
        settings = self.plan.settings
        document = read_tensors(path)
        self.network.load_state_dict(document.get("ema") or document["model"])
        rules = replace(self.validation.rules, max_iou=settings.final_iou_coco if self.is_coco else settings.final_iou)
        return self.validation(self.network, None, per_class=shows_classes(settings, self.plan.data.num_classes), keep=True, rules=rules)[0]

    def _predictions(self, name: str) -> str:
        """What the last validation found, as COCO results, and where they are in words. The numbers are ours: no id is guessed."""
        path = self.folder / f"{name}_predictions.json"
        found = self.validation.last
        if found is None:
            return f"no predictions of {name}.pt: nothing was validated"
        write_text(path, json.dumps(coco_results(found.metrics.flat, self.plan.data.splits["val"], CocoIds(self.plan.data.names))) + "\n")
        return f"predictions in {path}, images and classes numbered from 0; `boxwright val --save-json --ids FILE` takes the ids of an annotation file"

    def _about_best(self, path: Path) -> str:
        return f"{path} stripped, {path.stat().st_size / 1e6:.1f} MB: best epoch {self.state.best_epoch}, fitness {self.state.best_fitness:.4g}"

    def _rename(self) -> None:
        for place in (self.folder / "results.txt", self.folder / "weights" / "last.pt", self.folder / "weights" / "best.pt"):
            if self.suffix and place.exists():
                rename(place, place.with_name(f"{place.stem}{self.suffix}{place.suffix}"))

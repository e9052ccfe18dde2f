# SPDX-License-Identifier: Apache-2.0
"""The end of a run: strip its weights, validate once more, draw, and leave a record that says the run is done."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from boxwright.config.schema.train import TrainSettings
from boxwright.engine.checkpoint import read_checkpoint, write_checkpoint
from boxwright.engine.loop import Outcome
from boxwright.engine.state import TrainState
from boxwright.model.detector import Detector
from boxwright.runs.evaluation.coco_results import coco_results
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.inputs.coco_ids import ids_of_annotations
from boxwright.runs.pictures import RunPictures
from boxwright.runs.plan import TrainPlan
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.files import previous_of, remove, write_json, write_text
from boxwright.system.precision import half_of
from boxwright.system.run_folder import RunFile, RunFolder, named
from boxwright.system.tensors import is_whole
from boxwright.track.events import Ended, Event, RunEnded, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COCO_CLASSES = 80
MANY_CLASSES = 50  # from which on a table of classes is too long to be shown unasked


def shows_classes(settings: TrainSettings, num_classes: int) -> bool:
    """Whether the last validation tells of every class."""
    return settings.final_per_class == "always" or num_classes < MANY_CLASSES


class Finished(NamedTuple):
    """What a run came to: its last results and their fitness, and where its weights are now."""

    results: dict[str, float | None]
    fitness: float
    last: Path
    best: Path


@dataclass(frozen=True)
class Ending:
    """What the end of a run works with. `first_epoch` is where this start of it began."""

    plan: TrainPlan
    folder: RunFolder
    network: Detector  # the average; weights are loaded into it
    validation: RunValidation
    pictures: RunPictures
    state: TrainState
    tell: Callable[[Event], None]
    first_epoch: int = 0

    def finish(self, outcome: Outcome, hours: float) -> Finished:
        """Do all of it. Raises WriteError."""
        state, suffix = self.state, self.plan.name_suffix
        last, best = self.folder.last, self.folder.best
        lines = [self._about_length(outcome, hours)]
        results, fitness = dict(state.results), state.best_fitness
        held = self._stripped(best) if best.exists() else None
        if held is not None:
            lines.append(self._about_best(named(best, suffix), best.stat().st_size, self._epoch_of(held)))
        if held is not None and self._final_validation == "best":
            more, fitness = self._validated(best)
            results |= more
        self._draw(held)
        lines += self._predictions(
            {"none": "last", "best": "best", "coco-last-and-best": "final_epoch"}[self._final_validation]
        )
        if self._final_validation == "coco-last-and-best":
            for path in (place for place in (last, best) if place.exists()):
                more, fitness = self._validated_as_in_2021(path)
                results |= more
                lines += self._predictions(path.stem)
        if self.plan.settings.strip == "both" and last.exists():
            self._stripped(last)
        self.folder.put_behind(suffix)
        last, best = named(last, suffix), named(best, suffix)
        lines.append(f"results in {self.folder}")
        record = {
            "reason": outcome.reason,
            "epochs": state.epoch,
            "hours": hours,
            "best_epoch": state.best_epoch,
            "best_fitness": state.best_fitness,
        }
        write_json(self.folder / RunFile.DONE, {**record, "results": results, "at": self.validation.read_at})
        if is_whole(last):
            remove(previous_of(self.folder.last))  # kept in case the last one was damaged
        self.folder.wrote(last, best, RunFile.DONE)
        best_of = state.best_epoch, state.best_fitness
        place, told = str(self.folder), tuple(lines)
        self.tell(RunEnded(outcome.reason, state.epoch, hours, *best_of, place, told, outcome.ended))
        return Finished(results, fitness, last, best)

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
                return any(
                    source.place.as_posix().endswith("coco/val2017.txt") for source in dataset.sources.get("val", ())
                )

    @property
    def tells_once_more(self) -> bool:
        """Whether observers hear of the final validation as of another epoch: from 2022 on for COCO."""
        return self.is_coco and self._final_validation == "best"

    @property
    def _final_validation(self) -> str:
        """What is validated once more: "best", both files where the data is COCO, or "none"."""
        chosen = self.plan.settings.final_val
        return "none" if chosen == "coco-last-and-best" and not self.is_coco else chosen

    def _epoch_of(self, held: Checkpoint) -> int:
        """The epoch of a file of weights that was stripped."""
        return self.state.best_epoch if held.stripped_from_epoch is None else held.stripped_from_epoch

    def _stripped(self, path: Path) -> Checkpoint:
        """Take the state of the training out of a file of weights; what is left of it."""
        checkpoint = read_checkpoint(path)
        if checkpoint.position is not None:
            checkpoint = checkpoint.stripped()
            write_checkpoint(path, checkpoint)
        return checkpoint

    def _validated(self, path: Path) -> tuple[dict[str, float | None], float]:
        """The results of a file's average and their fitness, with pictures and per class."""
        self._load(path)
        settings = self.plan.settings
        iou_thres = settings.final_iou_coco if self.is_coco else settings.final_iou
        per_class = shows_classes(settings, self.plan.data.num_classes)
        plan = replace(self.validation.plan, iou_thres=iou_thres)
        return self.validation(self.network, None, per_class=per_class, keep=True, plan=plan)

    def _validated_as_in_2021(self, path: Path) -> tuple[dict[str, float | None], float]:
        """The same in half precision and without pictures."""
        self._load(path)
        name, note = half_of(self.plan.device)
        if note:
            self.tell(Told(f"{path.name} is not validated in half precision: {note}"))
        plan = replace(self.validation.plan, iou_thres=self.plan.settings.final_iou_coco, precision=name)
        return self.validation(self.network, None, per_class=False, keep=False, plan=plan)

    def _load(self, path: Path) -> None:
        self.network.load_state_dict(read_checkpoint(path).used)

    def _draw(self, held: Checkpoint | None) -> None:
        """Pictures and page of the last validation."""
        self.pictures.ending(self.validation, self.state.best_epoch)
        if held is not None:
            own = self._final_validation == "best"
            judged = (
                f"numbers of best.pt, epoch {self._epoch_of(held) + 1}"
                if own
                else f"numbers of the last epoch, {self.state.epoch}"
            )
            self.pictures.report(self.validation, held, self.state.best_epoch, judged)

    def _predictions(self, name: str) -> list[str]:
        """For COCO: what the last validation found, as COCO results, and where they are in words."""
        path, found = self.folder.predictions(name), self.validation.last
        if not self.is_coco:
            return []
        if found is None:
            return [f"no predictions of {name}.pt: nothing was validated"]
        ids = ids_of_annotations(self.plan.data, "val")
        results = coco_results(found.metrics.flat, self.plan.data.splits["val"], ids)
        write_text(path, json.dumps(results) + "\n")
        self.folder.wrote(path)
        how = "" if ids.images else "; `boxwright val --save-json --ids FILE` takes the ids of an annotation file"
        return [f"predictions in {path}, {ids.told}{how}"]

    def _about_length(self, outcome: Outcome, hours: float) -> str:
        epochs = self.state.epoch
        now, why = epochs - self.first_epoch, "" if outcome.ended is Ended.DONE else f" ({outcome.reason})"
        part = "" if not self.first_epoch else f", the last {now}" if now > 1 else ", the last one"
        return f"{epochs} epoch{'s' * (epochs > 1)} done" + (f"{part} in {hours:.3f} hours" if now else "") + why

    def _about_best(self, path: Path, size: int, held: int) -> str:
        state = self.state
        line = f"{path} stripped, {size / 1e6:.1f} MB"
        if held == state.best_epoch:
            return f"{line}: best epoch {held + 1} of {state.epoch}, fitness {state.best_fitness:.4g}"
        why = "never in the final epoch" if not self.plan.settings.best_in_final_epoch else "not in every epoch"
        return (
            f"{line}: epoch {held + 1}; epoch {state.best_epoch + 1} was better, fitness {state.best_fitness:.4g}, but "
            "this "
            f"run saves its best {why}"
        )

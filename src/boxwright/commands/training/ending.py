# SPDX-License-Identifier: Apache-2.0
"""The end of a run: strip best.pt, validate it once more, draw, and leave a record that says the run is done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from boxwright.commands.training.pictures import RunPictures
from boxwright.commands.training.plan import TrainPlan
from boxwright.commands.training.validation import RunValidation
from boxwright.model.detector import Detector
from boxwright.system.files import write_json
from boxwright.system.tensors import read_tensors, write_tensors
from boxwright.track.events import Event, RunEnded
from boxwright.train.checkpoint import stripped
from boxwright.train.state import TrainState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DONE = "done.json"


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

    def finish(self, reason: str, hours: float) -> dict[str, float | None]:
        """Do all of it; returns the last results."""
        lines = [f"{self.state.epoch} epochs done in {hours:.3f} hours ({reason})"]
        best = self.folder / "weights" / "best.pt"
        results = self.state.results
        if best.exists():
            results |= self._best(best)
            lines.append(f"{best} stripped, {best.stat().st_size / 1e6:.1f} MB: best epoch {self.state.best_epoch}, fitness {self.state.best_fitness:.4g}")
        self.pictures.ending(self.validation)
        if best.exists():
            self.pictures.report(self.validation, read_tensors(best), self.state.best_epoch)
        lines.append(f"results in {self.folder}")
        record = {"reason": reason, "epochs": self.state.epoch, "hours": hours, "best_epoch": self.state.best_epoch, "best_fitness": self.state.best_fitness}
        write_json(self.folder / DONE, {**record, "results": results})
        self.tell(RunEnded(reason, self.state.epoch, hours, self.state.best_epoch, self.state.best_fitness, str(self.folder), tuple(lines)))
        return results

    def _best(self, path: Path) -> dict[str, float | None]:
        """Strip the best checkpoint and, where the recipe says so, validate it with everything shown."""
        document = read_tensors(path)
        if document.get("state") is not None:
            document = stripped(document)
            write_tensors(path, document)
        settings = self.plan.settings
        if settings.final_val == "none":
            return {}
        self.network.load_state_dict(document["model"])
        rules = replace(self.validation.rules, max_iou=settings.final_iou)
        per_class = settings.final_per_class == "always" or self.plan.data.num_classes < 50  # noqa: PLR2004 -- the family's limit
        return self.validation(self.network, None, per_class=per_class, keep=True, rules=rules)[0]

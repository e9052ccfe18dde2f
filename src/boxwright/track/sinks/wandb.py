# SPDX-License-Identifier: Apache-2.0
"""Weights & Biases: online where the user has a key or a login, else files of the run that `wandb sync` sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.system.files import remove
from boxwright.system.tracker_environment import has_login, named, require_of_library
from boxwright.track.events import ShownBox, ShownImage
from boxwright.track.sinks.service import Opened, TrackedRun, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SERVICE = "https://api.wandb.ai"
OFFLINE = {"offline", "dryrun", "disabled"}
QUIET = {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "WANDB_ERROR_REPORTING": "false", "WANDB_DISABLE_GIT": "true"}
OPENING_S = 60.0
CODES = {"finished": 0, "stopped": 130, "failed": 1}


class WeightsAndBiases:
    """A run of a project. What is logged is sent by a process of the library's own, which tries by itself."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin or go on. A file that another process left unfinished is written anew from the beginning on."""
        require_of_library(QUIET)
        import wandb  # noqa: PLC0415 -- an extra that takes seconds

        self.wandb, self.tracked, self.time_s, self.offline = wandb, run, 0.0, not _is_online()
        wandb.teardown()  # what is left of an earlier try
        if self.offline:
            remove(run.own / "wandb")
        run.own.mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=named("WANDB_PROJECT") or run.project,
            entity=run.entity or None,
            id=run.key,
            name=run.name,
            dir=str(run.own),
            mode="offline" if self.offline else "online",
            resume=None if self.offline else "allow",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_save_requirements=False,
                init_timeout=OPENING_S,
            ),
        )
        if self.offline:
            return Opened(self.run.id, f"offline, in {self.run.settings.sync_dir}", anew=True)
        return Opened(self.run.id, str(self.run.url), int(self.run.starting_step) - 1)

    def config(self, values: dict[str, Any]) -> None:
        """The config of the run."""
        self.run.config.update(plain(values), allow_val_change=True)

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:
        """History."""
        self.time_s = time_s
        self._log(dict(values), step)

    def _log(self, values: dict[str, Any], step: int) -> None:
        self.run.log({**values, **({"_timestamp": self.time_s} if self.time_s else {})}, step=step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table of the service's own."""
        table = self.wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)
        self._log({f"tables/{name}": table}, step)

    def picture(self, path: Path, name: str, step: int) -> None:
        """A picture."""
        self._log({f"pictures/{name}": self.wandb.Image(str(path))}, step)

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:
        """Images with the service's own box overlays."""
        classes = dict(enumerate(names))
        shown = [
            self.wandb.Image(
                str(folder / image.path),
                boxes={
                    "ground_truth": {"box_data": [_overlay(box) for box in image.truth], "class_labels": classes},
                    "predictions": {"box_data": [_overlay(box) for box in image.predictions], "class_labels": classes},
                },
            )
            for image in images
        ]
        self._log({"boxes": shown}, step)

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """Weights are versions of one artifact of the run, the page is a panel, records are one artifact each."""
        if path.suffix == ".html":
            self.run.log({"report": self.wandb.Html(str(path))})
            return
        stem = "model" if kind == "model" else name.replace(".", "_")
        artifact = self.wandb.Artifact(f"run_{self.tracked.key}_{stem}", type=kind)
        artifact.add_file(str(path), name=name, policy="immutable", skip_cache=True)
        self.run.log_artifact(artifact, aliases=list(aliases) or None)

    def close(self, end: str) -> list[str]:
        """Wait until everything is sent, or written."""
        place = self.run.settings.sync_dir
        self.run.finish(exit_code=CODES[end])
        return [f"`wandb sync {place}` sends what is there"] if self.offline else []


def _is_online() -> bool:
    """Whether the user has said where to, and may be let in there without being asked."""
    if named("WANDB_MODE").lower() in OFFLINE:
        return False
    return bool(named("WANDB_API_KEY")) or has_login(named("WANDB_BASE_URL") or SERVICE)


def _overlay(box: ShownBox) -> dict[str, Any]:
    x1, y1, x2, y2 = box.xyxy_px
    found: dict[str, Any] = {
        "position": {"minX": x1, "minY": y1, "maxX": x2, "maxY": y2},
        "domain": "pixel",
        "class_id": box.number,
        "box_caption": box.name if box.score is None else f"{box.name} {box.score:.2f}",
    }
    return found if box.score is None else {**found, "scores": {"confidence": box.score}}

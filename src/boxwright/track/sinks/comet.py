# SPDX-License-Identifier: Apache-2.0
"""Comet: online where the user has a key, else an archive in the run folder that `comet upload` sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.system.files import remove
from boxwright.system.tracker_environment import in_home, named, require_of_library
from boxwright.track.events import ShownBox, ShownImage
from boxwright.track.sinks.service import Opened, TrackedRun, plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUIET = {"COMET_DISABLE_AUTO_LOGGING": "1", "COMET_ERROR_TRACKING_ENABLE": "false"}
ARCHIVES = "offline"  # the folder of them


class Comet:
    """An experiment of a project. Threads of the library send what is logged."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin or go on. An archive that another process left unfinished is written anew from the beginning on."""
        require_of_library(QUIET)
        import comet_ml  # noqa: PLC0415 -- an extra that takes seconds

        self.comet, self.tracked = comet_ml, run
        asked_offline = bool(named("COMET_OFFLINE_DIRECTORY")) or named("COMET_MODE").lower() in {"offline", "disabled"}
        self.offline = asked_offline or not (named("COMET_API_KEY") or in_home(".comet.config"))
        place = run.own / ARCHIVES
        if self.offline:
            remove(place)
            place.mkdir(parents=True)
        quiet = comet_ml.ExperimentConfig(
            name=run.name,
            offline_directory=str(place) if self.offline else None,
            log_code=False,
            log_graph=False,
            parse_args=False,
            log_git_metadata=False,
            log_git_patch=False,
            log_env_details=False,
            auto_output_logging=False,
            auto_param_logging=False,
            auto_metric_logging=False,
            display_summary_level=0,
        )
        self.experiment = comet_ml.start(
            workspace=run.entity or None,
            project=named("COMET_PROJECT_NAME") or run.project,
            experiment_key=run.key,
            mode="create" if self.offline else "get_or_create",
            online=not self.offline,
            experiment_config=quiet,
        )
        if self.offline:
            return Opened(run.key, f"offline, in {place}", anew=True)
        return Opened(run.key, str(self.experiment.url))

    def config(self, values: dict[str, Any]) -> None:
        """Parameters."""
        self.experiment.log_parameters(plain(values))

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:  # noqa: ARG002 -- it has its own clock
        """Metrics."""
        self.experiment.log_metrics(dict(values), step=step, epoch=step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table."""
        self.experiment.set_step(step)
        cells = [list(row) for row in rows]
        _taken(self.experiment.log_table(f"{name}_epoch{step}.csv", cells, headers=list(columns)))

    def picture(self, path: Path, name: str, step: int) -> None:
        """A picture."""
        _taken(self.experiment.log_image(str(path), name=name, step=step))

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:  # noqa: ARG002
        """Images with the service's own annotations."""
        for number, image in enumerate(images):
            sides = {"ground_truth": image.truth, "predictions": image.predictions}
            layers = [
                {"name": name, "data": [_annotation(box) for box in boxes]} for name, boxes in sides.items() if boxes
            ]
            path = str(folder / image.path)
            _taken(self.experiment.log_image(path, name=f"boxes_{number:02}", step=step, annotations=layers or None))

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """Weights are a model of the experiment, and online an artifact with aliases; records are assets."""
        if kind != "model":
            _taken(self.experiment.log_asset(str(path), file_name=name))
            return
        about = {"aliases": ", ".join(aliases)}
        _taken(self.experiment.log_model("boxwright", str(path), file_name=name, metadata=about))
        if not self.offline:
            artifact = self.comet.Artifact(f"run-{self.tracked.key}-model", "model", aliases=list(aliases))
            artifact.add(str(path), logical_path=name)
            self.experiment.log_artifact(artifact)

    def close(self, end: str) -> list[str]:
        """Wait until everything is sent, or written. Raises OSError when there is no archive."""
        self.experiment.log_other("end", end)
        self.experiment.end()
        archives = sorted((self.tracked.own / ARCHIVES).glob("*.zip")) if self.offline else []
        if self.offline and not archives:
            raise OSError(f"no archive was written to {self.tracked.own / ARCHIVES}")
        return [f"`comet upload {archive}` sends what is there" for archive in archives]


def _taken(answer: object) -> None:
    """The library says what is wrong in its log alone, and answers with nothing. Raises OSError then."""
    if answer is None:
        raise OSError("the library did not take it; its log says why")


def _annotation(box: ShownBox) -> dict[str, Any]:
    """A box as x, y, width, height; the service takes scores of 0 to 100."""
    x1, y1, x2, y2 = box.xyxy_px
    score = 100.0 if box.score is None else 100 * box.score
    return {"label": box.name, "score": round(score, 2), "boxes": [[x1, y1, x2 - x1, y2 - y1]]}

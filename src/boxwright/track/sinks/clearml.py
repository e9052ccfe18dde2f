# SPDX-License-Identifier: Apache-2.0
"""ClearML: a server where one is configured, else a session in the run folder, which can be imported later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.system.files import remove
from boxwright.system.tracker_environment import in_home, named, require_of_library
from boxwright.track.events import ShownImage
from boxwright.track.sinks.service import Opened, TrackedRun, plain
from boxwright.track.sinks.shown_images import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KEYS = "CLEARML_API_ACCESS_KEY", "CLEARML_CONFIG_FILE", "TRAINS_API_ACCESS_KEY"
SESSIONS = "offline"  # where the library keeps them in its cache


class ClearML:
    """A task of a project. Threads of the library send what is reported."""

    def open(self, run: TrackedRun) -> Opened:
        """Begin or go on. A session that another process left unfinished is made anew from the beginning on."""
        self.offline = named("CLEARML_OFFLINE_MODE") in {"1", "true"} or not (named(*KEYS) or in_home("clearml.conf"))
        if self.offline:
            remove(run.own / SESSIONS)
            require_of_library({"CLEARML_CACHE_DIR": str(run.own), "CLEARML_OFFLINE_MODE": "1"})
        import clearml  # noqa: PLC0415 -- an extra that takes seconds

        self.clearml, self.tracked, self.settings = clearml, run, dict[str, Any]()
        if self.offline:
            clearml.Task.set_offline(offline_mode=True)
        self.task = clearml.Task.init(
            project_name=named("CLEARML_PROJECT") or run.project,
            task_name=run.name,
            reuse_last_task_id=False if self.offline or not run.id else run.id,
            continue_last_task=0 if run.id and not self.offline else False,
            auto_connect_arg_parser=False,
            auto_connect_frameworks=False,
            auto_resource_monitoring=False,
            auto_connect_streams=False,
        )
        self.logger = self.task.get_logger()
        if self.offline:
            return Opened(str(self.task.id), f"offline, in {run.own / SESSIONS}", anew=True)
        last = int(self.task.get_last_iteration()) if run.id else -1
        return Opened(str(self.task.id), str(self.task.get_output_log_web_page()), last)

    def config(self, values: dict[str, Any]) -> None:
        """Hyperparameters that can be edited at the service."""
        if self.settings:
            self.task.update_parameters({f"settings/{key}": value for key, value in plain(values).items()})
        else:
            self.task.connect(plain(values), name="settings")
        self.settings = plain(values)

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:  # noqa: ARG002 -- it has its own clock
        """Scalars: what stands before the stroke is the plot, what stands behind it the curve."""
        for name, value in values.items():
            title, _, series = name.rpartition("/")
            self.logger.report_scalar(title or name, series, value, step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table among the plots."""
        self.logger.report_table("tables", name, step, table_plot=[list(columns), *(list(row) for row in rows)])

    def picture(self, path: Path, name: str, step: int) -> None:
        """A debug sample."""
        self.logger.report_image("pictures", name, step, local_path=str(path))

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:  # noqa: ARG002
        """The service has no boxes: debug samples with them drawn."""
        for number, image in enumerate(images):
            self.logger.report_image("boxes", f"{number:02}", step, image=drawn(folder, image))

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """An artifact; the weights of a run that the server knows are an output model with tags."""
        self.task.upload_artifact(name, artifact_object=str(path), metadata={"aliases": ", ".join(aliases)})
        if kind == "model" and not self.offline:
            model = self.clearml.OutputModel(
                self.task, name=f"{self.tracked.name} {name}", framework="PyTorch", tags=list(aliases)
            )
            model.update_weights(weights_filename=str(path), auto_delete_file=False)

    def close(self, end: str) -> list[str]:
        """Wait until everything is sent, or written. Raises OSError when there is no session."""
        if end == "failed":
            self.task.mark_failed(status_reason="the training failed")
        elif end == "stopped":
            self.task.mark_stopped()
        self.task.close()
        sessions = sorted((self.tracked.own / SESSIONS).glob("*.zip")) if self.offline else []
        if self.offline and not sessions:
            raise OSError(f"no session was written to {self.tracked.own / SESSIONS}")
        return [
            f"a server gets it by `python -c \"import clearml; clearml.Task.import_offline_session('{place}')\"`"
            for place in sessions
        ]

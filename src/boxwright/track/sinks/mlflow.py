# SPDX-License-Identifier: Apache-2.0
"""MLflow: a server at MLFLOW_TRACKING_URI, else a database beside the runs, for which nothing has to be started."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from boxwright.system.tracker_environment import named, require_of_library, tell_library
from boxwright.track.events import ShownImage
from boxwright.track.sinks.service import Opened, TrackedRun, labelled, plain
from boxwright.track.sinks.shown_images import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Short, since each call is tried again from outside.
LIMITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
KEY = "boxwright.key"  # the tag by which a run is found again that was made before its id could be written down
READY_S = 20  # that a version of a model is waited for
PROBE = "train/box_loss"  # every epoch has it
PARAMS_AT_ONCE, LONGEST_PARAM = 100, 500  # what the service takes
ENDS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
NO_REGISTRY = {"FEATURE_DISABLED", "ENDPOINT_NOT_FOUND", "PERMISSION_DENIED", "NOT_IMPLEMENTED"}


class MLflow:
    """A run of an experiment; every call is through when it returns."""

    def open(self, run: TrackedRun) -> Opened:
        """Find the run by its id or its key, or make it."""
        tell_library(LIMITS)
        require_of_library({"MLFLOW_DISABLE_TELEMETRY": "true"})
        from mlflow import MlflowClient, entities, exceptions  # noqa: PLC0415 -- an extra that takes seconds

        self.run, self.entities, self.error = run, entities, exceptions.MlflowException
        self.uri = named("MLFLOW_TRACKING_URI") or f"sqlite:///{run.folder.parent / 'mlflow.db'}"
        self.client = MlflowClient(self.uri)
        experiment = self._experiment(named("MLFLOW_EXPERIMENT_NAME") or run.project)
        self.id = run.id or self._made_before(experiment) or self._made(experiment)
        self.client.update_run(self.id, status="RUNNING")
        steps = [one.step for one in self.client.get_metric_history(self.id, PROBE)]
        return Opened(self.id, self._place(experiment), max(steps, default=-1))

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            beside = None if self.uri.startswith("http") else (self.run.folder.parent / "mlartifacts").as_uri()
            return str(self.client.create_experiment(name, artifact_location=beside))
        return str(found.experiment_id)

    def _made_before(self, experiment: str) -> str:
        found = self.client.search_runs([experiment], f"tags.`{KEY}` = '{self.run.key}'", max_results=1)
        return str(found[0].info.run_id) if found else ""

    def _made(self, experiment: str) -> str:
        tags = {KEY: self.run.key, "folder": str(self.run.folder)}
        return str(self.client.create_run(experiment, run_name=self.run.name, tags=tags).info.run_id)

    def _place(self, experiment: str) -> str:
        if self.uri.startswith("http"):
            return f"{self.uri.rstrip('/')}/#/experiments/{experiment}/runs/{self.id}"
        return f"{self.uri} (to look at it: mlflow server --backend-store-uri {self.uri})"

    def config(self, values: dict[str, Any]) -> None:
        """Parameters; MLflow never changes one, so a new value becomes a tag."""
        wanted = {key: str(value)[:LONGEST_PARAM] for key, value in plain(values).items()}
        there = self.client.get_run(self.id).data.params
        new = [self.entities.Param(key, value) for key, value in wanted.items() if key not in there]
        for first in range(0, len(new), PARAMS_AT_ONCE):
            self.client.log_batch(self.id, params=new[first : first + PARAMS_AT_ONCE])
        changed = [
            self.entities.RunTag(f"changed.{key}", value)
            for key, value in wanted.items()
            if there.get(key, value) != value
        ]
        self.client.log_batch(self.id, tags=changed)

    def numbers(self, values: dict[str, float], step: int, time_s: float) -> None:
        """Metrics."""
        at = int(time_s * 1000)
        metrics = [self.entities.Metric(key, value, at, step) for key, value in values.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]], step: int) -> None:
        """A table in the form of the service's own."""
        table = {"columns": list(columns), "data": [list(row) for row in rows]}
        self.client.log_dict(self.id, table, f"tables/{name}_epoch{step}.json")

    def picture(self, path: Path, name: str, step: int) -> None:  # noqa: ARG002 -- it is named as its file
        """A picture among the artifacts."""
        self.client.log_artifact(self.id, str(path), "pictures")

    def boxes(self, folder: Path, images: Sequence[ShownImage], names: Sequence[str], step: int) -> None:  # noqa: ARG002
        """The service has no boxes: pictures with them drawn, and what they are as a table of each."""
        for number, image in enumerate(images):
            place = f"boxes/epoch{step:04}_{number:02}"
            self.client.log_image(self.id, drawn(folder, image), artifact_file=f"{place}.png")
            self.client.log_dict(self.id, labelled(image), f"{place}.json")

    def file(self, path: Path, name: str, kind: str, aliases: Sequence[str]) -> None:
        """An artifact; the best weights of a run are a version of a registered model as well."""
        self.client.log_artifact(self.id, str(path), "weights" if kind == "model" else "records")
        if aliases:
            self.client.set_tag(self.id, f"aliases.{name}", ", ".join(aliases))
        if "best" in aliases:
            self._register(name, aliases)

    def _register(self, name: str, aliases: Sequence[str]) -> None:
        """A version of the model of this experiment, once. Some servers have no registry, and say so in a tag."""
        model, source = self.run.project, f"{self.client.get_run(self.id).info.artifact_uri}/weights/{name}"
        try:
            versions = list(self.client.search_model_versions(f"run_id = '{self.id}'"))
            if not versions:
                if not self.client.search_registered_models(f"name = '{model}'"):
                    self.client.create_registered_model(model)
                versions = [self.client.create_model_version(model, source, self.id, await_creation_for=READY_S)]
            for alias in (re.sub(r"[^\w-]", "-", one) for one in aliases if one != "latest"):  # which is the service's
                self.client.set_registered_model_alias(model, alias, versions[0].version)
        except self.error as error:
            if getattr(error, "error_code", "") not in NO_REGISTRY:
                raise
            self.client.set_tag(self.id, "boxwright.registry", str(error)[:LONGEST_PARAM])

    def close(self, end: str) -> list[str]:
        """Its state in the end; everything is there already."""
        self.client.set_terminated(self.id, ENDS[end])
        return []

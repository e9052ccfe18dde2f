# SPDX-License-Identifier: Apache-2.0
"""The run that a user names, and its validation once more as the source of a report."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.schema.val import ValSettings
from boxwright.errors import SettingError
from boxwright.runs.evaluation.report_content import Source
from boxwright.runs.evaluation.validate import evaluate, plan_of
from boxwright.runs.inputs.done import record_of
from boxwright.runs.inputs.open_data import open_data, splits_of
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.system.device import loader_threads
from boxwright.system.run_folder import checkpoint_of


def run_folder(name: str) -> Path:
    """The folder of a run, from its own path or that of one of its checkpoints. Raises SettingError."""
    path = Path(name)
    folder = path if path.is_dir() else path.parent.parent
    if not checkpoint_of(folder, "best").is_file():
        raise SettingError(
            name or "RUN", "is no run folder with a weights/best.pt", "Give a folder that `boxwright train` made"
        )
    return folder


def source_of(folder: Path, threads: int) -> Source:
    """Validate a run once more, as its training did."""
    weights = checkpoint_of(folder, "best")
    plan = plan_of(ValSettings(run=str(weights), threads=threads))
    found = evaluate(plan, threads=loader_threads(ValSettings().workers))
    checkpoint = open_weights(str(weights)).checkpoint
    present = splits_of(Path(plan.how["data"]))
    wanted = tuple(split for split in ("train", plan.how["split"]) if split in present)
    data = open_data(plan.how["data"], wanted, single_class=plan.how["single_cls"])
    record = record_of(folder)
    best = None if record is None else int(record["best_epoch"])
    return Source(folder, found, plan.data.names, data.splits, plan.how["split"], checkpoint, best, data.dataset.kind)

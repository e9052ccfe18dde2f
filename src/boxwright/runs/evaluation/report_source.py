# SPDX-License-Identifier: Apache-2.0
"""What a report is made from: a run that a user names, validated once more as its training did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boxwright.config.schema.val import ValSettings
from boxwright.config.schema.verbs import CompareSettings, ErrorsSettings, ReportSettings
from boxwright.data.index.index import Index
from boxwright.data.pixels.channels import USUAL, Kind
from boxwright.errors import SettingError
from boxwright.infer.evaluator import Evaluation
from boxwright.runs.evaluation.open_evaluation import open_evaluation
from boxwright.runs.inputs.open_data import open_splits
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.run_folder import RunFolder, checkpoint_of


@dataclass(frozen=True)
class Source:
    """What a report is made from.

    `indexes` by split; `split` is the validated one; `checkpoint` what its file says about the run.
    """

    folder: Path
    found: Evaluation
    names: tuple[str, ...]
    indexes: dict[str, Index]
    split: str
    checkpoint: Checkpoint
    best_epoch: int | None = None
    kind: Kind = USUAL
    judged: str = "numbers of best.pt"


def run_folder(name: str) -> Path:
    """The folder of a run, from its own path or that of one of its checkpoints. Raises SettingError."""
    path = Path(name)
    folder = path if path.is_dir() else path.parent.parent
    if not checkpoint_of(folder, "best").is_file():
        raise SettingError(
            name or "RUN", "is no run folder with a weights/best.pt", "Give a folder that `boxwright train` made"
        )
    return folder


def of_run(folder: Path, asked: CompareSettings | ErrorsSettings | ReportSettings) -> ValSettings:
    """What `val` would be asked for to look at the best weights of a run."""
    return ValSettings(
        run=str(checkpoint_of(folder, "best")),
        threads=asked.threads,
        data=asked.data,
        names_by_position=asked.names_by_position,
        match_names=asked.match_names,
    )


def source_of(folder: Path, asked: ErrorsSettings | ReportSettings) -> Source:
    """Validate a run once more, as its training did."""
    weights = checkpoint_of(folder, "best")
    opened = open_evaluation(of_run(folder, asked))
    found, plan = opened.run(), opened.plan
    checkpoint = open_weights(str(weights)).checkpoint
    dataset = opened.data.dataset
    wanted = tuple(split for split in ("train", plan.split) if split in dataset.sources)
    data = open_splits(dataset, wanted, single_class=plan.single_cls)
    record = RunFolder(folder).done()
    best = None if record is None else int(record["best_epoch"])
    held = best if checkpoint.stripped_from_epoch is None else checkpoint.stripped_from_epoch
    judged = "numbers of best.pt" if held is None or held < 0 else f"numbers of best.pt, epoch {held + 1}"
    kind = data.dataset.kind
    return Source(folder, found, opened.data.names, data.splits, plan.split, checkpoint, best, kind, judged)

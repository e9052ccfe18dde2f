# SPDX-License-Identifier: Apache-2.0
"""What a run writes about itself.

Settings with their sources, old-style option files, counts of the data, what it ran on.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
import yaml

from boxwright.config.origin import Origin, Source
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import spelling_of
from boxwright.engine.schedule import Schedule
from boxwright.native.binary import described
from boxwright.paths import absolute, is_folder
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.runs.inputs.open_data import fingerprint_in
from boxwright.runs.plan import TrainPlan
from boxwright.structures.checkpoint import Checkpoint, DataRecord, EvaluationRecord, NetworkRecord, PlanRecord
from boxwright.system.device import cpu_capability, describe
from boxwright.system.files import write_json, write_yaml
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_records(folder: RunFolder, plan: TrainPlan) -> None:
    """config.yaml, opt.yaml, hyp.yaml and data.json."""
    resolved = plan.resolved
    written = option_files(resolved.settings, resolved.sources)
    write_yaml(
        folder / RunFile.SETTINGS,
        {"settings": written[RunFile.SETTINGS], "sources": resolved.places(), "place": _place(plan, folder)},
        head="# Every setting of this run and where it came from. --config FILE repeats it.\n",
    )
    write_yaml(folder / RunFile.HYPERPARAMETERS, written[RunFile.HYPERPARAMETERS])
    write_yaml(folder / RunFile.OPTIONS, {**written[RunFile.OPTIONS], "save_dir": absolute(str(folder))})
    write_json(folder / RunFile.DATA, {split: index.counts() for split, index in plan.data.splits.items()})


def option_files(settings: TrainSettings, sources: Mapping[str, Source]) -> dict[RunFile, dict[str, Any]]:
    """What the three files of settings of a run hold: all of them, the flags, the hyperparameters."""
    values = settings.model_dump(mode="json")
    kinds = {key: spelling_of(field).kind for key, field in TrainSettings.model_fields.items()}
    by_hyp_file = {
        key for key, source in sources.items() if source.origin is Origin.HYP_FILE
    }  # may hold more than hyperparameters
    hyp = {key: value for key, value in values.items() if (kinds[key] == "hyp" or key in by_hyp_file) and value != []}
    flags = {key: value for key, value in values.items() if kinds[key] == "flag"}
    return {RunFile.SETTINGS: values, RunFile.OPTIONS: flags, RunFile.HYPERPARAMETERS: hyp}


def _place(plan: TrainPlan, folder: RunFolder | None) -> dict[str, str]:
    """Where the run lies, and where its command was given: the first one, if it goes on and that is still there."""
    first = next((start for start in plan.starts if is_folder(start)), Path.cwd())
    return {"folder": "" if folder is None else absolute(str(folder)), "started_in": str(first)}


def checkpoint_facts(plan: TrainPlan, folder: RunFolder | None) -> Checkpoint:
    """What every checkpoint of a run says about it: one without its state."""
    settings, splits = plan.settings, plan.data.splits
    prints = {split: fingerprint_in(plan.data, split) for split in splits}
    spec = plan.detector.spec
    return Checkpoint(
        program=f"boxwright {__version__}",
        network=NetworkRecord(
            yaml.safe_dump(spec.source, sort_keys=False, default_flow_style=None),
            spec.name,
            tuple(plan.data.names),
            tuple(plan.detector.strides),
        ),
        plan=PlanRecord(settings.model_dump(mode="json"), plan.resolved.places()),
        data=DataRecord(
            absolute(str(plan.data.dataset.file)),
            {split: index.fingerprint() for split, index in splits.items()},  # what earlier versions compare
            {split: one.whole for split, one in prints.items()},
            {split: torch.from_numpy(one.prints) for split, one in prints.items()},
            **_place(plan, folder),
        ),
        machine=machine(plan.device),
        evaluation=EvaluationRecord.of(EvaluationPlan.of_training(plan).document()),
    )


def machine(device: torch.device) -> dict[str, str | int]:
    """What the exact numbers of a run depend on beside its settings."""
    return {
        "device": device.type,
        "description": describe(device),
        "threads": torch.get_num_threads(),
        "capability": cpu_capability(device),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "kernels": described(),
        "opencv": cv2.__version__,
        "python": platform.python_version(),
        "platform": platform.machine(),
    }


def about_warmup(schedule: Schedule) -> list[str]:
    """What to say of a warm-up that is longer than the run."""
    warm, total = schedule.warmup_batches, schedule.settings.epochs * schedule.batches_per_epoch
    return (
        [
            (
                f"the warm-up of {warm} batches outlasts the run of {total}; warmup_cap=true or warmup_min_batches=0 "
                "shorten it"
            )
        ]
        if warm >= total
        else []
    )


def settings_line(plan: TrainPlan) -> str:
    """The settings that were chosen, in one line."""
    values = plan.settings.model_dump()
    return "settings: " + ", ".join(f"{key}={_short(values[key])}" for key in _chosen(plan))


def hyp_line(plan: TrainPlan) -> str:
    """The hyperparameters in one line."""
    return "hyperparameters: " + ", ".join(f"{key}={_word(value)}" for key, value in _hyp(plan).items())


def settings_rows(plan: TrainPlan) -> list[tuple[str, str, str]]:
    """The settings that were chosen and all hyperparameters: name, value, and where it was written."""
    values = plan.settings.model_dump()
    hyp = _hyp(plan)
    shown = {key: values[key] for key in _chosen(plan) if key not in hyp} | hyp
    return [(key, _word(value), plan.resolved.sources[key].place) for key, value in shown.items()]


def _chosen(plan: TrainPlan) -> list[str]:
    return [key for key, source in plan.resolved.sources.items() if source.chosen]


def _hyp(plan: TrainPlan) -> dict[str, Any]:
    values = plan.settings.model_dump()
    return {
        key: value
        for key, value in values.items()
        if spelling_of(TrainSettings.model_fields[key]).kind == "hyp" and value != ()
    }


def _word(value: object) -> str:
    return format(value, "g") if isinstance(value, int | float) and not isinstance(value, bool) else _short(value)


def _short(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value) or "''"

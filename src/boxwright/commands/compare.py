# SPDX-License-Identifier: Apache-2.0
"""`boxwright compare RUN_A RUN_B`.

The same draws of the same images for both, so that only what differs between the runs is left.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.config.load import Resolved
from boxwright.config.schema.val import ValSettings
from boxwright.config.schema.verbs import CompareSettings
from boxwright.errors import SettingError
from boxwright.metrics.flat import Flat
from boxwright.metrics.resampling import Interval, Rounds, image_weights, interval, resampled
from boxwright.runs.evaluation.run_source import run_folder
from boxwright.runs.evaluation.validate import ValPlan, evaluate, plan_of
from boxwright.runs.inputs.open_data import fingerprint_in
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.structures.answer import Answer, table
from boxwright.system.device import loader_threads
from boxwright.system.run_folder import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path

MEANS = {"mAP50-95": slice(None), "mAP50": slice(0, 1)}
UNTOLD = {
    "name",
    "project",
    "threads",
    "workers",
    "device",
    "exist_ok",
    "quiet",
    "noplots",
    "resume",
}  # settings that change no number


def run(resolved: Resolved[CompareSettings]) -> Answer:
    """Validate both on the data of the first and compare."""
    settings = resolved.settings
    if len(settings.runs) != 2:  # noqa: PLR2004 -- a pair
        raise SettingError(
            "compare", f"{len(settings.runs)} run{'' if len(settings.runs) == 1 else 's'} given", "Give two run folders"
        )
    folders = [run_folder(name) for name in settings.runs]
    plans = [plan_of(ValSettings(run=str(folder), threads=settings.threads, data=settings.data)) for folder in folders]
    _require_same_images(plans, settings.runs)
    flats = [evaluate(plan, threads=loader_threads(ValSettings().workers)).metrics.flat for plan in plans]
    first, second = _rounds(flats, settings.rounds)
    totals = {name: interval(second.mean(part) - first.mean(part)) for name, part in MEANS.items()}
    classes = {
        plans[0].data.names[number]: interval(second.of_class(row) - first.of_class(row))
        for row, number in enumerate(first.classes.tolist())
    }
    different = _different_settings(folders)
    values = {name: (float(first.mean(part)[0]), float(second.mean(part)[0])) for name, part in MEANS.items()}
    lines = _lines(settings.runs, values, totals, classes)
    lines += (
        ["", "settings that differ:", *table(different, ("setting", *settings.runs))]
        if different
        else ["", "no setting differs"]
    )
    document = {
        "runs": list(settings.runs),
        "rounds": settings.rounds,
        "images": len(flats[0].images),
        "values": values,
        "differences": {name: _entry(one) for name, one in totals.items()},
        "classes": {name: _entry(one) for name, one in classes.items()},
        "settings": [dict(zip(("key", "first", "second"), row, strict=True)) for row in different],
    }
    return Answer(lines, document)


def _require_same_images(plans: list[ValPlan], runs: tuple[str, ...]) -> None:
    first, second = (fingerprint_in(plan.data, plan.how["split"]) for plan in plans)
    if first.whole != second.whole:
        raise SettingError(
            f"compare {' '.join(runs)}",
            "the runs were validated on different images",
            "Give --data, so that both are judged on the same",
        )


def _rounds(flats: list[Flat], rounds: int) -> tuple[Rounds, Rounds]:
    weights = image_weights(len(flats[0].images), rounds, 0)
    first, second = (resampled(flat, weights) for flat in flats)
    return first, second


def _lines(
    runs: tuple[str, ...],
    values: dict[str, tuple[float, float]],
    totals: dict[str, Interval],
    classes: dict[str, Interval],
) -> list[str]:
    rows = [(name, f"{values[name][0]:.4f}", f"{values[name][1]:.4f}", *_cells(one)) for name, one in totals.items()]
    order = sorted(classes, key=lambda name: -abs(classes[name].value))
    mine = [(name, *_cells(classes[name])) for name in order]
    head = ("difference", "from", "to", "")
    return [
        *table(rows, ("", *runs, *head)),
        "",
        "mAP50-95 by class, the largest difference first:",
        *table(mine, ("class", *head)),
    ]


def _cells(one: Interval) -> tuple[str, str, str, str]:
    return f"{one.value:+.4f}", f"{one.low:+.4f}", f"{one.high:+.4f}", _verdict(one)


def _verdict(one: Interval) -> str:
    if one.holds_zero:
        return "not distinguishable"
    return "second is better" if one.value > 0 else "first is better"


def _entry(one: Interval) -> dict[str, Any]:
    return {
        **{key: value if np.isfinite(value) else None for key, value in asdict(one).items()},
        "verdict": _verdict(one),
    }


def _different_settings(folders: list[Path]) -> list[tuple[str, str, str]]:
    first, second = (open_weights(str(checkpoint_of(folder, "best"))).checkpoint.settings for folder in folders)
    keys = sorted({*first, *second} - UNTOLD)
    return [
        (key, str(first.get(key, "")), str(second.get(key, ""))) for key in keys if first.get(key) != second.get(key)
    ]

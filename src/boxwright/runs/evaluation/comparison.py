# SPDX-License-Identifier: Apache-2.0
"""Two runs compared: the same draws of the same images for both, so that only what differs between them is left."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.config.schema.verbs import CompareSettings
from boxwright.errors import SettingError
from boxwright.metrics.resampling import Interval, bootstrap_weights, interval, resampled
from boxwright.runs.evaluation.open_evaluation import OpenEvaluation, open_evaluation
from boxwright.runs.evaluation.report_source import of_run, run_folder
from boxwright.runs.inputs.open_data import fingerprint_in
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.structures.answer import table
from boxwright.system.run_folder import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path

MEANS = {"mAP50-95": slice(None), "mAP50": slice(0, 1)}
# Settings that change no number.
IRRELEVANT = {"name", "project", "threads", "workers", "device", "exist_ok", "quiet", "noplots", "resume"}
INTERVAL_HEAD = ("difference", "from", "to", "")


@dataclass(frozen=True)
class Comparison:
    """How the second of two runs differs from the first.

    `values` of both and `differences` by metric, `classes` the difference of mAP50-95 by class, `settings` what was
    chosen differently: key, first, second.
    """

    runs: tuple[str, ...]
    rounds: int
    images: int
    values: dict[str, tuple[float, float]]
    differences: dict[str, Interval]
    classes: dict[str, Interval]
    settings: list[tuple[str, str, str]]

    def lines(self) -> list[str]:
        """For people: totals, classes with the largest difference first, settings."""
        rows = [
            (name, *(f"{value:.4f}" for value in self.values[name]), *_cells(one))
            for name, one in self.differences.items()
        ]
        order = sorted(self.classes, key=lambda name: -abs(self.classes[name].value))
        mine = [(name, *_cells(self.classes[name])) for name in order]
        return [
            *table(rows, ("", *self.runs, *INTERVAL_HEAD)),
            "",
            "mAP50-95 by class, the largest difference first:",
            *table(mine, ("class", *INTERVAL_HEAD)),
            "",
            *(
                ["settings that differ:", *table(self.settings, ("setting", *self.runs))]
                if self.settings
                else ["no setting differs"]
            ),
        ]

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "runs": list(self.runs),
            "rounds": self.rounds,
            "images": self.images,
            "values": self.values,
            "differences": {name: _entry(one) for name, one in self.differences.items()},
            "classes": {name: _entry(one) for name, one in self.classes.items()},
            "settings": [dict(zip(("key", "first", "second"), row, strict=True)) for row in self.settings],
        }


def compared(asked: CompareSettings) -> Comparison:
    """Validate two runs, on one data set where it is given, and compare. Raises SettingError."""
    runs, rounds = asked.runs, asked.rounds
    if len(runs) != 2:  # noqa: PLR2004 -- a pair
        raise SettingError("compare", f"{len(runs)} run{'' if len(runs) == 1 else 's'} given", "Give two run folders")
    folders = [run_folder(name) for name in runs]
    opened = [open_evaluation(of_run(folder, asked)) for folder in folders]
    _require_same_images(opened, runs)
    flats = [one.run().metrics.flat for one in opened]
    weights = bootstrap_weights(len(flats[0].images), rounds, 0)
    first, second = (resampled(flat, weights) for flat in flats)
    return Comparison(
        runs,
        rounds,
        len(flats[0].images),
        {name: (float(first.mean(part)[0]), float(second.mean(part)[0])) for name, part in MEANS.items()},
        {name: interval(second.mean(part) - first.mean(part)) for name, part in MEANS.items()},
        {
            opened[0].data.names[number]: interval(second.of_class(row) - first.of_class(row))
            for row, number in enumerate(first.classes.tolist())
        },
        _different_settings(folders),
    )


def _require_same_images(opened: list[OpenEvaluation], runs: tuple[str, ...]) -> None:
    first, second = (fingerprint_in(one.data, one.plan.split) for one in opened)
    if first.whole != second.whole:
        raise SettingError(
            f"compare {' '.join(runs)}",
            "the runs were validated on different images",
            "Give --data, so that both are judged on the same",
        )


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
    keys = sorted({*first, *second} - IRRELEVANT)
    return [
        (key, str(first.get(key, "")), str(second.get(key, ""))) for key in keys if first.get(key) != second.get(key)
    ]

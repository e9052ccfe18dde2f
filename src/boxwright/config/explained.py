# SPDX-License-Identifier: Apache-2.0
"""Every setting of every verb by every way to write it: where `config explain` looks, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.config.compat import current_name, meant
from boxwright.config.flags import flag_names
from boxwright.config.load import accepted
from boxwright.config.schema import datasets, evolve, export, train, val, verbs, weights
from boxwright.config.setting import Slice, spelling_of
from boxwright.errors import SettingError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

# The settings of each verb, as `cli.py` names them.
HOMES: dict[str, type[Slice]] = {
    "train": train.TrainSettings,
    "val": val.ValSettings,
    "predict": val.PredictSettings,
    "report": verbs.ReportSettings,
    "errors": verbs.ErrorsSettings,
    "compare": verbs.CompareSettings,
    "export": export.ExportSettings,
    "data check": datasets.CheckSettings,
    "data report": datasets.ReportSettings,
    "data preview": datasets.PreviewSettings,
    "data convert": datasets.ConvertSettings,
    "data split": datasets.SplitSettings,
    "data fetch": datasets.FetchSettings,
    "data sample": verbs.SampleSettings,
    "model info": verbs.ModelInfoSettings,
    "model draw": verbs.ModelDrawSettings,
    "model check": verbs.ModelVerbSettings,
    "anchors": verbs.AnchorsSettings,
    "replay": verbs.ReplaySettings,
    "bucket sync": verbs.BucketSyncSettings,
    "watch": verbs.WatchSettings,
    "track push": verbs.TrackPushSettings,
    "weights inspect": weights.InspectSettings,
    "weights convert": weights.ConvertSettings,
    "weights strip": weights.StripSettings,
    "weights diff": weights.DiffSettings,
    "weights average": weights.AverageSettings,
    "recipes": verbs.RecipesSettings,
    "schedule": verbs.ScheduleVerbSettings,
    "demo": verbs.DemoSettings,
    "evolve": evolve.EvolveVerbSettings,
    "config explain": verbs.ExplainSettings,
}
# Flags that are no setting: what they do is the same everywhere.
COMMON = {
    "json": "Print one JSON document instead of text.",
    "help": "Say what a verb is for and which flags it has.",
    "version": "Print the version, and whether the compiled kernels are there.",
}


class Meaning(NamedTuple):
    """A setting of one verb."""

    verb: str
    key: str
    kind: type[Slice]

    @property
    def info(self) -> FieldInfo:
        """Its field."""
        return self.kind.model_fields[self.key]

    def facts(self) -> dict[str, Any]:
        """What it does, takes and is by default, and how it is written."""
        spelling = spelling_of(self.info)
        flags = [f"--{name}" for name, _ in spelling.shorthand]
        place = [self.key.upper()] if spelling.positional else [*flag_names(self.key, self.info), *flags]
        default = None if spelling.positional and self.info.default in {"", ()} else self.info.default
        return {
            "key": self.key,
            "verb": self.verb,
            "help": self.info.description,
            "takes": accepted(self.kind, self.key),
            "default": default,
            "written": place,
        }


def meanings(word: str) -> list[Meaning]:
    """What a setting or a flag, in any spelling, means in each verb that has it. Raises SettingError for none."""
    plain = word.lstrip("-").replace("-", "_")
    every = list(_every())
    found = [one for one in every if one.key == current_name(plain)]
    found = found or [one for one in every if plain in _spellings(one)]
    if found or plain in COMMON:
        return found
    known = {name for one in every for name in (one.key, *_spellings(one))}
    near = next(iter(meant(plain, known)), "") or nearest(plain, sorted(known))
    remedy = f"Did you mean '{near}'?" if near else "`boxwright config show` lists all settings of a training"
    raise SettingError("config explain", f"unknown setting '{word}'", remedy)


def _every() -> Iterator[Meaning]:
    for verb, kind in HOMES.items():
        for key in kind.model_fields:
            yield Meaning(verb, key, kind)


def _spellings(one: Meaning) -> set[str]:
    spelling = spelling_of(one.info)
    names = (*spelling.names, *spelling.renamed, *(name for name, _ in spelling.shorthand))
    return {name.replace("-", "_") for name in names}

# SPDX-License-Identifier: Apache-2.0
"""All settings of a training run."""

from __future__ import annotations

from boxwright.config.schema.augment import AugmentSettings
from boxwright.config.schema.data import DataSettings
from boxwright.config.schema.loop import LoopSettings
from boxwright.config.schema.loss import LossSettings
from boxwright.config.schema.model import ModelSettings
from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.run import EvolveSettings, RunSettings
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.validation import EndOfRunSettings
from boxwright.config.setting import Slice, Spelling, recipe_field, setting

DEFAULT_RECIPE = "7.0"


class PresetSettings(Slice):
    """Which bundles of settings a run starts from."""

    recipe: str = setting(
        DEFAULT_RECIPE, "Constants and rules of one of the five trainers: 2020.7, 2020.8, 6.0, 6.2, 7.0.", Spelling()
    )
    hyp: str = setting(
        "",
        "Hyperparameter file: a path or a packaged name (default: by recipe).",
        Spelling(original=True, metavar="YAML"),
    )
    config: str = setting("", "Settings file, such as a run's config.yaml or opt.yaml.", Spelling(metavar="YAML"))
    default_hyp: str = recipe_field("scratch-low", "Hyperparameters of the recipe.")
    default_hyp_finetune: str = recipe_field("", "Hyperparameters of the recipe when weights are given; '' = the same.")
    later_hyp_keys: tuple[str, ...] = recipe_field(
        (), "Hyperparameters that the trainer of this recipe did not have: ignored in files, with one warning."
    )


class TrainSettings(
    PresetSettings,
    ModelSettings,
    DataSettings,
    LoopSettings,
    ScheduleSettings,
    OptimizerSettings,
    LossSettings,
    AugmentSettings,
    EndOfRunSettings,
    RunSettings,
    EvolveSettings,
):
    # flat for the user; every room takes its slice
    """Train a detector: from scratch, from weights, or on from where a run stopped."""

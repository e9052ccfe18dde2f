# SPDX-License-Identifier: Apache-2.0
"""`boxwright recipes`: the five trainers, listed, shown, or compared."""

from __future__ import annotations

from typing import Any

from boxwright.config import packaged, recipes
from boxwright.config.load import Resolved, resolve
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.verbs import RecipesSettings
from boxwright.structures.answer import Answer, table


def run(resolved: Resolved[RecipesSettings]) -> Answer:
    """List the recipes, show one, or show what differs between two."""
    name, other = resolved.settings.name, resolved.settings.diff
    if not name and not other:
        return _listed()
    if other:
        return _compared(name or TrainSettings.model_fields["recipe"].default, other)
    values = _typed(name)
    return Answer(table([(key, _shown(value)) for key, value in values.items()]), {"name": name, "settings": values})


def _typed(name: str) -> dict[str, Any]:
    """Every setting a recipe fixes, as the schema reads it."""
    layer = recipes.recipe_layer(name)
    settings = resolve(TrainSettings, (layer, recipes.hyp_layer_of(layer, finetune=False))).settings
    return {key: getattr(settings, key) for key in recipes.values_of(name)}


def _listed() -> Answer:
    keys = (
        "lr_curve",
        "warmup_min_batches",
        "nominal_batch",
        "box_loss",
        "clip_norm",
        "epochs",
        "default_hyp",
        "results_file",
    )
    rows = [(name, *(_typed(name)[key] for key in keys)) for name in packaged.names("recipes")]
    return Answer(
        table([tuple(map(str, row)) for row in rows], ("recipe", *keys)), {"recipes": [row[0] for row in rows]}
    )


def _compared(name: str, other: str) -> Answer:
    built_in = {key: field.default for key, field in TrainSettings.model_fields.items()}
    found = recipes.difference(_typed(name), _typed(other), built_in)
    rows = [(key, _shown(mine), _shown(theirs)) for key, (mine, theirs) in found.items()]
    lines = table(rows, ("setting", name, other)) if rows else [f"{name} and {other} do not differ"]
    return Answer(
        lines, {"first": name, "second": other, "difference": {key: list(pair) for key, pair in found.items()}}
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "''" if value == "" else str(value)

# SPDX-License-Identifier: Apache-2.0
"""Recipes: the five trainers of the years as data. Nothing asks which one is in use; everything reads their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boxwright.config import packaged
from boxwright.config.load import Layer, file_layer
from boxwright.config.origin import Origin, Source
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


def recipe_layer(name: str) -> Layer:
    """The fields of a recipe, without its hyperparameters."""
    path = packaged.locate("recipes", name, "--recipe")
    return file_layer(TrainSettings, read_yaml(path), Source(Origin.RECIPE, f"recipe {path.stem}"))[0]


def hyp_layer_of(recipe: Layer, *, finetune: bool) -> Layer:
    """The hyperparameters that a recipe starts from: the packaged set it names, under the recipe's name."""
    fields = TrainSettings.model_fields
    scratch = recipe.values.get("default_hyp", fields["default_hyp"].default)
    tuned = recipe.values.get("default_hyp_finetune", fields["default_hyp_finetune"].default)
    name = tuned if finetune and tuned else scratch
    document = read_yaml(packaged.locate("hyps", name, "hyp"))
    whole = Source(Origin.RECIPE, f"{recipe.whole}, hyp {name}")
    return file_layer(TrainSettings, document, whole, hyp_only=True)[0]


def projects_of_recipes() -> tuple[str, ...]:
    """Where the runs of all recipes lie when nobody says otherwise."""
    usual = str(TrainSettings.model_fields["project"].default)
    names = packaged.names("recipes")
    return tuple(dict.fromkeys(str(recipe_layer(name).values.get("project", usual)) for name in names))


def values_of(name: str) -> dict[str, Any]:
    """Every setting that a recipe fixes, hyperparameters included."""
    recipe = recipe_layer(name)
    return {**hyp_layer_of(recipe, finetune=False).values, **recipe.values}


def difference(
    first: Mapping[str, Any], second: Mapping[str, Any], built_in: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Settings on which two recipes differ, as (first, second); what a recipe does not name is built in."""
    keys = sorted({*first, *second})
    pairs = {key: (first.get(key, built_in[key]), second.get(key, built_in[key])) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

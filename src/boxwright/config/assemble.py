# SPDX-License-Identifier: Apache-2.0
"""Which layers a verb has, found from what the user wrote: recipe, hyperparameter file, settings file, words, flags."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from boxwright.config import packaged
from boxwright.config.conflicts import refuse_conflicts
from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import PYTHON, Origin, Source
from boxwright.config.recipes import hyp_layer_of, recipe_layer
from boxwright.config.run_paths import place_of_document
from boxwright.config.schema.train import DEFAULT_RECIPE, PresetSettings, TrainSettings
from boxwright.config.setting import Slice, spelling_of
from boxwright.documents import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

SettingsType = TypeVar("SettingsType", bound=Slice)

_OPTIONAL = {"anchors", "class_weights"}  # hyperparameters that a complete file need not name


def resolve_verb(kind: type[SettingsType], flags: Layer, words: Layer) -> Resolved[SettingsType]:
    """The settings of a verb from its flags and its trailing key=value words."""
    if issubclass(kind, PresetSettings):
        return _resolve_with_presets(kind, flags, words)
    return resolve(kind, (words, flags))


def resolve_train(values: Mapping[str, Any]) -> Resolved[TrainSettings]:
    """The settings of a training run from keyword arguments, as if they were flags."""
    return resolve_verb(TrainSettings, Layer(PYTHON, dict(values)), Layer(PYTHON, {}))


def _resolve_with_presets(kind: type[SettingsType], flags: Layer, words: Layer) -> Resolved[SettingsType]:
    notes: list[str] = []
    written = [words, flags]
    if config := _chosen("config", written) or kind.model_fields["config"].default:
        document = read_yaml(packaged.locate("configs", config, "--config"))
        layer, more = file_layer(kind, document, Source(Origin.FILE, "config file"))
        layer = replace(layer, values=place_of_document(document).values(layer.values))
        written.insert(0, layer)
        notes += more
    recipe = recipe_layer(str(_chosen("recipe", written) or DEFAULT_RECIPE))
    layers = [recipe, hyp_layer_of(recipe, finetune=bool(_chosen("weights", written)))]
    if hyp := _chosen("hyp", written):
        layer, more = _hyp_file(kind, hyp, recipe)
        layers.append(layer)
        notes += more
    resolved = resolve(kind, [*layers, *written])
    refuse_conflicts(resolved)
    return replace(resolved, notes=(*resolved.notes, *notes))


def _chosen(key: str, layers: list[Layer]) -> str:
    """The last word on a key, before validation."""
    found = [layer.values[key] for layer in layers if key in layer.values]
    value = found[-1] if found else ""
    word = value[0] if isinstance(value, list | tuple) and value else value
    return "" if word in {None, "null", "None"} else str(word)


def _hyp_file(kind: type[Slice], name: str, recipe: Layer) -> tuple[Layer, tuple[str, ...]]:
    document = read_yaml(packaged.locate("hyps", name, "--hyp"))
    later = recipe.values.get("later_hyp_keys", TrainSettings.model_fields["later_hyp_keys"].default)
    layer, notes = file_layer(kind, document, Source(Origin.HYP_FILE, "hyp file"), hyp_only=True, ignored=later)
    known = [key for key, field in kind.model_fields.items() if spelling_of(field).kind == "hyp"]
    missing = [key for key in known if key not in layer.values and key not in later and key not in _OPTIONAL]
    filled = (f"{document.name}: not named and taken from {recipe.whole}: {', '.join(missing)}",) if missing else ()
    return layer, (*notes, *filled)

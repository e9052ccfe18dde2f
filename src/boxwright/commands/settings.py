# SPDX-License-Identifier: Apache-2.0
"""`boxwright config`: what a run would use, and what a setting means."""

from __future__ import annotations

import inspect
from typing import Any

from boxwright.config.explained import COMMON, Meaning, meanings
from boxwright.config.flags import flag_names
from boxwright.config.load import Resolved, accepted
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.verbs import ExplainSettings
from boxwright.config.setting import spelling_of
from boxwright.structures.answer import Answer, table


def show(resolved: Resolved[TrainSettings]) -> Answer:
    """Every setting with its value and source."""
    values = resolved.settings.model_dump(mode="json")
    rows = [(key, _word(value), resolved.sources[key].place) for key, value in values.items()]
    document = {"settings": values, "sources": resolved.places()}
    return Answer(table(rows, ("setting", "value", "source")), document, resolved.notes)


def explain(resolved: Resolved[ExplainSettings]) -> Answer:
    """One setting of any verb: what it does, takes, and how it is written; of a training also what would be used."""
    found = meanings(resolved.settings.key)
    if not found:
        key = resolved.settings.key.lstrip("-")
        common: dict[str, Any] = {"key": key, "help": COMMON[key], "written": [f"--{key}"]}
        return Answer(table([(name, _word(value)) for name, value in common.items()]), common, resolved.notes)
    of_training = next((one for one in found if one.verb == "train"), None)
    facts = found[0].facts() if of_training is None else _of_training(of_training.key, resolved)
    said = {one.info.description for one in found[:1]}
    elsewhere = [one for one in found[1:] if one.info.description not in said]
    rows = [(name, _word(value)) for name, value in facts.items()]
    rows += [(f"in {one.verb}", f"{one.info.description}{_default(one)}") for one in elsewhere]
    verbs = [one.verb for one in found]
    rows.append(("verbs", ", ".join(verbs)))
    document = {**facts, "verbs": verbs, "elsewhere": [one.facts() for one in elsewhere]}
    return Answer(table(rows), document, resolved.notes)


def _of_training(key: str, resolved: Resolved[ExplainSettings]) -> dict[str, Any]:
    field = TrainSettings.model_fields[key]
    home = next(part.__name__ for part in TrainSettings.__mro__ if key in inspect.get_annotations(part))
    return {
        "key": key,
        "help": field.description,
        "takes": accepted(TrainSettings, key),
        "default": TrainSettings.model_fields[key].default,
        "kind": spelling_of(field).kind,
        "written": [*flag_names(key, field), f"{key}=VALUE"],
        "slice": home,
        "value": getattr(resolved.settings, key),
        "source": resolved.sources[key].place,
    }


def _default(one: Meaning) -> str:
    return f" (default: {_word(one.info.default)})" if one.info.default not in (None, "", (), False) else ""


def _word(value: object) -> str:
    return "  ".join(map(str, value)) if isinstance(value, list | tuple) else "''" if value == "" else str(value)

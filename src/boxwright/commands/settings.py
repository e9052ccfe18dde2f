# SPDX-License-Identifier: Apache-2.0
"""`boxwright config`: what a run would use, and what a setting means."""

from __future__ import annotations

import inspect
from typing import Any

from boxwright.config.compat import current_name
from boxwright.config.flags import flag_names
from boxwright.config.load import Resolved, accepted, unknown_key
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
    """One setting: what it does, what it takes, how it is written, and what a run with these flags would use."""
    key = current_name(resolved.settings.key)
    if key not in TrainSettings.model_fields:
        raise unknown_key(TrainSettings, resolved.settings.key, "config explain")
    field = TrainSettings.model_fields[key]
    home = next(part.__name__ for part in TrainSettings.__mro__ if key in inspect.get_annotations(part))
    facts: dict[str, Any] = {
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
    return Answer(table([(name, _word(value)) for name, value in facts.items()]), facts, resolved.notes)


def _word(value: object) -> str:
    return "  ".join(map(str, value)) if isinstance(value, list | tuple) else "''" if value == "" else str(value)

# SPDX-License-Identifier: Apache-2.0
"""Words of users as values of settings: text from the command line and from YAML, fitted to the type of the field."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from boxwright.documents import scalar

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ABSENT = object()


def fitted(field: FieldInfo, raw: Any) -> Any:
    """The value to validate. Text that the type takes as it is stays text; other text is read like a YAML word.

    A single word for a list becomes a list of one, and a mapping for a list of words becomes words key:value.
    ABSENT stands for an empty YAML value of a field that has no empty value.
    """
    kinds = _kinds(field.annotation)
    if tuple in kinds and "words" in kinds:
        raw = [f"{key}:{value}" for key, value in raw.items()] if isinstance(raw, dict) and str in kinds else raw
        words = raw.split(",") if isinstance(raw, str) else raw if isinstance(raw, list | tuple) else [raw]
        return tuple(_one(word, kinds) for word in words)
    if isinstance(raw, list | tuple) and len(raw) == 1:
        raw = raw[0]
    return _one(raw, kinds)


def _one(raw: Any, kinds: set[Any]) -> Any:
    if raw == "" and str in kinds:
        return raw
    value = scalar(raw.strip()) if isinstance(raw, str) else raw
    if value is None:
        return None if type(None) in kinds else raw if str in kinds and isinstance(raw, str) else ABSENT
    if isinstance(value, bool):
        return value if bool in kinds else raw if isinstance(raw, str) else value
    if isinstance(value, int | float) and not kinds & {int, float}:
        return raw if isinstance(raw, str) else str(raw) if str in kinds else value
    return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that an annotation accepts; "words" marks a tuple's members."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(part) for part in get_args(annotation)))
    if origin is tuple:
        members = [part for part in get_args(annotation) if part is not Ellipsis]
        return {tuple, "words"}.union(*(_kinds(part) for part in members))
    if origin is Literal:
        return {type(value) for value in get_args(annotation)}
    return {annotation}


def is_bool_misplaced(field: FieldInfo, value: object) -> bool:
    """Whether yes or no was given where a number is due; Python would take it for 1 or 0."""
    return isinstance(value, bool) and bool not in _kinds(field.annotation)

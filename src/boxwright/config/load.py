# SPDX-License-Identifier: Apache-2.0
"""From layers of raw words to one frozen value: built-in < recipe < hyp file < config file < key=value < flags.

Every resolved setting knows its source. A fault is one line: place, key, what is wrong, the nearest known key.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import ValidationError

from boxwright.config.compat import NOT_SETTINGS, current_name, meant, translated
from boxwright.config.convert import ABSENT, fitted, is_bool_misplaced
from boxwright.config.origin import BUILT_IN, Source
from boxwright.config.setting import Slice, spelling_of
from boxwright.documents import Document
from boxwright.errors import SettingError, nearest
from boxwright.paths import why_no_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Values of neighbouring programs that are refused for a reason worth a sentence.
_REASONS = {
    ("optimizer", "auto"): "A value that chooses for you overrides what you set elsewhere. ",
    **{
        ("format", word): f"{name} is not written here; other programs make it from ONNX. "
        for word, name in (
            ("tflite", "TFLite"),
            ("engine", "A TensorRT engine"),
            ("tensorrt", "A TensorRT engine"),
            ("saved_model", "A TensorFlow model"),
            ("pb", "A TensorFlow model"),
            ("edgetpu", "A file for Edge TPUs"),
            ("tfjs", "A TensorFlow.js model"),
            ("paddle", "A Paddle model"),
            ("ncnn", "An ncnn model"),
        )
    },
}
ALIKE = 0.6  # share of letters that a word and the one it may be meant for have in common

SettingsType = TypeVar("SettingsType", bound=Slice)
Held_co = TypeVar("Held_co", bound=Slice, covariant=True)  # settings of a demo are settings of a training


@dataclass(frozen=True)
class Layer:
    """Raw values that came together. `sources` are those of keys of which more is known, such as file and line."""

    whole: Source
    values: Mapping[str, Any]
    sources: Mapping[str, Source] = field(default_factory=dict)

    def source(self, key: str) -> Source:
        """Where this key was written."""
        return self.sources.get(key, self.whole)


@dataclass(frozen=True)
class Resolved(Generic[Held_co]):
    """Settings, the source of each, and lines to tell the user."""

    settings: Held_co
    sources: dict[str, Source]
    notes: tuple[str, ...] = ()

    def places(self) -> dict[str, str]:
        """Where each setting came from, in words: what config.yaml and checkpoints hold."""
        return {key: source.place for key, source in self.sources.items()}


def resolve(kind: type[SettingsType], layers: Iterable[Layer]) -> Resolved[SettingsType]:
    """Lay the layers over each other, later ones winning, and validate the result once."""
    values: dict[str, Any] = {}
    sources = dict.fromkeys(kind.model_fields, BUILT_IN)
    for layer in layers:
        for key, raw in layer.values.items():
            if key not in kind.model_fields:
                raise unknown_key(kind, key, layer.source(key).place)
            value = fitted(kind.model_fields[key], raw)
            if value is ABSENT:
                continue
            if is_bool_misplaced(kind.model_fields[key], value):
                raise SettingError(layer.source(key).place, f"{key} is {raw!r}, which is yes or no", _wanted(kind, key))
            for word in value if isinstance(value, tuple) else (value,):
                if isinstance(word, str) and (why := why_no_text(word)):
                    raise SettingError(layer.source(key).place, f"{key} {why}", _wanted(kind, key))
            values[key], sources[key] = value, layer.source(key)
    try:
        settings = kind(**values)
    except ValidationError as error:
        raise _as_setting_error(kind, error, values, sources) from None
    return Resolved(settings, sources)


def file_layer(
    kind: type[Slice], document: Document, whole: Source, *, hyp_only: bool = False, ignored: Iterable[str] = ()
) -> tuple[Layer, tuple[str, ...]]:
    """A YAML file as a layer, old spellings translated. `ignored` keys are left out, with one note for all of them."""
    raw = document.mapping()
    if "settings" in raw and "sources" in raw:  # a run's config.yaml
        inside = raw["settings"] or {}
        if not isinstance(inside, dict):
            raise SettingError(
                document.place("settings"), "settings are no mapping", "Write one 'key: value' per line below it"
            )
        return _of_mapping(kind, document, ("settings",), inside, whole, hyp_only=False, ignored=())
    return _of_mapping(kind, document, (), raw, whole, hyp_only=hyp_only, ignored=frozenset(ignored))


def _of_mapping(
    kind: type[Slice],
    document: Document,
    base: tuple[str, ...],
    raw: dict[str, Any],
    whole: Source,
    *,
    hyp_only: bool,
    ignored: Iterable[str],
) -> tuple[Layer, tuple[str, ...]]:
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    left_out = []
    for key, item in raw.items():
        place = document.place(*base, key)
        if (
            not hyp_only
            and isinstance(item, dict)
            and not (key in kind.model_fields and _belongs_in_hyp(kind, str(key)))
        ):  # opt.yaml of later years holds the hyperparameters as well
            inner, _ = _of_mapping(kind, document, (*base, key), item, whole, hyp_only=True, ignored=())
            values.update(inner.values)
            sources.update(inner.sources)
            continue
        name, value = translated(str(key), _written(document, (*base, key), item))
        if not name or (not hyp_only and name in NOT_SETTINGS):
            continue
        if name in ignored:
            left_out.append(name)
            continue
        if name not in kind.model_fields or (hyp_only and not _belongs_in_hyp(kind, name)):
            raise unknown_key(kind, str(key), place, hyp_only=hyp_only)
        values[name], sources[name] = value, Source(whole.origin, f"{whole} ({place})")
    notes = (f"{document.name}: the recipe does not know {', '.join(left_out)}; left out",) if left_out else ()
    return Layer(whole, values, sources), notes


def _written(document: Document, address: tuple[str | int, ...], value: Any) -> Any:
    """Scalars as the user wrote them, so that `name: 5` stays a name."""
    if isinstance(value, list):
        return [_written(document, (*address, i), item) for i, item in enumerate(value)]
    return document.texts.get(address, value)


def _belongs_in_hyp(kind: type[Slice], name: str) -> bool:
    """Hyperparameters, and what a set of them may depend on: the optimizer and the constants of a recipe."""
    return spelling_of(kind.model_fields[name]).kind in {"hyp", "recipe"} or name == "optimizer"


def unknown_key(kind: type[Slice], key: str, place: str, *, hyp_only: bool = False) -> SettingError:
    """The error for a key nobody knows, with the nearest one that exists."""
    known = [name for name in kind.model_fields if not hyp_only or _belongs_in_hyp(kind, name)]
    near = next(iter(meant(key, known)), "") or nearest(current_name(key), known)
    sort = "hyperparameter" if hyp_only else "setting"
    remedy = f"Did you mean '{near}'?" if near else "`boxwright config show` lists all of them"
    return SettingError(place, f"unknown {sort} '{key}'", remedy)


def _as_setting_error(
    kind: type[Slice], error: ValidationError, values: Mapping[str, Any], sources: Mapping[str, Source]
) -> SettingError:
    first = error.errors(include_url=False, include_context=True)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    others = {str(one["loc"][0]) for one in error.errors(include_url=False) if one["loc"]} - {key}
    more = f" (and {len(others)} more cannot be used: {', '.join(sorted(others))})" if others else ""
    if key in kind.model_fields and values.get(key, "") in ("", (), []):
        return _missing(kind, key)
    given = values.get(key, first.get("input"))
    place = first["loc"][1] if len(first["loc"]) > 1 else None
    if isinstance(given, tuple) and isinstance(place, int) and place < len(given):
        shown = given[place]  # of several words the one that cannot be used
    else:
        shown = given[0] if isinstance(given, tuple) and len(given) == 1 else given
    source = sources.get(key)
    where = f"{key}={shown}" if source is not None and source.place == f"{key}=value" else str(source or key)
    return SettingError(where, f"{key} is {shown!r}{more}", f"{_reason(kind, key, shown)}{_wanted(kind, key)}")


def _reason(kind: type[Slice], key: str, given: object) -> str:
    """Why a value of a neighbouring program is none here, or the one that a misspelt value is most like."""
    word = str(given).lower()
    if (key, word) in _REASONS:
        return _REASONS[key, word]
    choices = {choice.lower(): choice for choice in _choices(kind.model_json_schema()["properties"][key])}
    near = choices.get(nearest(word, choices), "")
    return (
        f"Did you mean '{near}'? "
        if near and difflib.SequenceMatcher(None, word, near.lower()).ratio() >= ALIKE
        else ""
    )


def _choices(schema: Mapping[str, Any]) -> list[str]:
    """The words that a setting takes, if it takes nothing else."""
    inner = [*schema.get("anyOf", []), *([schema["items"]] if isinstance(schema.get("items"), dict) else [])]
    found = [str(value) for value in schema.get("enum", []) if isinstance(value, str)]
    return [*found, *(choice for part in inner for choice in _choices(part))]


def _missing(kind: type[Slice], key: str) -> SettingError:
    """What a verb cannot do without."""
    info = kind.model_fields[key]
    name = key.upper() if spelling_of(info).positional else f"--{key.replace('_', '-')}"
    return SettingError(name, "is missing", str(info.description).rstrip("."))


def _wanted(kind: type[Slice], key: str) -> str:
    """What the setting takes, in words."""
    return f"Give {accepted(kind, key)}"


def accepted(kind: type[Slice], key: str) -> str:
    """The values a setting accepts, in words, read from its JSON schema."""
    schema, spelling = kind.model_json_schema()["properties"][key], spelling_of(kind.model_fields[key])
    return _in_words({**schema, "pattern": spelling.metavar} if "pattern" in schema and spelling.metavar else schema)


def _in_words(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_in_words(part) for part in schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        members = schema.get("items") or schema.get("prefixItems", [{}])[0]
        inner = _in_words(members) if members else ""
        if inner.startswith("one of "):
            return f"one or more of {inner.removeprefix('one of ')}"
        return f"a list of: {inner}" if inner else "a list"
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "a word",
        "boolean": "true or false",
        "null": "nothing",
    }
    bounds = [
        f"{word} {_number(schema[bound])}"
        for bound, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if bound in schema
    ]
    pattern = f" like {schema['pattern']}" if "pattern" in schema else ""
    return " ".join([words.get(str(schema.get("type")), "a value"), *bounds]) + pattern


def _number(value: float) -> str:
    """As people write it: whole ones with all their digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"

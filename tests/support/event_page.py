# SPDX-License-Identifier: Apache-2.0
"""docs/reference/events.md from the events themselves; run as a program it writes the page."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from pathlib import Path

from boxwright.track import events
from boxwright.track.events import ClassResult, Event, ShownBox, ShownImage

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"
HEAD = f"""# Events of a run, one JSON object a line

| where | what |
| --- | --- |
| *events.jsonl* in the run folder | always there; what a run can be rebuilt from (`boxwright replay`) |
| *events.ndjson* in the run folder | with `--ndjson-file`: every event, each step among them |
| stdout | with `--ndjson-console`: every event, and nothing else; warnings and errors are on stderr too |

Of several processes the first one writes. `docs/how-to/follow-a-run.md` shows what one does with events.

## The format

- A line is one JSON object in ASCII and ends with a line feed; what has none yet is not whole. It has `event`, the
  kind, `time`, when it was told, in seconds since 1970, and the fields of the kind. In a file a line that is no JSON
  was torn by a kill or a full disk: pass it over.
- The first line of a stream, and in a file the first one of every process that adds to it, is `StreamStarted`: it names
  the format, and its version is **{events.VERSION}**.
- Within a version kinds and fields are added, and none changes its meaning, its unit or its type, or goes. Pass over
  what you do not know.
- A number that JSON has no word for is null. Beside the fields stands `not_finite` then: for each such number the keys
  that lead to it, and `nan`, `inf` or `-inf`, as in `"not_finite": [["results", "val/obj_loss", "nan"]]`.
- A run ends with `RunEnded`, whatever ended it; on stdout a fault before its beginning does too. Behind it only
  `FileWritten` may follow. A process that is killed writes none. A run that goes on appends to its files: a
  `RunStarted` takes back the epochs from its `first_epoch` on.

This page is made from `track/events.py`, and a test holds it equal.
"""


def page() -> str:
    """The page as the events have it."""
    kinds = sorted(Event.__subclasses__(), key=lambda kind: kind.__name__)
    return HEAD + "".join(map(_section, (*kinds, ClassResult, ShownImage, ShownBox)))


def fields_of(kind: type) -> dict[str, tuple[str, str]]:
    """Of each field its type, in the words of JSON, and its meaning."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _described(hints[field.name]) for field in dataclasses.fields(kind)}


def _section(kind: type) -> str:
    about = " ".join((kind.__doc__ or "").split())
    rows = [f"| `{name}` | {of} | {about[:1].upper()}{about[1:]}. |\n" for name, (of, about) in fields_of(kind).items()]
    return f"\n## {kind.__name__}\n\n{about}\n\n| field | type | meaning |\n| --- | --- | --- |\n{''.join(rows)}"


def _described(hint: object) -> tuple[str, str]:
    texts = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, str)]
    assert len(texts) == 1, f"a field without one meaning: {hint}"
    return _word(hint), texts[0]


def _word(hint: object) -> str:
    """A type of Python in the words of JSON."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _word(inner[0])
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(map(_word, inner))
    if origin is tuple:
        whole = dict.fromkeys(_word(one) for one in inner if one is not Ellipsis)
        return f"list of {'' if inner[-1] is Ellipsis else f'{len(inner)} '}{_plural(next(iter(whole)))}"
    if origin is dict:
        return "object" if inner[1] is typing.Any else f"object of {_plural(_word(inner[1]))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(f'"{one.value}"' for one in hint)
    words = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}
    return words.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"  # type: ignore[call-overload,attr-defined]


def _plural(word: str) -> str:
    first, *rest = word.split(" or ")
    return " or ".join([first if first.endswith(")") or first == "text" else f"{first}s", *rest])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

# SPDX-License-Identifier: Apache-2.0
"""JSON documents that a run folder holds and that are read again: each is checked before anything of it is used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from boxwright.errors import DataError
from boxwright.structures.checkpoint_schema import Count, Epoch, Finite, first_fault

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 256 << 20  # the content of a report holds its pictures
Series = dict[str, list[float | None]]
Pair = tuple[str, str]


class _Document(BaseModel):
    """Every value in its own type, as JSON has it; keys that nobody knows are left alone."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True, extra="ignore")


class Done(_Document):
    """done.json: what a run came to."""

    best_epoch: Epoch
    epochs: Count = 0
    best_fitness: float = 0.0
    reason: str = ""


class _Card(_Document):
    value: str
    name: str
    text: str


class _Advice(_Document):
    title: str
    text: str


class _Kind(_Document):
    kind: str
    count: int | str
    gain: float | None
    width: int


class _Setting(_Document):
    key: str
    value: str
    source: str
    chosen: bool


class _Confusion(_Document):
    names: list[str]
    counts: list[list[int]]


class ReportContent(_Document):
    """report.json: what the page of a run is made of."""

    name: str
    headline: str
    confidence: str
    course: str
    metrics: dict[str, Finite]
    cards: list[_Card]
    advice: list[_Advice]
    kinds: list[_Kind]
    data: list[Pair]
    settings: list[_Setting]
    environment: list[Pair]
    history: Series
    best_epoch: Epoch | None
    classes: list[dict[str, Any]]
    curves: dict[str, Any]
    confusion: _Confusion
    gallery: list[Any] | dict[str, Any]
    worst: list[Any] | dict[str, Any]


Kind = TypeVar("Kind", bound=_Document)


def read_json(path: Path, kind: type[Kind], remedy: str) -> tuple[dict[str, Any], Kind]:
    """A document as it stands in the file, and as what it has to be. Raises DataError."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise DataError(str(path), "is no file, or larger than any that a run writes", remedy)
        content = path.read_bytes()
        return dict(json.loads(content)), kind.model_validate_json(content)
    except OSError as error:
        raise DataError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    except ValidationError as error:
        raise DataError(str(path), f"is not as a run writes it: {first_fault(error)}", remedy) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(str(path), f"is no JSON of a run ({' '.join(str(error).split())[:80]})", remedy) from None

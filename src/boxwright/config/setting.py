# SPDX-License-Identifier: Apache-2.0
"""What a setting is: a typed field with its default, bounds, help, and spellings. One place for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Kind = Literal["flag", "hyp", "recipe"]
"""flag: has a --flag. hyp: may stand in a hyperparameter file. recipe: a constant of one of the trainers.

All of them may be written as key=value.
"""

NO_BARE_FORM = "\0"


@dataclass(frozen=True)
class Spelling:
    """How users write a setting. `names` are current flags beside the key's own; `renamed` are older and noted once.

    `bare` is the value of the flag when it stands alone; `many` lets several words follow it. `shorthand` are flags
    that set a fixed value, such as --adam. `original` flags win when an abbreviation is ambiguous.
    """

    kind: Kind = "flag"
    names: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    bare: Any = NO_BARE_FORM
    many: bool = False
    positional: bool = False
    shorthand: tuple[tuple[str, Any], ...] = ()
    original: bool = False
    metavar: str = ""
    unit: str = ""


def setting(default: Any, help_text: str, spelling: Spelling | None = None, **bounds: Any) -> Any:
    """A field of a slice. `bounds` are pydantic's: ge, gt, le, lt, min_length, max_length."""
    return Field(
        default=default,
        description=help_text,
        json_schema_extra={"spelling": cast("Any", spelling or Spelling())},
        **bounds,
    )


def hyperparameter(default: Any, help_text: str, **bounds: Any) -> Any:
    """A hyperparameter."""
    return setting(default, help_text, Spelling(kind="hyp"), **bounds)


def recipe_field(default: Any, help_text: str, **bounds: Any) -> Any:
    """A constant that differs between the trainers of the years."""
    return setting(default, help_text, Spelling(kind="recipe"), **bounds)


def spelling_of(field: FieldInfo) -> Spelling:
    """The spelling of a field that `setting` made."""
    extra = cast("dict[str, Any]", field.json_schema_extra)
    return cast("Spelling", extra["spelling"])


SliceType = TypeVar("SliceType", bound="Slice")


class Slice(BaseModel):
    """A frozen part of the settings: what one room needs to know.

    Verbs combine slices by inheritance, so keys stay flat.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    def part(self, kind: type[SliceType]) -> SliceType:
        """This slice alone, for a room that must not see the rest."""
        return kind(**{key: getattr(self, key) for key in kind.model_fields})

# SPDX-License-Identifier: Apache-2.0
"""Arguments of a Python function as settings, and what settings say about themselves in the words of Python."""

from __future__ import annotations

import contextlib
import os
import re
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from boxwright.config.compat import current_name
from boxwright.config.load import Layer, accepted
from boxwright.config.origin import PYTHON
from boxwright.config.setting import Slice, spelling_of
from boxwright.errors import SettingError, UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


BATCH_NAMES = ("batch", "batch_size")  # two names of one thing in every function that takes it
# What only makes sense where lines are printed, with what to do instead.
ONLY_AT_THE_COMMAND_LINE = {
    "dry_run": "Print the plan with `boxwright train --dry-run`",
    "local_rank": "The environment of a launcher decides; leave it out",
    **dict.fromkeys(("evolve", "evolve_population", "resume_evolve"), "Search hyperparameters with `boxwright evolve`"),
    **dict.fromkeys(("every_frame", "reconnect"), "Give it to `stream` of what `boxwright.load` returns"),
}
_FLAG = re.compile(r"--(?P<flag>[a-z0-9][a-z0-9_-]*)(?P<value>[ =](?P<word>[\w.+-]*\w))?")
_COMMAND = re.compile(r"(`[^`]*`)")


def layer_of(function: str, kind: type[Slice], given: Mapping[str, Any]) -> Layer:
    """The arguments of a call as a layer of settings; None counts as not given.

    Raises SettingError for a name that the function does not have.
    """
    values = {key: _plain(value) for key, value in given.items() if value is not None}
    batch = [name for name in BATCH_NAMES if name in values]
    if len(batch) > 1:
        raise SettingError(function, "batch and batch_size are two names of one argument", "Give one of them")
    if batch:
        values[next(name for name in BATCH_NAMES if name in kind.model_fields)] = values.pop(batch[0])
    known = argument_names(kind)
    for key in values:
        if key in ONLY_AT_THE_COMMAND_LINE and key in kind.model_fields:
            raise SettingError(function, f"{key} is for the command line alone", ONLY_AT_THE_COMMAND_LINE[key])
        if key not in known:
            near = nearest(current_name(key), [*known, *BATCH_NAMES])
            remedy = f"Did you mean '{near}'?" if near else f"help({function}) lists them"
            raise SettingError(function, f"there is no argument '{key}'", remedy)
    return Layer(PYTHON, {key: _listed(function, kind, key, value) for key, value in values.items()})


def _listed(function: str, kind: type[Slice], key: str, value: Any) -> Any:
    """A word for a setting that takes several as a list of one, commas and all.

    Raises SettingError for a mapping where none can be meant.
    """
    several = get_origin(kind.model_fields[key].annotation) is tuple
    if isinstance(value, dict) and not several:
        raise SettingError(function, f"{key} is a mapping", f"Give {accepted(kind, key)}")
    return (value,) if several and isinstance(value, str) else value


def argument_names(kind: type[Slice]) -> tuple[str, ...]:
    """The settings that can be given in Python: all but the first words of a command line."""
    return tuple(
        key
        for key, info in kind.model_fields.items()
        if not spelling_of(info).positional and key not in ONLY_AT_THE_COMMAND_LINE
    )


def _plain(value: Any) -> Any:
    """Paths as text and numbers of NumPy as Python's, also within lists and mappings."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


@contextlib.contextmanager
def errors_in_python(function: str, kind: type[Slice]) -> Iterator[None]:
    """Let the errors of what runs inside speak of arguments, not of flags."""
    try:
        yield
    except UserError as error:
        where = _where(error.where, function, kind)
        UserError.__init__(error, where, in_python(error.what, kind), in_python(error.remedy, kind))
        raise


def in_python(text: str, kind: type[Slice]) -> str:
    """A sentence that names flags, as one that names arguments. Command lines in backticks stay as they are."""
    names = _arguments_of_flags(kind)
    return "".join(
        part if part.startswith("`") else _FLAG.sub(lambda found: _argument(found, names, kind), part)
        for part in _COMMAND.split(text)
    )


def _where(where: str, function: str, kind: type[Slice]) -> str:
    found = _FLAG.match(where)
    if found:
        key = _arguments_of_flags(kind).get(found["flag"], found["flag"].replace("-", "_"))
        return f"argument {key}{where[len('--') + len(found['flag']) :]}"
    if where == PYTHON.place or where == function.replace(".", " "):
        return function
    plain = where.replace(f" ({PYTHON.place})", "")
    return plain if plain == where else f"argument {plain}"


def _arguments_of_flags(kind: type[Slice]) -> dict[str, str]:
    """The setting behind every spelling of a flag."""
    found = {}
    for key, info in kind.model_fields.items():
        spelling = spelling_of(info)
        for name in (key, *spelling.names, *spelling.renamed):
            found[name] = found[name.replace("_", "-")] = key
    return found


def _argument(found: re.Match[str], names: Mapping[str, str], kind: type[Slice]) -> str:
    """One flag as an argument, with the value behind it where that is one of its values."""
    key, after = names.get(found["flag"], found["flag"].replace("-", "_")), found["value"] or ""
    info = kind.model_fields.get(key)
    if info is not None and info.annotation is bool:
        return f"{key}=True{after}"
    if info is not None and found["word"] and found["word"] in {*_literals(info.annotation), str(info.default)}:
        return f"{key}={found['word']!r}"
    return f"'{key}'{after}"


def _literals(annotation: Any) -> set[Any]:
    """The fixed values that a type allows."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return set().union(*(_literals(part) for part in get_args(annotation)))
    return set()

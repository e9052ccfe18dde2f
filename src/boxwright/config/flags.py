# SPDX-License-Identifier: Apache-2.0
"""The command line of a verb, made from its settings: flags, old spellings, abbreviations, key=value words."""

from __future__ import annotations

import argparse
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, get_args, get_origin

from boxwright.config.compat import current_name, meant
from boxwright.config.family_flags import Outcome, family_flag
from boxwright.config.load import Layer
from boxwright.config.manual import WIDTH, description
from boxwright.config.not_yet import is_not_yet
from boxwright.config.origin import Origin, Source
from boxwright.config.setting import NO_BARE_FORM, Slice, Spelling, spelling_of
from boxwright.errors import SettingError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo

_WORD = re.compile(r"([A-Za-z_][A-Za-z0-9_\-]*)=(.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+")
_AS_FLAG = " as a flag"
_FILES = {"PT", "PATH"}  # what stands for files in help
_EPILOG = """Any setting can also be given as a trailing key=value word, such as lr0=0.005 mosaic=0;
`boxwright config explain KEY` says what a key does."""


@dataclass(frozen=True)
class CommandLine:
    """What stood on the command line: flags, words, notes on old spellings, and whether JSON was asked for."""

    flags: Layer
    words: Layer
    notes: tuple[str, ...] = ()
    json: bool = False


@dataclass
class _Flag:
    """One way to write one setting."""

    key: str
    spelling: Spelling
    renamed: bool = False
    value: Any = NO_BARE_FORM  # of a shorthand
    switch: bool = False  # yes or no: nothing follows it
    numbers: bool = False  # several whole numbers may follow it, and nothing else

    @property
    def needs_value(self) -> bool:
        """Whether the next word is its value."""
        return self.value == NO_BARE_FORM and self.spelling.bare == NO_BARE_FORM and not self.switch


@dataclass
class _Reading:
    """What has been read so far."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def flag_names(key: str, info: FieldInfo) -> list[str]:
    """Every current flag of a setting, the main one first."""
    spelling = spelling_of(info)
    if spelling.kind != "flag" or spelling.positional:
        return []
    return [f"--{name.replace('_', '-')}" for name in (key, *spelling.names)]


def read(verb: str, kind: type[Slice], arguments: Sequence[str], *, reports: bool) -> CommandLine:
    """Read the words after a verb. Raises SettingError for everything that is not understood."""
    table = dict(_spellings(kind))
    reading = _Reading()
    canonical = _joined(table, list(_canonical(verb, kind, table, arguments, reading)))
    parsed, too_many = parser(verb, kind, reports=reports).parse_known_args(canonical)
    if too_many:
        raise _left_over(verb, kind, too_many)
    found = _first_words(verb, vars(parsed))
    wants_json = bool(found.pop("json", False))
    values = {key: value for key, value in found.items() if value is not None}
    places = {**reading.places, **{key: reading.places.get(key, verb) for key in values}}
    sources = {key: Source(Origin.FLAG, place) for key, place in places.items()}
    flags = Layer(Source(Origin.FLAG, "flags"), {**reading.values, **values}, sources)
    named = {key: Source(Origin.FLAG, f"{key}=value") for key in reading.words}
    words = Layer(Source(Origin.FLAG, "key=value"), reading.words, named)
    return CommandLine(flags, words, tuple(reading.notes), wants_json)


def _left_over(verb: str, kind: type[Slice], words: list[str]) -> SettingError:
    """The error for words that have no place, with the flags behind which several files may stand."""
    spellings = {key: spelling_of(info) for key, info in kind.model_fields.items()}
    behind = [
        f"--{key.replace('_', '-')}"
        for key, spelling in spellings.items()
        if spelling.many and spelling.metavar in _FILES
    ]
    several = f"Several stand behind {' or '.join(behind)}; " if behind else ""
    return SettingError(
        f"boxwright {verb}",
        f"unrecognized arguments: {' '.join(words)}",
        f"{several}`boxwright {verb} --help` lists the flags",
    )


def _first_words(verb: str, found: dict[str, Any]) -> dict[str, Any]:
    """What a word and what its flag said, as one. Raises SettingError when both were given."""
    for flag in [key for key in found if key.endswith(_AS_FLAG)]:
        key, value = flag.removesuffix(_AS_FLAG), found.pop(flag)
        if value is not None and found[key] is not None:
            raise SettingError(
                f"boxwright {verb}",
                f"'{found[key]}' and --{key} '{value}' say the same thing twice",
                "Give one of them",
            )
        found[key] = found[key] if value is None else value
    return found


def parser(verb: str, kind: type[Slice], *, reports: bool) -> argparse.ArgumentParser:
    """The parser of a verb, for reading and for --help. Everything comes out as text and is validated by the schema."""
    made = _Parser(
        prog=f"boxwright {verb}",
        allow_abbrev=False,
        epilog=_epilog(kind),
        description=description(verb),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for home, keys in _by_slice(kind).items():
        place = (
            made
            if home is kind
            else made.add_argument_group(home.__name__.removesuffix("Settings").lower(), home.__doc__)
        )
        for key in keys:
            info = kind.model_fields[key]
            spelling = spelling_of(info)
            if spelling.positional:
                place.add_argument(
                    key,
                    nargs="*" if spelling.many else "?",
                    default=None,
                    metavar=key.upper(),
                    help=_help(key, info),
                )
                if not spelling.many:  # who is used to --data of a training writes it here too
                    place.add_argument(f"--{key}", dest=f"{key}{_AS_FLAG}", default=None, help=argparse.SUPPRESS)
            elif spelling.kind == "flag":
                place.add_argument(
                    *flag_names(key, info), dest=key, default=None, help=_help(key, info), **_shape(info, spelling)
                )
    if reports:
        made.add_argument("--json", action="store_true", help="Print one JSON document instead of text.")
    return made


def _epilog(kind: type[Slice]) -> str | None:
    """What stands below the flags: how else to write them, and which of them cannot be used yet."""
    later = [flag_names(key, info)[0] for key, info in kind.model_fields.items() if is_not_yet(key)]
    parts = [_EPILOG] if _has_words(kind) else []
    if later:
        line = f"Understood, but not offered yet: {', '.join(later)}. They are refused."
        parts.append(textwrap.fill(line, WIDTH, break_on_hyphens=False))
    return "\n\n".join(parts) or None


def _by_slice(kind: type[Slice]) -> dict[type[Slice], list[str]]:
    """The settings by the slice that defines them, in the order in which a verb names its slices.

    Those without a flag apart.
    """
    homes = [home for home in kind.__mro__ if issubclass(home, Slice) and home is not Slice]
    found: dict[type[Slice], list[str]] = {home: [] for home in homes}
    for key, info in kind.model_fields.items():
        if spelling_of(info).kind == "flag":
            found[next(home for home in homes if key in home.__annotations__)].append(key)
    return {home: keys for home, keys in found.items() if keys}


class _Parser(argparse.ArgumentParser):
    """argparse with our errors, which prints nothing itself."""

    def print_help(self, file: object = None) -> NoReturn:
        """Hand the help up to where printing is done, as the reason for an end of the program."""
        del file
        raise SystemExit(self.format_help())

    def error(self, message: str) -> NoReturn:
        raise SettingError(self.prog, message, f"`{self.prog} --help` lists the flags")


def _has_words(kind: type[Slice]) -> bool:
    return any(spelling_of(info).kind != "flag" for info in kind.model_fields.values())


def _help(key: str, info: FieldInfo) -> str:
    default = info.default
    if isinstance(default, tuple):
        default = " ".join(map(str, default))
    suffix = "" if default in {None, "", False} or spelling_of(info).positional else f" (default: {default})"
    later = "Not offered yet. " if is_not_yet(key) else ""
    return f"{later}{info.description}{suffix}".replace("%", "%%")


def _shape(info: FieldInfo, spelling: Spelling) -> dict[str, Any]:
    """How many words follow a flag."""
    if info.annotation is bool:
        return {"action": "store_const", "const": True}
    shape: dict[str, Any] = {"metavar": spelling.metavar or _metavar(info)}
    if spelling.bare != NO_BARE_FORM:
        return {**shape, "nargs": "?", "const": spelling.bare}
    if _takes_numbers(info, spelling):  # they reach the parser as one word
        return {**shape, "metavar": f"{shape['metavar']} [{shape['metavar']}]"}
    return {**shape, "nargs": "+"} if spelling.many else shape


def _takes_numbers(info: FieldInfo, spelling: Spelling) -> bool:
    """Whether several whole numbers may follow the flag: what stands behind them is no part of it."""
    members = [part for part in get_args(info.annotation) if part is not Ellipsis]
    plain = {get_args(part)[0] if get_args(part) else part for part in members}
    return spelling.many and get_origin(info.annotation) is tuple and plain == {int}


def _metavar(info: FieldInfo) -> str:
    choices = getattr(info.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return "{" + ",".join(choices) + "}"
    return "N" if info.annotation is int else "X" if info.annotation is float else "TEXT"


def _spellings(kind: type[Slice]) -> Iterator[tuple[str, _Flag]]:
    for key, info in kind.model_fields.items():
        spelling = spelling_of(info)
        if spelling.kind == "flag" and not (spelling.positional and spelling.many):
            switch, numbers = info.annotation is bool, _takes_numbers(info, spelling)
            for name in (key, *spelling.names):
                yield name.replace("_", "-"), _Flag(key, spelling, switch=switch, numbers=numbers)
            for name in spelling.renamed:
                yield name.replace("_", "-"), _Flag(key, spelling, renamed=True, switch=switch, numbers=numbers)
            for name, value in spelling.shorthand:
                yield name, _Flag(key, spelling, value=value)


def _canonical(
    verb: str, kind: type[Slice], table: dict[str, _Flag], arguments: Sequence[str], reading: _Reading
) -> Iterator[str]:
    """The words with every flag in its main spelling; key=value words and shorthands go into the reading."""
    waiting = False  # a flag before this word needs it as its value
    words = _known_here(verb, arguments, reading)
    for word in words:
        if word in {"-h", "--help", "--json"} or not word.startswith("--"):
            if waiting or not _took_word(verb, kind, table, word, reading):
                yield word
            waiting = False
            continue
        name, _, value = word[2:].partition("=")
        if name not in table and _is_word(kind, name):
            remedy = f"Write {current_name(name)}={value or 'VALUE'} after the flags, or put it into the file of --hyp"
            raise SettingError(f"boxwright {verb}", f"'{name}' is a hyperparameter, not a flag", remedy)
        flag, main = _found(verb, kind, table, name)
        waiting = flag.needs_value and "=" not in word
        _require_one_meaning(reading, flag, main)
        reading.places[flag.key] = f"--{main}"
        if flag.renamed:
            reading.notes.append(f"--{name} is now --{flag.key.replace('_', '-')}; both work")
        if flag.value != NO_BARE_FORM:
            reading.values[flag.key] = flag.value
            continue
        yield f"--{flag.key.replace('_', '-')}" + (f"={value}" if "=" in word else "")


def _require_one_meaning(reading: _Reading, flag: _Flag, main: str) -> None:
    """Refuse a flag that stands for a value beside the flag that takes one. Raises SettingError."""
    before = reading.places.get(flag.key)
    if before and before != f"--{main}" and (flag.value != NO_BARE_FORM or flag.key in reading.values):
        raise SettingError(f"{before} + --{main}", "both say the same thing", "Leave one of them out")


def _took_word(verb: str, kind: type[Slice], table: dict[str, _Flag], word: str, reading: _Reading) -> bool:
    """Whether this is key=value, which then lies in the reading. Raises SettingError for a key that is none."""
    match = _WORD.fullmatch(word)
    if not match:
        return False
    key = current_name(match[1])
    spelt = table.get(match[1].replace("_", "-"))
    if key not in kind.model_fields and spelt is not None and spelt.value == NO_BARE_FORM:
        key = spelt.key
    if key in kind.model_fields:
        reading.words[key] = match[2]
        return True
    if _has_words(kind) and not any(character in match[1] for character in "/.\\"):
        raise _unknown(verb, match[1], kind)
    return False


def _known_here(verb: str, arguments: Sequence[str], reading: _Reading) -> Iterator[str]:
    """The words without the flags of the family that have no effect here, of which a note is kept.

    Raises SettingError for those that are refused.
    """
    words = iter(arguments)
    for word in words:
        name, equals, _ = word[2:].partition("=") if word.startswith("--") else ("", "", "")
        flag = family_flag(verb, name) if name else None
        if flag is None:
            yield word
            continue
        if flag.outcome is Outcome.REFUSED:
            raise SettingError(f"--{name}", flag.about, flag.remedy)
        if flag.words and not equals and next(words, None) is None:
            raise SettingError(f"boxwright {verb}", f"argument --{name}: expected one argument", "Leave it out")
        reading.notes.append(f"--{name} has no effect here. {flag.about}")


def _is_word(kind: type[Slice], name: str) -> bool:
    """Whether this is a setting that has no flag."""
    info = kind.model_fields.get(current_name(name.replace("-", "_")))
    return info is not None and spelling_of(info).kind != "flag"


def _joined(table: dict[str, _Flag], words: list[str]) -> list[str]:
    """Flags of one value with a value that begins with a minus as one word each.

    Apart, it would be taken for a flag.
    """
    found: list[str] = []
    collecting = False  # numbers of a flag that takes several
    for word in words:
        before = found[-1] if found else ""
        flag = table.get(before[2:]) if before.startswith("--") else None
        takes = flag is not None and flag.needs_value and not flag.spelling.many
        if takes and word.startswith("-") and not word.startswith("--") and word != "-h":
            found[-1] = f"{before}={word}"
        elif collecting and _NUMBER.fullmatch(word):
            found[-1] += f",{word}"
        elif flag is not None and flag.numbers and "=" not in before and not word.startswith("-"):
            found[-1] = f"{before}={word}"
            collecting = True
            continue
        else:
            found.append(word)
            collecting = False
    return found


def _found(verb: str, kind: type[Slice], table: dict[str, _Flag], name: str) -> tuple[_Flag, str]:
    """The flag that a spelling or an unambiguous beginning of one means, and how it is written in full."""
    dashed = name.replace("_", "-")
    if dashed in table:
        return table[dashed], dashed
    begun = [full for full in table if full.startswith(dashed)] if dashed else []
    if meant(name, kind.model_fields) and not any(table[full].spelling.original for full in begun):
        raise _unknown(verb, name, kind, table)
    keys = {table[full].key for full in begun}
    if len(keys) > 1:
        begun = [full for full in begun if table[full].spelling.original]
        keys = {table[full].key for full in begun}
    if len(keys) == 1:
        return table[begun[0]], begun[0]
    if begun:
        raise SettingError(
            f"boxwright {verb}",
            f"--{name} could mean {', '.join(f'--{full}' for full in sorted(begun))}",
            "Write it out",
        )
    raise _unknown(verb, name, kind, table)


def _unknown(verb: str, name: str, kind: type[Slice], table: dict[str, _Flag] | None = None) -> SettingError:
    """The error for a word that nobody knows, with the most likely one. `table`: it was a flag."""
    sort, dashes = ("setting", "") if table is None else ("flag", "--")
    known = list(kind.model_fields if table is None else table)
    near = nearest(name.replace("_", "-") if dashes else current_name(name), known)
    offered = " or ".join(_described(key, kind) for key in meant(name, kind.model_fields))
    if not offered and near:
        offered = f"'{dashes}{near}'"
    remedy = f"Did you mean {offered}?" if offered else f"`boxwright {verb} --help` lists the flags"
    return SettingError(f"boxwright {verb}", f"unknown {sort} '{dashes}{name}'", remedy)


def _described(key: str, kind: type[Slice]) -> str:
    """A setting that is called otherwise elsewhere, as it is written here, and what it does."""
    info = kind.model_fields[key]
    spelling, does = spelling_of(info), re.split("[:;(]", str(info.description))[0].strip().rstrip(".")
    flag = f"--{key.replace('_', '-')}" if spelling.kind == "flag" else f"{key}=VALUE"
    return f"'{key.upper() if spelling.positional else flag}' ({does})"

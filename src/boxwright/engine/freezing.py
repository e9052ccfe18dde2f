# SPDX-License-Identifier: Apache-2.0
"""Freezing: which parameters stay as they are, and what of the network trains."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from boxwright.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = (0,)
_ROW = re.compile(r"model\.(\d+)\.")


@dataclass(frozen=True)
class Frozen:
    """What was frozen. `still` are normalisation layers whose running statistics stay too."""

    parameters: tuple[str, ...] = ()
    still: tuple[nn.Module, ...] = ()


def freeze(network: nn.Module, words: Sequence[int | str], *, statistics: bool) -> Frozen:
    """Freeze rows (one number N = the first N, several = exactly these) or what name patterns match.

    Raises SettingError.
    """
    if tuple(words) == NOTHING:
        return Frozen()
    names = [name for name, _ in network.named_parameters()]
    chosen = {name for word in _patterns(words, names) for name in _matched(word, names)}
    if len(chosen) == len(names):
        raise SettingError("freeze", "nothing would be left to train", "Freeze less")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in chosen)
    norms = (
        tuple(m for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d) and f"{name}.weight" in chosen)
        if statistics
        else ()
    )
    return Frozen(tuple(name for name in names if name in chosen), norms)


def _patterns(words: Sequence[int | str], names: list[str]) -> list[str]:
    rows = 1 + max(int(found[1]) for name in names if (found := _ROW.match(name)))
    numbers = [word for word in words if isinstance(word, int)]
    listed = range(numbers[0]) if len(words) == len(numbers) == 1 else numbers
    for number in listed:
        if not 0 <= number < rows:
            raise SettingError("freeze", f"there is no row {number}", f"The rows are 0 to {rows - 1}")
    return [f"model.{number}.*" for number in listed] + [str(word) for word in words if not isinstance(word, int)]


def _matched(word: str, names: list[str]) -> list[str]:
    found = fnmatch.filter(names, word) or fnmatch.filter(names, f"*{word}*")
    if not found and not re.fullmatch(r"model\.\d+\.\*", word):  # rows without parameters are fine
        raise SettingError(
            "freeze",
            f"no parameter's name matches {word!r}",
            "Patterns are like model.3.* or *.bn.weight; `boxwright model info` shows rows",
        )
    return found


def trains(network: nn.Module) -> list[tuple[str, int, int]]:
    """Row by row: its name, its parameters, and how many of them train."""
    rows: dict[str, list[int]] = {}
    for name, parameter in network.named_parameters():
        found = _ROW.match(name)
        row = rows.setdefault(f"model.{found[1]}" if found else name, [0, 0])
        row[0] += parameter.numel()
        row[1] += parameter.numel() if parameter.requires_grad else 0
    return [(name, total, training) for name, (total, training) in rows.items()]


def in_words(network: nn.Module) -> str:
    """What trains, in one line, or '' when everything does."""
    rows = trains(network)
    total, training = sum(row[1] for row in rows), sum(row[2] for row in rows)
    if training == total:
        return ""
    still = [name.removeprefix("model.") for name, _, mine in rows if mine == 0]
    partly = [name.removeprefix("model.") for name, all_of_it, mine in rows if 0 < mine < all_of_it]
    parts = [f"rows {', '.join(still)} are frozen"] if still else []
    parts += [f"rows {', '.join(partly)} in part"] if partly else []
    return f"{training:,} of {total:,} parameters train: {'; '.join(parts)}"

# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the original program, as plain values and tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from boxwright.errors import WeightsError
from boxwright.model.legacy.modules import LegacyNetwork, is_module, network_of_state, read_network
from boxwright.system.torch_archive.archive import Contents, read_archive, read_contents
from boxwright.system.torch_archive.limits import LARGEST_BYTES, Limits
from boxwright.system.torch_archive.nodes import RefusedError
from boxwright.system.torch_archive.values import Plainer

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = ("model", "ema")
MOST_COUNTED = 1 << 40  # epochs or updates


@dataclass(frozen=True)
class LegacyOptimizer:
    """The optimizer's memory: `groups` as stored, each with the numbers of its parameters; `memory` by number."""

    groups: tuple[dict[str, Any], ...]
    memory: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class LegacyCheckpoint:
    """What a file holds. `rest` are the entries without a field of their own, as plain values."""

    container: str
    mentioned: tuple[str, ...]
    model: LegacyNetwork | None
    ema: LegacyNetwork | None
    optimizer: LegacyOptimizer | None
    epoch: int
    updates: int | None
    best_fitness: float | None
    options: dict[str, Any]
    wandb_id: str
    training_results: str
    date: str
    rest: dict[str, Any]

    @property
    def network(self) -> LegacyNetwork:
        """What the original program would use: the average where there is one."""
        used = self.ema or self.model
        assert used is not None  # the reader refuses a file without either
        return used


def read_legacy(path: Path, limits: Limits | None = None) -> LegacyCheckpoint:
    """Read a file as data. Raises WeightsError, with the reason and any name that has no place in a checkpoint."""
    try:
        return checkpoint_of(read_archive(path, LARGEST_BYTES), limits or Limits())
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    except RefusedError as refused:
        raise WeightsError(
            str(path),
            f"is not read: {refused}",
            "Nothing of it was run. Give a checkpoint of a detector, whole and unchanged",
        ) from None
    except (RecursionError, MemoryError):
        raise WeightsError(
            str(path), "is not read: it asks for more than a checkpoint needs", "Give a checkpoint of a detector"
        ) from None


def checkpoint_of(content: bytes, limits: Limits) -> LegacyCheckpoint:
    """A checkpoint from a file's content. Raises RefusedError."""
    contents = read_contents(content, limits)
    plainer = Plainer(limits, contents.size)
    entries = _entries(contents, plainer)
    networks = {name: _network(entries.pop(name, None), name, plainer) for name in NETWORKS}
    if not any(networks.values()):
        raise RefusedError("it holds no network (neither 'model' nor 'ema')")
    optimizer = _optimizer(plainer.plain(entries.pop("optimizer", None)))
    plain = {key: plainer.plain(value) for key, value in entries.items()}
    options = plain.pop("opt", None)
    return LegacyCheckpoint(
        container=contents.container,
        mentioned=contents.names,
        model=networks["model"],
        ema=networks["ema"],
        optimizer=optimizer,
        epoch=_whole(plain.pop("epoch", None), -1),
        updates=_whole_or_none(plain.pop("updates", None)),
        best_fitness=_number(plain.pop("best_fitness", None)),
        options=options if isinstance(options, dict) else {},
        wandb_id=_text(plain.pop("wandb_id", None)),
        training_results=_text(plain.pop("training_results", None)),
        date=_text(plain.pop("date", None)),
        rest=plain,
    )


def _entries(contents: Contents, plainer: Plainer) -> dict[str, Any]:
    """The entries of the file; a bare network or table of tensors is its 'model'."""
    tree = contents.tree
    if is_module(tree):
        return {"model": tree}
    if type(tree) is dict:
        entries = {str(key): value for key, value in tree.items()}
        return entries if any(name in entries for name in NETWORKS) else {"model": tree}
    if is_state(plainer.plain(tree)):
        return {"model": tree}
    raise RefusedError("it holds no dictionary")


def _network(stored: Any, name: str, plainer: Plainer) -> LegacyNetwork | None:
    if stored is None:
        return None
    if is_module(stored):
        return read_network(stored, plainer)
    state = plainer.plain(stored)
    if not is_state(state):
        raise RefusedError(f"its '{name}' is neither a network nor a table of tensors")
    return network_of_state(state)


def is_state(value: Any) -> bool:
    """Whether a plain value is a table of tensors by name."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(item, torch.Tensor) for key, item in value.items())
    )


def _optimizer(stored: Any) -> LegacyOptimizer | None:
    if stored is None:
        return None
    match stored:
        case {"state": dict() as state, "param_groups": list() as groups} if all(
            isinstance(group, dict) for group in groups
        ):
            numbered = all(isinstance(key, int) and isinstance(memory, dict) for key, memory in state.items())
            if numbered and all(_is_list_of_numbers(group.get("params")) for group in groups):
                return LegacyOptimizer(tuple(groups), state)
    raise RefusedError("its optimizer has an unknown form")


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int for item in value)


def _whole(value: Any, default: int) -> int:
    return value if type(value) is int and -1 <= value < MOST_COUNTED else default


def _whole_or_none(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < MOST_COUNTED else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """A number, or the only one of a list: best_fitness was an array of one."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

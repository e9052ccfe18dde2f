# SPDX-License-Identifier: Apache-2.0
"""What several processes of one training have to agree on before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch

from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.val import ValSettings
from boxwright.data.sampling.quad import GROUP
from boxwright.errors import SettingError
from boxwright.runs.plan import TrainPlan
from boxwright.system.device import device_words
from boxwright.system.distributed.world import World
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

BETWEEN = ("sync_bn", "rank_timeout", "max_restarts", "log_ranks")  # settings that act between processes
PATIENCE_S = 30.0  # without a sign of life, where no setting says how long
Kind = TypeVar("Kind", TrainSettings, ValSettings)
# Settings that may differ between processes: where and how fast, not what is computed.
OWN = {
    "device",
    "threads",
    "workers",
    "quiet",
    "console",
    "ndjson_console",
    "processes",
    "log_ranks",
    "max_restarts",
    "project",
    "cache",
    "kernels",
}


def on_own_device(resolved: Resolved[Kind], world: World) -> Resolved[Kind]:
    """The settings of this process. Raises DeviceError where there are fewer devices than processes."""
    if not world.is_several:
        return resolved
    words = device_words(resolved.settings.device, world.local_size)
    own = resolved.settings.model_copy(update={"device": words[world.local_rank]})
    return replace(resolved, settings=own)


def without_others(resolved: Resolved[TrainSettings]) -> list[str]:
    """What was asked for that acts between processes, and there is one."""
    typed = [f"--{key.replace('_', '-')}" for key in BETWEEN if resolved.sources[key].typed]
    return [f"{', '.join(typed)}: without effect, since one process trains alone"] if typed else []


def require_shares(settings: TrainSettings, world: World) -> None:
    """Raise SettingError where so many processes cannot share a batch."""
    size = world.size
    if not world.is_several:
        return
    if settings.batch_size == -1:
        what = f"the batch size cannot be measured by {size} processes together"
        raise SettingError("batch_size", what, f"Give --batch-size, a multiple of {size}")
    unit = GROUP if settings.quad else 1
    if settings.batch_size % (size * unit):
        what = f"{settings.batch_size} images do not divide among {size} processes"
        more = f" in groups of {GROUP} (quad)" if settings.quad else ""
        nearest = max(round(settings.batch_size / (size * unit)), 1) * size * unit
        raise SettingError("batch_size", what + more, f"Give a multiple of {size * unit}, such as {nearest}")


def require_same(plan: TrainPlan, world: World) -> None:
    """Raise SettingError where a process has other settings, another version or other data than rank 0."""
    if not world.is_several:
        return
    everyone = world.gather(_facts(plan), "comparing settings and data")
    for rank, other in enumerate(everyone):
        if (key := _differing(everyone[0], other)) is not None:
            mine, theirs = (str(facts.get(key, "nothing"))[:80] for facts in (everyone[0], other))
            raise SettingError(key, f"rank 0 has {mine}, and rank {rank} has {theirs}", "Start all with the same")


def _facts(plan: TrainPlan) -> dict[str, str]:
    settings = {key: repr(value) for key, value in plan.settings.model_dump(mode="json").items() if key not in OWN}
    splits = {f"data of {split}": index.fingerprint() for split, index in plan.data.splits.items()}
    weights = sum(float(tensor.double().sum()) for tensor in plan.detector.state_dict().values())
    versions = {"boxwright": __version__, "torch": torch.__version__}
    return {**versions, **settings, **splits, "weights": repr(weights)}


def _differing(mine: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    return next((key for key in {**mine, **other} if mine.get(key) != other.get(key)), None)

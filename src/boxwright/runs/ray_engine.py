# SPDX-License-Identifier: Apache-2.0
"""The same training on workers of Ray: `--engine ray`. Ray starts them; checkpoints and going on are ours."""

from __future__ import annotations

import functools
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.config.assemble import resolve_verb
from boxwright.config.flags import read
from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.data.sampling.quad import GROUP
from boxwright.documents import read_yaml
from boxwright.errors import BoxwrightError, SettingError
from boxwright.runs import resume as resuming
from boxwright.runs.agree_before_start import require_shares
from boxwright.runs.result import TrainResult
from boxwright.runs.several_processes import require_sendable, words_of
from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.launch_environment import Launch, launch_of_environment
from boxwright.system.distributed.ray_launcher import answer_of_workers
from boxwright.system.distributed.ray_worker import imported_ray
from boxwright.system.distributed.world import World
from boxwright.system.run_folder import RunFile, RunFolder, run_of
from boxwright.system.signals import ENDED_BY_SIGNAL, TerminatedError, exit_code
from boxwright.system.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Train = Callable[[Resolved[TrainSettings], Sequence[object], Launch | None], TrainResult]  # of runs/training.py


class _WorkerError(BoxwrightError):
    """What a worker told, with its exit code."""

    def __init__(self, told: str, code: int) -> None:
        super().__init__(told)
        self.exit_code = code


def train_on_ray(resolved: Resolved[TrainSettings], observers: Sequence[object], train: Train) -> TrainResult:
    """Train on workers of Ray by `train`; what it came to.

    Raises SettingError before anything is made, and what the training raises.
    """
    settings = resolved.settings
    if launch_of_environment() is not None:
        what = "another launcher has started several of this process already"
        raise SettingError("--engine ray", what, "Start one process without torchrun, or leave --engine out")
    if settings.device.strip().lower() not in {"", "cpu"}:
        what = f"--device {settings.device} cannot be chosen here, since Ray gives each worker its own"
        raise SettingError("--engine ray", what, "Leave --device out, or give cpu")
    imported_ray()
    require_sendable(observers, "workers of Ray")
    sizes = sizes_of(resolved)
    work = functools.partial(_trained, Path.cwd(), words_of(resolved), train)
    on_cpu, notes = settings.device.strip().lower() == "cpu", sys.stderr if settings.ndjson_console else None
    answer = answer_of_workers(work, sizes, settings.max_restarts, on_cpu=on_cpu, notes=notes)
    if "result" in answer:
        return replace(TrainResult.from_document(answer["result"]), is_told=False)
    if "signal" in answer:
        number = answer["signal"]
        stop = KeyboardInterrupt() if number == signal.SIGINT else TerminatedError(number)
        for note in answer["notes"]:
            stop.add_note(note)
        raise _as_told(stop, answer)
    if "raised" in answer:
        raise _as_told(answer["raised"], answer)
    raise _as_told(_WorkerError(answer["error"], answer["code"]), answer)


def _as_told(error: BaseException, answer: dict[str, Any]) -> BaseException:
    """The error of a worker: whether its events have told the end is known there."""
    if answer.get("ends_events") is not None:
        vars(error)["ends_events"] = answer["ends_events"]
    return error


def sizes_of(resolved: Resolved[TrainSettings]) -> list[int]:
    """The numbers of workers that were allowed and can share a batch. Raises SettingError where there are none."""
    settings = _of_its_run(resolved)
    fewest, _, most = settings.workers_ray.partition(":")
    numbers = range(int(fewest), int(most or fewest) + 1)
    if settings.batch_size == -1:
        require_shares(settings, World(size=numbers[-1]))
    unit = GROUP if settings.quad else 1
    found = [size for size in numbers if size == 1 or settings.batch_size % (size * unit) == 0]
    if not found:
        require_shares(settings, World(size=numbers[0]))
    return found


def _of_its_run(resolved: Resolved[TrainSettings]) -> TrainSettings:
    """The settings, and of a run that goes on those that say which batches it has, where they are not given anew."""
    settings = resolved.settings
    if not settings.resume:
        return settings
    place = RunFolder(run_of(resuming.checkpoint_place(resolved))) / RunFile.SETTINGS
    document = read_yaml(place).value if place.is_file() else None
    values = document.get("settings") if isinstance(document, dict) else None
    kept = values if isinstance(values, dict) else {}
    wanted = {key: kept[key] for key in ("batch_size", "quad") if key in kept and not resolved.sources[key].typed}
    return TrainSettings(**{**settings.model_dump(), **wanted})


def _events(error: BaseException) -> dict[str, Any]:
    return {"ends_events": getattr(error, "ends_events", None)}


def _trained(folder: Path, words: list[str], train: Train, launch: Launch) -> dict[str, Any] | None:
    """In a worker: the training, and what it came to for whoever asked. What is raised makes Ray start all anew."""
    try:
        os.chdir(folder)  # Ray has a folder of its own for each
        line = read("train", TrainSettings, words, reports=False)
        result = train(resolve_verb(TrainSettings, line.flags, line.words), (), launch)
    except LostError as error:
        say(f"error: {error}", sys.stderr)
        raise
    except BoxwrightError as error:
        return None if error.is_told else {"error": str(error), "code": error.exit_code, **_events(error)}
    except KeyboardInterrupt as stop:
        return {"signal": exit_code(stop) - ENDED_BY_SIGNAL, "notes": getattr(stop, "__notes__", []), **_events(stop)}
    except Exception as error:  # noqa: BLE001 -- raised again where somebody reads it; starting anew would not help
        return {"raised": error, **_events(error)}
    return {"result": result.document()} if launch.rank == 0 else None

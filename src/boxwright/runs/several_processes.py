# SPDX-License-Identifier: Apache-2.0
"""A training in several processes of this machine: started from here, and gone on with when one of them was lost."""

from __future__ import annotations

import contextlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from boxwright.config.load import Resolved
from boxwright.config.origin import BUILT_IN
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.paths import read_regular
from boxwright.runs.result import TrainResult
from boxwright.structures.answer import Answer
from boxwright.system.device import device_words, devices_named
from boxwright.system.distributed.hang_watch import ToldElsewhereError
from boxwright.system.distributed.launch_environment import Launch
from boxwright.system.distributed.process_launcher import launched
from boxwright.system.distributed.world import World
from boxwright.system.files import WriteError, write_json
from boxwright.system.run_folder import RunFile, RunFolder, newest_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DEATHS = 3  # at one place, before it is taken for the cause
MAX_RESULT_BYTES = 1 << 24
RESULT = "result.json"


class _Asking(Protocol):
    """The settings that say where something runs."""

    @property
    def device(self) -> str:
        """Words for devices."""
        ...

    @property
    def processes(self) -> int:
        """How many; 0: as many as devices are named."""
        ...


def processes_asked(settings: _Asking) -> int:
    """How many processes the settings ask for on this machine. Raises DeviceError where there are fewer devices."""
    wanted = settings.processes or devices_named(settings.device)
    if wanted > 1:
        device_words(settings.device, wanted)
    return wanted


def answer_of_processes(verb: str, resolved: Resolved[Any], processes: int) -> Answer:
    """What a verb answers that several processes do together. Raises ToldElsewhereError when they failed."""
    with tempfile.TemporaryDirectory(prefix="boxwright-") as place:
        file = Path(place) / RESULT
        code = launched([verb, *words_of(resolved), f"result_file={file}"], processes, 0, file.exists)
        if not file.exists():
            raise ToldElsewhereError(code)
        return Answer(**json.loads(read_regular(file, MAX_RESULT_BYTES)))


def left_in(file: str, answer: Answer) -> Answer:
    """Write an answer down for the process that asked for it; what is left to tell. Raises WriteError."""
    if not file:
        return answer
    told = {"lines": list(answer.lines), "document": answer.document, "notes": list(answer.notes)}
    write_json(Path(file), told)
    return Answer([], None)


def train_in_processes(
    resolved: Resolved[TrainSettings], processes: int, observers: Sequence[object] = ()
) -> TrainResult:
    """Start the processes, and come back with what the training came to.

    Raises SettingError for what cannot be sent to them, ToldElsewhereError when they failed, which they tell.
    """
    require_sendable(observers, f"{processes} processes")
    with tempfile.TemporaryDirectory(prefix="boxwright-") as place:
        file = Path(place) / RESULT
        words = ["train", *words_of(resolved), f"result_file={file}"]
        code = launched(words, processes, resolved.settings.max_restarts, file.exists)
        document = json.loads(read_regular(file, MAX_RESULT_BYTES)) if file.exists() else {}
        if not document:
            raise ToldElsewhereError(code)
        return TrainResult.from_document(document)


def require_sendable(observers: Sequence[object], where: str) -> None:
    """Raise SettingError where observers would have to be in other processes: they live in the one that made them."""
    if observers:
        names = ", ".join(getattr(one, "__name__", type(one).__name__) for one in observers)
        what = f"{names} cannot be sent to {where}"
        raise SettingError("observers", what, "Start this script itself with torchrun, or use one device")


def without_result_file(resolved: Resolved[TrainSettings]) -> Resolved[TrainSettings]:
    """The same as a run keeps it: where its result goes is nobody's affair who reads its settings later."""
    settings = resolved.settings.model_copy(update={"result_file": ""})
    return replace(resolved, settings=settings, sources={**resolved.sources, "result_file": BUILT_IN})


def words_of(resolved: Resolved[Any]) -> list[str]:
    """The command line that means the same: every setting that was given for this run, but for where it runs."""
    left_out = {"result_file"}
    given = [key for key, source in resolved.sources.items() if source.typed and key not in left_out]
    return [f"{key}={_word(getattr(resolved.settings, key))}" for key in given]


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_word, value))
    return value if isinstance(value, str) else json.dumps(value)


def write_result(file: str, result: TrainResult | None) -> None:
    """What a training came to, for the process that started it; None: to nothing, and for good. Raises WriteError."""
    if file:
        write_json(Path(file), {} if result is None else result.document())


# -- when one was lost


def begun_by(launch: Launch, settings: TrainSettings, world: World) -> str:
    """The run folder that an earlier attempt of the same job began, '' where there is none."""
    if settings.resume:
        return ""
    return world.broadcast(_folder_of(launch, settings) if world.is_main else "", "the run of this job")


def _folder_of(launch: Launch, settings: TrainSettings) -> str:
    for folder in newest_runs(settings.project):
        if _record(folder).get("job") == launch.job:
            return str(folder.path)
    return ""


def note_start(folder: RunFolder, job: str, place: tuple[int, int]) -> None:
    """Write down that a job begins or goes on here, at an epoch and batch.

    Raises SettingError where it was ended at this very place too often.
    """
    record = _record(folder)
    starts = [*record.get("starts", []), list(place)] if record.get("job") == job else [list(place)]
    write_json(folder / RunFile.STARTS, {"job": job, "starts": starts})
    again = starts[-MOST_DEATHS - 1 :]
    if len(again) > MOST_DEATHS and all(start == again[0] for start in again):
        what = f"a process was lost {MOST_DEATHS} times behind epoch {place[0]}, batch {place[1]}"
        raise SettingError(str(folder), what, "Look into the logs for why; then go on with --resume")


def note_end(folder: RunFolder, code: int) -> None:
    """Write down that the job ended here, for good, with this exit code; a disk that is full may keep it from that."""
    with contextlib.suppress(WriteError):
        write_json(folder / RunFile.STARTS, {**_record(folder), "ended": code})


def require_no_end(folder: RunFolder, world: World) -> None:
    """Raise ToldElsewhereError where an earlier attempt of the same launcher ended for good.

    A launcher starts again whatever has an exit code. Somebody who starts the same job anew means it.
    """
    record = _record(folder) if world.is_main and world.attempt else {}
    ended = record.get("ended", 0) if record.get("job") == world.job else 0
    if code := world.broadcast(ended, "how the last attempt ended"):
        raise ToldElsewhereError(code)


def _record(folder: RunFolder) -> dict[str, Any]:
    try:
        stored = json.loads(read_regular(folder / RunFile.STARTS, MAX_RESULT_BYTES))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}

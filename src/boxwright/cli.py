# SPDX-License-Identifier: Apache-2.0
"""The command line: a verb and its words -> settings -> one command -> text or JSON.

Errors become one line and an exit code.

What is printed goes through system/terminal.py.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from boxwright.errors import (
    EXIT_DONE,
    EXIT_OUR_FAULT,
    EXIT_USER_INPUT,
    BoxwrightError,
    SettingError,
    UserError,
    nearest,
)
from boxwright.paths import shortened
from boxwright.structures.answer import Answer, Table, parts
from boxwright.system.places import bound_pictures
from boxwright.system.signals import Interruption, exit_code, termination_heeded
from boxwright.system.terminal import Speaker, say, say_json
from boxwright.system.waiting import wait_briefly

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO


LONGEST_REASON = 120  # characters
# What the programs of the family were called, and the verb that does their work.
OLD_VERBS = {"detect": "predict", "test": "val"}
EVENT_VERBS = {"train", "demo"}  # whose stdout holds events and nothing else under --ndjson-console
NOT_YET_VERBS = ("bench", "doctor", "ui")


@dataclass(frozen=True)
class Verb:
    """A verb: its help line, the class of its settings and the function that does it, both imported when it is used."""

    help: str
    settings: str
    run: str
    reports: bool = True  # has --json
    live: bool = False  # says something while it works, to a function that it is given
    drawn: str = ""  # the function that does it when a picture is asked for with --out


VERBS: dict[str, Verb | dict[str, Verb]] = {
    "demo": Verb(
        "see it all at once: train on a drawn set, in minutes", "verbs:DemoSettings", "demo:run", reports=False
    ),
    "train": Verb("train a detector", "train:TrainSettings", "train:run", reports=False, live=True),
    "evolve": Verb(
        "search hyperparameters, and learn whether the best are better",
        "evolve:EvolveVerbSettings",
        "evolve:run",
        live=True,
    ),
    "val": Verb("validate a checkpoint on a split", "val:ValSettings", "val:run"),
    "predict": Verb("detect objects in images, videos and streams", "val:PredictSettings", "predict:run", live=True),
    "report": Verb("a page that shows a run, or several", "verbs:ReportSettings", "report:run"),
    "errors": Verb("what a detector gets wrong, object by object", "verbs:ErrorsSettings", "errors:run"),
    "compare": Verb("whether one run is better than another", "verbs:CompareSettings", "compare:run"),
    "export": Verb(
        "write it for other programs: onnx, torchscript, safetensors, yolov5, openvino",
        "export:ExportSettings",
        "export:run",
    ),
    "data": {
        "check": Verb("every fault of a data set, with file and line", "datasets:CheckSettings", "dataset.check:run"),
        "report": Verb("what is in a data set, as a page", "datasets:ReportSettings", "dataset.report:run"),
        "preview": Verb("what the trainer will see", "datasets:PreviewSettings", "dataset.preview:run"),
        "convert": Verb(
            "label files, COCO JSON and Pascal VOC into each other", "datasets:ConvertSettings", "dataset.convert:run"
        ),
        "split": Verb("divide images into train, val and test", "datasets:SplitSettings", "dataset.split:run"),
        "fetch": Verb("fetch and unpack what a YAML names", "datasets:FetchSettings", "dataset.fetch:run"),
        "sample": Verb("draw the sample set", "verbs:SampleSettings", "sample:run"),
    },
    "model": {
        "list": Verb("the packaged networks", "verbs:NoSettings", "model:listed"),
        "info": Verb(
            "one network, row by row: parameters, work, memory, time", "verbs:ModelInfoSettings", "model:info"
        ),
        "draw": Verb("a picture of the rows of a network", "verbs:ModelDrawSettings", "model_draw:run"),
        "check": Verb("whether a network description is sound", "verbs:ModelVerbSettings", "model:check"),
    },
    "anchors": Verb("how anchors fit a data set, and which would fit better", "verbs:AnchorsSettings", "anchors:run"),
    "watch": Verb("follow a run from another shell", "verbs:WatchSettings", "watch:run", live=True),
    "replay": Verb(
        "rebuild tables, TensorBoard and page of a run from the event log", "verbs:ReplaySettings", "replay:run"
    ),
    "bucket": {
        "sync": Verb("send what a bucket lacks of a run", "verbs:BucketSyncSettings", "bucket:sync", live=True),
    },
    "weights": {
        "inspect": Verb(
            "what a weights file of any kind holds, or why it is refused", "weights:InspectSettings", "weights:inspect"
        ),
        "convert": Verb(
            "write it as boxwright, safetensors or yolov5", "weights:ConvertSettings", "weights_files:convert"
        ),
        "strip": Verb("leave out what only training needs", "weights:StripSettings", "weights_files:strip"),
        "diff": Verb("what differs between two files", "weights:DiffSettings", "weights:diff"),
        "average": Verb(
            "the mean of several weights of one network", "weights:AverageSettings", "weights_files:average"
        ),
    },
    "recipes": Verb("the five trainers: list, show, --diff", "verbs:RecipesSettings", "recipes:run"),
    "schedule": Verb(
        "rates, momentum, accumulation and moving average of a planned run",
        "verbs:ScheduleVerbSettings",
        "schedule:run",
        drawn="schedule_picture:run",
    ),
    "config": {
        "show": Verb("every setting with its value and source", "train:TrainSettings", "settings:show"),
        "explain": Verb("what a setting does, takes and would be", "verbs:ExplainSettings", "settings:explain"),
    },
}


# Processes that this program starts for itself beside a training: a function that speaks on standard input and output.
FOLLOWERS = {"follow-bucket": "buckets.sender:follow"}

# What neighbouring programs call a verb, for whoever types it here.
VERBS_ELSEWHERE = {**OLD_VERBS, "infer": "predict", "validate": "val", "benchmark": "val"}


def start() -> NoReturn:
    """Run the command line of this process and end it."""
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read is gone; the interpreter would try again and end with a code of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if os.environ.get("WORLD_SIZE", "1") != "1":
        # Threads of the exchange with other processes may stand anywhere: an orderly end would abort on them.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    wait_briefly()
    bound_pictures()
    interruption = Interruption()
    try:
        with termination_heeded(interruption):
            return _run(words)
    except BoxwrightError as error:
        return _failed(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except KeyboardInterrupt as stop:
        return _stopped(stop)
    except Exception as error:  # noqa: BLE001 -- the last line of defence: people see one line, never a traceback
        if interruption.stop is not None:  # a library made an error of its own of it
            return _stopped(interruption.stop)
        told = _of_the_machine(error)
        return _broken(error) if told is None else _failed(told)


def _tells() -> bool:
    """Whether this process tells what all of a training have to tell: the first of its host, in its first attempt."""
    return {os.environ.get(name, "0") for name in ("LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")} == {"0"}


def _stopped(stop: KeyboardInterrupt) -> int:
    notes = getattr(stop, "__notes__", ())
    _end_events(stop, "; ".join(["stopped", *notes]), exit_code(stop))
    if not notes and not _tells():
        return exit_code(stop)
    try:
        say("; ".join(["stopped", *notes]), sys.stderr)
    except OSError:  # the terminal is gone, and nobody can be told
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return exit_code(stop)


def _failed(error: BoxwrightError) -> int:
    if os.environ.get("BOXWRIGHT_DEBUG") == "1":
        raise error
    if error.is_to_tell or (_tells() and not error.is_told):
        _end_events(error, str(error), error.exit_code)
        _say_marked("error", str(error))
    return error.exit_code


def _end_events(error: BaseException, reason: str, code: int) -> None:
    """Where events were asked for and the run did not come to telling its end, the last line of them tells it."""
    if getattr(error, "ends_events", False) and _tells():
        ended = importlib.import_module("boxwright.track.events").Ended
        how = ended.STOPPED if isinstance(error, KeyboardInterrupt) else ended.FAILED
        importlib.import_module("boxwright.track.sinks.event_stream").print_end(how, reason, exit_code=code)


def _of_the_machine(error: Exception) -> UserError | None:
    """What the machine refused, as one line: a file that cannot be used, or memory that is not there."""
    if isinstance(error, OSError) and error.filename is not None:
        what = f"cannot be used ({(error.strerror or type(error).__name__).lower()})"
        return UserError(shortened(os.fsdecode(error.filename)), what, "Check the path, its length and its permissions")
    device = sys.modules.get("boxwright.system.device")  # who has not loaded it has not run out of memory of a device
    if isinstance(error, MemoryError) or (device is not None and device.is_out_of_memory(error)):
        what = f"memory ran out ({' '.join(str(error).split())[:LONGEST_REASON] or type(error).__name__})"
        return UserError("boxwright", what, "Reduce --batch, --imgsz or --workers, or free memory")
    return None


def _broken(error: Exception) -> int:
    if os.environ.get("BOXWRIGHT_DEBUG") == "1":
        raise error
    what = " ".join(str(error).split()) or type(error).__name__
    _end_events(error, f"{type(error).__name__}: {what}", EXIT_OUR_FAULT)
    _say_marked(
        "error",
        f"boxwright: {type(error).__name__}: {what}. This is our fault; run again with BOXWRIGHT_DEBUG=1 and "
        "report what it prints",
    )
    return EXIT_OUR_FAULT


def _run(words: list[str]) -> int:
    if words[:1] == ["help"] and len(words) > 1:
        words = [*words[1:], "--help"]
    if words and words[0] in FOLLOWERS:
        return int(_named("boxwright.system", FOLLOWERS[words[0]])())
    if not words or words[0] in {"-h", "--help", "help"}:
        _say_all(_overview())
        return EXIT_DONE if words else EXIT_USER_INPUT
    if words[0] == "--version":
        _say_all(
            [f"boxwright {_version()}", *importlib.import_module("boxwright.native.binary").described().splitlines()]
        )
        return EXIT_DONE
    name, verb, rest = _verb(words)
    if verb is None:
        return EXIT_DONE
    try:
        answer, wants_json = _answer(name, verb, rest)
    except SystemExit as asked:  # --help, whose text it carries
        _say_all(str(asked.code).rstrip("\n").split("\n"))
        return EXIT_DONE
    for note in answer.notes:
        _say_marked("warning", note)
    if wants_json and answer.document is not None:
        say_json(answer.document)
    else:
        _say_all(answer.lines)
    return answer.exit_code


def _say_all(lines: Sequence[str]) -> None:
    """Print lines; tables among them are drawn on a terminal."""
    for part in parts(lines) if sys.stdout.isatty() else lines:
        if isinstance(part, Table):
            _screen(sys.stdout).draw(part)
        else:
            say(part)


def _say_marked(label: str, text: str) -> None:
    """Print an error or a warning."""
    if sys.stderr.isatty():
        _screen(sys.stderr).say_marked(label, text)
    else:
        say(f"{label}: {text}", sys.stderr)


def _screen(out: TextIO) -> Any:
    """What draws on a terminal, which is imported when something is drawn."""
    return importlib.import_module("boxwright.system.screen").Screen(out)


def _verb(words: list[str]) -> tuple[str, Verb | None, list[str]]:
    """The verb that the first one or two words name, and the rest. No verb: help of a group was printed."""
    words = [OLD_VERBS.get(words[0], words[0]), *words[1:]]
    found = VERBS.get(words[0])
    if words[0] in NOT_YET_VERBS:
        raise SettingError(f"boxwright {words[0]}", "it is not offered yet", f"Verbs: {', '.join(VERBS)}")
    if found is None:
        known = {**{name: name for name in VERBS}, **VERBS_ELSEWHERE}
        near = known.get(nearest(words[0].lower(), known), "")
        asked = f"Did you mean '{near}'? " if near else ""
        raise SettingError("boxwright", f"there is no verb '{words[0]}'", f"{asked}Verbs: {', '.join(VERBS)}")
    if isinstance(found, Verb):
        return words[0], found, words[1:]
    if len(words) == 1 or words[1] in {"-h", "--help"}:
        _say_all(_listing(f"boxwright {words[0]}", found))
        return words[0], None, []
    if words[1] not in found:
        near = nearest(words[1].lower(), found)
        asked = f"Did you mean '{near}'? " if near else ""
        raise SettingError(f"boxwright {words[0]}", f"there is no '{words[1]}'", f"{asked}There is: {', '.join(found)}")
    return f"{words[0]} {words[1]}", found[words[1]], words[2:]


def _answer(name: str, verb: Verb, words: list[str]) -> tuple[Answer, bool]:
    flags = importlib.import_module("boxwright.config.flags")
    assemble = importlib.import_module("boxwright.config.assemble")
    kind = _named("boxwright.config.schema", verb.settings)
    if name == "config explain":
        words = _flag_as_key(words)
    events = name in EVENT_VERBS and "--ndjson-console" in words  # as far as one can know before they are read
    try:
        line = flags.read(name, kind, words, reports=verb.reports)
        for note in line.notes:
            _say_marked("warning", note)
        resolved = assemble.resolve_verb(kind, line.flags, line.words)
        events = name in EVENT_VERBS and resolved.settings.ndjson_console
        function = verb.drawn if verb.drawn and resolved.settings.out else verb.run
        work = _named("boxwright.commands", function)
        return work(resolved, _live(wants_json=line.json)) if verb.live else work(resolved), line.json
    except BaseException as error:
        vars(error).setdefault("ends_events", events)  # a run that could tell of it has done so
        raise


def _live(*, wants_json: bool) -> Speaker:
    """Prints a line while a verb works: beside the document where one is asked for."""
    return Speaker(sys.stderr if wants_json else sys.stdout)


def _flag_as_key(words: list[str]) -> list[str]:
    """A flag alone is the one to be explained, and not a flag of the explanation."""
    asked = [word for word in words if word not in {"--json", "-h", "--help"}] or [
        word for word in words if word == "--json"
    ]
    alone = len(asked) == 1 and asked[0].startswith("--")
    return [word.lstrip("-") if alone and word == asked[0] else word for word in words]


def _named(package: str, place: str) -> Any:
    module, name = place.split(":")
    return getattr(importlib.import_module(f"{package}.{module}"), name)


def _version() -> str:
    return str(importlib.import_module("boxwright.version").__version__)


def _overview() -> list[str]:
    lines = [
        "boxwright: train, check and use anchor-based YOLOv5-family detectors",
        "",
        "usage: boxwright VERB [FLAGS] [key=value ...]",
        "",
    ]
    for name, verb in VERBS.items():
        text = verb.help if isinstance(verb, Verb) else "; ".join(f"{sub}: {v.help}" for sub, v in verb.items())
        lines.append(f"  {name:<10}{text}")
    later = f"Not offered yet: {', '.join(NOT_YET_VERBS)}."
    last = "`boxwright VERB --help` lists the flags of a verb; `boxwright --version` prints the version."
    return [*lines, "", later, "", last]


def _listing(prefix: str, verbs: dict[str, Verb]) -> list[str]:
    return [f"usage: {prefix} WHAT [FLAGS]", "", *(f"  {name:<10}{verb.help}" for name, verb in verbs.items())]

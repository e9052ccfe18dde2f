# SPDX-License-Identifier: Apache-2.0
"""One field at a time of every document that is read again: python -m tests.fuzz.documents [ROUNDS] [FIRST]

A small run is trained; each round changes one field of one of its files into a value of another kind, seals the file
with a right digest, and reads it as the program does. It is used, or refused in one line. Anything else is a find, and
the same round finds it again.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

from boxwright.config.load import Resolved
from boxwright.config.origin import BUILT_IN, Origin, Source
from boxwright.config.schema.train import TrainSettings
from boxwright.engine.checkpoint import restore
from boxwright.engine.state import RunningLosses
from boxwright.errors import EXIT_OUR_FAULT, UserError
from boxwright.report.page import page
from boxwright.runs import build as assembly
from boxwright.runs import resume as resuming
from boxwright.runs.evaluation.report_files import read_content
from boxwright.runs.evaluation.stored import Done, read_json
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.runs.plan import plan_of
from boxwright.runs.weights.inspect import contents_of
from boxwright.structures.passport import KEY, GraphSuppression, Passport, read_passport
from boxwright.system.run_folder import RunFile
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.tensors import FORMAT, VERSION, read_tensors
from tests.support.commands import command, done
from tests.support.runs import Ground

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20_000
GONE, RENAMED = object(), object()
PLAIN = (
    None,
    True,
    -1,
    0,
    5,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "x",
    "",
    "a\0b",
    "\x1b[31m",
    "y" * 5000,
    [],
    {},
    [[]],
    {"a": 1},
    [None],
    GONE,
    RENAMED,
)
TENSORS = (
    torch.zeros(2),
    torch.zeros(()),
    torch.zeros(0, 3),
    torch.ones(3, dtype=torch.int64),
    {"a": torch.zeros(1)},
    "\ud800",
    (1, 2),
)


@dataclass(frozen=True)
class Victim:
    """A document, the values that its fields are given, how it becomes a file, and how that is read.

    `often`: its share of the rounds.
    """

    name: str
    value: Any
    values: tuple[Any, ...]
    write: Callable[[Path, Any], None]
    read: Callable[[Path], object]
    often: int = 1


def sealed(path: Path, document: Any) -> None:
    """A file of ours with a right digest, whatever is in it."""
    buffer = io.BytesIO()
    torch.save(document, buffer)
    body = buffer.getvalue()
    comment = json.dumps(
        {"format": FORMAT, "version": VERSION, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    ).encode()
    path.write_bytes(body[:-2] + len(comment).to_bytes(2, "little") + comment)


def changed(value: Any, values: tuple[Any, ...], draw: np.random.Generator) -> Any:
    """The document with one field, at any depth, of another kind."""
    made = copy.deepcopy(value)
    at, key = made, None
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = keys[int(draw.integers(len(keys)))]
        inner = at[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.3:
            break
        at = inner
    new = values[int(draw.integers(len(values)))]
    if new is GONE:
        del at[key]
    elif new is RENAMED and isinstance(at, dict):
        at[f"{key}?"] = at.pop(key)
    else:
        at[key] = "?" if new is RENAMED else copy.deepcopy(new)
    return made


def use(path: Path) -> None:
    """Weights as `inspect`, `val` and `predict` open them."""
    weights = open_weights(str(path))
    json.dumps(contents_of(weights).record())
    network_of_weights(weights)


def go_on(path: Path) -> None:
    """A checkpoint as `train --resume` takes it up, to the last thing before the first batch."""
    asked = Resolved(
        TrainSettings(resume=str(path)),
        {**dict.fromkeys(TrainSettings.model_fields, BUILT_IN), "resume": Source(Origin.FLAG, "--resume")},
    )
    checkpoint = resuming.find_checkpoint(asked)
    resolved, _ = resuming.merged(asked, checkpoint)
    plan = plan_of(resolved, checkpoint)
    resuming.require_same_data(plan.data, checkpoint)
    before = torch.get_rng_state()
    machines = assembly.machines_of(plan, 3, lambda _: None, lambda _: None)
    restore(machines, RunningLosses(plan.device), checkpoint.checkpoint)
    torch.set_rng_state(before)


def said(*words: str | Path) -> None:
    """A command that may refuse, but not break."""
    found = command(*words)
    if found.code == EXIT_OUR_FAULT or "Traceback" in found.err:
        raise AssertionError(found.err.strip())


def lines(path: Path, value: Any) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in value))


def table(path: Path, value: Any) -> None:
    path.write_text(
        "".join(",".join(map(str, row.values() if isinstance(row, dict) else [row])) + "\n" for row in value)
    )


def victims(folder: Path) -> list[Victim]:
    """A run, and one victim of each kind of file that it left."""
    ground = Ground.laid(folder / "ground")
    done(*ground.words(folder / "runs", "--noplots", "--patience", "9", epochs=2))
    done("report", folder / "runs" / "exp")
    run = folder / "runs" / "exp"
    last, best = (read_tensors(run / "weights" / f"{name}.pt") for name in ("last", "best"))
    last["state"] |= {"epoch": 1}
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    rows = [dict(enumerate(line.split(","))) for line in (run / "results.csv").read_text().splitlines()]
    passport = Passport(
        ("a", "b"),
        (8, 16),
        (((1.0, 2.5),), ((3.0, 4.0),)),
        3,
        64,
        1,
        suppression=GraphSuppression(0.25, 0.45, 300, 1000),
    )
    described = {key: best[key] for key in ("network", "network_name", "names", "strides", "program", "evaluation")}
    replayed = folder / "replayed"
    shutil.copytree(run, replayed)
    return [
        Victim("best.pt", best, PLAIN + TENSORS, sealed, use, 3),
        Victim("last.pt", last, PLAIN + TENSORS, sealed, go_on, 4),
        Victim(
            "last.pt, its state",
            last["state"],
            PLAIN + TENSORS,
            lambda path, value: sealed(path, {**last, "state": value}),
            go_on,
            2,
        ),
        Victim(
            "header of safetensors",
            described,
            PLAIN,
            lambda path, value: write_safetensors(path, best["model"], {"boxwright": json.dumps(value)}),
            use,
            2,
        ),
        Victim(
            "done.json",
            json.loads((run / "done.json").read_text()),
            PLAIN,
            as_json,
            lambda path: read_json(path, Done, "Remove it"),
        ),
        Victim(
            "report.json",
            json.loads((run / RunFile.REPORT_CONTENT).read_text()),
            PLAIN,
            lambda path, value: as_json(path.parent / RunFile.REPORT_CONTENT, value),
            shown,
            2,
        ),
        Victim(
            "events.jsonl",
            events,
            PLAIN,
            lambda _, value: lines(replayed / "events.jsonl", value),
            lambda _: said("replay", replayed),
            2,
        ),
        Victim(
            "results.csv",
            rows,
            PLAIN,
            lambda _, value: table(replayed / "results.csv", value),
            lambda _: said("replay", replayed),
        ),
        Victim(
            "config.yaml",
            yaml.safe_load((run / "config.yaml").read_text()),
            tuple(one for one in PLAIN if one != "a\0b"),
            lambda path, value: path.write_text(yaml.safe_dump(value)),
            lambda path: said("config", "show", "--config", path),
        ),
        Victim(
            "passport",
            json.loads(passport.words()[KEY]),
            PLAIN,
            as_json,
            lambda path: read_passport(path.read_text(), "passport"),
            2,
        ),
    ]


def as_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def shown(path: Path) -> None:
    content = read_content(path.parent)
    assert content is not None  # it was written a moment ago
    page([content])
    page([content, content])


def outcome(path: Path, victim: Victim, number: int) -> str:
    """'refused', 'used', or in words what is wrong."""
    victim.write(path, changed(victim.value, victim.values, np.random.default_rng([9, number])))
    try:
        victim.read(path)
    except UserError as error:
        return (
            "refused" if "\n" not in str(error) and str(error).isprintable() else f"an error of several lines: {error}"
        )
    except Exception as error:  # noqa: BLE001 -- exactly this is looked for
        return f"{type(error).__name__}: {error}"
    return "used"


def survey(rounds: int, folder: Path, first: int = 0) -> tuple[Counter[str], list[str]]:
    """What came of so many rounds: counts, and the finds."""
    found = [victim for victim in victims(folder) for _ in range(victim.often)]
    counts: Counter[str] = Counter()
    finds = []
    (folder / "changed").mkdir()
    for number in range(first, first + rounds):
        victim = found[number % len(found)]
        suffix = {"header of safetensors": ".safetensors", "config.yaml": ".yaml"}.get(victim.name, ".pt")
        came = outcome(folder / "changed" / f"file{suffix}", victim, number)
        counts[came if came in {"refused", "used"} else "find"] += 1
        if came not in {"refused", "used"}:
            finds.append(f"round {number}, {victim.name}: {came}")
    return counts, finds


def main(words: list[str]) -> int:
    """Run; exit code 1 when something was found."""
    with tempfile.TemporaryDirectory() as folder:
        counts, finds = survey(int(words[0]) if words else ROUNDS, Path(folder), int(words[1]) if len(words) > 1 else 0)
    sys.stdout.write("\n".join([str(dict(counts)), *finds]) + "\n")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

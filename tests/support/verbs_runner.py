# SPDX-License-Identifier: Apache-2.0
"""A process that runs every verb that opens pictures, first on a sound set, then on one of broken files under watch.

python -m tests.support.verbs_runner SOUND BROKEN MODEL, in a folder of its own. One JSON line per command on the broken
set: its words, exit code, what it printed, and every audited event that starts a program, loads a library or uses a
socket.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from boxwright import cli

FORBIDDEN = (
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.",
    "socket.",
    "ctypes.dlopen",
    "webbrowser.",
)
# What our own code asks the system, whatever the data: system/device.py for memory, the event log for the machine's
# name. No socket is made by it.
OWN = {"ctypes.dlopen ('libc.so.6',)", "socket.gethostname ()"}
seen: list[str] = []
watching = [False]


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if watching[0] and event.startswith(FORBIDDEN) and f"{event} {arguments}" not in OWN:
        seen.append(f"{event} {str(arguments)[:80]}")


def commands(data: Path, model: str, out: Path) -> list[list[str]]:
    yaml, pictures, run = str(data / "data.yaml"), str(data / "images" / "train"), str(out / "exp")
    small = ["--imgsz", "64", "--device", "cpu"]
    usual = [
        "train",
        "--data",
        yaml,
        "--cfg",
        model,
        "--weights",
        "",
        "--epochs",
        "1",
        "--batch",
        "2",
        "--workers",
        "0",
        "--noautoanchor",
        *small,
    ]
    return [
        ["data", "check", yaml],
        ["data", "report", yaml, "--out", str(out / "page"), "--imgsz", "64"],
        ["data", "split", yaml, "--out", str(out / "lists")],
        ["data", "convert", yaml, "--to", "coco", "--out", str(out / "coco")],
        [*usual, "--project", str(out)],
        ["val", "--weights", run, "--data", yaml, "--task", "train", *small, "--project", str(out / "val")],
        [
            "predict",
            "--weights",
            run,
            "--source",
            pictures,
            "--project",
            str(out / "seen"),
            "--imgsz",
            "64",
            "--device",
            "cpu",
        ],
        ["errors", run],
        ["report", run],
        ["anchors", "--data", yaml],
    ]


def said(words: list[str]) -> dict[str, object]:
    out, err = io.StringIO(), io.StringIO()
    seen.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(words)
    return {"words": words, "code": code, "out": out.getvalue(), "err": err.getvalue(), "events": list(seen)}


def run(sound: Path, broken: Path, model: str) -> None:
    sys.addaudithook(watch)
    for words in commands(sound, model, Path("sound")):  # what is loaded late is loaded now
        said(words)
    watching[0] = True
    for words in commands(broken, model, Path("broken")):
        sys.stdout.write(json.dumps(said(words)) + "\n")


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

# SPDX-License-Identifier: Apache-2.0
"""A process that looks into every file of a folder and writes down what happened.

Python -m tests.support.hostile_runner FOLDER GOOD

One JSON line per file: exit code, what was printed, processor seconds, growth of the process's largest size in MB, and
every audited event that reading data has no use for.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import time
from pathlib import Path

from boxwright import cli

FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "os.",
    "subprocess.",
    "pty.",
    "socket.",
    "ctypes.",
    "pickle.",
    "marshal.",
    "code.",
    "shutil.",
    "webbrowser.",
    "builtins.",
)
HARMLESS = {"os.scandir", "os.listdir", "builtins.id"}
seen: list[str] = []
watching = [""]


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if not watching[0] or event in HARMLESS:
        return
    # a number is a descriptor, of a file that was opened, and looked at, by its name before
    other = event == "open" and type(arguments[0]) is not int and str(arguments[0]) != watching[0]
    if event.startswith(FORBIDDEN) or other:
        seen.append(f"{event} {str(arguments)[:80]}")


def looked_into(path: Path) -> dict[str, object]:
    seen.clear()
    out, err = io.StringIO(), io.StringIO()
    began, size = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        watching[0] = str(path)
        code = cli.main(["weights", "inspect", str(path)])
        watching[0] = ""
    seconds, growth = time.process_time() - began, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - size) / 1024
    return {
        "file": path.name,
        "code": code,
        "out": out.getvalue(),
        "err": err.getvalue(),
        "seconds": seconds,
        "growth_mb": growth,
        "events": list(seen),
    }


def run(folder: Path, good: Path) -> None:
    sys.addaudithook(watch)
    for path in (good, *sorted(folder.iterdir())[:3]):  # everything that is loaded late is loaded now
        looked_into(path)
    for path in sorted(folder.iterdir()):
        sys.stdout.write(json.dumps(looked_into(path)) + "\n")


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))

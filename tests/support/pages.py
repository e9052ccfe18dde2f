# SPDX-License-Identifier: Apache-2.0
"""Pages that are programs: what of a page is run, and with which changes.

A page that holds `<!-- run this page -->` promises that its blocks work. They are run in order, in one empty folder:
`sh` blocks line by line as command lines of this program, `python` blocks in one namespace. Comments, which readers
do not see, prepare and shorten:

<!-- given: FOLDER -->          a small data set of three classes is drawn there
<!-- file: PATH -->             the next block is written into this file
<!-- in tests: A -> B; C -> D -->   in the next block A is replaced by B; each has to be there
<!-- not run: WHY -->           the next block is left out
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tests.support import datasets
from tests.support.commands import command

MARK = "<!-- run this page -->"
_PART = re.compile(r"^<!-- (?P<order>given|file|in tests|not run): (?P<words>.+?) -->$|^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Step(NamedTuple):
    """One thing to do: draw a set, write a file, run commands or Python."""

    line: int
    kind: str
    text: str
    target: str = ""


def steps_of(page: str) -> list[Step]:
    """What a page does, in order."""
    steps: list[Step] = []
    orders: dict[str, str] = {}
    for found in _PART.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["order"] == "given":
            steps.append(Step(line, "given", "", found["words"]))
        elif found["order"]:
            orders[found["order"]] = found["words"]
        else:
            if "not run" not in orders and ("file" in orders or found["kind"] in {"sh", "python"}):
                text = _replaced(found["text"], orders.get("in tests", ""), line)
                steps.append(Step(line, "file" if "file" in orders else found["kind"], text, orders.get("file", "")))
            orders = {}
    return steps


def _replaced(text: str, changes: str, line: int) -> str:
    for change in filter(None, changes.split("; ")):
        old, _, new = change.partition(" -> ")
        assert old in text, f"line {line}: '{old}' is not in the block"
        text = text.replace(old, new)
    return text


def run(path: Path) -> None:
    """Do all that a page does, in the working folder."""
    namespace: dict[str, object] = {}
    for step in steps_of(path.read_text()):
        place = f"{path.name}:{step.line}"
        if step.kind == "given":
            datasets.write(Path(step.target))
        elif step.kind == "file":
            Path(step.target).write_text(step.text)
        elif step.kind == "python":
            exec(compile("\n" * step.line + step.text, str(path), "exec"), namespace)
        else:
            _run_lines(step.text, place)


def _run_lines(text: str, place: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "boxwright", f"{place}: only commands of this program can be run: {line}"
            said = command(*words[1:])
            assert said.code == 0, f"{place}: {line}: {said.err}"

# SPDX-License-Identifier: Apache-2.0
"""Pages that are programs: what of a page is run, and with which changes.

Comments, which readers do not see, stand before a block:

<!-- run -->                    it is run: `sh` line by line as command lines of this program, `python` in one namespace
for the page <!-- run: A -> B; C -> D -->    the same with A replaced by B; each has to be there <!-- not run: WHY -->
it cannot be <!-- file: PATH -->             it is written into this file <!-- given: FOLDER/YAML -->     (before any) a
small data set of three classes is drawn into the folder

The blocks of a page are run in order, in one empty folder. A page with a block that is run says of each `sh` and
`python` block whether it is.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from tests.support import datasets
from tests.support.commands import command

RUN = re.compile(r"^<!-- run\b", re.MULTILINE)
_PART = re.compile(
    r"^<!-- (?P<order>given|file|run|not run)(?:: (?P<words>.+?))? -->$|^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


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
            orders[found["order"]] = found["words"] or ""
        else:
            steps += _step(found["kind"], found["text"], orders, line)
            orders = {}
    return steps


def _step(kind: str, text: str, orders: dict[str, str], line: int) -> list[Step]:
    if "file" in orders:
        return [Step(line, "file", text, orders["file"])]
    if kind not in {"sh", "python"} or "not run" in orders:
        return []
    assert "run" in orders, f"line {line}: a block of {kind} without a word on whether it is run"
    return [Step(line, kind, _replaced(text, orders["run"], line))]


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
            yaml = Path(step.target)
            datasets.write(yaml.parent).rename(yaml)
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

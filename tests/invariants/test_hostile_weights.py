# SPDX-License-Identifier: Apache-2.0
"""Files made to harm are refused in one line; nothing of them runs, and none takes long or much."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from tests.support import hostile
from tests.support.networks import tiny

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 20.0  # of processor time; each takes under one on a quiet machine, hostile ones would take minutes
MOST_MB = 512

# Not refused, since there is nothing wrong with them but their size or their intent: all of it is data without effect.
INERT = {"bomb, memo far away", "bomb, tensors of one storage", "repeats, arrays of nothing"}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What came of each file, by name, looked into by one process under an audit hook and a limit on its memory."""
    home = tmp_path_factory.mktemp("hostile")
    (home / "files").mkdir()
    (home / "work").mkdir()
    named = {}
    for number, (what, content) in enumerate(hostile.cases().items()):
        (home / "files" / f"{number:03}.pt").write_bytes(content)
        named[f"{number:03}.pt"] = what
    (home / "good.pt").write_bytes(legacy_bytes(LegacyContent(tiny(), ("a", "b", "c"))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "BOXWRIGHT_DEBUG": ""}
    command = [sys.executable, "-m", "tests.support.hostile_runner", str(home / "files"), str(home / "good.pt")]
    done = subprocess.run(
        command, cwd=home / "work", env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert list((home / "work").iterdir()) == [], "a payload ran"
    found = {named[line["file"]]: line for line in map(json.loads, done.stdout.splitlines())}
    assert len(found) == len(named)
    return found


def test_there_are_more_than_a_hundred_of_them(answers):
    assert len(answers) > 150


def test_nothing_of_a_hostile_file_runs(answers):
    assert {what: line["events"] for what, line in answers.items() if line["events"]} == {}


def test_every_hostile_file_is_refused_in_one_line(answers):
    refused = {what for what, line in answers.items() if line["code"] == 3}
    assert set(answers) - refused <= INERT
    for what in refused:
        line = answers[what]
        assert line["out"].count("\n") == 1, what
        assert ".pt: " in line["out"], what
        assert line["out"].strip().isprintable(), what
    assert not [
        what for what, line in answers.items() if "Traceback" in line["out"] + line["err"] or "our fault" in line["err"]
    ]


def test_the_offending_name_is_told(answers):
    for number, (module, attribute, _) in enumerate(hostile.CALLS):
        said = answers[f"call {number} of {module}.{attribute}"]["out"]
        allowed = module.startswith(("_codecs", "pathlib", "copyreg"))
        assert allowed or f"{module}.{attribute}" in said, said


def test_no_hostile_file_takes_long_or_much(answers):
    slow = {what: line["seconds"] for what, line in answers.items() if line["seconds"] > MOST_SECONDS}
    large = {what: line["growth_mb"] for what, line in answers.items() if line["growth_mb"] > MOST_MB}
    assert not slow
    assert not large

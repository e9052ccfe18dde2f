# SPDX-License-Identifier: Apache-2.0
"""A set full of files that are no pictures: every verb names them and goes on.

None starts a program, loads a library or uses a socket.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import corpus, datasets, foreign
from tests.support.budget import within_budget

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    corpus.write_sound(folder / "sound")
    names = foreign.write_all(folder / "broken")
    for name, content in (
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
        ("cat.mp4", b"ffconcat version 1.0\nfile other.avi\n"),
    ):
        (folder / "broken" / "images" / "train" / name).write_bytes(content)
    (folder / "work").mkdir()
    return folder, datasets.write_model(folder), names


@pytest.fixture(scope="module")
def answers(place):
    """What came of each command, run by one process under an audit hook."""
    folder, model, _ = place
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        "BOXWRIGHT_DEBUG": "",
        "BOXWRIGHT_CACHE": str(folder / "cache"),
    }
    command = [
        sys.executable,
        "-m",
        "tests.support.verbs_runner",
        str(folder / "sound"),
        str(folder / "broken"),
        str(model),
    ]
    done = subprocess.run(
        command, cwd=folder / "work", env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_no_verb_starts_a_program_or_uses_a_socket_for_a_file(answers):
    assert len(answers) > 6
    assert {" ".join(one["words"]): one["events"] for one in answers if one["events"]} == {}
    assert not list(Path().rglob("PWNED*"))


def test_every_verb_goes_on_with_the_pictures_that_are_some(answers):
    for one in answers:
        assert one["code"] == 0, (one["words"], one["err"])
        assert "our fault" not in one["err"]


def test_the_check_and_prediction_name_every_file_and_what_it_is(place, answers):
    _, _, names = place
    check = next(one["out"] for one in answers if one["words"][:2] == ["data", "check"])
    seen = next(one["err"] for one in answers if one["words"][0] == "predict")
    late = {"scans.jpg"}  # looked at when its pixels are needed
    assert [name for name in names if name not in check and name not in late] == []
    assert [name for name in names if f"/{name}: " not in seen and name != "exif.png"] == []
    assert "eps.png: is EPS/PostScript, not a picture this program reads; left out. Convert it to PNG or JPEG" in seen


def test_checking_them_all_keeps_a_budget_of_memory_and_time(place):
    folder, _, _ = place
    spent = within_budget(
        ["data", "check", folder / "broken" / "data.yaml"],
        cwd=folder / "work",
        environment={"BOXWRIGHT_CACHE": str(folder / "other")},
    )
    assert spent.code == 0, spent.err


@pytest.mark.parametrize("name", ["largest.png", "largest.jpg"])
def test_the_largest_pictures_that_are_read_keep_a_budget_of_memory_and_time(tmp_path, name):
    """Three of them, black and small on disk, each as large as a header may claim."""
    corpus.write_sound(tmp_path)
    content = foreign.png(16384, 16384, bits=1, colour=0) if name.endswith(".png") else foreign.jpeg_of(16384, 16384)
    for number in range(3):
        (tmp_path / "images" / "train" / f"{number}{name}").write_bytes(content)
    spent = within_budget(["data", "check", tmp_path / "data.yaml"], cwd=tmp_path)
    assert spent.code == 0, spent.err

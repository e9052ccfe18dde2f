# SPDX-License-Identifier: Apache-2.0
"""Network descriptions that are wrong in some way: one line that names file, row and word.

Nothing run, nothing allocated, no delay.
"""

from __future__ import annotations

import re
import sys

import pytest

from boxwright import cli
from tests.support import datasets
from tests.support.networks import TINY

pytestmark = pytest.mark.slow

FIRST, THIRD, STAGE = "[-1, 1, Conv, [8, 6, 2, 2]]", "[-1, 1, Conv, [24, 3, 2]]", "[-1, 1, C3, [24]]"
UPSAMPLE, CONCAT, DETECT = (
    "[-1, 1, nn.Upsample, [None, 2, nearest]]",
    "[[-1, 4], 1, Concat, [1]]",
    "[[9, 6], 1, Detect, [nc, anchors]]",
)


def with_row(old: str, new: str) -> str:
    assert old in TINY
    return TINY.replace(old, new, 1)


# What is written, the line it stands on, and what has to be said of it.
STRANGERS = {  # code where a name or a number belongs
    "code as a width": (
        with_row(THIRD, "[-1, 1, Conv, [\"__import__('os').system('touch PWNED')\", 3, 2]]"),
        11,
        "row 3, Conv: '__import__",
    ),
    "code as a module": (
        with_row(THIRD, "[-1, 1, \"exec('x=1') or Conv\", [24, 3, 2]]"),
        11,
        "row 3: unknown module 'exec",
    ),
    "a path as a module": (with_row(THIRD, "[-1, 1, os.system, [24, 3, 2]]"), 11, "row 3: unknown module 'os.system'"),
    "another library's layer": (
        with_row(THIRD, "[-1, 1, torch.hub.load, [24]]"),
        11,
        "row 3: unknown module 'torch.hub.load'",
    ),
    "a lambda as a flag": (with_row(STAGE, "[-1, 1, C3, [24, 'lambda: 0']]"), 12, "row 4, C3: 'lambda: 0'"),
    "arithmetic as a width": (with_row(THIRD, "[-1, 1, Conv, [8*3, 3, 2]]"), 11, "row 3, Conv: '8*3'"),
    "an attribute as an activation": (
        with_row(THIRD, "[-1, 1, Conv, [24, 3, 2, None, 1, 1, nn.modules.os]]"),
        11,
        "row 3, Conv: 'nn.modules.os' is no activation",
    ),
    "code in an activation": (TINY + "activation: nn.SiLU(print())\n", 20, "'nn.SiLU(print())' is no activation"),
    "a number too many in an activation": (TINY + "activation: nn.LeakyReLU(0.1, 0.2)\n", 20, "too many arguments"),
    "an endless slope": (TINY + "activation: nn.LeakyReLU(1e999)\n", 20, "slope"),
    "a tag": (
        with_row(THIRD, "[-1, 1, Conv, [!!python/object/apply:os.system ['touch PWNED'], 3, 2]]"),
        11,
        "is not allowed",
    ),
    "code as an input": (
        with_row(CONCAT, "[[-1, 'exit()'], 1, Concat, [1]]"),
        17,
        "row 8 takes its input from [-1, 'exit()']",
    ),
    "code as a number": (with_row(STAGE, "[-1, '2**99', C3, [24]]"), 12, "row 4: the number of repeats is '2**99'"),
    "code as a multiple": (TINY.replace("depth_multiple: 1.0", "depth_multiple: 1/0"), 2, "depth_multiple is '1/0'"),
}
SIZES = {  # absurd, or not fitting each other
    "a misspelt module": (with_row(STAGE, "[-1, 1, C33, [24]]"), 12, "row 4: unknown module 'C33'. Did you mean 'C3'?"),
    "a row that is not there": (
        with_row(CONCAT, "[[-1, 77], 1, Concat, [1]]"),
        17,
        "row 8 takes its input from row 77",
    ),
    "a row before the first": (
        with_row(CONCAT, "[[-1, -11], 1, Concat, [1]]"),
        17,
        "row 8 takes its input from row -11",
    ),
    "no rows to join": (with_row(CONCAT, "[[], 1, Concat, [1]]"), 17, "row 8 takes its input from []"),
    "half a row number": (with_row(CONCAT, "[[-1, 4.5], 1, Concat, [1]]"), 17, "row 8 takes its input from [-1, 4.5]"),
    "no width": (with_row(THIRD, "[-1, 1, Conv, [0, 3, 2]]"), 11, "row 3, Conv: width is 0"),
    "an endless width": (with_row(THIRD, "[-1, 1, Conv, [.inf, 3, 2]]"), 11, "row 3, Conv: width is inf"),
    "a stride of 0": (with_row(THIRD, "[-1, 1, Conv, [24, 3, 0]]"), 11, "row 3, Conv: stride is 0"),
    "a width beyond bounds": (
        with_row(THIRD, "[-1, 1, Conv, [1000000, 3, 2]]"),
        11,
        "row 3 would have 1000000 channels",
    ),
    "billions of weights": (
        with_row(THIRD, "[-1, 1, Conv, [60000, 99, 2]]"),
        11,
        "row 3, Conv: the network would have 9 billion parameters",
    ),
    "a thousand repeats of a thousand": (
        with_row(STAGE, "[-1, 1000, C3, [24]]").replace("depth_multiple: 1.0", "depth_multiple: 9"),
        2,
        "blocks (at most 2000)",
    ),
    "a map beyond memory": (
        with_row(UPSAMPLE, "[-1, 1, nn.Upsample, [None, 4096, nearest]]"),
        16,
        "row 7, nn.Upsample: its map would be 32x262144x262144",
    ),
    "attention over every pixel": (
        with_row(FIRST, "[-1, 1, C3TR, [8]]"),
        8,
        "row 0, C3TR: attention over a map of 1024x1024",
    ),
    "maps of different sizes": (
        with_row(UPSAMPLE, "[-1, 1, nn.Upsample, [None, 4, nearest]]"),
        17,
        "row 8, Concat: its inputs have maps of different sizes",
    ),
    "groups that do not divide": (with_row(THIRD, "[-1, 1, Conv, [24, 3, 2, None, 5]]"), 11, "row 3, Conv:"),
    "heads that do not divide": (
        with_row(STAGE, "[-1, 1, C3TR, [24, True, 1, 0.25]]"),
        12,
        "row 4, C3TR: embed_dim must be divisible",
    ),
    "a share that leaves nothing": (
        with_row(STAGE, "[-1, 1, C3, [24, True, 1, 0.01]]"),
        12,
        "row 4, C3: a share of 0.01 of 24 channels leaves none",
    ),
    "a pad too wide for its pool": (with_row(STAGE, "[-1, 1, nn.MaxPool2d, [3, 1, 2]]"), 12, "row 4, nn.MaxPool2d:"),
    "an even window in a pyramid": (with_row("SPPF, [32, 5]", "SPPF, [32, 4]"), 14, "row 6, SPPF:"),
    "a ghost of an odd width": (
        with_row(STAGE, "[-1, 1, GhostConv, [25]]").replace(
            "width_multiple: 1.0", "width_multiple: 1.0\nchannel_multiple: 1"
        ),
        13,
        "row 4, GhostConv: 24 channels come out of it where 25 were asked for",
    ),
    "no whole stride": (
        with_row("C3, [24, False]", "Conv, [24, 3, 1, 0]"),
        19,
        "row 10, Detect: level 0 has a map of 126x126",
    ),
    "another axis": (with_row(CONCAT, "[[-1, 4], 1, Concat, [2]]"), 17, "row 8, Concat: axis is 2"),
    "two inputs for one": (with_row(THIRD, "[[-1, 1], 1, Conv, [24, 3, 2]]"), 11, "row 3: Conv takes one input, not 2"),
    "a head that is repeated": (
        with_row(DETECT, "[[9, 6], 3, Detect, [nc, anchors]]"),
        19,
        "row 10, Detect: it disagrees",
    ),
    "a head with classes of its own": (
        with_row(DETECT, "[[9, 6], 1, Detect, [80, anchors]]"),
        19,
        "row 10, Detect: it disagrees",
    ),
    "a head in the middle": (
        with_row(STAGE, "[3, 1, Detect, [nc, anchors]]"),
        19,
        "the last row has to be the one Detect row; found 2",
    ),
    "no classes": (TINY.replace("nc: 3", "nc: no"), 1, "nc is False"),
    "too many classes": (TINY.replace("nc: 3", "nc: 100001"), 1, "nc is 100001"),
    "anchors without area": (TINY.replace("[10, 13,", "[0, 13,"), 5, "anchors of level 0"),
    "too many anchors": (
        TINY.replace("anchors:\n  - [10, 13, 16, 30, 33, 23]\n  - [30, 61, 62, 45, 59, 119]\n", "anchors: 101\n"),
        4,
        "anchors are 101",
    ),
    "a row of words": (with_row(THIRD, "Conv 24 3 2"), 11, "row 3 is 'Conv 24 3 2'"),
    "rows as a mapping": (TINY[: TINY.index("head:")] + "head: {a: 1}\n", 15, "'head' holds no rows"),
    "a key that stands twice": (TINY + "nc: 4\n", 20, "key 'nc' stands twice"),
    "no YAML at all": (TINY.replace("head:", "head: ["), 16, "is not valid YAML"),
    "nothing": ("", 0, "the file is empty"),
}


def checked(capsys, path) -> str:
    assert cli.main(["model", "check", str(path)]) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    return shown.err


@pytest.mark.parametrize("name", [*STRANGERS, *SIZES])
def test_one_line_names_file_row_and_word(capsys, tmp_path, name):
    text, line, says = {**STRANGERS, **SIZES}[name]
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    said = checked(capsys, file)
    assert said.startswith(f"error: {file}:{line}: " if line else f"error: {file}: "), said
    assert says in said


_started: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in {
        "exec",
        "os.system",
        "subprocess.Popen",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "compile",
    }:
        _started.append(f"{event} {arguments!r}"[:200])


@pytest.mark.parametrize("name", STRANGERS)
def test_nothing_of_it_is_run(capsys, tmp_path, name):
    global _watching  # noqa: PLW0603 -- an audit hook cannot be taken away again
    file = tmp_path / "broken.yaml"
    file.write_text(STRANGERS[name][0])
    checked(capsys, file)  # everything is imported now
    if not _started:
        sys.addaudithook(_watch)
    _watching = True
    try:
        checked(capsys, file)
    finally:
        _watching = False
    assert not _started
    assert not list(tmp_path.rglob("PWNED*"))


@pytest.mark.parametrize(
    "name", ["code as a width", "a row that is not there", "maps of different sizes", "a stride of 0"]
)
def test_training_says_the_same_before_it_makes_anything(capsys, tmp_path, name):
    text, line, says = {**STRANGERS, **SIZES}[name]
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    data = datasets.write(tmp_path / "data", train=2, val=1)
    words = [
        "--data",
        str(data),
        "--cfg",
        str(file),
        "--epochs",
        "1",
        "--imgsz",
        "64",
        "--project",
        str(tmp_path / "runs"),
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    assert cli.main(["train", *words]) == 2
    said = capsys.readouterr().err
    assert f"error: {file}:{line}: " in said
    assert says in said
    assert not re.search(r"Traceback|File \"", said)
    assert not (tmp_path / "runs").exists()

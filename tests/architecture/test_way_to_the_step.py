# SPDX-License-Identifier: Apache-2.0
"""From the command to the optimizer step, the calls of a training go downward through few files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from boxwright.cli import main
from tests.architecture.test_house import FLOORS, PACKAGE
from tests.support.datasets import write, write_model

MOST_FILES = 8  # from the verb to the step


def floor_of(file: str) -> int:
    return FLOORS[Path(file).parts[0].removesuffix(".py")]


@pytest.fixture
def way(tmp_path, monkeypatch) -> list[str]:
    """The files of ours that the calls pass through, outermost first, each once."""
    passed: list[str] = []

    def step(*_arguments: object, **_rest: object) -> None:
        frame = sys._getframe()
        while frame is not None and not passed.count("cli.py"):
            place = Path(frame.f_code.co_filename)
            if PACKAGE in place.parents:
                passed.append(place.relative_to(PACKAGE).as_posix())
            frame = frame.f_back
        raise KeyboardInterrupt  # the rest of the training is not wanted

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    words = ["--data", write(tmp_path), "--cfg", write_model(tmp_path), "--project", tmp_path / "runs"]
    small = ["--weights", "", "--imgsz", 64, "--epochs", 1, "--device", "cpu", "--batch-size", 4]
    main(list(map(str, ["train", *words, *small])))
    return list(dict.fromkeys(reversed(passed)))


def test_a_training_goes_from_the_verb_to_the_step_downward_through_few_files(way):
    verb = way.index("commands/train.py")
    floors = [floor_of(file) for file in way[verb:]]
    assert len(way[verb:]) <= MOST_FILES
    assert floors == sorted(floors, reverse=True)

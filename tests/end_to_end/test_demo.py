# SPDX-License-Identifier: Apache-2.0
"""`boxwright demo`: the words of a stranger's first minutes.

The drawn set is stood in for by a small one in the cache.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from PIL import Image

from boxwright.system.places import cache_folder
from tests.support import datasets
from tests.support.commands import command, contents, done
from tests.support.runs import Ground


def cached_sample() -> Path:
    """A set where the drawn one is looked for, so that drawing six hundred pictures is not the subject."""
    folder = cache_folder() / "sample" / "seed0"
    datasets.write(folder).rename(folder / "sample.yaml")
    return folder


def test_the_demo_ends_with_a_table_pictures_and_the_next_command(tmp_path):
    sample = cached_sample()
    before = contents(sample)
    cfg = Ground.laid(tmp_path / "ground").cfg
    said = done("demo", "--cfg", cfg, "--epochs", 1, "--imgsz", 64, "--batch", 4, "--device", "cpu")
    folder = Path("runs/demo/exp")
    sheet = folder / "predictions_beside_truth.jpg"
    with Image.open(sheet) as picture:
        assert np.asarray(picture).std() > 5
    for name in ("precision", "recall", "mAP50", "mAP50-95"):
        assert re.search(rf"^{name} +\d\.\d{{3}}$", said.out, re.MULTILINE), name
    named = re.findall(rf"^({folder}/\S+\.(?:jpg|png)) ", said.out, re.MULTILINE)
    assert str(sheet) in named
    assert len(named) == 6
    assert all(Path(name).is_file() for name in named)
    assert f"boxwright predict --weights {folder} --source IMAGE_OR_FOLDER" in said.out
    assert (folder / "done.json").is_file()
    assert contents(sample) == before

    next_step = said.out.partition("use it: ")[2].splitlines()[0].split()[1:]
    assert command(*next_step[:-1], sample / "images" / "val", "--nosave").code == 0


def test_the_sample_set_is_named_by_a_word_and_drawn_once(tmp_path):
    sample = cached_sample()
    said = json.loads(done("data", "sample", "--json").out)
    assert said["yaml"] == str(sample / "sample.yaml")
    assert len(list((sample / "images" / "train").iterdir())) == 12, "what is there is not drawn again"
    cfg = Ground.laid(tmp_path / "ground").cfg
    run = done(
        "train",
        "--data",
        "sample",
        "--cfg",
        cfg,
        "--imgsz",
        64,
        "--batch",
        4,
        "--epochs",
        1,
        "--noplots",
        "--device",
        "cpu",
    )
    assert json.loads((Path(run.lines[-1]) / "data.json").read_text())["train"]["used"] == 12

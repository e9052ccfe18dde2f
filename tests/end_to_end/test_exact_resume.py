# SPDX-License-Identifier: Apache-2.0
"""Whatever a training uses, one that was killed and goes on ends in the same bits as one that nobody disturbed."""

from __future__ import annotations

import json
import signal

import pytest

from boxwright.system.tensors import newest_whole
from tests.support.commands import done
from tests.support.kills import at_step, forked
from tests.support.runs import Ground, differences, train, training_state

EPOCHS = 2
ALWAYS = ("--noplots", "--save-steps", "1", "--workers", "0")
# What is trained with, the optimizer step in which the process is killed, and what the resumed one is started with.
MATRIX = {
    "bf16, multi-scale, one loader thread and then four": (
        ("--amp", "bf16", "--multi-scale", "--workers", "1"),
        4,
        ("--workers", "4"),
    ),
    "float32, accumulation, closed mosaic, four loader threads and then none": (
        (
            "--amp",
            "off",
            "warmup_epochs=0",
            "warmup_min_batches=0",
            "nominal_batch=8",
            "--close-mosaic",
            "1",
            "--workers",
            "4",
        ),
        2,
        ("--workers", "0"),
    ),
    "gradients that wait over the end of an epoch": (
        ("warmup_epochs=0", "warmup_min_batches=0", "nominal_batch=8", "clear_gradients_each_epoch=false"),
        2,
        (),
    ),
    "partners from a pool, two loader threads": (("--decode-pool", "5", "--workers", "2"), 4, ()),
    "quad and a pool": (("--quad", "--decode-pool", "7"), 2, ()),
    "quad, autobalance, best overlap, smoothing": (
        ("--quad", "autobalance=true", "sort_obj_iou=true", "--label-smoothing", "0.1"),
        2,
        (),
    ),
    "image weights, weights of classes, frozen rows": (
        ("--image-weights", "class_weights=red:3,green:.5", "--freeze", "2", "--freeze-bn"),
        4,
        (),
    ),
    "rectangles, several bests": (
        (
            "--rect",
            "mosaic=0",
            "mixup=0",
            "--best-by=-1*val/box_loss",
            "--keep-best",
            "metrics/recall",
            "--save-period",
            "1",
        ),
        4,
        (),
    ),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("ground"))


def assert_the_same_end(ground, tmp_path, words, step, then, *, epochs=EPOCHS):
    """A calm run and a killed one come to the same bits; returns the calm one."""
    calm = train(ground, tmp_path / "calm", *ALWAYS, *words, epochs=epochs)
    killed = tmp_path / "killed" / "exp"
    assert (
        forked(tmp_path, ground.words(killed.parent, *ALWAYS, *words, epochs=epochs), at_step(step)).code
        == -signal.SIGKILL
    )
    said = done("train", "--resume", killed, *then)
    assert "exact: the same bits as without the interruption" in said.out
    assert not differences(training_state(calm.last), training_state(killed / "weights" / "last.pt"))
    files = sorted(path.name for path in (calm.folder / "weights").iterdir() if path.stem != "last.previous")
    assert files == sorted(path.name for path in (killed / "weights").iterdir() if path.stem != "last.previous")
    for name in files:
        one, other = (newest_whole(folder / "weights" / name)[0]["model"] for folder in (calm.folder, killed))
        assert not differences(one, other), name
    assert (killed / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()
    return calm


@pytest.mark.parametrize("what", MATRIX)
def test_a_killed_run_ends_in_the_bits_of_a_calm_one(ground, tmp_path, what):
    assert_the_same_end(ground, tmp_path, *MATRIX[what])


def test_early_stopping_comes_in_the_same_epoch_after_a_kill(ground, tmp_path):
    words = (
        "--patience",
        "2",
        "lr0=0.0",
        "warmup_bias_lr=0.0",
        "--best-by=-1*val/obj_loss",
    )  # nothing is learnt, so nothing gets better for long
    calm = assert_the_same_end(ground, tmp_path, words, 5, (), epochs=8)
    record = json.loads((calm.folder / "done.json").read_text())
    assert record["reason"] == "no improvement in the last 2 epochs"
    assert 2 < record["epochs"] < 8

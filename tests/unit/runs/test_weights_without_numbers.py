# SPDX-License-Identifier: Apache-2.0
"""Weights that are no numbers are refused by predict, val and export in one line that names the tensor, whatever kind.

Of file they come in.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from boxwright.errors import WeightsError
from boxwright.model.weights import require_numbers
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.inputs.weight_files import metadata_of
from boxwright.runs.weights.convert import write_yolov5
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.tensors import read_tensors, write_tensors
from tests.support.commands import command
from tests.support.exports import checkpoint, live

pytestmark = pytest.mark.slow

NAME = "model.10.m.1.bias"
SAYS = (
    f"has values in '{NAME}' that are no finite numbers (NaN or infinite), so it can detect nothing. Give "
    "a "
    "checkpoint from before its training failed"
)


def broken(value: float) -> dict[str, Path]:
    """One checkpoint in each kind of file, one value of it as given."""
    detector = live()
    with torch.no_grad():
        detector.head.m[1].bias[4] = value
    ours = checkpoint(Path("ours.pt"), detector)
    average = Path("average.pt")
    document = read_tensors(checkpoint(Path("whole.pt"), live()))
    write_tensors(average, document | {"ema": read_tensors(ours)["model"]})
    weights = open_weights(str(ours))
    write_safetensors(Path("other.safetensors"), weights.checkpoint.model, metadata_of(weights.checkpoint))
    return {"ours": ours, "average": average, "safetensors": Path("other.safetensors")}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", ["ours", "average", "safetensors"])
def test_weights_that_are_no_numbers_are_refused_by_name(kind, value):
    path = broken(value)[kind]
    for words in (
        ("predict", "--weights", path, "--source", "."),
        ("val", path, "--data", "sample"),
        ("export", path, "--format", "torchscript"),
    ):
        said = command(*words)
        assert said.code == 2, words
        assert said.err == f"error: {path}: {SAYS}\n"
    assert not list(Path().glob("*.torchscript"))


def test_a_legacy_file_is_no_way_around(monkeypatch):
    path = broken(0.0)["ours"]
    weights = open_weights(str(path))
    write_yolov5(Path("whole.yolov5.pt"), weights)
    detector = live()
    with torch.no_grad():
        detector.head.m[1].bias[4] = torch.nan
    monkeypatch.setattr("boxwright.runs.weights.convert.network_of_weights", lambda _weights: detector)
    write_yolov5(Path("broken.yolov5.pt"), weights)
    assert command("predict", "--weights", "broken.yolov5.pt", "--source", ".").err.startswith(
        f"error: broken.yolov5.pt: has values in '{NAME}'"
    )
    assert "no finite numbers" not in command("predict", "--weights", "whole.yolov5.pt", "--source", ".").err


def test_variances_below_zero_are_refused_and_counts_are_not_looked_at():
    require_numbers({"bn.running_var": torch.zeros(3), "bn.num_batches_tracked": torch.tensor(-1)}, "a.pt")
    with pytest.raises(WeightsError, match=r"a\.pt: has variances below zero in 'bn\.running_var'"):
        require_numbers({"bn.running_var": torch.tensor([1.0, -1e-3])}, "a.pt")

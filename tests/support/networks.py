# SPDX-License-Identifier: Apache-2.0
"""Networks for tests, by packaged name."""

from __future__ import annotations

from boxwright.config import packaged
from boxwright.documents import parse_yaml, read_yaml
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec, read_spec
from tests.support.datasets import TINY_MODEL

TINY = TINY_MODEL.replace("nc: 80", "nc: 3")
FOCUS = TINY.replace("Conv, [8, 6, 2, 2]", "Focus, [8, 3]")  # as the networks of 2020 begin

FEW_NORMS = f"""{TINY.partition("backbone:")[0]}backbone:
  - [-1, 1, Conv, [8, 6, 2, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [24, 3, 2]]
head:
  - [[1, 2], 1, Detect, [nc, anchors]]
"""


def spec(name: str, **changes: int) -> ModelSpec:
    return read_spec(read_yaml(packaged.locate("models", name, "model")), **changes)


def network(name: str, **changes: int) -> Detector:
    return build(spec(name, **changes))


def tiny_spec(**changes: int) -> ModelSpec:
    return read_spec(parse_yaml(TINY, "tiny.yaml"), **changes)


def tiny(**changes: int) -> Detector:
    """Two levels, strides 8 and 16: built and run in milliseconds."""
    return build(tiny_spec(**changes))


def few_norms_spec() -> ModelSpec:
    """Two levels and three batch normalisations, where each costs processes two exchanges a step."""
    return read_spec(parse_yaml(FEW_NORMS, "few-norms.yaml"))

# SPDX-License-Identifier: Apache-2.0
"""Networks for tests, by packaged name."""

from __future__ import annotations

from boxwright.config import packaged
from boxwright.documents import parse_yaml, read_yaml
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec, read_spec

TINY = """
nc: 3
depth_multiple: 1.0
width_multiple: 1.0
anchors:
  - [10, 13, 16, 30, 33, 23]
  - [30, 61, 62, 45, 59, 119]
backbone:
  - [-1, 1, Conv, [8, 6, 2, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, C3, [16]]
  - [-1, 1, Conv, [24, 3, 2]]
  - [-1, 1, C3, [24]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, SPPF, [32, 5]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 1, C3, [24, False]]
  - [[9, 6], 1, Detect, [nc, anchors]]
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

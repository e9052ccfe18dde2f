# SPDX-License-Identifier: Apache-2.0
"""Every block a model YAML may name: its arguments in order, with kinds and defaults. A table, read without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "width",
    "count",
    "size",
    "flag",
    "share",
    "act",
    "word",
    "sizes",
    "none",
    "classes",
    "anchors",
    "optional",
    "one",
    "sides",
]
Channels = Literal["width", "same", "sum", "contract", "expand", "detect"]

REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """One argument of a block."""

    name: str
    kind: Kind
    default: Any = REQUIRED


@dataclass(frozen=True)
class Signature:
    """How a block is called and how many channels come out.

    `inner_repeat`: the row's number goes in after the width.
    """

    parameters: tuple[Parameter, ...]
    channels: Channels = "width"
    inner_repeat: bool = False


_WIDTH = Parameter("width", "width")
_KERNEL = Parameter("kernel", "size", 1)
_STRIDE = Parameter("stride", "size", 1)
_PADDING = Parameter("padding", "optional", None)
_GROUPS = Parameter("groups", "count", 1)
_DILATION = Parameter("dilation", "count", 1)
_ACT = Parameter("act", "act", True)
_SHORTCUT = Parameter("shortcut", "flag", True)
_SHARE = Parameter("share", "share", 0.5)
_KERNELS = Parameter("kernels", "sizes", (5, 9, 13))

_CSP = Signature((_WIDTH, _SHORTCUT, _GROUPS, _SHARE), inner_repeat=True)

SIGNATURES: dict[str, Signature] = {
    "Conv": Signature((_WIDTH, _KERNEL, _STRIDE, _PADDING, _GROUPS, _DILATION, _ACT)),
    "DWConv": Signature((_WIDTH, _KERNEL, _STRIDE, _DILATION, _ACT)),
    "Focus": Signature((_WIDTH, _KERNEL, _STRIDE, _PADDING, _GROUPS, _ACT)),
    "Bottleneck": Signature((_WIDTH, _SHORTCUT, _GROUPS, _SHARE)),
    "BottleneckCSP": _CSP,
    "C3": _CSP,
    "C3x": _CSP,
    "C3TR": _CSP,
    "C3Ghost": _CSP,
    "C3SPP": Signature((_WIDTH, _KERNELS, Parameter("repeats", "count", 1), _SHORTCUT, _GROUPS, _SHARE)),
    "SPP": Signature((_WIDTH, _KERNELS)),
    "SPPF": Signature((_WIDTH, Parameter("kernel", "count", 5))),
    "GhostConv": Signature((_WIDTH, _KERNEL, _STRIDE, _GROUPS, _ACT)),
    "GhostBottleneck": Signature((_WIDTH, Parameter("kernel", "count", 3), Parameter("stride", "count", 1))),
    "CrossConv": Signature(
        (
            _WIDTH,
            Parameter("kernel", "count", 3),
            Parameter("stride", "count", 1),
            _GROUPS,
            Parameter("share", "share", 1.0),
            Parameter("shortcut", "flag", False),
        )
    ),
    "MixConv2d": Signature(
        (
            _WIDTH,
            Parameter("kernels", "sizes", (1, 3)),
            Parameter("stride", "count", 1),
            Parameter("equal_channels", "flag", True),
        )
    ),
    "DWConvTranspose2d": Signature(
        (
            _WIDTH,
            Parameter("kernel", "count", 1),
            Parameter("stride", "count", 1),
            Parameter("padding", "optional", 0),
            Parameter("output_padding", "optional", 0),
        )
    ),
    "Concat": Signature((Parameter("axis", "one", 1),), channels="sum"),
    "Contract": Signature((Parameter("gain", "count", 2),), channels="contract"),
    "Expand": Signature((Parameter("gain", "count", 2),), channels="expand"),
    "Detect": Signature((Parameter("classes", "classes"), Parameter("anchors", "anchors")), channels="detect"),
    "nn.Upsample": Signature(
        (Parameter("size", "none", None), Parameter("factor", "count", 2), Parameter("mode", "word", "nearest")),
        channels="same",
    ),
    "nn.ConvTranspose2d": Signature(
        (_WIDTH, Parameter("kernel", "count"), Parameter("stride", "count", 1), Parameter("padding", "optional", 0))
    ),
    "nn.MaxPool2d": Signature(
        (Parameter("kernel", "count"), Parameter("stride", "optional", None), Parameter("padding", "optional", 0)),
        channels="same",
    ),
    "nn.ZeroPad2d": Signature((Parameter("sides", "sides"),), channels="same"),
    "nn.BatchNorm2d": Signature((), channels="same"),
    "nn.Identity": Signature((), channels="same"),
}

NOT_OFFERED = {
    "Segment": "segmentation heads are not offered; train the boxes with a Detect row",
    "Classify": "classification heads are not offered",
}

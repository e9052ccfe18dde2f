# SPDX-License-Identifier: Apache-2.0
"""A network of ours as the tree of objects that the original program stores.

Same class names, same attributes, same order.

What each class carries is read from a real file of that program (docs/decisions/0014-legacy-files-are-data.md). A block
of which no file shows the attributes is refused.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from boxwright.errors import ModelError
from boxwright.model.detector import Detector
from boxwright.model.head import Detect
from boxwright.model.legacy.encode import ORDERED_DICT, SET
from boxwright.system.torch_archive.nodes import STORAGES, GlobalName, Node, Storage, TensorView

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = GlobalName("models.yolo", "DetectionModel")
HEAD = GlobalName("models.yolo", "Detect")
GRID_PX = 256  # side of the image that the stored grids are for; the program makes new ones for images of another size

# Our blocks that the original program has under the same name, with what they carry beside their parts.
BLOCKS: dict[str, tuple[str, ...]] = {
    "Conv": (),
    "DWConv": (),
    "Focus": (),
    "GhostConv": (),
    "GhostBottleneck": (),
    "Bottleneck": ("add",),
    "CrossConv": ("add",),
    "BottleneckCSP": (),
    "C3": (),
    "C3x": (),
    "C3Ghost": (),
    "C3SPP": (),
    "SPP": (),
    "SPPF": (),
    "Concat": ("d",),
}
_KINDS = {dtype: kind for kind, (dtype, _) in STORAGES.items()}


class Shaper:
    """Makes the trees of one file; storages are numbered through."""

    def __init__(self, *, half: bool = False) -> None:
        self.half = half
        self._count = 0
        self._makers: tuple[tuple[type, Callable[[Any], Any]], ...] = (
            (nn.Parameter, lambda value: self.view(value, parameter=True)),
            (torch.Tensor, self.view),
            (nn.Module, self._module),
            (OrderedDict, self._mapping),
            (dict, lambda value: {key: self.attribute(item) for key, item in value.items()}),
            (set, lambda value: Node(SET, (sorted(value),))),
            (list, lambda value: [self.attribute(item) for item in value]),
            (tuple, lambda value: tuple(self.attribute(item) for item in value)),
        )

    def network(self, detector: Detector, names: tuple[str, ...]) -> Node:
        """The tree of a network. Raises ModelError for blocks that the original program does not have in this form."""
        detector = detector.eval()
        spec = detector.spec
        top = self._base(detector)
        rows = zip(detector.model, spec.rows, strict=True)
        shaped = {str(row.index): self._row(module, row.block, detector) for module, row in rows}
        for node, module, row in zip(shaped.values(), detector.model, spec.rows, strict=True):
            count = sum(parameter.numel() for parameter in module.parameters())
            origin = list(row.raw_from) if isinstance(row.raw_from, tuple) else row.raw_from
            node.state |= {"i": row.index, "f": origin, "type": _type_of(row.block), "np": count}
        shaped[str(spec.rows[-1].index)].state["stride"] = self.view(
            torch.tensor(detector.strides, dtype=torch.float32)
        )
        sequence = self._framework(nn.Sequential().eval())
        sequence.state["_modules"] = shaped
        top["_modules"] = {"model": sequence}
        top |= {
            "yaml_file": f"{spec.name}.yaml",
            "yaml": {**self.attribute(spec.source), "anchors": _anchors(spec.source["anchors"])},
            "save": list(spec.saved),
            "names": dict(enumerate(names)),
            "inplace": True,
            "stride": self.view(torch.tensor(detector.strides, dtype=torch.float32), keep=True),
            "nc": spec.num_classes,
        }
        return Node(NETWORK, (), top)

    def view(self, tensor: torch.Tensor, *, parameter: bool = False, keep: bool = False) -> TensorView:
        """A tensor with a storage of its own. `keep`: in full precision whatever the rest is written in."""
        if self.half and tensor.is_floating_point() and not keep:
            tensor = tensor.half()
        tensor = tensor.detach().cpu().contiguous()
        storage = Storage(_KINDS[str(tensor.dtype).removeprefix("torch.")], str(self._count), tensor.numel())
        self._count += 1
        storage.data = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
        view = TensorView(storage, 0, tuple(tensor.shape), tuple(tensor.stride()))
        view.parameter = parameter
        return view

    def attribute(self, value: Any) -> Any:
        """A plain attribute, or the parts of a module, as stored."""
        if value is None or type(value) in {bool, int, float, str}:
            return value
        made = next((make for kind, make in self._makers if isinstance(value, kind)), None)
        if made is None:
            raise ModelError(
                "yolov5", f"a {type(value).__name__} has no place in such a file", "Export to another format"
            )
        return made(value)

    def _mapping(self, value: OrderedDict[Any, Any]) -> Node:
        node = Node(ORDERED_DICT)
        node.pairs = tuple((key, self.attribute(item)) for key, item in value.items())
        return node

    def _row(self, module: nn.Module, block: str, detector: Detector) -> Node:
        return self._head(detector.head) if block == "Detect" else self._module(module)

    def _module(self, module: nn.Module) -> Node:
        kind = type(module)
        if kind.__module__.startswith("torch.nn.modules."):
            return self._framework(module)
        if kind.__name__ not in BLOCKS:
            raise ModelError(
                "yolov5",
                f"the layout of a {kind.__name__} in files of the original program is not known",
                "Export to another format",
            )
        state = self._base(module) | {name: self.attribute(getattr(module, name)) for name in BLOCKS[kind.__name__]}
        return Node(GlobalName("models.common", kind.__name__), (), state)

    def _framework(self, module: nn.Module) -> Node:
        """A module of torch itself: everything it carries."""
        kind = type(module)
        return Node(
            GlobalName(kind.__module__, kind.__name__),
            (),
            {name: self.attribute(value) for name, value in vars(module).items()},
        )

    def _base(self, module: nn.Module) -> dict[str, Any]:
        """What every module carries: parts and hooks, in the framework's order."""
        return {
            name: self.attribute(vars(module)[name])
            for name in vars(nn.Module())
            if name != "_modules" or not isinstance(module, Detector)
        }

    def _head(self, head: Detect) -> Node:
        grids, anchors = zip(*(_grids(head, level) for level in range(head.num_levels)), strict=True)
        state = self._base(head) | {
            "nc": head.num_classes,
            "no": head.num_classes + 5,
            "nl": head.num_levels,
            "na": head.num_anchors,
            "grid": [self.view(grid) for grid in grids],
            "anchor_grid": [self.view(grid) for grid in anchors],
            "inplace": True,
        }
        return Node(HEAD, (), state)


def _type_of(block: str) -> str:
    """The class of a row as its network notes it."""
    if block == "Detect":
        return HEAD.text
    kind = getattr(nn, block.removeprefix("nn."), None) if block.startswith("nn.") else None
    return f"models.common.{block}" if kind is None else f"{kind.__module__}.{kind.__name__}"


def _anchors(stored: Any) -> Any:
    """The anchors of a YAML, whole numbers without a point."""
    return (
        stored
        if isinstance(stored, int)
        else [[int(side) if side == int(side) else side for side in level] for level in stored]
    )


def _grids(head: Detect, level: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Offsets of the cells, and anchors in pixels, of one level. (1, A, H, W, 2) each"""
    cells = torch.arange(max(GRID_PX // head.strides[level], 1), dtype=torch.float32)
    y, x = torch.meshgrid(cells, cells, indexing="ij")
    size = (1, head.num_anchors, len(cells), len(cells), 2)
    offsets = torch.stack((x, y), -1) - 0.5
    pixels = (head.anchors[level] * head.strides[level]).view(1, -1, 1, 1, 2)
    return offsets.expand(size), pixels.expand(size)

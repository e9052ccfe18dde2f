# SPDX-License-Identifier: Apache-2.0
"""What a pickle program is turned into: inert values. None of them can do anything."""

from __future__ import annotations

import math
from typing import Any


class RefusedError(Exception):
    """A legacy file that is not read, and why, in a few words."""


class GlobalName:
    """A name that a file mentions. It is text and stays text."""

    __slots__ = ("module", "name", "text")

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name, self.text = module, name, f"{module}.{name}"

    def __repr__(self) -> str:
        return f"<name {self.text}>"


class Node:
    """'An object of this class, made from these arguments, with this state, these items and these pairs.'"""

    __slots__ = ("arguments", "cls", "items", "pairs", "state")

    def __init__(self, cls: GlobalName, arguments: tuple[Any, ...] = (), state: Any = None) -> None:
        self.cls, self.arguments, self.state = cls, arguments, state
        self.items: tuple[Any, ...] = ()
        self.pairs: tuple[tuple[Any, Any], ...] = ()

    def __repr__(self) -> str:
        return f"<object of {self.cls.text}>"


# Element types by the name of their storage, with bytes per element.
STORAGES = {
    "DoubleStorage": ("float64", 8),
    "FloatStorage": ("float32", 4),
    "HalfStorage": ("float16", 2),
    "BFloat16Storage": ("bfloat16", 2),
    "LongStorage": ("int64", 8),
    "IntStorage": ("int32", 4),
    "ShortStorage": ("int16", 2),
    "CharStorage": ("int8", 1),
    "ByteStorage": ("uint8", 1),
    "BoolStorage": ("bool", 1),
}


class Storage:
    """The memory behind tensors: how many elements of which type are promised, and the bytes once they were found."""

    __slots__ = ("data", "dtype", "key", "length", "width")

    def __init__(self, kind: str, key: str, length: int) -> None:
        self.dtype, self.width = STORAGES[kind]
        self.key, self.length = key, length
        self.data: bytes | memoryview = b""

    @property
    def num_bytes(self) -> int:
        """Bytes that are promised."""
        return self.length * self.width


class TensorView:
    """A tensor as a window on a storage, known to lie inside it."""

    __slots__ = ("offset", "parameter", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides
        self.parameter = False

    @property
    def num_elements(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.shape)

    def require_inside(self) -> None:
        """Raise RefusedError when the window reaches outside its storage, or repeats it."""
        if not self.num_elements:
            return
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if last >= self.storage.length:
            raise RefusedError("a tensor reaches outside its storage")
        if self.num_elements > self.storage.length:
            raise RefusedError("a tensor is larger than its storage")

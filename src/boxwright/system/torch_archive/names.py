# SPDX-License-Identifier: Apache-2.0
"""The one list of names that a legacy checkpoint may mention, and what each stands for. None of them is ever imported.

A name that is not here is refused by name. What REDUCE may 'call' is re-made by our own code from the role of the name.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from boxwright.system.torch_archive.nodes import STORAGES, GlobalName, RefusedError


class Role(Enum):
    """What a name means to the reader."""

    TENSOR = auto()
    PARAMETER = auto()
    MAPPING = auto()
    SET = auto()
    SIZE = auto()
    DEVICE = auto()
    NUMBER = auto()  # a numpy scalar
    ARRAY = auto()
    NUMBER_TYPE = auto()
    BYTES = auto()
    PATH = auto()
    DATE = auto()
    BARE = auto()  # an object made without its constructor
    CLASS = auto()  # an inert object: a network module, a bag of options
    VALUE = auto()  # a name that stands for itself: an element type, a storage type


MADE_BY_REDUCE = set(Role) - {Role.CLASS, Role.VALUE}
MADE_BY_NEWOBJ = {Role.CLASS, Role.MAPPING}

ALLOWED: dict[str, Role] = {
    "torch._utils._rebuild_tensor": Role.TENSOR,
    "torch._utils._rebuild_tensor_v2": Role.TENSOR,
    "torch._utils._rebuild_parameter": Role.PARAMETER,
    "torch._utils._rebuild_parameter_with_state": Role.PARAMETER,
    "collections.OrderedDict": Role.MAPPING,
    "collections.defaultdict": Role.MAPPING,
    **dict.fromkeys(("builtins.set", "builtins.frozenset", "__builtin__.set", "__builtin__.frozenset"), Role.SET),
    "torch.Size": Role.SIZE,
    "torch.device": Role.DEVICE,
    "numpy.core.multiarray.scalar": Role.NUMBER,
    "numpy._core.multiarray.scalar": Role.NUMBER,
    "numpy.core.multiarray._reconstruct": Role.ARRAY,
    "numpy._core.multiarray._reconstruct": Role.ARRAY,
    "numpy.dtype": Role.NUMBER_TYPE,
    "_codecs.encode": Role.BYTES,
    **{
        f"pathlib.{name}": Role.PATH
        for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
    **{
        f"pathlib._local.{name}": Role.PATH
        for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
    **dict.fromkeys(("datetime.datetime", "datetime.date", "datetime.timedelta"), Role.DATE),
    "copyreg._reconstructor": Role.BARE,
    "copy_reg._reconstructor": Role.BARE,
    "argparse.Namespace": Role.CLASS,
    **{f"torch.{kind}": Role.VALUE for kind in STORAGES},
    **{f"torch.{dtype}": Role.VALUE for dtype, _ in STORAGES.values()},
    **{
        f"torch.{layout}": Role.VALUE for layout in ("contiguous_format", "channels_last", "preserve_format", "strided")
    },
    "numpy.ndarray": Role.VALUE,
    **{
        f"{module}.{name}": Role.VALUE
        for module in ("builtins", "__builtin__")
        for name in ("object", "dict", "list", "int", "float", "str", "bool")
    },
    **{f"torch.nn.functional.{name}": Role.VALUE for name in ("silu", "relu", "leaky_relu", "hardswish", "mish")},
}

# Modules of the original program and of the framework whose classes a network is made of; objects of them stay inert.
CLASS_MODULES = re.compile(
    r"(models|utils|ultralytics|yolov5|torch\.nn\.modules|torch\.nn\.parameter|__main__)(\.[A-Za-z_]\w*)*"
)

_WORD = re.compile(r"[A-Za-z_]\w{0,99}")
_DUNDER = re.compile(r"__\w*__")
_LONGEST = 200


def named(module: object, name: object) -> GlobalName:
    """The name, when it is on the list. Raises RefusedError that tells the name."""
    if type(module) is not str or type(name) is not str:
        raise RefusedError("a name is given by something that is not text")
    if (
        len(module) > _LONGEST
        or not all(_WORD.fullmatch(part) for part in module.split("."))
        or not _WORD.fullmatch(name)
    ):
        raise RefusedError(f"it names {module[:60]!r} {name[:60]!r}, which is not the name of a class")
    found = GlobalName(module, name)
    if role_of(found) is None:
        raise RefusedError(f"it names {found.text}, which no checkpoint needs")
    return found


def role_of(name: GlobalName) -> Role | None:
    """What a name stands for; None: it is not on the list."""
    role = ALLOWED.get(name.text)
    if role is None and CLASS_MODULES.fullmatch(name.module) and not _DUNDER.fullmatch(name.name):
        return Role.CLASS
    return role

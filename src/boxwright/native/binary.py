# SPDX-License-Identifier: Apache-2.0
"""The library of compiled kernels: found, checked, switched. The one place of this room that knows foreign functions.

Without the library (no compiler when the package was installed) everything goes the portable way, with numbers of the
same law.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "kernels.so"
INTERFACE = 2  # of native/kernels.h: signatures and layouts

_POINTER, _WHOLE, _LONG, _REAL = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double
_SIGNATURES = {
    "boxwright_render": (None, (_POINTER, _LONG, _POINTER, _WHOLE, _WHOLE, _POINTER)),
    "boxwright_labels": (_LONG, (ctypes.c_char_p, _LONG, _REAL, _POINTER, _POINTER, _POINTER, _POINTER)),
    "boxwright_suppress": (_LONG, (_POINTER, _LONG, _LONG, _POINTER, _POINTER, _POINTER, _POINTER)),
    "boxwright_match": (
        None,
        (_POINTER, _POINTER, _LONG, _POINTER, _POINTER, _LONG, _WHOLE, _POINTER, _LONG, _POINTER),
    ),
    "boxwright_normalize_forward": (
        _WHOLE,
        (_POINTER, _LONG, _LONG, _POINTER, _POINTER, _REAL, _POINTER, _POINTER, _POINTER, _POINTER, _WHOLE),
    ),
    "boxwright_normalize_backward": (_WHOLE, (*(_POINTER,) * 2, _LONG, _LONG, *(_POINTER,) * 7, _WHOLE)),
    "boxwright_areas": (None, (_POINTER, _LONG, _LONG, _REAL, _POINTER, _LONG, _POINTER)),
}


@dataclass
class _Switch:
    """Whether the kernels may be used in this process."""

    on: bool = True


_SWITCH = _Switch()


def kernels() -> ctypes.CDLL | None:
    """The library; None when it was not built, does not fit, or is switched off. A call releases the interpreter."""
    return _opened() if _SWITCH.on else None


def applies_to(tensor: Any) -> bool:
    """Whether there are kernels, and this tensor of the framework lies where they can read it."""
    return kernels() is not None and tensor.device.type == "cpu"


def require() -> ctypes.CDLL:
    """The library, for those who have made sure that it is there."""
    library = kernels()
    assert library is not None, "asked for a kernel without looking whether there is one"
    return library


@functools.cache
def _opened() -> ctypes.CDLL | None:
    path = Path(__file__).with_name(FILE)
    if not path.is_file():
        return None
    try:
        library = ctypes.CDLL(str(path))
        if library.boxwright_interface() != INTERFACE:
            return None  # built from other sources than these
        for name, (answer, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = answer, arguments
    except (OSError, AttributeError):
        return None
    return library


@contextlib.contextmanager
def portable() -> Iterator[None]:
    """A while without kernels, for all threads: to compare both ways."""
    before = is_on()
    switch(on=False)
    try:
        yield
    finally:
        switch(on=before)


def is_on() -> bool:
    """Whether the kernels may be used, if there are any."""
    return _SWITCH.on


def switch(*, on: bool) -> None:
    """Use the kernels from now on, or do not. For `configured_process`, which puts it back."""
    _SWITCH.on = on


def described() -> str:
    """Which way is gone, in words."""
    if kernels() is not None:
        return "compiled kernels"
    return (
        "portable kernels (compiled ones are switched off)"
        if _opened() is not None
        else "portable kernels (no compiled ones were built at installation)"
    )

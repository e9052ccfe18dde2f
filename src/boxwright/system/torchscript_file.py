# SPDX-License-Identifier: Apache-2.0
"""TorchScript files: the door to the framework's loader.

Such a file is a program in a small language of the framework. It cannot name Python code, but the language has operators
that write and map files, and parts of a program can run while it is loaded. So its text is read first, as data, and
every operator in it has to be on the list below, which is what networks of this family are made of.
"""

from __future__ import annotations

import ast
import contextlib
import io
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING

import torch

from boxwright.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SUFFIX = ".torchscript"
MAX_CODE_BYTES = 16 << 20  # the program of the largest network of the family is a hundredth of it
MAX_PACKED_BYTES = 64 << 20  # the framework compresses programs, never numbers
MAX_EXTRA_BYTES = 1 << 20

_OF_NETWORKS = """
    _convolution add add_ arange batch_norm bmm cat chunk device div flatten floor_divide hardswish hardtanh leaky_relu linear max_pool2d maximum mean meshgrid
    mish mul pad permute pow relu reshape select sigmoid silu size slice softmax stack sub to transpose type_as upsample_nearest2d view
"""
OPERATORS = frozenset(f"torch.{name}" for name in _OF_NETWORKS.split()) | {"ops.prim.NumToTensor"}
WORDS = frozenset({"annotate", "getattr", "int"})  # of the language itself
STATEMENTS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.AnnAssign, ast.Expr, ast.Return)
VALUES = (ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Subscript, ast.UnaryOp, ast.USub, ast.Load, ast.Store)


def torchscript_bytes(module: torch.nn.Module, example: torch.Tensor, words: Mapping[str, str]) -> bytes:
    """A network as it ran on an example, with words beside it."""
    buffer = io.BytesIO()
    with advice_left_out(), torch.no_grad():
        traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]  # the caller compares on real images
        torch.jit.save(traced, buffer, _extra_files={key: value.encode() for key, value in words.items()})
    return buffer.getvalue()


def read_extra(path: Path, name: str) -> str | None:
    """Words that lie beside the program of a file, None where there are none; nothing is loaded. Raises WeightsError."""
    with _opened(path) as archive:
        place = next((entry for entry in archive.infolist() if entry.filename.endswith(f"/extra/{name}")), None)
        if place is None:
            return None
        if place.file_size > MAX_EXTRA_BYTES:
            raise WeightsError(str(path), f"holds {place.file_size} bytes of words about itself", "Give another file")
        return archive.read(place).decode()


def load_torchscript(path: Path) -> torch.jit.ScriptModule:
    """The program of a file, once its text was found harmless. Raises WeightsError."""
    with _opened(path) as archive:
        _require_known_operators(path, archive)
        content = _packed_anew(path, archive)
    try:
        with advice_left_out():
            module: torch.jit.ScriptModule = torch.jit.load(content, map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise WeightsError(str(path), f"cannot be opened ({' '.join(str(error).split())[:160]})", "Give another file") from None
    return module.eval()


def _packed_anew(path: Path, archive: zipfile.ZipFile) -> io.BytesIO:
    """The entries that were looked at in an archive of our own: another reader cannot find other ones in it."""
    names = archive.namelist()
    packed_bytes = sum(entry.file_size for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED)
    if len({*names}) != len(names) or packed_bytes > MAX_PACKED_BYTES:
        raise WeightsError(str(path), "is packed in a way that the framework does not", "Give another file")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for name in names:
            packed.writestr(name, archive.read(name))
    buffer.seek(0)
    return buffer


@contextlib.contextmanager
def advice_left_out() -> Iterator[None]:
    """The framework advises against this format, and users ask for it: that advice is left out.

    So is the one that something may have become a constant: the comparison on images of several shapes finds out whether it matters.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]  # it is there
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise WeightsError(str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path") from None
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        raise WeightsError(str(path), f"is no sound TorchScript file ({error})", "Give another file") from None


def _require_known_operators(path: Path, archive: zipfile.ZipFile) -> None:
    """Raises WeightsError for a program with anything in it that is not on the list."""
    code = [entry for entry in archive.infolist() if "/code/" in entry.filename and entry.filename.endswith(".py")]
    if not code or sum(entry.file_size for entry in code) > MAX_CODE_BYTES:
        raise WeightsError(str(path), "holds no program, or one too long for a network", "Give another file")
    for entry in code:
        try:
            tree = ast.parse(archive.read(entry))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise WeightsError(str(path), "holds a program that is not understood", "Give another file") from None
        for word in _foreign_words(tree):
            raise WeightsError(str(path), f"is not loaded: its program has {word}, which no network of this family needs", "Give another file")


def _foreign_words(tree: ast.Module) -> Iterator[str]:
    """Calls, functions and constructs that are not on the lists."""
    for node in ast.walk(tree):
        if not isinstance(node, (*STATEMENTS, *VALUES)):
            yield f"a construct {type(node).__name__}"
        elif isinstance(node, ast.FunctionDef) and not _is_forward(node.name):
            yield f"a function {node.name}"
        elif isinstance(node, ast.Call) and not _is_known(node.func):
            yield ast.unparse(node.func)


def _is_known(called: ast.expr) -> bool:
    spelled = ast.unparse(called)
    return spelled in OPERATORS or spelled in WORDS or (isinstance(called, ast.Attribute) and _is_forward(called.attr))


def _is_forward(name: str) -> bool:
    """The framework numbers a method that is traced more than once: forward, forward1, forward2."""
    return name.startswith("forward") and not name.removeprefix("forward").strip("0123456789")

# SPDX-License-Identifier: Apache-2.0
"""ONNX files: the door to their runtime, which sees nothing but bytes that `onnx_contents` has read and allowed."""

from __future__ import annotations

import functools
import importlib.util
import os
from typing import TYPE_CHECKING, Any

import torch

from boxwright.errors import SettingError, WeightsError
from boxwright.system.cgroups import granted_memory_bytes
from boxwright.system.graphs.costs import OverBudgetError
from boxwright.system.graphs.graph import UnknownSizeError, require_within_budget
from boxwright.system.graphs.onnx_operations import RULES
from boxwright.system.onnx_contents import MAX_BYTES, ForeignGraphError, OnnxContents, contents_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUFFIX = ".onnx"
_FATAL_ONLY = 4  # of the runtime's log: what goes wrong is raised, and told in one line
_LEAST_MEMORY = 1 << 30


def require_packages(flag: str, *names: str) -> None:
    """Optional packages that something needs. Raises SettingError with those that are missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            flag,
            f"needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            f"pip install {' '.join(missing)}",
        )


class OnnxFile:
    """A file that was read: its metadata, its numbers, and its graph to call once it was opened for images."""

    def __init__(self, path: Path) -> None:
        """Read a file. Raises SettingError without the runtime, WeightsError for a file of others."""
        require_packages(str(path), "onnxruntime")
        self.path = path
        self._content, contents = _allowed(path)
        self.metadata, self._tensors, self._graph = contents.words, contents.tensors, contents.graph
        self._fitting: set[tuple[int, ...]] = set()
        self._session: Any = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The floating numbers of the file by name, until it is opened."""
        return self._tensors

    def open(self, shape: Sequence[int]) -> None:
        """Hand the file to the runtime, for images (B, C, H, W) first of all.

        Raises WeightsError where it would take more on them than a network, or is none.
        """
        import onnxruntime  # noqa: PLC0415 -- an extra, only for those who use it

        try:
            self._require_fitting(shape)
        except (OverBudgetError, UnknownSizeError) as error:
            raise _foreign(self.path, error) from None
        _limit_memory()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _FATAL_ONLY
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:  # constants are folded outside of the limit, and the exporter has folded what there was
            self._session = onnxruntime.InferenceSession(
                self._content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:  # noqa: BLE001 -- the runtime raises many kinds for a file it does not understand
            raise WeightsError(
                str(self.path), f"is no ONNX network that can be run ({_first_line(error)})", "Give another file"
            ) from None
        self._content, self._tensors = b"", {}  # the runtime has its own

    def _require_fitting(self, shape: Sequence[int]) -> None:
        if tuple(shape) not in self._fitting:
            require_within_budget(self._graph, RULES, shape)
            self._fitting.add(tuple(shape))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32.

        Raises OverBudgetError or UnknownSizeError for a graph that takes more on them than a network.
        """
        self._require_fitting(images.shape)
        name = self._session.get_inputs()[0].name
        return torch.from_numpy(self._session.run(None, {name: images.cpu().contiguous().numpy()})[0])


def _allowed(path: Path) -> tuple[bytes, OnnxContents]:
    """The bytes of a file, and what is in them."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    try:
        return content, contents_of(content)
    except ForeignGraphError as error:
        raise _foreign(path, error) from None


def _foreign(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        str(path), f"is no ONNX network that this program wrote: {error}", "Give one that `boxwright export` wrote"
    )


@functools.cache
def _limit_memory() -> None:
    """Once in a process: all graphs together take at most half of the memory that is there now."""
    import onnxruntime  # noqa: PLC0415 -- an extra, only for those who use it

    there = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), granted_memory_bytes())
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(
        place, onnxruntime.OrtArenaCfg({"max_mem": max(there // 2, _LEAST_MEMORY)})
    )


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]

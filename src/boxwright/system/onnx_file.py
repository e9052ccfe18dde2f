# SPDX-License-Identifier: Apache-2.0
"""ONNX files: the door to their runtime, which sees nothing but bytes that `onnx_contents` has read and allowed."""

from __future__ import annotations

import functools
import importlib.util
import os
from typing import TYPE_CHECKING

import torch

from boxwright.errors import SettingError, WeightsError
from boxwright.system.cgroups import granted_memory_bytes
from boxwright.system.onnx_contents import MAX_BYTES, ForeignGraphError, OnnxContents, contents_of

if TYPE_CHECKING:
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
    """An opened file: its metadata, and its graph to call."""

    def __init__(self, path: Path) -> None:
        """Open a file. Raises SettingError without the runtime, WeightsError for a file it does not understand."""
        require_packages(str(path), "onnxruntime")
        import onnxruntime  # noqa: PLC0415 -- an extra, only for those who use it

        content, self._contents = _allowed(path)
        self.metadata = self._contents.words
        _limit_memory()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _FATAL_ONLY
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:  # constants are folded outside of the limit, and the exporter has folded what there was
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:  # noqa: BLE001 -- the runtime raises many kinds for a file it does not understand
            raise WeightsError(
                str(path), f"is no ONNX network that can be run ({_first_line(error)})", "Give another file"
            ) from None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The floating numbers of the file by name."""
        return self._contents.tensors

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32."""
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
        raise WeightsError(
            str(path), f"is no ONNX network that this program wrote: {error}", "Give one that `boxwright export` wrote"
        ) from None


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

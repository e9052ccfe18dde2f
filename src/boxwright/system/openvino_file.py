# SPDX-License-Identifier: Apache-2.0
"""OpenVINO files, a graph (.xml) and its numbers (.bin).

The door to their runtime, which sees nothing but a graph that was read and allowed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boxwright.errors import WeightsError
from boxwright.system.graphs.costs import OverBudgetError
from boxwright.system.graphs.graph import UnknownSizeError
from boxwright.system.onnx_file import require_packages
from boxwright.system.openvino_contents import (
    MAX_BYTES,
    MAX_NUMBERS_BYTES,
    ForeignNetError,
    NetContents,
    net_contents,
    require_net_within_budget,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX = ".xml"
NUMBERS = ".bin"
PACKAGES = ("openvino",)
_PLACE = ["boxwright"]  # of our metadata among those of the graph


def openvino_bytes(onnx_bytes: bytes, metadata: str) -> tuple[bytes, bytes]:
    """The graph and the numbers of an ONNX network, in its own precision."""
    import openvino  # noqa: PLC0415 -- an extra, only for those who use it

    model = openvino.Core().read_model(onnx_bytes)
    model.set_rt_info(metadata, _PLACE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{SUFFIX}"
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(NUMBERS).read_bytes()


class OpenVinoFile:
    """A file that was read: its metadata, its numbers, and its graph to call once it was opened for images."""

    def __init__(self, path: Path) -> None:
        """Read a file. Raises SettingError without the runtime, WeightsError for a file of others."""
        require_packages(str(path), *PACKAGES)
        self.path = path
        self._graph, self._numbers = _read(path, MAX_BYTES), _read(path.with_suffix(NUMBERS), MAX_NUMBERS_BYTES)
        self._contents = _allowed(path, self._graph, self._numbers)
        self.metadata = {} if self._contents.words is None else {_PLACE[0]: self._contents.words}
        self._fitting: set[tuple[int, ...]] = set()
        self._network: Any = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The floating numbers of the file by name."""
        found = {}
        for name, (dtype, place, size) in self._contents.constants.items():
            if size:
                found[name] = torch.frombuffer(bytearray(self._numbers[place : place + size]), dtype=torch.uint8)[
                    : size // dtype.itemsize * dtype.itemsize
                ].view(dtype)
        return found

    def open(self, shape: Sequence[int]) -> None:
        """Hand the file to the runtime, for images (B, C, H, W) first of all.

        Raises WeightsError where it would take more on them than a network, or is none. The runtime works out constant
        parts while it reads, so it sees nothing before.
        """
        import openvino  # noqa: PLC0415 -- an extra, only for those who use it

        try:
            self._require_fitting(shape)
        except (OverBudgetError, UnknownSizeError) as error:
            raise _foreign(self.path, error) from None
        core = openvino.Core()
        try:
            model = core.read_model(self._graph, self._numbers)  # from memory: what was read is what is run
            options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            self._network = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise WeightsError(
                str(self.path),
                f"is no OpenVINO network that can be run ({' '.join(str(error).split())[:160]})",
                "Give another file",
            ) from None

    def _require_fitting(self, shape: Sequence[int]) -> None:
        if tuple(shape) not in self._fitting:
            require_net_within_budget(self._contents, shape)
            self._fitting.add(tuple(shape))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32.

        Raises OverBudgetError or UnknownSizeError for a graph that takes more on them than a network.
        """
        self._require_fitting(images.shape)
        return torch.from_numpy(self._network(images.cpu().contiguous().numpy())[0].copy())


def _read(path: Path, limit: int) -> bytes:
    try:
        if path.stat().st_size > limit:
            raise WeightsError(str(path), "is larger than a network", "Give another file")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None


def _allowed(path: Path, graph: bytes, numbers: bytes) -> NetContents:
    try:
        return net_contents(graph, numbers)
    except ForeignNetError as error:
        raise _foreign(path, error) from None


def _foreign(path: Path, error: Exception) -> WeightsError:
    return WeightsError(
        str(path),
        f"is no OpenVINO network that this program wrote: {error}",
        "Give one that `boxwright export` wrote",
    )

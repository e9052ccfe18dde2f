# SPDX-License-Identifier: Apache-2.0
"""OpenVINO files, a graph (.xml) and its numbers (.bin).

The door to their runtime, which sees nothing but a graph that was read and allowed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from boxwright.errors import WeightsError
from boxwright.system.onnx_file import require_packages
from boxwright.system.openvino_contents import MAX_BYTES, MAX_NUMBERS_BYTES, ForeignNetError, NetContents, net_contents

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
    """An opened file: its metadata, and its graph to call."""

    def __init__(self, path: Path) -> None:
        """Open a file. Raises SettingError without the runtime, WeightsError for a file it does not understand."""
        require_packages(str(path), *PACKAGES)
        import openvino  # noqa: PLC0415 -- an extra, only for those who use it

        graph, self._numbers = _read(path, MAX_BYTES), _read(path.with_suffix(NUMBERS), MAX_NUMBERS_BYTES)
        self._contents = _allowed(path, graph, len(self._numbers))
        self.metadata = {} if self._contents.words is None else {_PLACE[0]: self._contents.words}
        core = openvino.Core()
        try:
            model = core.read_model(graph, self._numbers)  # from memory: what was read is what is run
            options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            self._network = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise WeightsError(
                str(path),
                f"is no OpenVINO network that can be run ({' '.join(str(error).split())[:160]})",
                "Give another file",
            ) from None

    def tensors(self) -> dict[str, torch.Tensor]:
        """The floating numbers of the file by name."""
        found = {}
        for name, (dtype, place, size) in self._contents.constants.items():
            if size:
                found[name] = torch.frombuffer(bytearray(self._numbers[place : place + size]), dtype=torch.uint8)[
                    : size // dtype.itemsize * dtype.itemsize
                ].view(dtype)
        return found

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32."""
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


def _allowed(path: Path, graph: bytes, num_bytes: int) -> NetContents:
    try:
        return net_contents(graph, num_bytes)
    except ForeignNetError as error:
        raise WeightsError(
            str(path),
            f"is no OpenVINO network that this program wrote: {error}",
            "Give one that `boxwright export` wrote",
        ) from None

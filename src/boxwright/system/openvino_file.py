# SPDX-License-Identifier: Apache-2.0
"""OpenVINO files, a graph (.xml) and its numbers (.bin): the door to their runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from boxwright.errors import WeightsError
from boxwright.system.onnx_file import require_packages

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

        core = openvino.Core()
        try:
            model = core.read_model(path)
            options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
            self._network = core.compile_model(model, "CPU", options)
            self.metadata: str | None = model.get_rt_info(_PLACE).astype(str) if model.has_rt_info(_PLACE) else None
        except RuntimeError as error:
            raise WeightsError(str(path), f"is no OpenVINO network that can be run ({' '.join(str(error).split())[:160]})", "Give another file") from None

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32."""
        return torch.from_numpy(self._network(images.cpu().contiguous().numpy())[0].copy())

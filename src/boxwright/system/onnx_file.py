# SPDX-License-Identifier: Apache-2.0
"""ONNX files: the door to their runtime. A graph of a fixed set of operators; the runtime loads no other code for it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import torch

from boxwright.errors import SettingError, WeightsError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".onnx"
_ERRORS_ONLY = 3  # of the runtime's log


def require_packages(flag: str, *names: str) -> None:
    """Optional packages that something needs. Raises SettingError with those that are missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            flag, f"needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed", f"pip install {' '.join(missing)}"
        )


class OnnxFile:
    """An opened file: its metadata, and its graph to call."""

    def __init__(self, path: Path) -> None:
        """Open a file. Raises SettingError without the runtime, WeightsError for a file it does not understand."""
        require_packages(str(path), "onnxruntime")
        import onnxruntime  # noqa: PLC0415 -- an extra, only for those who use it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except OSError as error:
            raise WeightsError(str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path") from None
        except Exception as error:  # noqa: BLE001 -- the runtime raises many kinds for a file it does not understand
            raise WeightsError(str(path), f"is no ONNX network that can be run ({_first_line(error)})", "Give another file") from None
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The first output for images (B, C, H, W) float32."""
        name = self._session.get_inputs()[0].name
        return torch.from_numpy(self._session.run(None, {name: images.cpu().contiguous().numpy()})[0])


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]

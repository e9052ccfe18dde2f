# SPDX-License-Identifier: Apache-2.0
"""A network as an ONNX graph with its metadata.

Input `images`; output `predictions`, or `detections` with suppression.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

import torch

from boxwright.export_formats.deployed import Deployed
from boxwright.export_formats.onnx_suppression import append_suppression
from boxwright.structures.passport import Passport
from boxwright.system.torchscript_file import advice_left_out

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL_OPSET = 17  # the newest that the exporter by tracing knows well; every runtime of the last years has it
PACKAGES = ("onnx", "onnxruntime")  # the second to run and compare it
DYNAMIC = {"images": {0: "batch", 2: "height", 3: "width"}, "predictions": {0: "batch", 1: "anchors"}}


def onnx_bytes(network: Deployed, passport: Passport, opset: int = USUAL_OPSET) -> bytes:
    """One file, weights inside. `opset`: version of the operators."""
    import onnx  # noqa: PLC0415 -- an extra, only for those who use it

    buffer = io.BytesIO()
    example = torch.zeros(passport.batch, passport.input_channels, *passport.size_hw)
    axes = DYNAMIC if passport.dynamic else None
    with _advice_left_out(), torch.no_grad():
        torch.onnx.export(
            network,
            (example,),
            buffer,  # type: ignore[arg-type]  # this exporter takes files too
            dynamo=False,
            opset_version=opset,
            input_names=["images"],
            output_names=["predictions"],
            dynamic_axes=axes,
        )
    model = onnx.load_from_string(buffer.getvalue())
    if passport.suppression is not None:
        append_suppression(
            model.graph, passport.suppression, len(passport.names), None if passport.dynamic else passport.batch
        )
    onnx.helper.set_model_props(model, passport.words())
    model.producer_name, model.producer_version = "boxwright", passport.program.rpartition(" ")[2]
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


@contextlib.contextmanager
def _advice_left_out() -> Iterator[None]:
    """The exporter by tracing takes a second where its successor takes ten.

    The framework's advice to change is left out, and only that.
    """
    with advice_left_out():
        for words in ("You are using the legacy TorchScript-based ONNX export", "The feature will be removed"):
            warnings.filterwarnings("ignore", message=words, category=DeprecationWarning)
        yield

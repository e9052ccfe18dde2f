# SPDX-License-Identifier: Apache-2.0
"""Settings of `boxwright weights`: looking into weights files and making others of them."""

from __future__ import annotations

from typing import Literal

from boxwright.config.setting import Slice, Spelling, setting


class InspectSettings(Slice):
    """`boxwright weights inspect`."""

    file: str = setting("", "Weights file of any kind.", Spelling(positional=True), min_length=1)
    tensors: bool = setting(default=False, help_text="List every tensor.", spelling=Spelling())


class OutputSettings(Slice):
    """Where a new file goes."""

    out: str = setting(
        "", "File to write (default: beside the first, named after what was done).", Spelling(metavar="FILE")
    )
    exist_ok: bool = setting(default=False, help_text="Replace the file if it exists.", spelling=Spelling())


class StripSettings(OutputSettings):
    """`boxwright weights strip`."""

    file: str = setting("", "Weights file of any kind.", Spelling(positional=True), min_length=1)


class ConvertSettings(StripSettings):
    """`boxwright weights convert`."""

    to: Literal["boxwright", "safetensors", "yolov5"] = setting(
        "boxwright", "Format to write; yolov5: a .pt that the original program opens.", Spelling()
    )
    half: bool = setting(default=False, help_text="Write half precision (safetensors and yolov5).", spelling=Spelling())


class DiffSettings(Slice):
    """`boxwright weights diff`."""

    files: tuple[str, ...] = setting(
        (), "Two weights files.", Spelling(positional=True, many=True), min_length=2, max_length=2
    )


class AverageSettings(OutputSettings):
    """`boxwright weights average`."""

    files: tuple[str, ...] = setting(
        (), "Weights files of one network.", Spelling(positional=True, many=True), min_length=2
    )

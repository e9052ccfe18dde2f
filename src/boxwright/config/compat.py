# SPDX-License-Identifier: Apache-2.0
"""Spellings of the files of the field, read by this table and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Keys that changed their name. Left: as written in old hyp.yaml and opt.yaml files. Right: the setting.
RENAMED = {
    "giou": "box",
    "img_size": "imgsz",
    "img": "imgsz",
    "batch": "batch_size",
    "notest": "noval",
    "cache_images": "cache",
    "logdir": "project",
}

# What old opt.yaml files also hold: results of a start, not choices of a user.
NOT_SETTINGS = {"world_size", "global_rank", "total_batch_size", "save_dir", "log_imgs", "log_artifacts"}

# Switches that set another setting to a fixed value.
SHORTHANDS = {"adam": ("optimizer", "Adam")}

# Words of neighbouring programs for settings that are called otherwise here: what their user most likely means.
MEANT: dict[str, tuple[str, ...]] = {
    "lr": ("lr0",),
    "learning_rate": ("lr0",),
    "model": ("weights", "cfg", "run"),
    "checkpoint": ("weights", "run"),
    "pretrained": ("weights",),
    "dataset": ("data",),
    "image_size": ("imgsz",),
    "size": ("imgsz",),
    "batchsize": ("batch_size",),
    "bs": ("batch_size",),
    "gpu": ("device",),
    "gpus": ("device",),
    "num_workers": ("workers",),
    "wd": ("weight_decay",),
    "output": ("project", "out"),
    "save_dir": ("project",),
    "early_stop": ("patience",),
    "warmup": ("warmup_epochs",),
    "confidence": ("conf_thres",),
    "threshold": ("conf_thres",),
    "nms": ("iou_thres",),
}


def meant(key: str, known: Iterable[str]) -> list[str]:
    """The settings among the known ones that a word of another program stands for; [] where it is no such word."""
    return [name for name in MEANT.get(key.replace("-", "_").lower(), ()) if name in set(known)]


EVOLVE_SWITCHED_ON = 300  # generations of a bare --evolve

_CACHE_WORDS = {
    None: "off",
    "null": "off",
    "None": "off",
    "": "off",
    "false": "off",
    "False": "off",
    "true": "ram",
    "True": "ram",
}


def current_name(key: str) -> str:
    """The setting that an old or dashed spelling stands for."""
    plain = key.replace("-", "_")
    return RENAMED.get(plain, plain)


def translated(key: str, value: object) -> tuple[str, object]:
    """An old key and its value as a current setting; an empty name means that it says nothing."""
    name = current_name(key)
    if name in SHORTHANDS:
        return SHORTHANDS[name] if str(value).lower() == "true" else ("", None)
    if name == "evolve" and str(value).lower() in {"true", "false"}:  # a switch before it was a number
        return (name, EVOLVE_SWITCHED_ON) if str(value).lower() == "true" else ("", None)
    if name == "cache" and (value is None or isinstance(value, str)):
        return name, _CACHE_WORDS.get(value, value)
    return name, value

# SPDX-License-Identifier: Apache-2.0
"""Spellings of the files of the field, read by this table and by nothing else."""

from __future__ import annotations

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

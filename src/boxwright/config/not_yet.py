# SPDX-License-Identifier: Apache-2.0
"""Settings that are understood and cannot be used yet: refused where they are given, and named in every help."""

from __future__ import annotations

from typing import Any

from boxwright.config.conflicts import place_of
from boxwright.config.load import Resolved
from boxwright.errors import SettingError

# Refused, because they would be silently without effect.
NOT_YET: dict[str, str] = {
    "track": "trackers beside CSV and TensorBoard",
    "device_check": "the device check",
}

OF_EVOLUTION = (
    "evolve_population",
    "resume_evolve",
    "evolve_method",
    "evolve_mutation_probability",
    "evolve_table",
    "evolve_default_generations",
    "evolve_file",
    "evolve_folder",
)
# What acts only through another setting.
NEEDS = {
    **dict.fromkeys(("entity", "upload_dataset", "bbox_interval", "artifact_alias"), ("track", "a tracker")),
    **dict.fromkeys(OF_EVOLUTION, ("evolve", "an evolution")),
    **dict.fromkeys(("bucket_every", "bucket_wait"), ("bucket", "a bucket")),
}
# Constants of the trainers that nothing here reads. Files name them all; who writes one alone means something by it.
UNREAD = {"iou_t": "no trainer of this family reads it"}


def is_not_yet(key: str) -> bool:
    """Whether nobody can use this setting yet."""
    return key in NOT_YET or (key in NEEDS and NEEDS[key][0] in NOT_YET)


def refuse_what_cannot_act(resolved: Resolved[Any]) -> None:
    """Raise SettingError for the first setting that would be without effect."""
    settings = resolved.settings
    for key, what in UNREAD.items():
        if resolved.sources[key].typed and getattr(settings, key) != type(settings).model_fields[key].default:
            raise SettingError(place_of(resolved, key), what, "Leave it out")
    for key, what in NOT_YET.items():
        if getattr(settings, key):
            raise SettingError(place_of(resolved, key), f"{what} is not offered yet", "Leave it out")
    for key, (other, what) in NEEDS.items():
        asked = resolved.sources[key].typed  # old option files name every option
        default = type(settings).model_fields[key].default
        if asked and getattr(settings, key) != default and not getattr(settings, other):
            why = f"it is for {what}, and there is none in this run"
            raise SettingError(place_of(resolved, key), why, "Leave it out")

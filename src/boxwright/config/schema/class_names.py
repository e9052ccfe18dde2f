# SPDX-License-Identifier: Apache-2.0
"""Settings of verbs in which the classes of weights meet those of data or of other weights."""

from __future__ import annotations

from boxwright.config.setting import Slice, Spelling, setting


class NamesSettings(Slice):
    """What to do where weights and data, or two weights, call their classes differently; without either, refuse."""

    names_by_position: bool = setting(
        default=False,
        help_text="Classes of the same number are the same, whatever they are called.",
        spelling=Spelling(),
    )
    match_names: bool = setting(
        default=False,
        help_text="Classes of the same name are the same, whatever their number.",
        spelling=Spelling(),
    )

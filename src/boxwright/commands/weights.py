# SPDX-License-Identifier: Apache-2.0
"""`boxwright weights inspect` and `diff`: what weights files hold, told without running anything of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.weights import DiffSettings, InspectSettings
from boxwright.errors import EXIT_DONE, EXIT_FINDINGS, WeightsError
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.weights.diff import difference
from boxwright.runs.weights.inspect import contents_of
from boxwright.structures.answer import Answer


def inspect(resolved: Resolved[InspectSettings]) -> Answer:
    """What a file holds; or that it is refused, and why."""
    settings = resolved.settings
    try:
        weights = open_weights(settings.file)
    except WeightsError as error:
        if not Path(settings.file).is_file():
            raise
        refused = {"file": settings.file, "safe": False, "refused": error.what}
        return Answer([str(error)], refused, exit_code=EXIT_FINDINGS)
    found = contents_of(weights)
    return Answer(found.lines(tensors=settings.tensors), found.record(), tuple(n for n in (weights.note,) if n))


def diff(resolved: Resolved[DiffSettings]) -> Answer:
    """What differs between two files. Exit code 3 when anything does."""
    one, other = (open_weights(name) for name in resolved.settings.files)
    found = difference(one, other)
    return Answer(found.lines(), asdict(found), exit_code=EXIT_DONE if found.is_none else EXIT_FINDINGS)

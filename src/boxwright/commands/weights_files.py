# SPDX-License-Identifier: Apache-2.0
"""`boxwright weights convert`, `strip` and `average`: new weights files, read back before they are announced."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.weights import AverageSettings, ConvertSettings, OutputSettings, StripSettings
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.weights.convert import Target, Written, averaged, converted, stripped
from boxwright.structures.answer import Answer


def convert(resolved: Resolved[ConvertSettings]) -> Answer:
    """Write a network in another format."""
    settings = resolved.settings
    return _told(converted(open_weights(settings.file), settings.to, _target(settings), half=settings.half))


def strip(resolved: Resolved[StripSettings]) -> Answer:
    """For use, not for going on: the average as the model, no optimizer, epoch -1."""
    return _told(stripped(open_weights(resolved.settings.file), _target(resolved.settings)))


def average(resolved: Resolved[AverageSettings]) -> Answer:
    """The mean of several sets of weights of one network."""
    settings = resolved.settings
    return _told(averaged([open_weights(name) for name in settings.files], _target(settings)))


def _target(settings: OutputSettings) -> Target:
    return Target(settings.out, settings.exist_ok)


def _told(written: Written) -> Answer:
    """Where the new file is, and what was passed over on the way."""
    record = {
        "file": str(written.file),
        "from": str(written.source.path),
        "tensors": written.tensors,
        "bytes": written.size,
    }
    return Answer([written.line()], record, tuple(n for n in (written.source.note,) if n))

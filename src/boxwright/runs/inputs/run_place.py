# SPDX-License-Identifier: Apache-2.0
"""Where the run of a checkpoint lay and lies, and its data from there."""

from __future__ import annotations

from pathlib import Path

from boxwright.config import packaged
from boxwright.config.run_paths import RunPlace
from boxwright.errors import DataError
from boxwright.paths import is_file, is_there
from boxwright.runs.inputs.sample_set import SAMPLE
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.system.buckets.address import is_address
from boxwright.system.run_folder import RunFile, run_of


def place_of_run(weights: OpenWeights) -> RunPlace:
    """What a checkpoint says of the place of its run; one that was taken out of its run knows where that was."""
    stored, folder = weights.checkpoint.data, run_of(weights.path)
    was, started_in = ("", "") if stored is None else (stored.folder, stored.started_in)
    if is_file(folder / RunFile.SETTINGS):
        return RunPlace.of(folder, was, started_in, str(weights.checkpoint.settings.get("project", "")))
    return RunPlace(was, was, started_in)


def data_of_run(weights: OpenWeights, stored: str) -> str:
    """The data set of a run where it is now, or a packaged name. Raises DataError with every place that was tried."""
    if is_address(stored):
        return stored
    place = place_of_run(weights)
    found = place.again(stored)
    if is_there(Path(found)) or stored in {*packaged.names("data"), SAMPLE, ""}:
        return found
    tried = ", ".join(place.candidates(stored))
    what = f"the data of this run, {stored}, is not there (tried {tried})"
    raise DataError(str(weights.path), what, "Give the place where it lies now with --data")

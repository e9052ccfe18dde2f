# SPDX-License-Identifier: Apache-2.0
"""What was changed by hand in the option files of a run before it goes on: taken as if it were typed, or refused.

opt.yaml, hyp.yaml and config.yaml are compared with what this program wrote into them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import Origin, Source, read_source
from boxwright.config.run_paths import KEYS
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import Document, read_yaml
from boxwright.errors import SettingError
from boxwright.runs.inputs.run_place import place_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.records import option_files
from boxwright.runs.resume import given_keys, stored_settings
from boxwright.system.run_folder import RunFile, RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES = (RunFile.SETTINGS, RunFile.HYPERPARAMETERS, RunFile.OPTIONS)  # the last word counts
# Of a start, or of the program's own making.
_NOT_ASKED = {"resume", "lr_joins", "save_dir"}


def with_edits(
    asked: Resolved[TrainSettings], folder: RunFolder, checkpoint: OpenWeights | None
) -> tuple[Resolved[TrainSettings], list[str]]:
    """What is asked for together with what was changed by hand, and a line for each file about that.

    What was typed for this start wins. Without a checkpoint config.yaml is what the run begins anew from. Raises
    SettingError for keys and values that are none.
    """
    again: Callable[[str], str] = _as_it_is
    if checkpoint is None:
        stored = resolve(TrainSettings, [_layer(read_yaml(folder / RunFile.SETTINGS), RunFile.SETTINGS)]).settings
        written = option_files(stored, {})
    else:
        stored = stored_settings(checkpoint)
        sources = {key: read_source(place) for key, place in checkpoint.checkpoint.sources.items()}
        written, again = option_files(stored, sources), place_of_run(checkpoint).again
    lines, changes, places = [], dict[str, Any](), dict[str, Source]()
    for file in _FILES if checkpoint is not None else _FILES[1:]:
        layer = _edits(folder, file, written[file], stored, again)
        mine = {key: value for key, value in layer.values.items() if key not in given_keys(asked)}
        if not mine:
            continue
        if stored.resume_settings == asked.settings.resume_settings == "command-line":
            lines.append(f"{folder / file} was changed, and is not read: under this recipe the command line counts")
            continue
        changes |= mine
        places |= {key: layer.source(key) for key in mine}
        told = ", ".join(f"{key} {_word(getattr(stored, key))} -> {_word(value)}" for key, value in mine.items())
        lines.append(f"{folder / file} was changed since it was written, and counts: {told}")
    if not changes:
        return asked, lines
    settings = asked.settings.model_copy(update=changes)
    return replace(asked, settings=settings, sources={**asked.sources, **places}), lines


def _as_it_is(path: str) -> str:
    return path


def _layer(document: Document, file: RunFile) -> Layer:
    return file_layer(TrainSettings, document, Source(Origin.FILE, str(file)))[0]


def _edits(
    folder: RunFolder, file: RunFile, written: dict[str, Any], stored: TrainSettings, again: Callable[[str], str]
) -> Layer:
    """The settings of a file that are others than those that were written into it, as checked values.

    `again` finds a path of a run that was moved.
    """
    place = folder / file
    if not place.is_file():
        return Layer(Source(Origin.FILE, str(file)), {})
    document = read_yaml(place)
    layer = _layer(document, file)
    raw = document.mapping()
    if file is RunFile.SETTINGS and isinstance(raw.get("settings"), dict):
        raw = raw["settings"]
    raw = {**raw, **{key: again(raw[key]) for key in KEYS if isinstance(raw.get(key), str)}}
    touched = {key for key in layer.values if key not in raw or key not in written or raw[key] != written[key]}
    mine = {key: layer.values[key] for key in touched - _NOT_ASKED}
    kept = Layer(Source(Origin.CHECKPOINT, str(folder)), stored.model_dump())
    now = resolve(TrainSettings, [kept, Layer(layer.whole, mine, layer.sources)]).settings
    changed = {key: getattr(now, key) for key in sorted(mine) if getattr(now, key) != getattr(stored, key)}
    if "hyp" in changed:
        raise SettingError(
            layer.source("hyp").place,
            "hyp names another file, and none is read from here",
            "Give --hyp beside --resume",
        )
    return Layer(layer.whole, changed, layer.sources)


def _word(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)

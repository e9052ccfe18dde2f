# SPDX-License-Identifier: Apache-2.0
"""Class names of a data set for a network that has none of its own."""

from __future__ import annotations

from dataclasses import replace

from boxwright.data.labels.class_names import read_names
from boxwright.data.splits.inferred import open_document
from boxwright.errors import SettingError
from boxwright.infer.predictor import Predictor
from boxwright.runs.inputs.open_data import locate_data

SHOWN = 3  # names of a list


def named_by_data(predictor: Predictor, data: str) -> tuple[Predictor, list[str]]:
    """The predictor with the names of a data set where its classes bear numbers alone, and what to say about it.

    Raises SettingError for a data set with another number of classes.
    """
    if not data:
        return predictor, []
    document, _ = open_document(locate_data(data))
    names, own = read_names(document, document.mapping()), predictor.names
    if len(names) != len(own):
        what = f"names {len(names)} classes, and the network tells {len(own)} apart"
        raise SettingError(f"--data {data}", what, "Give the data set of its training, or leave --data out")
    if names == own:
        return predictor, []
    if all(name in {str(number), f"class{number}"} for number, name in enumerate(own)):
        return replace(predictor, names=names), []
    differing = [f"{there} for {here}" for here, there in zip(own, names, strict=True) if here != there]
    more = ", ..." if len(differing) > SHOWN else ""
    note = f"--data {data} has no effect: the weights name their classes (it says {', '.join(differing[:SHOWN])}{more})"
    return predictor, [note]

# SPDX-License-Identifier: Apache-2.0
"""Where the value of a setting came from: a kind that code asks about, and the place in words that people read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Origin(Enum):
    """The kinds of places that settings come from."""

    DEFAULT = auto()  # the schema
    RECIPE = auto()  # a recipe, or the hyperparameters it starts from
    HYP_FILE = auto()  # the file of --hyp, which names every hyperparameter
    FILE = auto()  # the file of --config, or the config.yaml of a run
    FLAG = auto()  # the command line: a flag or key=value
    PYTHON = auto()  # a keyword argument
    CHECKPOINT = auto()  # what a checkpoint of the original program says about its run
    MEASURED = auto()  # found out on this machine


# Of a recipe's making, or of nobody's.
_UNCHOSEN = {Origin.DEFAULT, Origin.RECIPE}
# One key at a time. A file of hyperparameters names them all, whether they are meant or not.
_EXPLICIT = {Origin.FILE, Origin.FLAG, Origin.PYTHON, Origin.CHECKPOINT, Origin.MEASURED}


@dataclass(frozen=True)
class Source:
    """Where one value came from. `place` is what people read: `--epochs`, `hyp file (mine.yaml:3)`, `built-in`."""

    origin: Origin
    place: str

    def __str__(self) -> str:
        return self.place

    @property
    def chosen(self) -> bool:
        """Whether a person chose this value, rather than a recipe or nobody."""
        return self.origin not in _UNCHOSEN

    @property
    def explicit(self) -> bool:
        """Whether a person named this very setting."""
        return self.origin in _EXPLICIT

    @property
    def typed(self) -> bool:
        """Whether it was given for this run alone, on the command line or in Python."""
        return self.origin in {Origin.FLAG, Origin.PYTHON}


BUILT_IN = Source(Origin.DEFAULT, "built-in")
PYTHON = Source(Origin.PYTHON, "python")
MEASURED = Source(Origin.MEASURED, "measured")
COMMAND_LINE = Source(Origin.FLAG, "command line")

# How the places begin that runs have written so far.
_BEGINNINGS = (
    ("built-in", Origin.DEFAULT),
    ("recipe ", Origin.RECIPE),
    ("hyp file", Origin.HYP_FILE),
    ("config file", Origin.FILE),
    ("plan of the run", Origin.FILE),
    ("options of the resumed run", Origin.CHECKPOINT),
    ("measured", Origin.MEASURED),
    ("python", Origin.PYTHON),
    ("--", Origin.FLAG),
    ("flags", Origin.FLAG),
    ("command line", Origin.FLAG),
)


def read_source(place: str) -> Source:
    """The source that a place in words means, as config.yaml and checkpoints hold it.

    What no version has written counts as a file of the user's.
    """
    if place.endswith("=value"):
        return Source(Origin.FLAG, place)
    found = (origin for beginning, origin in _BEGINNINGS if place.startswith(beginning))
    return Source(next(found, Origin.FILE), place)

# SPDX-License-Identifier: Apache-2.0
"""What a page of a hyperparameter study is made of, in plain values. Whatever is missing is not shown."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class SearchedKey(TypedDict):
    """A hyperparameter that was searched. `log`: equal steps of it are equal factors; else as its limits suggest."""

    name: str
    low: float
    high: float
    start: NotRequired[float | None]
    best: NotRequired[float | None]
    log: NotRequired[bool]


class FixedKey(TypedDict):
    """A hyperparameter that stayed as it was, and why."""

    name: str
    why: str


class StudyTrial(TypedDict):
    """A training that has ended. `failure` is the kind of a failure: then its fitness counts for nothing.

    One of an earlier record has 0 epochs, and a horizon of 0: how long it was trained is not known.
    """

    name: str  # the only one of its study
    trial: int
    stage: NotRequired[str]  # "trial" or "verdict"
    values: NotRequired[dict[str, float]]
    epochs: NotRequired[int]  # trained for
    horizon: NotRequired[int]  # epochs of the whole training
    seed: NotRequired[int]
    fitness: NotRequired[float | None]
    results: NotRequired[dict[str, float | None]]  # by names of results.csv
    failure: NotRequired[str]
    reason: NotRequired[str]
    seconds: NotRequired[float]
    origin: NotRequired[str]
    made_from: NotRequired[list[str]]  # names of trials
    goes_on_from: NotRequired[str]
    worker: NotRequired[str]


class RunningTrial(TypedDict):
    """A training that somebody works on, and how far it is, in words."""

    name: str
    worker: NotRequired[str]
    at: NotRequired[str]
    seconds: NotRequired[float | None]


class Difference(TypedDict):
    """A mean difference of fitness and its interval."""

    value: float | None
    low: float | None
    high: float | None


class Finalist(TypedDict):
    """One of the best sets against the start set, over seeds that both were trained with."""

    trial: str
    difference: Difference
    probability: float | None  # of being better than the start set
    verdict: NotRequired[str]  # in words
    values: NotRequired[dict[str, float]]
    won: NotRequired[int]
    pairs: NotRequired[int]


class StageCost(TypedDict):
    """What trainings took."""

    trainings: int
    epochs: int
    seconds: float


class StudyVerdict(TypedDict):
    """Whether one of the best sets is really better than the start set: `answer` says it in words."""

    answer: str
    winner: str | None
    start: NotRequired[dict[str, Any]]  # its values and its fitness
    is_whole: NotRequired[bool]  # nothing of it is still to come
    seeds: NotRequired[int]
    finalists: NotRequired[list[Finalist]]
    cost: NotRequired[dict[str, StageCost]]  # "search" and "verdict"


class RungCorrelation(TypedDict):
    """How well the order after `epochs` foretells the one after `more_epochs`, by rank."""

    epochs: int
    more_epochs: int
    trials: int
    spearman: float | None
    word: NotRequired[str]


class KeyInsight(TypedDict):
    """How much of what moved the fitness goes back to a key, a share of 1, and whether it is more than chance."""

    importance: float | None
    matters: NotRequired[bool]


class StudyInsight(TypedDict):
    """What a study teaches beside its winner."""

    rank_correlations: NotRequired[list[RungCorrelation]]
    keys: NotRequired[dict[str, KeyInsight]]


@dataclass(frozen=True)
class StudyContent:
    """A study as it stands. Trials come in the order in which they ended, as far as that is known."""

    name: str
    method: str = ""  # mutation, population or search
    state: str = ""  # running, over or stopped
    reason: str = ""  # for which it is over or was stopped
    lines: Sequence[str] = ()  # what is searched and what stays
    facts: Mapping[str, Any] = field(default_factory=dict)  # network, data, images by split, classes, budget, workers
    epochs: int = 0  # of a whole training
    trials_planned: int = 0
    seconds: float | None = None  # of training, of all workers together
    seconds_left: float | None = None
    generation_size: int = 0  # of a population
    keys: Sequence[SearchedKey] = ()
    fixed: Sequence[FixedKey] = ()
    trials: Sequence[StudyTrial] = ()
    running: Sequence[RunningTrial] = ()
    best: str | None = None  # name of a trial
    start: str | None = None
    verdict: StudyVerdict | None = None
    insight: StudyInsight = field(default_factory=StudyInsight)
    damaged: Mapping[str, str] = field(default_factory=dict)  # files of the study that were passed over, and why
    command: str = ""  # that trains with the best set

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> StudyContent:
        """From plain values: what is None is as good as missing, and what is not known here is left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in document.items() if key in known and value is not None})

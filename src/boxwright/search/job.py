# SPDX-License-Identifier: Apache-2.0
"""What a study asks a worker to train, and what came of it. Plain values: both are files of the study."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stage(StrEnum):
    """What a job is for."""

    TRIAL = "trial"  # one set of hyperparameters is tried
    VERDICT = "verdict"  # a finalist or the start set is trained again, with another seed


@dataclass(frozen=True)
class Job:
    """One training. Whatever it was made from is named, so that it can be made and trained again alone.

    `name` is that of its files: letters, digits and strokes, the only one of its study. `values` are hyperparameters by
    key, all that the study moves. Training ends behind `epochs` epochs, of a schedule of `horizon` ones.
    """

    name: str
    trial: int
    values: dict[str, float]
    epochs: int
    horizon: int
    seed: int
    stage: Stage = Stage.TRIAL
    origin: str = ""  # in words: the start set, mutated, crossed, ...
    made_from: tuple[str, ...] = ()  # jobs whose results were used to make it
    goes_on_from: str = ""  # the job of the same trial whose state it takes up

    def document(self) -> dict[str, Any]:
        """As it is written down."""
        return {**asdict(self), "stage": self.stage.value, "made_from": list(self.made_from)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Job:
        """From what was written down. Raises KeyError, TypeError or ValueError for what is no job."""
        found = {**document, "stage": Stage(document["stage"]), "made_from": tuple(document["made_from"])}
        return cls(**found)


@dataclass(frozen=True)
class Result:
    """What a job came to. A failed one has fitness 0, the kind of its failure and the reason in words.

    `plan_hash` is of the settings that were really trained with, as the trainer that used them says.
    """

    job: Job
    fitness: float
    results: dict[str, float | None] = field(default_factory=dict)  # by the names of results.csv
    failure: str = ""  # kind: out of memory, not finite, data, ...
    reason: str = ""
    plan_hash: str = ""
    seconds: float = 0.0
    worker: str = ""  # host and process
    attempt: int = 0  # how often it had been begun before

    @property
    def is_failed(self) -> bool:
        """Whether nothing was measured."""
        return bool(self.failure)

    def document(self) -> dict[str, Any]:
        """As it is written down."""
        return {**asdict(self), "job": self.job.document()}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Result:
        """From what was written down. Raises KeyError, TypeError or ValueError for what is no result."""
        return cls(**{**document, "job": Job.of(document["job"])})


class Method(Protocol):
    """What is trained next: a pure function of what is known, with the same answer on every machine."""

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """The next job that is neither done nor taken; None while there is none, or when the study is over.

        `done` are results by name of the job; `taken` are jobs that somebody works on, or did.
        """
        ...

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether nothing more will come."""
        ...

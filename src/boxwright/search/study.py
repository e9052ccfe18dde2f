# SPDX-License-Identifier: Apache-2.0
"""The plan of a study: what is searched, from where, by which method, and how it is judged. Written once."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1  # of the format


class Key(NamedTuple):
    """A hyperparameter that is searched. `gain` multiplies the spread of its mutation."""

    name: str
    low: float
    high: float
    gain: float = 1.0


class Rules(BaseModel):
    """A part of a plan: every value in its type, and none besides."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class MutationRules(Rules):
    """Constants of the mutation of one year."""

    probability: float = Field(0.8, gt=0, le=1)
    sigma: float = Field(0.2, gt=0)
    parents: Literal["single", "weighted"] = "single"
    best: int = Field(5, ge=1)  # parents are drawn from so many
    least_factor: float = Field(0.3, gt=0, lt=1)
    most_factor: float = Field(3.0, gt=1)
    digits: int = Field(5, ge=5, le=15)  # behind the point; fewer would leave the limits
    clips_before_the_first: bool = True  # the start set is brought within the limits too


class PopulationRules(Rules):
    """The population of 7.0. `first` are the sets that it begins with; the others are drawn.

    Selection and rates follow from how far a generation is into `generations`; `search/population.py` says how.
    """

    size: int = Field(50, ge=2)
    generations: int = Field(300, ge=1)
    first: tuple[dict[str, float], ...] = ()
    elite: int = Field(2, ge=1)
    elite_growth: int = Field(3, ge=0)
    tournament: int = Field(10, ge=1)
    least_tournament: int = Field(2, ge=1)
    least_crossover: float = Field(0.5, ge=0, le=1)
    most_mutation: float = Field(0.5, ge=0, le=1)
    least_mutation: float = Field(0.01, ge=0, le=1)
    step: float = Field(0.1, gt=0)


class SearchRules(Rules):
    """Successive halving with proposals. `priors` are sets of hyperparameters that are known to be sensible."""

    rungs: tuple[int, ...] = ()  # epochs, ascending; the last one is the whole training; none: by `epochs` and `eta`
    eta: int = Field(3, ge=2)  # one of so many goes on
    budget: int = Field(0, ge=0)  # epochs of all trials together, at most; 0: as many as the trials need
    priors: tuple[dict[str, float], ...] = ()
    proposer: Literal["tpe", "random"] = "tpe"


class VerdictRules(Rules):
    """The best `finalists` and the start set are each trained with so many further `seeds`. 0: no verdict."""

    finalists: int = Field(3, ge=0)
    seeds: int = Field(5, ge=0)


class StudyPlan(Rules):
    """A study. Every worker reads the same one; nobody changes it."""

    version: int = VERSION
    method: Literal["mutation", "population", "search"]
    trials: int = Field(ge=1)  # of the search; those of a verdict come on top
    epochs: int = Field(ge=1)
    seed: int = 0
    start: dict[str, float]  # the user's set, every numeric hyperparameter
    keys: tuple[Key, ...]  # those that move
    mutation: MutationRules = MutationRules()
    population: PopulationRules = PopulationRules()
    search: SearchRules = SearchRules()
    verdict: VerdictRules = VerdictRules(seeds=0)
    settings: dict[str, Any] = Field(default_factory=dict)  # of the training, whole
    facts: dict[str, Any] = Field(default_factory=dict)  # what a page of the study says about it: data, network

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


class _Rules(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class MutationRules(_Rules):
    """Constants of the mutation of one year."""

    probability: float = 0.8
    sigma: float = 0.2
    parents: Literal["single", "weighted"] = "single"
    best: int = 5  # parents are drawn from so many
    clips_before_the_first: bool = True  # the start set is brought within the limits too


class PopulationRules(_Rules):
    """The population of 7.0. `first` are the sets that it begins with; the others are drawn."""

    size: int = 50
    generations: int = 300
    first: tuple[dict[str, float], ...] = ()


class SearchRules(_Rules):
    """Successive halving with proposals. `priors` are sets of hyperparameters that are known to be sensible."""

    rungs: tuple[int, ...] = ()  # epochs, ascending; the last one is the whole training; none: by `epochs` and `eta`
    eta: int = Field(3, ge=2)  # one of so many goes on
    budget: int = Field(0, ge=0)  # epochs of all trials together, at most; 0: as many as the trials need
    priors: tuple[dict[str, float], ...] = ()
    proposer: Literal["tpe", "random"] = "tpe"


class VerdictRules(_Rules):
    """The best `finalists` and the start set are each trained with so many further `seeds`. 0: no verdict."""

    finalists: int = Field(3, ge=0)
    seeds: int = Field(5, ge=0)


class StudyPlan(_Rules):
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

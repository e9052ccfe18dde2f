# SPDX-License-Identifier: Apache-2.0
"""Settings of `boxwright evolve`: those of a training, and how its hyperparameters are searched."""

from __future__ import annotations

from typing import Literal

from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import Slice, Spelling, setting


class SearchSettings(Slice):
    """What a study searches, by which method, for how long, and what its winner has to prove."""

    study: str = setting(
        "",
        "Folder of a study that is there: work on it with the settings it was begun with, or look at it.",
        Spelling(positional=True),
    )
    method: Literal["auto", "mutation", "population", "search"] = setting(
        "auto",
        "mutation and population as in the family (auto: by recipe); search: halving, proposals and a verdict.",
        Spelling(),
    )
    trials: int = setting(
        0, "Trials of the whole study; 0 = by recipe, without an end under --budget.", Spelling(metavar="N"), ge=0
    )
    budget: str = setting(
        "",
        "End when this much was trained: 40 (epochs), 12h (hours of this many workers) or 40gpuh (hours in all).",
        Spelling(metavar="LENGTH"),
    )
    workers_evolve: int = setting(
        1,
        "Trials that this command trains at once, one on each of the devices of --device.",
        Spelling(metavar="K"),
        ge=1,
        le=1024,
    )
    keys: tuple[str, ...] = setting(
        (), "Hyperparameters to search (default: those of the method).", Spelling(many=True, metavar="KEY")
    )
    parents: Literal["single", "weighted"] = setting(
        "single", "What is mutated: one good set, or the weighted mean of the best.", Spelling()
    )
    population: int = setting(50, "Sets in a generation of the population.", Spelling(metavar="N"), ge=2, le=10_000)
    proposer: Literal["auto", "tpe", "random"] = setting(
        "auto", "Who proposes sets to a search: tpe (Optuna; auto where it is installed) or random.", Spelling()
    )
    verdict_seeds: int = setting(
        -1,
        "Further seeds that the best and the start set are trained with; 0 = no verdict, -1 = 5 for a search, else 0.",
        Spelling(metavar="N"),
        ge=-1,
        le=100,
    )
    finalists: int = setting(3, "So many of the best sets are judged.", Spelling(metavar="N"), ge=1, le=20)
    status: bool = setting(default=False, help_text="Print how the study stands, and end.", spelling=Spelling())
    watch: bool = setting(
        default=False, help_text="Print how the study stands, again and again until it is over.", spelling=Spelling()
    )
    worker_of: int = setting(
        0,
        "Process that started this worker: it takes no further trial when that has ended; -1 = one of another machine.",
        Spelling(metavar="PID"),
        ge=-1,
    )
    repeat: str = setting("", "Train this trial of the study again, alone, and compare.", Spelling(metavar="TRIAL"))


class EvolveVerbSettings(TrainSettings, SearchSettings):
    """`boxwright evolve`: every setting of a training, and of a search for its hyperparameters."""

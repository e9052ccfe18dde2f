# SPDX-License-Identifier: Apache-2.0
"""Proposals by the tree-structured Parzen estimator of Optuna, an extra: `pip install 'boxwright[search]'`.

Nothing of it is kept: a study of Optuna is made in memory from what is known, asked once and thrown away. Our files
stay the only truth, and any worker may ask.
"""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from boxwright.errors import SettingError
from boxwright.keyed import Purpose, generator
from boxwright.search.evolve_table import values_of
from boxwright.search.job import Job, Result, Stage
from boxwright.search.proposals import Mixture, Proposal
from boxwright.search.standing import by_trial, longest, standing, trial_of
from boxwright.search.study import StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

PACKAGE = "optuna"
INSTALL = "pip install 'boxwright[search]'"
FIRST = 8  # trials that have to be known before the estimator is asked
SHARE = 0.5  # of trials are its own; the others come from presets, the best and anywhere
BY_TPE = "proposed by TPE"


def is_installed() -> bool:
    """Whether the estimator can be used here."""
    return importlib.util.find_spec(PACKAGE) is not None


def proposer_for(asked: Literal["tpe", "random"] | None) -> Literal["tpe", "random"]:
    """What a new study will use: what was asked for; without a wish the estimator where it is, otherwise draws.

    Raises SettingError when it was asked for and is not there.
    """
    if asked is None:
        return "tpe" if is_installed() else "random"
    if asked == "tpe":
        require_package()
    return asked


def require_package() -> None:
    """Raises SettingError, with the way to get it, when the package is not there."""
    if not is_installed():
        raise SettingError("proposals by tpe", f"the package {PACKAGE} is not installed", INSTALL)


@dataclass(frozen=True)
class Estimator:
    """Multivariate TPE with constant liar: what is being tried counts as bad, so that workers keep apart.

    It is told how trials stand (`standing`), not their fitness: results of 3 and of 27 epochs are no numbers of one
    kind, and the estimator uses their order alone. Its draws are addressed by seed and trial.
    """

    plan: StudyPlan

    @cached_property
    def mixture(self) -> Mixture:
        """Where the first trials come from, and some of the later ones."""
        return Mixture(self.plan)

    def propose(self, trial: int, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Proposal:
        """The set of this trial. Raises SettingError where the package is missing."""
        require_package()
        order = standing(done)
        draw = generator(self.plan.seed, Purpose.EVOLVE, trial, 1)
        if trial == 0 or len(order) < FIRST or draw.random() >= SHARE:
            return self.mixture.propose(trial, done, taken)
        told = points_told(self.mixture, done, taken)
        point = _asked(told, [key.name for key in self.plan.keys], int(draw.integers(2**31)))
        return Proposal(
            self.mixture.space.values(point),
            BY_TPE,
            tuple(sorted(name for name, one in done.items() if one.job.stage == Stage.TRIAL)),
        )


def points_told(
    mixture: Mixture, done: Mapping[str, Result], taken: Mapping[str, Job]
) -> list[tuple[list[float], int | None]]:
    """Of every trial its point and its place, 0 for the best; None while nothing is known of it."""
    trials = by_trial(done)
    places: dict[str, int | None] = {trial: place for place, trial in enumerate(standing(done))}
    values = {trial: values_of(mixture.plan, longest(rungs)) for trial, rungs in trials.items()}
    for job in taken.values():
        if job.stage == Stage.TRIAL and trial_of(job) not in places:
            places[trial_of(job)], values[trial_of(job)] = None, job.values
    ordered = sorted(places, key=lambda trial: (len(trial), trial))
    return [(mixture.space.point(values[trial]), places[trial]) for trial in ordered]


def _asked(told: list[tuple[list[float], int | None]], keys: list[str], seed: int) -> list[float]:
    optuna = _package()
    with warnings.catch_warnings():  # versions 4 call both options experimental
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(n_startup_trials=0, multivariate=True, constant_liar=True, seed=seed)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    cube = {key: optuna.distributions.FloatDistribution(0.0, 1.0) for key in keys}
    states = optuna.trial.TrialState
    for point, place in told:
        frozen = optuna.trial.create_trial(
            state=states.RUNNING if place is None else states.COMPLETE,
            params=dict(zip(keys, point, strict=True)),
            distributions=cube,
            value=place,
        )
        study.add_trial(frozen)
    answer: dict[str, Any] = study.ask(cube).params
    return [float(answer[key]) for key in keys]


def _package() -> ModuleType:
    try:
        import optuna  # noqa: PLC0415 -- an extra, only for studies that use it
    except ImportError as error:
        raise SettingError("proposals by tpe", f"{PACKAGE} cannot be imported ({error})", INSTALL) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of every study that it makes
    return optuna

# SPDX-License-Identifier: Apache-2.0
"""Where a study lies, and its ledger there: begun, joined, or gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.evolution.study_plan import difference
from boxwright.search.ledger import Ledger, open_ledger
from boxwright.search.plan_file import read_plan
from boxwright.search.records import PICTURE, RecordForm, form_of
from boxwright.search.store import FolderStore
from boxwright.search.study import StudyPlan

FOLDER = "runs/evolve"
STATES = "states"
PAGE = "study.html"


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study, and what is made of its ledger there. `form`: how its year calls that."""

    path: Path
    form: RecordForm

    @property
    def states(self) -> Path:
        """Where halved trials wait to go on."""
        return self.path / STATES

    @property
    def table(self) -> Path:
        """evolve.csv, or evolve.txt."""
        return self.path / self.form.table

    @property
    def picture(self) -> Path:
        """Every hyperparameter in a panel."""
        return self.path / PICTURE

    @property
    def page(self) -> Path:
        """The page of the study."""
        return self.path / PAGE


def folder_asked(resolved: Resolved[TrainSettings], asked: SearchSettings) -> Path:
    """The folder that a command means. Raises SettingError for one that is named and holds no study."""
    settings = resolved.settings
    if asked.study:
        return Path(asked.study)
    if isinstance(settings.resume, str):
        return Path(settings.resume)
    fixed = settings.evolve_folder == "always-runs/evolve" or not resolved.sources["project"].chosen
    return Path(FOLDER if fixed else settings.project) / (settings.name or "exp")


def is_study(folder: Path) -> bool:
    """Whether a study was begun here. An evolution of the original program is none: its record is taken over."""
    return read_plan(FolderStore(folder)) is not None


def ledger_in(folder: Path, worker: str = "") -> Ledger:
    """The ledger of a study that is there. Raises SettingError where none is, UserError for one that cannot be used."""
    found = open_ledger(FolderStore(folder), worker=worker)
    if found is None:
        raise SettingError(str(folder), "there is no study in this folder", "Give the folder of one, or begin one")
    return found


def begun(folder: Path, plan: StudyPlan) -> Ledger:
    """The ledger of a study with this plan: a new one, or the one that is there when it is the same study.

    Raises SettingError where it is another one.
    """
    ledger = open_ledger(FolderStore(folder), plan)
    assert ledger is not None  # a plan was given
    found = difference(plan, ledger.plan)
    if found is not None:
        what = f"the study there has {found.key} {_short(found.theirs)}, and this command {_short(found.mine)}"
        raise SettingError(
            str(folder), what, f"Give another --name, or work on it as it was begun: boxwright evolve {folder}"
        )
    return ledger


def study_folder(path: Path, plan: StudyPlan) -> StudyFolder:
    """The folder of a study with the names of its recipe."""
    return StudyFolder(path, form_of(TrainSettings(**plan.settings)))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 -- enough to tell two apart

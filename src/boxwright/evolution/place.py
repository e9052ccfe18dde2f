# SPDX-License-Identifier: Apache-2.0
"""Where a study lies, and its ledger there: begun, joined, or gone on with."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.evolution.study_plan import difference
from boxwright.evolution.trial import checked
from boxwright.search.extent import extended
from boxwright.search.ledger import Ledger, open_ledger
from boxwright.search.plan_file import read_plan
from boxwright.search.records import PICTURE, RecordForm, form_of
from boxwright.search.store import FolderStore, Store
from boxwright.search.study import StudyPlan
from boxwright.search.study_files import StudyFile
from boxwright.system.buckets.address import Address, is_address, read_address
from boxwright.system.buckets.job import place_of_run
from boxwright.system.buckets.small_files import BucketStore

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


@dataclass(frozen=True)
class Where:
    """Where a study lies: in a folder, or at an address of a bucket; what is made of it lies in `folder` either way."""

    folder: Path
    address: Address | None = None
    bucket: Address | None = None  # as --bucket named it

    def __str__(self) -> str:
        return str(self.address or self.folder)

    @functools.cached_property
    def store(self) -> Store:
        """The files of its ledger. Raises SettingError for a bucket whose package is not installed."""
        return FolderStore(self.folder) if self.address is None else BucketStore(self.address)

    @functools.cached_property
    def root(self) -> BucketStore | None:
        """The bucket itself, at whose root the table lies as it always did."""
        return None if self.bucket is None else BucketStore(self.bucket)


def where_asked(resolved: Resolved[TrainSettings], asked: SearchSettings) -> Where:
    """The place that a command means. Raises BucketError for an address that is none."""
    settings = resolved.settings
    fixed = settings.evolve_folder == "always-runs/evolve" or not resolved.sources["project"].chosen
    project = FOLDER if fixed else settings.project
    named = asked.study or (settings.resume if isinstance(settings.resume, str) else "")
    if is_address(named):
        address = read_address(named, "STUDY")
        return Where(Path(project) / address.name, address)
    folder = Path(named) if named else Path(project) / (settings.name or "exp")
    if not settings.bucket:
        return Where(folder)
    bucket = read_address(settings.bucket, "--bucket")
    return Where(folder, place_of_run(bucket, folder, project), bucket)


def is_study(where: Where) -> bool:
    """Whether a study was begun here. An evolution of the original program is none: its record is taken over."""
    return read_plan(where.store) is not None


def ledger_in(where: Where, worker: str = "") -> Ledger:
    """The ledger of a study that is there. Raises SettingError where none is, UserError for one that cannot be used."""
    found = open_ledger(where.store, worker=worker)
    if found is None:
        raise SettingError(str(where), "there is no study in this place", "Give the place of one, or begin one")
    found.plan = extended(where.store, found.plan)
    return found


def begun(where: Where, plan: StudyPlan) -> Ledger:
    """The ledger of a study with this plan: a new one, or the one that is there when it is the same study.

    Raises SettingError where it is another one.
    """
    ledger = open_ledger(where.store, plan)
    assert ledger is not None  # a plan was given
    found = difference(plan, ledger.plan)
    if found is not None:
        what = f"the study there has {found.key} {_short(found.theirs)}, and this command {_short(found.mine)}"
        remedy = f"Give another --name, or work on it as it was begun: boxwright evolve {where}"
        raise SettingError(str(where), what, remedy)
    ledger.plan = extended(where.store, ledger.plan)
    return ledger


def study_folder(path: Path, plan: StudyPlan) -> StudyFolder:
    """The folder of a study with the names of its recipe. Raises SettingError for a plan of unknown settings."""
    return StudyFolder(path, form_of(checked(plan.settings, f"{path}/{StudyFile.PLAN}")))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 -- enough to tell two apart

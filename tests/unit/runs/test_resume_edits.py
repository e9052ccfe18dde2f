# SPDX-License-Identifier: Apache-2.0
"""Option files of a run that were changed by hand before it goes on: taken and said, or refused by name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.errors import SettingError
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.resume_edits import with_edits
from boxwright.system.run_folder import RunFolder
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, contents, done
from tests.support.runs import Ground, Trained, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one_epoch(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("one_epoch")
    return train(Ground.laid(folder), folder / "runs", "--noplots", "--img", "64", "--adam", "lr0=0.00001", epochs=1)


@pytest.fixture
def folder(one_epoch, tmp_path) -> Path:
    return Path(shutil.copytree(one_epoch.folder, tmp_path / "exp"))


def edit(folder: Path, file: str, key: str, value: str) -> None:
    place = folder / file
    text, count = re.subn(rf"^( *){key}:.*$", rf"\g<1>{key}: {value}", place.read_text(), flags=re.MULTILINE)
    place.write_text(text if count else f"{text}{key}: {value}\n")


def taken(folder: Path, **asked: object):
    resolved = resolve_train({"resume": str(folder), **asked})
    return with_edits(resolved, RunFolder(folder), open_weights(str(folder / "weights" / "last.pt")))


def test_files_that_nobody_touched_change_nothing(folder):
    resolved, lines = taken(folder)
    assert lines == []
    assert resolved == resolve_train({"resume": str(folder)})
    for file in ("opt.yaml", "hyp.yaml", "config.yaml"):
        (folder / file).unlink()
    assert taken(folder)[1] == []


@pytest.mark.parametrize("file", ["opt.yaml", "hyp.yaml", "config.yaml"])
def test_what_was_changed_by_hand_counts_and_is_said_in_one_line(folder, file):
    key, value, stored = ("lr0", 0.002, "1e-05") if file == "hyp.yaml" else ("epochs", 5, "1")
    edit(folder, file, key, str(value))
    resolved, lines = taken(folder)
    assert getattr(resolved.settings, key) == value
    assert resolved.sources[key].place.startswith(f"{file} ({folder / file}:")
    assert lines == [f"{folder / file} was changed since it was written, and counts: {key} {stored} -> {value}"]


def test_what_is_typed_wins_over_what_was_changed_by_hand(folder):
    edit(folder, "opt.yaml", "epochs", "5")
    resolved, lines = taken(folder, epochs=7)
    assert (resolved.settings.epochs, lines) == (7, [])


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("epohcs", "5", r"opt\.yaml:\d+: unknown setting 'epohcs'\. Did you mean 'epochs'\?"),
        ("epochs", "many", r"epochs is 'many'"),
        ("hyp", "other.yaml", r"hyp names another file, and none is read from here\. Give --hyp"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_line_and_key(folder, key, value, says):
    edit(folder, "opt.yaml", key, value)
    with pytest.raises(SettingError, match=says):
        taken(folder)


def test_a_run_goes_on_under_an_edited_opt_yaml_or_refuses_what_cannot_change_by_name(folder):
    edit(folder, "opt.yaml", "seed", "3")
    before = contents(folder)
    said = command("train", "--resume", folder)
    assert said.code == 2
    assert re.search(r"opt\.yaml \(.*opt\.yaml:\d+\): seed is 3 here and 0 in the run that is resumed", said.err)
    assert contents(folder) == before
    edit(folder, "opt.yaml", "seed", "0")
    edit(folder, "opt.yaml", "epochs", "2")
    said = done("train", "--resume", folder)
    assert "opt.yaml was changed since it was written, and counts: epochs 1 -> 2" in said.out
    assert read(folder / "results.csv")["epoch"] == [0, 1]
    assert done("train", "--resume", folder).out.startswith("this run is done after 2 epochs")

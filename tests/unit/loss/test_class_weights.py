# SPDX-License-Identifier: Apache-2.0
"""Weights of classes: how they are written, and what is refused before anything is made."""

from __future__ import annotations

import re

import pytest
import yaml

from boxwright.config.assemble import resolve_train, resolve_verb
from boxwright.config.flags import read
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.loss.rules import class_weights_of
from tests.support.commands import command
from tests.support.runs import Ground, train

NAMES = ("red", "blue", "green")


def words_of(*words: str) -> tuple[str, ...]:
    line = read("train", TrainSettings, words, reports=True)
    return resolve_verb(TrainSettings, line.flags, line.words).settings.class_weights


def weights_of(*words: str) -> tuple[float, ...]:
    return class_weights_of(words_of(*words), NAMES)


def test_they_are_written_as_numbers_by_name_in_a_file_or_from_python(tmp_path):
    assert weights_of() == ()
    assert weights_of("class_weights=1,2.5,0") == (1.0, 2.5, 0.0)
    assert weights_of("class_weights=green:4") == (1.0, 1.0, 4.0)
    assert weights_of("class_weights=green:4,red:.5") == (0.5, 1.0, 4.0)
    for text in ("[1, 2, 3]", "{green: 3, blue: 2}", "\n  blue: 2.0\n  green: 3\n"):
        for flag in ("--hyp", "--config"):
            file = tmp_path / "file.yaml"
            file.write_text(f"class_weights: {text}\n")
            assert weights_of(flag, str(file)) == (1.0, 2.0, 3.0)
    assert class_weights_of(resolve_train({"class_weights": {"blue": 2}}).settings.class_weights, NAMES) == (
        1.0,
        2.0,
        1.0,
    )
    assert class_weights_of(resolve_train({"class_weights": [3, 2, 1.5]}).settings.class_weights, NAMES) == (
        3.0,
        2.0,
        1.5,
    )
    assert weights_of("--hyp", str(file), "class_weights=") == ()  # switched off


def test_a_name_may_hold_a_colon():
    assert class_weights_of(("a:b:2",), ("a:b", "c")) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("1,2", "there are 2 class weights and 3 classes (red, blue, green). Give one number per class"),
        ("gren:2", "there is no class 'gren'. Did you mean 'green'?"),
        ("red:-1", "the class weight '-1' is no number from 0 to 1000"),
        ("red:much", "the class weight 'much' is no number"),
        ("red:.nan", "the class weight '.nan' is no number"),
        ("1,2,nan", "the class weight 'nan' is no number"),
        ("red:1,2", "some class weights have a name of their own and some have none"),
        ("red:1,red:2", "a name stands twice"),
    ],
)
def test_what_makes_no_sense_is_one_line(words, says):
    with pytest.raises(SettingError) as caught:
        weights_of(f"class_weights={words}")
    assert says in str(caught.value)


def test_without_a_class_loss_they_are_refused():
    with pytest.raises(SettingError, match="with one class there is no class loss to weigh"):
        class_weights_of(("2",), ("item",))
    with pytest.raises(SettingError, match="a class loss of gain 0 cannot be weighed"):
        words_of("class_weights=1,2,3", "cls=0")


def test_a_run_writes_them_down_weighs_with_them_and_refuses_bad_ones_before_a_folder_is_made(tmp_path):
    ground = Ground.laid(tmp_path)
    said = command(*ground.words(tmp_path / "bad", "class_weights=pink:2"))
    assert (said.code, "there is no class 'pink'" in said.err) == (2, True)
    assert not (tmp_path / "bad").exists()
    plain, weighed = (
        train(ground, tmp_path / name, "--noplots", *more, epochs=1)
        for name, more in (("plain", ()), ("weighed", ("class_weights=green:4",)))
    )
    assert yaml.safe_load((weighed.folder / "hyp.yaml").read_text())["class_weights"] == ["green:4"]
    assert "class_weights" not in yaml.safe_load((plain.folder / "hyp.yaml").read_text())
    assert "class_weights=green:4" in weighed.said.out
    first = [(run.folder / "results.csv").read_text().splitlines()[1].split(",") for run in (plain, weighed)]
    assert float(first[1][3]) > float(first[0][3])
    again = command("train", "--config", weighed.folder / "config.yaml", "--project", tmp_path / "again", "--dry-run")
    assert re.search(r"^class_weights +green:4 ", again.out, re.MULTILINE), again.err

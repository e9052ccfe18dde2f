# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from boxwright.config import packaged
from boxwright.errors import DataError, SettingError, UserError
from boxwright.search.population_files import first_sets
from boxwright.search.study import Key
from boxwright.search.tables import table_of
from tests.support.evolving import KEYS

EVOLVING = tuple(key for key in table_of("7.0").keys if key.gain)
SOUND = "lr0: 0.02\nmomentum: 0.9\nscale: 0.4\nmosaic: 1\n"


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(exist_ok=True, parents=True)
    Path(name).write_text(text)


def test_without_a_place_the_packaged_sets_that_name_every_key_come():
    sets = first_sets(EVOLVING)
    whole = ["no-augmentation", "objects365", "scratch-6.0", "scratch-high", "scratch-low", "scratch-med"]
    assert set(whole) <= set(packaged.names("hyps"))
    assert len(sets) == len([name for name in packaged.names("hyps") if "2020" not in name])
    assert {tuple(one) for one in sets} == {tuple(key.name for key in EVOLVING)}


def test_every_file_of_a_folder_is_a_set_within_the_limits_in_the_order_of_names():
    write("sets/b.yaml", SOUND)
    write("sets/a.yaml", "lr0: 0.5\nmomentum: 0.9\nscale: 0.1\nmosaic: 0\noptimizer: Adam\n")
    write("sets/notes.txt", "no set")
    first, second = first_sets(KEYS, folder="sets")
    assert first == {"lr0": 0.1, "momentum": 0.9, "scale": 0.1, "mosaic": 0.0}
    assert second == {"lr0": 0.02, "momentum": 0.9, "scale": 0.4, "mosaic": 1.0}


def test_old_names_are_understood_and_anchors_need_not_be_named():
    write("sets/a.yaml", "giou: 0.06\n")
    assert first_sets((Key("box", 0.02, 0.2), Key("anchors", 2, 10)), folder="sets") == ({"box": 0.06, "anchors": 3},)
    write("sets/a.yaml", "giou: 0.06\nanchors: 0\n")
    assert first_sets((Key("box", 0.02, 0.2), Key("anchors", 2, 10)), folder="sets") == ({"box": 0.06, "anchors": 3},)


def test_a_saved_population_gives_its_last_generation_in_its_order():
    sets = {
        f"gen{g}number{i}": f"{{lr0: 0.0{i % 9 + 1}, momentum: 0.9, scale: 0.{g}, mosaic: 1}}"
        for g in (1, 2)
        for i in range(11)
    }
    write("p.yaml", "".join(f"{name}: {text}\n" for name, text in sorted(sets.items())))
    found = first_sets(KEYS, saved="p.yaml")
    assert len(found) == 11
    assert {one["scale"] for one in found} == {0.2}
    assert [one["lr0"] for one in found] == [(i % 9 + 1) / 100 for i in range(11)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lr0: 0.01\nmomentum: 0.9\nscale: 0.4\n", "sets/a.yaml: does not name mosaic, which evolves"),
        ("lr0: 0.01\n", "sets/a.yaml: does not name momentum, scale, mosaic, which evolve"),
        ("lr0: fast\nmomentum: 0.9\nscale: 0.4\nmosaic: 1\n", "sets/a.yaml:1: lr0 is 'fast', not a number"),
        ("momentum: 0.9\nlr0: yes\nscale: 0.4\nmosaic: 1\n", "sets/a.yaml:2: lr0 is True, not a number"),
        ("momentum: 0.9\nlr0: .nan\nscale: 0.4\nmosaic: 1\n", "sets/a.yaml:2: lr0 is nan, not a number"),
        ("- 1\n", "sets/a.yaml: the file is a list"),
        ("", "sets/a.yaml: the file is empty"),
    ],
)
def test_a_file_of_the_folder_that_is_no_set_is_one_line(text, why):
    write("sets/a.yaml", text)
    with pytest.raises(UserError, match=f"^{why}"):
        first_sets(KEYS, folder="sets")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gen1number0: {lr0: 0.01}\n", "p.yaml:1: does not name momentum, scale, mosaic, which evolve"),
        ("gen1number0: 3\n", "p.yaml:1: is no set of 'key: value' lines"),
        ("first: {lr0: 0.01}\n", "p.yaml:1: 'first' is no individual of a population"),
        ("7: {lr0: 0.01}\n", "p.yaml:1: '7' is no individual of a population"),
        ("gen1number0:\n  lr0: x\n  momentum: 0.9\n  scale: 1\n  mosaic: 1\n", "p.yaml:2: lr0 is 'x', not a number"),
    ],
)
def test_a_saved_population_that_is_none_is_one_line(text, why):
    write("p.yaml", text)
    with pytest.raises(DataError, match=f"^{why}"):
        first_sets(KEYS, saved="p.yaml")


def test_a_place_that_is_none_is_one_line():
    with pytest.raises(SettingError, match=r"^--evolve_population nowhere: is no folder\. Name a folder"):
        first_sets(KEYS, folder="nowhere")
    with pytest.raises(
        SettingError, match=r"^--resume_evolve nowhere.yaml: is no file\. Name an evolve_population.yaml"
    ):
        first_sets(KEYS, saved="nowhere.yaml")
    Path("empty").mkdir()
    with pytest.raises(SettingError, match=r"^--evolve_population empty: holds no .yaml file"):
        first_sets(KEYS, folder="empty")
    with pytest.raises(SettingError, match="two beginnings"):
        first_sets(KEYS, folder="empty", saved="p.yaml")

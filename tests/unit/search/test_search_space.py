# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.config.compat import current_name
from boxwright.config.hyperparameters import bounds_of, numbers
from boxwright.config.recipes import values_of
from boxwright.config.schema.run import EvolveSettings
from boxwright.errors import SettingError
from boxwright.search.space import Space, space_of
from boxwright.search.tables import mutation_rules, table_of

LIMITS = """lr0 1e-5 .1; lrf .01 1; momentum .6 .98; weight_decay 0 .001; warmup_epochs 0 5; warmup_momentum 0 .95;
warmup_bias_lr 0 .2; box .02 .2; cls .2 4; cls_pw .5 2; obj .2 4; obj_pw .5 2; iou_t .1 .7; anchor_t 2 8; anchors 2 10;
fl_gamma 0 2; hsv_h 0 .1; hsv_s 0 .9; hsv_v 0 .9; degrees 0 45; translate 0 .9; scale 0 .9; shear 0 10;
perspective 0 .001; flipud 0 1; fliplr 0 1; mosaic 0 1; mixup 0 1; copy_paste 0 1"""
USUAL = {name: (float(low), float(high)) for name, low, high in (row.split() for row in LIMITS.split(";"))}
OF_JULY = {
    "lr0": (1e-5, 0.01),
    "momentum": (0.6, 0.98),
    "weight_decay": (0, 0.001),
    "iou_t": (0, 0.7),
    "fl_gamma": (0, 3),
    **dict.fromkeys(("hsv_s", "hsv_v", "translate", "scale"), (0, 0.9)),
}
AUGMENTATIONS = tuple(USUAL)[16:]


def hyperparameters(recipe: str) -> dict[str, object]:
    return {current_name(key): value for key, value in values_of(recipe).items()}


def numeric(recipe: str) -> dict[str, float]:
    return {key: float(value) for key, value in hyperparameters(recipe).items() if key in USUAL}


def gains(table: str) -> dict[str, float]:
    return {key.name: key.gain for key in table_of(table).keys}


def limits(table: str) -> dict[str, tuple[float, float]]:
    return {key.name: (key.low, key.high) for key in table_of(table).keys}


def test_the_table_of_6_has_29_keys():
    assert limits("6.0") == USUAL
    assert len(USUAL) == 29
    special = {"momentum": 0.3, "anchors": 2, **dict.fromkeys(("iou_t", "fl_gamma", "perspective", "fliplr"), 0)}
    assert gains("6.0") == {name: special.get(name, 1) for name in USUAL}


def test_the_table_of_august_2020_has_23_keys():
    missing = ("warmup_epochs", "warmup_momentum", "warmup_bias_lr", "mosaic", "copy_paste", "anchors")
    assert limits("2020.8") == {name: pair for name, pair in USUAL.items() if name not in missing}
    assert gains("2020.8") == {name: gain for name, gain in gains("6.0").items() if name not in missing} | {
        "momentum": 0.1
    }
    assert len(gains("2020.8")) == 23
    assert table_of("2020.8").spelled == {"box": "giou"}


def test_the_table_of_july_2020_has_gains_by_position_in_the_built_in_set():
    built_in = [name for name in hyperparameters("2020.7") if name in USUAL]
    by_position = [1.0] * 18
    by_position[7], by_position[8], by_position[10] = 0, 0.1, 0  # obj_pw, iou_t, fl_gamma
    assert gains("2020.7") == dict(zip(built_in[:18], by_position, strict=True))
    assert list(gains("2020.7")) == built_in[:18]
    free = [name for name in gains("2020.7") if name not in OF_JULY]
    assert limits("2020.7") == {**{name: tuple(bounds_of(name)) for name in free}, **OF_JULY}


def test_the_table_of_7_moves_augmentations_within_the_same_limits():
    assert limits("7.0") == USUAL
    assert [name for name, gain in gains("7.0").items() if gain] == list(AUGMENTATIONS)
    assert len(AUGMENTATIONS) == 13


@pytest.mark.parametrize("table", ["7.0", "6.0", "2020.8", "2020.7"])
def test_no_value_within_the_limits_is_refused_by_the_setting(table):
    assert set(limits(table)) <= set(numbers())
    for name, (low, high) in limits(table).items():
        assert bounds_of(name).low <= low < high <= bounds_of(name).high


def test_a_bound_that_is_no_value_is_kept_away_from():
    assert bounds_of("anchor_t") == (1.00001, 100)
    assert bounds_of("shear") == (0, 89.99999)


@pytest.mark.parametrize(
    ("recipe", "probability", "generations"), [("2020.7", 0.9, 10), ("2020.8", 0.9, 100), ("6.0", 0.8, 300)]
)
def test_the_constants_of_a_year_come_from_its_recipe_and_its_table(recipe, probability, generations):
    fixed = {key: value for key, value in values_of(recipe).items() if key in EvolveSettings.model_fields}
    settings = EvolveSettings(**fixed)
    assert settings.evolve_default_generations == generations
    rules = mutation_rules(settings, "weighted")
    assert (rules.probability, rules.sigma, rules.best, rules.parents) == (probability, 0.2, 5, "weighted")
    assert (rules.least_factor, rules.most_factor, rules.digits) == (0.3, 3.0, 5)
    assert mutation_rules(settings).parents == "single"


def test_the_population_is_of_50():
    rules = table_of("7.0").population
    assert (rules.size, rules.elite, rules.elite_growth, rules.tournament, rules.step) == (50, 2, 3, 10, 0.1)


# -- what moves


def names(space: Space) -> list[str]:
    return [key.name for key in space.keys]


def test_a_key_at_0_is_named_with_a_start_value_under_factors_alone():
    space = space_of(table_of("6.0"), numeric("6.0"), method="mutation")
    zero = {one.name: one.way_out for one in space.stays if "0, and a factor never moves 0" in one.why}
    assert list(zero) == ["degrees", "shear", "flipud", "mixup", "copy_paste"]
    assert zero["degrees"] == "Give a start value: degrees=4"
    assert "degrees 0, shear 0, flipud 0, mixup 0, copy_paste 0: 0, and a factor never moves 0." in space.lines()[-1]
    assert space.lines()[-1].endswith("Give a start value: degrees=4 shear=1 flipud=0.1 mixup=0.1 copy_paste=0.1.")
    assert "degrees" in names(space_of(table_of("7.0"), numeric("7.0"), method="population"))
    moved = space_of(table_of("6.0"), {**numeric("6.0"), "degrees": 4.0}, method="mutation")
    assert "degrees" in names(moved)


def test_a_key_whose_limits_lift_it_from_0_moves():
    space = space_of(table_of("6.0"), {**numeric("6.0"), "momentum": 0.0}, method="mutation")
    assert "momentum" in names(space)
    assert space.notes == ("momentum 0 lies below its limit: the first trial has 0.6",)


def test_a_key_without_gain_stays_and_moves_when_it_is_chosen():
    space = space_of(table_of("6.0"), numeric("6.0"), method="mutation")
    why = {one.name: one.why for one in space.stays}
    assert why["fliplr"] == "not among the keys that table 6.0 moves"
    chosen = space_of(table_of("6.0"), numeric("6.0"), method="mutation", chosen=["fliplr", "lr0"])
    assert [(key.name, key.gain) for key in chosen.keys] == [("lr0", 1), ("fliplr", 1)]
    assert {one.why for one in chosen.stays} == {"not chosen"}


def test_keys_are_chosen_by_old_names_too():
    space = space_of(table_of("2020.8"), numeric("2020.8"), method="mutation", chosen=["giou"])
    assert names(space) == ["box"]


def test_a_key_that_is_none_is_one_line_with_the_nearest():
    with pytest.raises(SettingError, match=r"^--keys mozaic: is none of .* 7.0\. Did you mean 'mosaic'\? They are lr0"):
        space_of(table_of("7.0"), numeric("7.0"), method="population", chosen=["mozaic"], flag="--keys")
    with pytest.raises(SettingError, match=r"mosaic: is none of the keys of table 2020\.7"):
        space_of(table_of("2020.7"), numeric("2020.7"), method="mutation", chosen=["mosaic"])


def test_anchors_begin_at_3_where_none_are_named_and_they_move():
    space = space_of(table_of("6.0"), numeric("6.0"), method="mutation")
    assert space.start["anchors"] == 3
    assert "anchors" in names(space)
    assert space_of(table_of("6.0"), {**numeric("6.0"), "anchors": 0.0}, method="mutation").start["anchors"] == 3
    assert space_of(table_of("6.0"), {**numeric("6.0"), "anchors": 5.0}, method="mutation").start["anchors"] == 5
    for still in (
        space_of(table_of("6.0"), numeric("6.0"), method="mutation", noautoanchor=True),
        space_of(table_of("6.0"), numeric("6.0"), method="mutation", chosen=["lr0"]),
        space_of(table_of("7.0"), numeric("7.0"), method="population"),
    ):
        assert "anchors" not in still.start
        assert "anchors" not in names(still)


def test_anchors_that_are_wanted_with_noautoanchor_are_named():
    space = space_of(table_of("6.0"), numeric("6.0"), method="mutation", noautoanchor=True)
    why = {one.name: one for one in space.stays}["anchors"]
    assert "noautoanchor" in why.why
    assert why.way_out == "Leave --noautoanchor out"


def test_a_key_that_the_hyperparameters_lack_stays_and_is_named():
    some = {key: value for key, value in numeric("7.0").items() if key != "mixup"}
    space = space_of(table_of("7.0"), some, method="population")
    assert "mixup" not in space.start
    assert "mixup: not among the hyperparameters. Give a value in the --hyp file: mixup." in space.lines()[-1]


def test_a_key_without_effect_under_the_other_settings_stays_with_its_reason():
    space = space_of(
        table_of("7.0"),
        numeric("7.0"),
        method="population",
        without_effect={"copy_paste": ("no label has a polygon", "Give polygons")},
    )
    assert "copy_paste" not in names(space)
    assert "stays (1): copy_paste 0: no label has a polygon. Give polygons." in space.lines()


def test_where_nothing_can_move_the_error_says_why_and_what_to_do():
    wanted = r"^--evolve-keys degrees: no key can move \(degrees: 0, and a .*\)\. Give a start value: degrees=4"
    with pytest.raises(SettingError, match=wanted):
        space_of(table_of("6.0"), numeric("6.0"), method="mutation", chosen=["degrees"])


def test_every_key_is_searched_or_named():
    for recipe in ("7.0", "6.0", "2020.8", "2020.7"):
        space = space_of(table_of(recipe), numeric(recipe), method="mutation")
        named = {*names(space), *(one.name for one in space.stays)}
        assert set(space.start) <= named
        assert list(space.start) == [name for name in table_of(recipe).names() if name in space.start]

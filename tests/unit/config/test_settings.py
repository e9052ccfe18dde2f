# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from boxwright.config import packaged, recipes
from boxwright.config.assemble import resolve_train, resolve_verb
from boxwright.config.flags import read
from boxwright.config.load import resolve
from boxwright.config.origin import BUILT_IN, Origin, read_source
from boxwright.config.schema.loss import LossSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import spelling_of
from boxwright.errors import SettingError, UserError


def train(*words: str):
    """Settings of a training command line."""
    line = read("train", TrainSettings, words, reports=True)
    return resolve_verb(TrainSettings, line.flags, line.words)


def value(key: str, *words: str):
    return getattr(train(*words).settings, key)


def test_without_words_everything_has_its_default_and_the_default_recipe_is_the_schema():
    resolved = train()
    defaults = {key: field.default for key, field in TrainSettings.model_fields.items()}
    assert resolved.settings.model_dump() == defaults


def test_precedence_is_built_in_recipe_hyp_config_words_flags(tmp_path):
    hyp = tmp_path / "hyp.yaml"
    hyp.write_text("lr0: 0.02\nlrf: 0.3\nmomentum: 0.9\nbox: 0.07\n")
    config = tmp_path / "config.yaml"
    config.write_text("lrf: 0.4\nmomentum: 0.8\nepochs: 7\nbatch_size: 8\n")
    words = [
        "--recipe",
        "6.0",
        "--hyp",
        str(hyp),
        "--config",
        str(config),
        "momentum=0.7",
        "batch_size=4",
        "--batch",
        "2",
    ]
    resolved = train(*words)
    s, sources = resolved.settings, resolved.places()
    assert (s.weight_decay, s.warmup_min_batches, s.lr0, s.lrf, s.momentum, s.batch_size, s.epochs) == (
        0.0005,
        1000,
        0.02,
        0.4,
        0.7,
        2,
        7,
    )
    origins = {key: source.origin for key, source in resolved.sources.items()}
    expected = {
        "patience": Origin.DEFAULT,
        "warmup_min_batches": Origin.RECIPE,
        "lr0": Origin.HYP_FILE,
        "lrf": Origin.FILE,
        "momentum": Origin.FLAG,
        "batch_size": Origin.FLAG,
    }
    assert origins | expected == origins
    assert sources["patience"] == "built-in"
    assert sources["warmup_min_batches"].startswith("recipe 6.0 (")
    assert sources["lr0"] == f"hyp file ({hyp}:1)"
    assert sources["lrf"] == f"config file ({config}:1)"
    assert sources["momentum"] == "momentum=value"
    assert sources["batch_size"] == "--batch"


@pytest.mark.parametrize(
    ("words", "key", "expected"),
    [
        (["--img", "320"], "imgsz", (320,)),
        (["--img-size", "640", "480"], "imgsz", (640, 480)),
        (["--imgsz=416"], "imgsz", (416,)),
        (["--batch-size", "8"], "batch_size", 8),
        (["--batch_size", "8"], "batch_size", 8),
        (["--batch", "8"], "batch_size", 8),
        (["--cache"], "cache", "ram"),
        (["--cache", "disk"], "cache", "disk"),
        (["--cache-images"], "cache", "ram"),
        (["--notest"], "noval", True),
        (["--noval"], "noval", True),
        (["--adam"], "optimizer", "Adam"),
        (["--logdir", "x"], "project", "x"),
        (["--evolve"], "evolve", 300),
        (["--evolve", "5"], "evolve", 5),
        (["--evolve_population", "d"], "evolve_population", "d"),
        (["--resume"], "resume", True),
        (["--resume", "a/last.pt"], "resume", "a/last.pt"),
        (["--upload_dataset"], "upload_dataset", True),
        (["--upload-dataset", "val"], "upload_dataset", "val"),
        (["--freeze", "10"], "freeze", (10,)),
        (["--freeze", "0", "1", "2"], "freeze", (0, 1, 2)),
        (["--freeze", "model.0", "3"], "freeze", ("model.0", 3)),
        (["--save_period", "5"], "save_period", 5),
        (["--sgdr", "10,2"], "sgdr", "10,2"),
        (["--device", "0,1"], "device", "0,1"),
        (["--device", "0"], "device", "0"),
        (["--name", "5"], "name", "5"),
        (["--name", "lr0=3"], "name", "lr0=3"),
        (["--ep", "3"], "epochs", 3),
        (["--lab", "0.1"], "label_smoothing", 0.1),
        (["lr0=1e-3"], "lr0", 0.001),
        (["lr0=0.005", "mosaic=0"], "mosaic", 0.0),
        (["--cache", "lr0=0.005"], "cache", "ram"),
        (["giou=0.1"], "box", 0.1),
        (["--project", "a", "rect=true"], "rect", True),
        (["clip_norm=0"], "clip_norm", 0.0),
        (["imgsz=640,480"], "imgsz", (640, 480)),
        (["--optimizer", "adamw"], "optimizer", "AdamW"),
        (["--dev", "cpu"], "device", "cpu"),
        (["--cfg", ""], "cfg", ""),
    ],
)
def test_every_spelling_is_understood(words, key, expected):
    if words == ["--cfg", ""]:
        words = [*words, "--weights", "w.pt"]
    assert value(key, *words) == expected


FLAGS_OF_THE_FAMILY = """
    weights cfg data hyp epochs batch-size batch imgsz img img-size rect resume nosave noval notest noautoanchor
    noplots evolve evolve-population resume-evolve bucket cache cache-images image-weights device multi-scale
    single-cls optimizer adam sync-bn workers project logdir name exist-ok quad cos-lr linear-lr sgdr
    label-smoothing patience freeze save-period seed local-rank entity upload-dataset bbox-interval artifact-alias
    ndjson-console ndjson-file quiet recipe amp dry-run save-steps save-minutes time close-mosaic aug strict track
    allow-download device-check
"""


def test_every_flag_of_the_family_exists():
    known = set()
    for key, field in TrainSettings.model_fields.items():
        spelling = spelling_of(field)
        names = (key, *spelling.names, *spelling.renamed, *(name for name, _ in spelling.shorthand))
        known |= {name.replace("_", "-") for name in names if spelling.kind == "flag"}
    assert set(FLAGS_OF_THE_FAMILY.split()) <= known


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--epocks", "1"], "unknown flag '--epocks'. Did you mean '--epochs'?"),
        (["--s", "3"], "--s could mean"),
        (["lr_0=1"], "unknown setting 'lr_0'. Did you mean 'lr0'?"),
        (["lr0=fast"], "lr0=fast: lr0 is 'fast'. Give a number from 0 to 10"),
        (["--epochs", "-1"], "--epochs: epochs is -1. Give a whole number above 0"),
        (["--epochs", "0"], "epochs is 0"),
        (["--epochs", "2.5"], "epochs is 2.5"),
        (["--epochs"], "expected one argument"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--batch-size", "-2"], "batch_size is -2"),
        (["--optimizer", "lion"], "optimizer is 'lion'. Give one of SGD, Adam, AdamW, RMSProp"),
        (["--optimizer", "auto"], "A value that chooses for you overrides what you set elsewhere"),
        (["mosaic=1.5"], "mosaic is 1.5. Give a number from 0 to 1"),
        (["momentum=.nan"], "momentum is nan"),
        (["lr0=true"], "lr0 is 'true'"),
        (["--imgsz", "1", "2", "3"], "imgsz is (1, 2, 3)"),
        (["--sgdr", "ten"], "sgdr is 'ten'. Give a word like T0[,Tmult]"),
        (["--sgdr", "0"], "sgdr is '0'"),
        (["--sgdr", "10,0.5"], "sgdr is '10,0.5'"),
        (["--rect", "--image-weights"], "rectangular batches have a fixed order"),
        (["--quad", "--batch", "6"], "quad joins four images, and 6 does not divide by 4"),
        (["--cos-lr", "--linear-lr"], "only one learning rate curve"),
        (["--evolve", "--batch", "-1"], "evolution needs a fixed batch size"),
        (["--evolve", "--device", "0,1"], "one device"),
        (["--cfg", ""], "an empty --cfg leaves no network to build"),
        (["--cfg", "", "--weights", "w.pt", "--recipe", "2020.7"], "an empty --cfg leaves no network to build"),
        (["--aug", "none", "--albumentations"], "leaves every image as it is"),
        (["--close-mosaic", "5", "mosaic=0"], "no mosaic or mixup to close"),
        (["--recipe", "5.0"], "--recipe 5.0: there is no such file and no packaged one"),
        (["--hyp", "nope.yaml"], "--hyp nope.yaml"),
        (["something"], "unrecognized arguments: something"),
    ],
)
def test_faults_are_one_line_that_names_the_key_and_the_way_out(words, says):
    with pytest.raises(UserError) as caught:
        train(*words)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_old_spelling_is_noted_once_and_works():
    line = read("train", TrainSettings, ["--notest", "--img-size", "320"], reports=True)
    assert line.notes == ("--notest is now --noval; both work", "--img-size is now --imgsz; both work")


@pytest.mark.parametrize("name", packaged.names("hyps"))
def test_every_packaged_hyperparameter_file_loads(name):
    assert train("--hyp", name).settings.lr0 > 0


def test_files_of_the_field_load_as_they_are(tmp_path):
    hyp = tmp_path / "hyp.scratch.yaml"
    hyp.write_text(
        "# old\nlr0: 1e-2  # text in YAML 1.1\nmomentum: 0.937\ngiou: 0.05\ncls: 1\nfliplr: 0.5\noptimizer: 'adam'\n"
    )
    resolved = train("--hyp", str(hyp))
    assert (resolved.settings.lr0, resolved.settings.box, resolved.settings.cls, resolved.settings.optimizer) == (
        0.01,
        0.05,
        1.0,
        "Adam",
    )
    assert "not named and taken from recipe 7.0" in resolved.notes[0]
    assert "lrf" in resolved.notes[0]


def test_names_of_the_field_stand_for_packaged_files():
    for name in ("scratch-low", "hyp.scratch-low.yaml", "data/hyps/hyp.scratch-low.yaml"):
        assert packaged.locate("hyps", name, "--hyp").name == "scratch-low.yaml"
    assert packaged.locate("models", "models/yolov5s.yaml", "--cfg").name == "yolov5s.yaml"


def test_a_file_of_the_user_wins_over_a_packaged_name():
    Path("yolov5s.yaml").write_text("nc: 1\n")
    assert packaged.locate("models", "yolov5s.yaml", "--cfg") == Path("yolov5s.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lr_0: 1\n", "unknown hyperparameter 'lr_0'. Did you mean 'lr0'?"),
        ("lr0: fast\n", "lr0 is 'fast'"),
        ("epochs: 3\n", "unknown hyperparameter 'epochs'"),
        ("lr0: -0.01\n", "lr0 is -0.01. Give a number from 0 to 10"),
        ("- 1\n", "the file is a list"),
    ],
)
def test_a_faulty_hyperparameter_file_is_named_with_its_line(tmp_path, text, says):
    hyp = tmp_path / "h.yaml"
    hyp.write_text(text)
    with pytest.raises(UserError) as caught:
        train("--hyp", str(hyp))
    assert says in str(caught.value)
    assert str(hyp) in str(caught.value)


def test_keys_of_a_later_time_are_left_out_with_one_warning(tmp_path):
    hyp = tmp_path / "h.yaml"
    hyp.write_text("lr0: 0.02\nmosaic: 0.0\nlrf: 0.5\ncopy_paste: 0.3\n")
    resolved = train("--hyp", str(hyp), "--recipe", "2020.7")
    assert (resolved.settings.lr0, resolved.settings.mosaic, resolved.settings.lrf, resolved.settings.copy_paste) == (
        0.02,
        1.0,
        0.1,
        0.0,
    )
    assert any("the recipe does not know mosaic, lrf, copy_paste; left out" in note for note in resolved.notes)


def test_old_option_files_load_as_settings_files(tmp_path):
    options = tmp_path / "opt.yaml"
    options.write_text(
        "weights: ''\ncfg: models/yolov5n.yaml\nhyp:\n  lr0: 0.02\n  mosaic: 0.5\nepochs: 60\nimg_size: [320, "
        "320]\nnotest: false\nadam: true\n"
        "cache_images: true\nevolve: null\nentity: null\nfreeze:\n- 0\nsave_dir: runs/train/exp\nworld_size: "
        "1\nglobal_rank: -1\nresume: false\nname: exp\n"
    )
    s = train("--config", str(options)).settings
    assert (s.cfg, s.lr0, s.mosaic, s.epochs, s.imgsz, s.optimizer, s.cache) == (
        "models/yolov5n.yaml",
        0.02,
        0.5,
        60,
        (320, 320),
        "Adam",
        "ram",
    )


def test_two_dozen_fields_differ_between_the_first_and_the_last_trainer():
    built_in = {key: field.default for key, field in TrainSettings.model_fields.items()}
    found = recipes.difference(recipes.values_of("2020.7"), recipes.values_of("7.0"), built_in)
    assert {"nominal_batch", "box_loss", "step_rule", "results_file", "warmup_min_batches", "group_order"} <= set(found)


RECIPE_FIELDS = {key for key, field in TrainSettings.model_fields.items() if spelling_of(field).kind == "recipe"}


@pytest.mark.parametrize("name", packaged.names("recipes"))
def test_every_recipe_names_every_field_that_recipes_have(name):
    assert set(recipes.recipe_layer(name).values) >= RECIPE_FIELDS


def test_there_are_five_recipes():
    assert packaged.names("recipes") == ["2020.7", "2020.8", "6.0", "6.2", "7.0"]


def test_fine_tuning_in_august_2020_starts_from_its_own_set():
    scratch, tuned = train("--recipe", "2020.8").settings, train("--recipe", "2020.8", "--weights", "w.pt").settings
    assert (scratch.lr0, tuned.lr0, tuned.anchor_t) == (0.01, 0.00447, 2.26)


def test_a_slice_holds_its_own_fields_and_nothing_else():
    part = resolve_train({"box": 0.1}).settings.part(LossSettings)
    assert part.box == 0.1
    assert not hasattr(part, "epochs")


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(Exception, match="frozen"):
        resolve_train({}).settings.epochs = 5


def test_a_runs_own_settings_file_repeats_the_run(tmp_path):
    first = train("--recipe", "6.0", "lr0=0.003", "--img", "320", "--freeze", "3", "--name", "x")
    text = (
        "settings:\n"
        + "".join(f"  {key}: {_yaml(item)}\n" for key, item in first.settings.model_dump().items())
        + "sources: {}\n"
    )
    path = tmp_path / "config.yaml"
    path.write_text(text)
    again = train("--config", str(path))
    assert again.settings.model_copy(update={"config": ""}) == first.settings


def _yaml(item) -> str:
    if isinstance(item, tuple):
        return "[" + ", ".join(_yaml(part) for part in item) + "]"
    return (
        {None: "null", True: "true", False: "false"}[item]
        if item is None or isinstance(item, bool)
        else f"'{item}'"
        if isinstance(item, str)
        else repr(item)
    )


def test_python_keywords_are_settings_too():
    with pytest.raises(SettingError, match="Did you mean 'epochs'"):
        resolve_train({"epoch": 3})
    assert resolve_train({"imgsz": 320, "freeze": [1, 2]}).settings.imgsz == (320,)


def test_resolution_without_layers_is_the_built_in_set():
    assert set(resolve(LossSettings, ()).sources.values()) == {BUILT_IN}


def test_every_source_is_written_as_words_and_read_back_as_what_it_was(tmp_path):
    hyp = tmp_path / "hyp.yaml"
    hyp.write_text("lr0: 0.02\n")
    config = tmp_path / "config.yaml"
    config.write_text("epochs: 4\n")
    by_flags = train("--hyp", str(hyp), "--config", str(config), "--recipe", "6.2", "--batch", "2", "momentum=0.7")
    by_names = resolve_train({"epochs": 3})
    for resolved in (by_flags, by_names):
        for key, place in resolved.places().items():
            assert read_source(place) == resolved.sources[key], place
    seen = {source.origin for resolved in (by_flags, by_names) for source in resolved.sources.values()}
    assert seen == set(Origin) - {Origin.CHECKPOINT, Origin.MEASURED}


@pytest.mark.parametrize(
    ("place", "origin", "chosen", "explicit", "typed"),
    [
        ("built-in", Origin.DEFAULT, False, False, False),
        ("recipe 7.0, hyp scratch-low (hyps/scratch-low.yaml:3)", Origin.RECIPE, False, False, False),
        ("hyp file (mine.yaml:1)", Origin.HYP_FILE, True, False, False),
        ("config file (mine.yaml:1)", Origin.FILE, True, True, False),
        ("plan of the run (exp/config.yaml:9)", Origin.FILE, True, True, False),
        ("options of the resumed run (old.pt:2)", Origin.CHECKPOINT, True, True, False),
        ("--batch", Origin.FLAG, True, True, True),
        ("lr0=value", Origin.FLAG, True, True, True),
        ("command line", Origin.FLAG, True, True, True),
        ("python", Origin.PYTHON, True, True, True),
        ("measured", Origin.MEASURED, True, True, False),
        ("words of a version to come", Origin.FILE, True, True, False),
    ],
)
def test_what_stored_places_mean(place, origin, chosen, explicit, typed):
    source = read_source(place)
    assert (source.origin, source.chosen, source.explicit, source.typed) == (origin, chosen, explicit, typed)
    assert str(source) == place

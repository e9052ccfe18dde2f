# SPDX-License-Identifier: Apache-2.0
"""Each recipe trains with its own outputs, and each era's option files load."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from boxwright.runs.finish import Ending
from boxwright.system.tensors import read_tensors
from boxwright.track.events import RESULT_KEYS
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, contents, done
from tests.support.runs import Ground, Trained, training_state

RECIPES = ("2020.7", "2020.8", "6.0", "6.2", "7.0")
OLD = RECIPES[:2]
EPOCHS = 3


def words(ground: Ground, recipe: str, project: Path, *more: object) -> list[str]:
    usual = [
        "train",
        "--recipe",
        recipe,
        "--data",
        ground.data,
        "--cfg",
        ground.cfg,
        "--imgsz",
        64,
        "--batch",
        4,
        "--workers",
        0,
        "--device",
        "cpu",
        "--noplots",
    ]
    return [str(word) for word in (*usual, "--project", project, *more)]


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("eras"))


@pytest.fixture(scope="module")
def runs(ground, tmp_path_factory) -> dict[str, Trained]:
    found = {}
    for recipe in RECIPES:
        said = done(*words(ground, recipe, tmp_path_factory.mktemp("runs"), "--epochs", EPOCHS, "--name", "abc"))
        found[recipe] = Trained(ground, Path(said.lines[-1]), said)
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_console_has_the_header_of_its_year(runs, recipe):
    header = {
        "2020.7": "Epoch gpu_mem GIoU obj cls total targets img_size",
        "2020.8": "Epoch gpu_mem GIoU obj cls total targets img_size",
        "6.0": "Epoch gpu_mem box obj cls labels img_size",
        "6.2": "Epoch gpu_mem box obj cls labels img_size",
        "7.0": "Epoch GPU_mem box_loss obj_loss cls_loss Instances Size",
    }[recipe]
    line = next(line for line in runs[recipe].said.lines if line.strip().startswith("Epoch"))
    assert line.split() == header.split()
    assert len(line) == (11 if recipe == "7.0" else 10) * len(header.split())


@pytest.mark.parametrize("recipe", RECIPES)
def test_run_folders_and_files_bear_the_names_of_their_year(runs, recipe):
    folder = runs[recipe].folder
    old = recipe in OLD
    assert folder.name == ("exp0_abc" if old else "abc")
    assert (folder / "results_abc.txt").exists() is old
    assert (folder / "results.csv").exists()
    suffix = "_abc" if old else ""
    assert training_state(folder / "weights" / f"last{suffix}.pt")["epoch"] == EPOCHS - 1
    best = folder / "weights" / f"best{suffix}.pt"
    assert read_tensors(best)["epoch"] == -1


def test_a_number_is_added_to_names_without_a_stroke_and_no_name_adds_nothing(ground, tmp_path):
    for name, expected in (("5", "results5.txt"), ("", "results.txt")):
        folder = Path(done(*words(ground, "2020.8", tmp_path, "--epochs", 1, "--name", name)).lines[-1])
        assert (folder / expected).exists()


@pytest.mark.parametrize("recipe", OLD)
def test_the_text_table_of_2020_has_two_words_and_thirteen_numbers_a_row(runs, recipe):
    lines = (runs[recipe].folder / "results_abc.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == [f"{epoch}/{EPOCHS - 1}" for epoch in range(EPOCHS)]
    columns = read(runs[recipe].folder / "results.csv")
    for epoch, line in enumerate(lines):
        assert len(line) == 150
        cells = [line[i : i + 10].strip() for i in range(0, 150, 10)]
        assert re.fullmatch(r"[\d.]+G", cells[1])
        losses = [columns[f"train/{name}_loss"][epoch] for name in ("box", "obj", "cls")]
        assert [float(cell) for cell in cells[2:5]] == pytest.approx(losses, rel=1e-3)
        assert float(cells[5]) == pytest.approx(sum(losses), rel=1e-3)
        assert [float(cell) for cell in cells[8:]] == pytest.approx(
            [columns[key][epoch] for key in RESULT_KEYS[3:10]], rel=1e-3
        )


@pytest.mark.parametrize("recipe", RECIPES)
def test_tensorboard_has_the_tags_of_its_year(runs, recipe):
    tags = EventAccumulator(str(runs[recipe].folder)).Reload().Tags()
    expected = set(RESULT_KEYS)
    if recipe in OLD:
        expected = (expected - {"train/box_loss", "val/box_loss"}) | {"train/giou_loss", "val/giou_loss"}
    if recipe == "2020.7":
        expected = (expected - {"metrics/mAP_0.5:0.95", "x/lr0", "x/lr1", "x/lr2"}) | {"metrics/F1"}
        assert len(expected) == 10
    assert {tag for tag in tags["scalars"] if recipe in OLD or not tag.startswith("coco/")} == expected
    assert tags["histograms"] == (["classes"] if recipe in OLD else [])


@pytest.mark.parametrize("recipe", RECIPES)
def test_rates_stand_in_the_group_order_of_the_year(runs, recipe):
    first = {key: values[0] for key, values in read(runs[recipe].folder / "results.csv").items()}
    bias = "x/lr0" if recipe in {"6.2", "7.0"} else "x/lr2"
    assert first[bias] > max(
        first[key] for key in ("x/lr0", "x/lr1", "x/lr2") if key != bias
    )  # biases come down during warm-up


def test_where_nothing_is_validated_at_the_end_the_final_epoch_shows_everything(ground, tmp_path):
    said = done(*(word for word in words(ground, "6.0", tmp_path, "--epochs", 1) if word != "--noplots"))
    folder = Path(said.lines[-1])
    assert {"val_batch0_labels.jpg", "val_batch0_pred.jpg", "PR_curve.png", "results.png"} <= {
        path.name for path in folder.iterdir()
    }
    assert all(any(line.split()[:1] == [name] for line in said.lines) for name in ("red", "blue", "green"))


def test_in_july_best_is_never_written_in_the_final_epoch(ground, tmp_path):
    for recipe, there in (("2020.7", False), ("2020.8", True)):
        folder = Path(done(*words(ground, recipe, tmp_path / recipe, "--epochs", 1)).lines[-1])
        assert (folder / "weights" / "best.pt").exists() is there


def test_in_august_the_weights_are_backed_up_before_a_run_goes_on(ground, tmp_path):
    folder = Path(done(*words(ground, "2020.8", tmp_path, "--epochs", 2)).lines[-1])
    backed = (folder / "weights" / "last.pt").read_bytes()
    done("train", "--resume", folder, "--epochs", 3)
    assert (folder / "weights_backup_epoch1" / "last.pt").read_bytes() == backed


@pytest.mark.parametrize("recipe", RECIPES)
def test_unstripped_weights_bring_their_state_where_the_year_did_so(runs, ground, tmp_path, recipe):
    trained = runs[recipe].folder / "weights" / ("last_abc.pt" if recipe in OLD else "last.pt")
    said = done(*words(ground, recipe, tmp_path, "--weights", trained, "--epochs", 1))
    epochs = read(Path(said.lines[-1]) / "results.csv")["epoch"]
    if recipe in {"6.2", "7.0"}:
        assert epochs == [0]
    else:
        assert f"the weights have {EPOCHS} epochs behind them; 1 more follow, up to {EPOCHS + 1}" in said.out
        assert epochs == list(range(EPOCHS + 1))[-1:]
        updates = training_state(next((Path(said.lines[-1]) / "weights").glob("last*.pt")))["ema_updates"]
        assert (updates > training_state(trained)["ema_updates"]) is (recipe == "6.0")


@pytest.mark.parametrize(
    ("rule", "file", "val", "classes", "found"),
    [
        ("data-path", "/d/coco.yaml", "images/val", 3, True),
        ("data-path", "/d/mycoco.yaml", "images/val", 80, False),
        ("80-classes", "/d/mycoco.yaml", "images/val", 80, True),
        ("80-classes", "/d/coco.yaml", "images/val", 3, False),
        ("val-entry", "/d/any.yaml", "/d/coco/val2017.txt", 3, True),
        ("val-entry", "/d/coco.yaml", "/d/coco/images/val2017", 80, False),
    ],
)
def test_coco_is_recognised_by_the_rule_of_the_year(rule, file, val, classes, found):
    class Thing:
        def __init__(self, **values):
            self.__dict__ |= values

    data = Thing(dataset=Thing(file=Path(file), sources={"val": (Thing(place=Path(val)),)}), num_classes=classes)
    ending = Ending(Thing(settings=Thing(coco_rule=rule), data=data), *[None] * 6)
    assert ending.is_coco is found


@pytest.mark.parametrize(("recipe", "names"), [("2020.8", ["last"]), ("6.2", ["best"])])
def test_for_coco_the_predictions_of_the_end_are_written_down(tmp_path, recipe, names):
    laid = Ground.laid(tmp_path / "coco")
    home = laid.data.parent
    (home / "coco").mkdir()
    images = sorted((home / "images" / "val").iterdir())
    (home / "coco" / "val2017.txt").write_text("".join(f"{path}\n" for path in images))
    yaml_file = home / "coco.yaml"
    yaml_file.write_text(laid.data.read_text().replace("val: images/val", "val: coco/val2017.txt"))
    said = done(*words(Ground(laid.folder, yaml_file, laid.cfg), recipe, tmp_path / "runs", "--epochs", 2))
    folder = Path(said.lines[-1])
    assert sorted(path.name for path in folder.glob("*_predictions.json")) == [
        f"{name}_predictions.json" for name in names
    ]
    for name in names:
        rows = json.loads((folder / f"{name}_predictions.json").read_text())
        assert rows
        assert {row["image_id"] for row in rows} <= set(range(len(images)))
        assert all(row.keys() == {"image_id", "category_id", "bbox", "score"} for row in rows)
    assert f"predictions in {folder}" in said.out


def test_in_july_the_weights_that_are_given_say_which_run_goes_on(ground, tmp_path):
    first, second = (Path(done(*words(ground, "2020.7", tmp_path, "--epochs", 1)).lines[-1]) for _ in range(2))
    before = contents(second)
    said = done(
        *words(ground, "2020.7", tmp_path, "--epochs", 2, "--resume", "--weights", first / "weights" / "last.pt")
    )
    assert said.lines[-1] == str(first)
    assert read(first / "results.csv")["epoch"] == [0, 1]
    assert contents(second) == before
    loose = Path(shutil.copy(second / "weights" / "last.pt", tmp_path / "loose.pt"))
    refused = command(*words(ground, "2020.7", tmp_path, "--epochs", 2, "--resume", "--weights", loose))
    assert (refused.code, "lies in no run folder" in refused.err) == (2, True)
    later = command("train", "--resume", second, "--weights", first / "weights" / "last.pt")
    assert (later.code, "a resumed run goes on with its own weights" in later.err) == (2, True)


# What each year wrote beside its runs: options as flags were called then, hyperparameters under their old keys.
OPTIONS = {
    "2020.7": "weights: ''\ncfg: yolov5s.yaml\ndata: sample\nepochs: 300\nbatch_size: 16\nimg_size: [640, 640]\nrect: "
    "false\nresume: false\n"
    "nosave: false\nnotest: false\nnoautoanchor: false\nevolve: false\nbucket: ''\ncache_images: false\nname: "
    "''\ndevice: ''\n"
    "multi_scale: false\nsingle_cls: false\n",
    "2020.8": "weights: ''\ncfg: yolov5s.yaml\ndata: sample\nhyp: ''\nepochs: 300\nbatch_size: 16\nimg_size: [640, "
    "640]\nrect: false\n"
    "resume: false\nnosave: false\nnotest: false\nnoautoanchor: false\nevolve: false\nbucket: ''\ncache_images: false\n"
    "image_weights: false\nname: ''\ndevice: ''\nmulti_scale: false\nsingle_cls: false\nadam: false\nsync_bn: "
    "false\nlocal_rank: -1\n"
    "logdir: runs/\nworkers: 8\ntotal_batch_size: 16\nworld_size: 1\nglobal_rank: -1\n",
    "6.0": "weights: ''\ncfg: yolov5s\ndata: sample\nhyp: scratch-6.0\nepochs: 300\nbatch_size: 16\nimgsz: 640\nrect: "
    "false\nresume: false\n"
    "nosave: false\nnoval: false\nnoautoanchor: false\nevolve: null\nbucket: ''\ncache: null\nimage_weights: "
    "false\ndevice: ''\n"
    "multi_scale: false\nsingle_cls: false\nadam: false\nsync_bn: false\nworkers: 8\nproject: runs/train\nname: "
    "exp\nexist_ok: false\n"
    "quad: false\nlinear_lr: false\nlabel_smoothing: 0.0\npatience: 100\nfreeze: 0\nsave_period: -1\nlocal_rank: "
    "-1\nentity: null\n"
    "upload_dataset: false\nbbox_interval: -1\nartifact_alias: latest\nsave_dir: runs/train/exp\n",
    "6.2": "weights: ''\ncfg: yolov5s\ndata: sample\nhyp:\n  lr0: 0.02\n  lrf: 0.01\nepochs: 300\nbatch_size: "
    "16\nimgsz: 640\nrect: false\n"
    "resume: false\nnosave: false\nnoval: false\nnoautoanchor: false\nnoplots: false\nevolve: null\nbucket: ''\ncache: "
    "null\n"
    "image_weights: false\ndevice: ''\nmulti_scale: false\nsingle_cls: false\noptimizer: SGD\nsync_bn: false\nworkers: "
    "8\nproject: runs/train\n"
    "name: exp\nexist_ok: false\nquad: false\ncos_lr: false\nlabel_smoothing: 0.0\npatience: 100\nfreeze:\n- "
    "0\nsave_period: -1\nseed: 0\n"
    "local_rank: -1\nentity: null\nupload_dataset: false\nbbox_interval: -1\nartifact_alias: latest\nsave_dir: "
    "runs/train/exp\n",
    "7.0": "weights: ''\ncfg: yolov5s\ndata: sample\nhyp:\n  lr0: 0.02\n  lrf: 0.01\nepochs: 100\nbatch_size: "
    "16\nimgsz: 640\nrect: false\n"
    "resume: false\nnosave: false\nnoval: false\nnoautoanchor: false\nnoplots: false\nevolve: null\nevolve_population: "
    "data/hyps\n"
    "resume_evolve: null\nbucket: ''\ncache: null\nimage_weights: false\ndevice: ''\nmulti_scale: false\nsingle_cls: "
    "false\n"
    "optimizer: SGD\nsync_bn: false\nworkers: 8\nproject: runs/train\nname: exp\nexist_ok: false\nquad: false\ncos_lr: "
    "false\n"
    "label_smoothing: 0.0\npatience: 100\nfreeze:\n- 0\nsave_period: -1\nseed: 0\nlocal_rank: -1\nentity: "
    "null\nupload_dataset: false\n"
    "bbox_interval: -1\nartifact_alias: latest\nndjson_console: false\nndjson_file: false\nsave_dir: runs/train/exp\n",
}
HYPS = {
    "2020.7": "optimizer: SGD\nlr0: 0.011\nmomentum: 0.937\nweight_decay: 0.0005\ngiou: 0.06\ncls: 0.58\ncls_pw: "
    "1.0\nobj: 1.0\nobj_pw: 1.0\n"
    "iou_t: 0.2\nanchor_t: 4.0\nfl_gamma: 0.0\nhsv_h: 0.014\nhsv_s: 0.68\nhsv_v: 0.36\ndegrees: 0.0\ntranslate: "
    "0.0\nscale: 0.5\n"
    "shear: 0.0\n",
    "2020.8": "lr0: 0.011\nlrf: 0.2\nmomentum: 0.937\nweight_decay: 0.0005\ngiou: 0.06\ncls: 0.58\ncls_pw: 1.0\nobj: "
    "1.0\nobj_pw: 1.0\niou_t: 0.2\n"
    "anchor_t: 4.0\nfl_gamma: 0.0\nhsv_h: 0.014\nhsv_s: 0.68\nhsv_v: 0.36\ndegrees: 0.0\ntranslate: 0.0\nscale: "
    "0.5\nshear: 0.0\n"
    "perspective: 0.0\nflipud: 0.0\nfliplr: 0.5\nmixup: 0.0\n",
    "6.0": "lr0: 0.011\nlrf: 0.1\nmomentum: 0.937\nweight_decay: 0.0005\nwarmup_epochs: 3.0\nwarmup_momentum: "
    "0.8\nwarmup_bias_lr: 0.1\n"
    "box: 0.06\ncls: 0.5\ncls_pw: 1.0\nobj: 1.0\nobj_pw: 1.0\niou_t: 0.2\nanchor_t: 4.0\n# anchors: 3\nfl_gamma: "
    "0.0\nhsv_h: 0.015\n"
    "hsv_s: 0.7\nhsv_v: 0.4\ndegrees: 0.0\ntranslate: 0.1\nscale: 0.5\nshear: 0.0\nperspective: 0.0\nflipud: "
    "0.0\nfliplr: 0.5\n"
    "mosaic: 1.0\nmixup: 0.0\ncopy_paste: 0.0\n",
}


@pytest.mark.parametrize("recipe", OPTIONS)
def test_the_option_file_of_each_year_loads(tmp_path, recipe):
    file = tmp_path / "opt.yaml"
    file.write_text(OPTIONS[recipe])
    said = command("config", "show", "--recipe", recipe, "--config", str(file))
    assert said.code == 0, said.err
    assert set(yaml.safe_load(OPTIONS[recipe])) > {"weights", "epochs"}


@pytest.mark.parametrize("recipe", HYPS)
@pytest.mark.parametrize("under", RECIPES)
def test_the_hyperparameters_of_each_year_load_under_every_recipe(tmp_path, recipe, under):
    file = tmp_path / "hyp.yaml"
    file.write_text(HYPS[recipe])
    said = done("config", "show", "--recipe", under, "--hyp", str(file), "--json")
    settings = yaml.safe_load(said.out)["settings"]
    assert (settings["lr0"], settings["box"]) == (0.011, 0.06)

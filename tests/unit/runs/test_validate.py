# SPDX-License-Identifier: Apache-2.0
"""`boxwright val` on a tiny trained run: one set of numbers, whoever asks."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from boxwright import cli
from boxwright.api import open_data
from boxwright.config.schema.val import ValSettings
from boxwright.metrics.coco import NAMES
from boxwright.runs.best_by import best_by
from boxwright.runs.evaluation.open_evaluation import open_evaluation, with_half
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.system.tensors import read_tensors
from tests.oracles.official_coco import official
from tests.support import datasets

pytestmark = pytest.mark.slow


def run(*words: str) -> int:
    return cli.main([*words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three epochs on drawn rectangles."""
    folder = tmp_path_factory.mktemp("trained")
    data, model = datasets.write(folder / "data", train=16, val=10), datasets.write_model(folder)
    words = [
        "train",
        "--data",
        data,
        "--cfg",
        model,
        "--weights",
        "",
        "--hyp",
        "small-data",
        "--epochs",
        "3",
        "--imgsz",
        "64",
        "--batch",
        "4",
    ]
    words += [
        "--device",
        "cpu",
        "--threads",
        "1",
        "--workers",
        "0",
        "--noautoanchor",
        "--noplots",
        "--quiet",
        "--project",
        folder / "runs",
    ]
    words += ["--keep-best", "coco/AP", "0*fitness-val/box_loss"]
    assert run(*map(str, words)) == 0
    return folder / "runs" / "exp"


def answer(capsys, *words: object) -> dict:
    capsys.readouterr()
    assert run(*map(str, words), "--json") == 0
    return json.loads(capsys.readouterr().out)


def val(capsys, trained, tmp_path, *words: object) -> dict:
    return answer(capsys, "val", trained, "--threads", 1, "--workers", 0, "--project", tmp_path, "--noplots", *words)


def events(trained):
    return [json.loads(line) for line in (trained / "events.jsonl").read_text().splitlines()]


def test_val_repeats_what_the_training_logged_to_the_last_digit(capsys, trained, tmp_path):
    logged = [event for event in events(trained) if event["event"] == "Validated"]
    best = json.loads((trained / "done.json").read_text())["best_epoch"]
    mine = val(capsys, trained, tmp_path)
    of_epoch = next(event for event in logged if event["epoch"] == best)
    assert mine["metrics"]["metrics/mAP_0.5"] == of_epoch["map50"] == logged[-1]["map50"]
    assert mine["metrics"]["metrics/mAP_0.5:0.95"] == of_epoch["map50_95"]
    assert mine["at"]["confidence"] == of_epoch["confidence"]
    assert json.loads((trained / "done.json").read_text())["at"] == mine["at"]
    assert (
        f"P and R at confidence {of_epoch['confidence']:.3f} (highest mean F1) and IoU 0.50"
        in (trained / "run.log").read_text()
    )
    assert {name: mine["metrics"][f"coco/{name}"] for name in NAMES} == of_epoch["coco"]


def test_the_plan_that_lies_in_the_checkpoint_is_the_one_that_val_repeats(trained):
    kept = read_tensors(trained / "weights" / "best.pt")["evaluation"]
    assert (kept["imgsz"], kept["batch_size"], kept["pad"], kept["iou_thres"]) == (64, 8, 0.5, 0.6)
    opened = open_evaluation(ValSettings(run=str(trained)))
    assert opened.plan.document() == kept
    assert opened.plan == EvaluationPlan.from_document(kept)


def test_each_source_has_its_own_numbers_which_are_those_of_that_source_alone(capsys, trained, tmp_path):
    names = ("one", "other")
    for name, count in zip(names, (6, 3), strict=True):
        datasets.write(tmp_path / name, train=2, val=count)
    yaml = tmp_path / "both.yaml"
    yaml.write_text("sources:\n- one/data.yaml\n- other/data.yaml\n")
    square = ("--square", "--batch-size", 1)  # canvases do not depend on who else is there
    both = val(capsys, trained, tmp_path, "--data", yaml, *square)
    assert [one["images"] for one in both["sources"]] == [6, 3]
    for name, mine in zip(names, both["sources"], strict=True):
        alone = val(capsys, trained, tmp_path, "--data", tmp_path / name / "data.yaml", *square)
        assert "sources" not in alone
        assert {key: mine[key] for key in alone["metrics"] if key in mine} == {
            key: value for key, value in alone["metrics"].items() if key in mine
        }
        assert {"metrics/mAP_0.5", "metrics/mAP_0.5:0.95", "coco/AP", "coco/AR100"} <= set(mine)


def test_another_number_of_threads_moves_no_digit_that_is_looked_at(capsys, trained, tmp_path):
    one = val(capsys, trained, tmp_path)["metrics"]
    for words in (("--threads", 2), ("--workers", 3)):
        other = val(capsys, trained, tmp_path, *words)["metrics"]
        assert other == pytest.approx(one, abs=1e-4)
    torch.set_num_threads(1)


def test_every_log_tells_the_same(trained):
    ended = [event for event in events(trained) if event["event"] == "EpochEnded"]
    validated = [event for event in events(trained) if event["event"] == "Validated"]
    lines = [json.loads(line) for line in (trained / "classes.jsonl").read_text().splitlines()]
    for one, found in zip(ended, validated, strict=False):
        mine = [line for line in lines if line["epoch"] == one["epoch"]]
        assert np.mean([line["metrics/mAP_0.5:0.95"] for line in mine]) == pytest.approx(
            one["results"]["metrics/mAP_0.5:0.95"]
        )
        assert one["results"]["coco/AP"] == found["coco"]["AP"]


def test_results_are_what_another_evaluator_needs_to_say_the_same(capsys, trained, tmp_path):
    mine = val(capsys, trained, tmp_path, "--save-json")
    results = json.loads((tmp_path / "exp" / "best_predictions.json").read_text())
    assert results
    index = open_split(trained)
    annotations = []
    for image, record in enumerate(index):
        width, height = record.size_wh
        for number, box in zip(record.classes, record.boxes_cxcywh_norm.astype(float), strict=True):
            w, h = box[2] * width, box[3] * height
            corner = [box[0] * width - w / 2, box[1] * height - h / 2]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(number),
                    "bbox": [*corner, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                }
            )
    images = [{"id": i} for i in range(len(index))]
    document = {
        "info": {},
        "images": images,
        "categories": [{"id": i, "name": str(i)} for i in range(3)],
        "annotations": annotations,
    }
    theirs = official(document, results)
    assert {name: mine["metrics"][f"coco/{name}"] for name in NAMES} == pytest.approx(
        theirs, abs=1e-6
    )  # labels are kept in single precision


def open_split(trained):
    return open_data(trained.parent.parent / "data" / "data.yaml")["val"]


def test_ids_come_from_a_file_that_states_them(capsys, trained, tmp_path):
    names = [record.path.rsplit("/", 1)[1] for record in open_split(trained)]
    ids = {
        "images": [{"file_name": name, "id": 500 + i} for i, name in enumerate(names)],
        "categories": {"red": 7, "blue": 8, "green": 9},
    }
    (tmp_path / "ids.json").write_text(json.dumps(ids))
    val(capsys, trained, tmp_path, "--save-json", "--ids", tmp_path / "ids.json")
    results = json.loads((tmp_path / "exp" / "best_predictions.json").read_text())
    assert {one["category_id"] for one in results} <= {7, 8, 9}
    assert {one["image_id"] for one in results} <= set(range(500, 500 + len(names)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"images": [{"file_name": "x.png", "id": 1e999}]}', "states no images"),
        ("{}", "states no images"),
        ('{"images": {"x.png": 1}, "categories": {"red": 1}}', "has no category 'blue'"),
    ],
)
def test_a_file_of_ids_that_does_not_fit_is_one_line(capsys, trained, tmp_path, content, says):
    (tmp_path / "ids.json").write_text(content)
    assert run("val", str(trained), "--save-json", "--noplots", "--ids", str(tmp_path / "ids.json")) == 2
    assert says in capsys.readouterr().err


def test_precision_and_recall_at_a_confidence_are_those_of_the_exported_matrix(capsys, trained, tmp_path):
    found = val(capsys, trained, tmp_path, "--at-conf", "0.25", "--errors")["at_conf"]
    rows = list(csv.reader((tmp_path / "exp" / "confusion_matrix.csv").read_text().splitlines()))
    counts = np.array([row[1:] for row in rows[1:]], float)
    for number, one in enumerate(found["classes"]):
        said, true = counts[number].sum(), counts[:, number].sum()
        assert one["precision"] == (pytest.approx(counts[number, number] / said) if said else None)
        assert one["recall"] == (pytest.approx(counts[number, number] / true) if true else None)
    errors = [json.loads(line) for line in (tmp_path / "exp" / "errors.jsonl").read_text().splitlines()]
    assert sum(one["true"] is not None for one in errors) == counts[:, :-1].sum()
    assert sum(one["predicted"] is not None for one in errors) == counts[:-1].sum()
    assert set((tmp_path / "exp" / "lists" / "missed.txt").read_text().split()) == {
        one["path"] for one in errors if one["kind"] == "missed"
    }


def test_hybrid_files_hold_the_labels_as_certain_predictions(capsys, trained, tmp_path):
    val(capsys, trained, tmp_path, "--save-hybrid", "--save-conf")
    for place, record in enumerate(open_split(trained)):
        lines = (tmp_path / "exp" / "labels" / f"{place:03}.txt").read_text().splitlines()
        certain = [line for line in lines if line.endswith(" 1.000000")]
        assert len(certain) >= len(record.classes)


def test_only_some_classes_are_looked_at_when_asked(capsys, trained, tmp_path):
    found = val(capsys, trained, tmp_path, "--classes", "blue")
    assert [one["name"] for one in found["classes"]] == ["blue"]
    assert run("val", str(trained), "--classes", "violet") == 2
    assert "there is no class 'violet'" in capsys.readouterr().err


def test_a_network_of_many_classes_is_judged_as_one(capsys, trained, tmp_path):
    found = val(capsys, trained, tmp_path, "--single-cls")
    assert [one["name"] for one in found["classes"]] == ["item"]
    assert found["classes"][0]["labels"] == sum(len(record.classes) for record in open_split(trained))


def test_speed_is_measured_as_a_detector_is_used_and_study_goes_through_sizes(capsys, trained, tmp_path, monkeypatch):
    how = val(capsys, trained, tmp_path, "--task", "speed")["settings"]
    assert (how["conf_thres"], how["iou_thres"], how["square"]) == (0.25, 0.45, True)
    monkeypatch.setattr("boxwright.runs.evaluation.study.SIZES", (64, 96))
    rows = val(capsys, trained, tmp_path, "--task", "study")["study"]
    assert [row["imgsz"] for row in rows] == [64, 96]


def test_half_precision_is_used_where_the_first_images_say_the_same_in_it_and_the_choice_is_told(trained, monkeypatch):
    monkeypatch.setattr("boxwright.system.precision.cpu_has_bf16", lambda: True)
    opened = open_evaluation(ValSettings(run=str(trained), threads=1, workers=0)).under(precision="fp32")
    monkeypatch.setattr("boxwright.runs.evaluation.open_evaluation.MAX_HALF_DIFFERENCE", 1.0)
    chosen = with_half(opened)
    assert chosen.plan.precision == "bf16"
    assert "validated in bf16" in chosen.notes[-1]
    row = opened.detectors[0].model[0]
    row.register_forward_hook(
        lambda _row, _inputs, said: torch.zeros_like(said) if torch.is_autocast_enabled("cpu") else said
    )
    monkeypatch.setattr("boxwright.runs.evaluation.open_evaluation.MAX_HALF_DIFFERENCE", 0.0)
    refused = with_half(opened)
    assert (refused.plan.precision, "validated in fp32" in refused.notes[-1]) == ("fp32", True)
    assert refused.plan.shown()["half_difference"] > 0
    monkeypatch.setattr("boxwright.system.precision.cpu_has_bf16", lambda: False)
    assert with_half(opened).plan == opened.plan


def test_intervals_hold_the_number_that_is_printed(capsys, trained, tmp_path):
    found = val(capsys, trained, tmp_path, "--ci", "50")
    one = found["intervals"]["metrics/mAP_0.5:0.95"]
    assert one["value"] == pytest.approx(found["metrics"]["metrics/mAP_0.5:0.95"], abs=1e-12)
    assert found["intervals"]["rounds"] == 50
    assert one["low"] <= one["high"]


def test_the_checkpoint_knows_a_threshold_for_each_class(trained):
    thresholds = read_tensors(trained / "weights" / "best.pt")["thresholds"]
    assert set(thresholds) <= {"red", "blue", "green"}
    assert thresholds
    assert all(0 <= value <= 1 for value in thresholds.values())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metrics/mAP_05", "Did you mean 'metrics/mAP_0.5"),
        ("fitness fitness", "is no part of a sum"),
        ("", "nothing is named"),
        ("1..5*fitness", "no number"),
    ],
)
def test_what_best_is_chosen_by_has_to_exist(capsys, trained, tmp_path, text, says):
    code = run(
        "train",
        "--data",
        str(trained.parent.parent / "data" / "data.yaml"),
        "--cfg",
        "yolov5n",
        "--best-by",
        text,
        "--project",
        str(tmp_path / "new"),
    )
    assert code == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_sum_of_logged_numbers_is_what_best_is_chosen_by():
    judge = best_by("0.5*metrics/recall + coco/AP - 2*val/box_loss")
    assert judge({"metrics/recall": 0.4, "coco/AP": 0.3, "val/box_loss": 0.1}) == pytest.approx(0.2 + 0.3 - 0.2)


def test_the_best_by_other_numbers_is_kept_beside_the_best(capsys, trained, tmp_path):
    ended = [event["results"] for event in events(trained) if event["event"] == "EpochEnded"]
    kept = read_tensors(trained / "weights" / "best_coco-AP.pt")
    assert kept["bests"]["coco-AP"] == max(one["coco/AP"] for one in ended)
    assert read_tensors(trained / "weights" / "best_0-fitness-val-box_loss.pt")["bests"][
        "0-fitness-val-box_loss"
    ] == -min(one["val/box_loss"] for one in ended)
    mine = val(capsys, trained / "weights" / "best_coco-AP.pt", tmp_path)
    assert mine["metrics"]["coco/AP"] == kept["bests"]["coco-AP"]

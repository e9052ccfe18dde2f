# SPDX-License-Identifier: Apache-2.0
"""What a trained network is good for.

The number of its training again, detections on images, and the same from Python.
"""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import boxwright
from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.errors import DataError, UserError
from boxwright.track.sinks.results_table import read
from tests.support.commands import command, contents, done
from tests.support.datasets import NAMES, SIZES_WH, picture

SCORES = ("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95")
LOW = 0.0005  # a network of 24 steps is sure of nothing: all it says counts


@pytest.fixture
def images(trained) -> Path:
    return trained.ground.data.parent / "images" / "val"


def predicted(trained, *words: str | Path) -> list[dict]:
    return json.loads(done("predict", "--weights", trained.best, *words, "--json").out)["images"]


# -- val


@pytest.mark.parametrize("given", ["best", "folder"])
def test_val_repeats_the_logged_number_to_the_last_digit(trained, given):
    document = json.loads(done("val", trained.best if given == "best" else trained.folder, "--noplots", "--json").out)
    record = json.loads((trained.folder / "done.json").read_text())
    assert {key: document["metrics"][key] for key in SCORES} == {key: record["results"][key] for key in SCORES}
    row = {key: values[record["best_epoch"]] for key, values in read(trained.folder / "results.csv").items()}
    assert {key: float(f"{document['metrics'][key]:.5g}") for key in SCORES} == {key: row[key] for key in SCORES}
    assert record["results"]["metrics/mAP_0.5"] > 0, (
        "the training has to have learnt something, else this proves nothing"
    )


def test_val_does_not_depend_on_batch_or_loader_threads(trained):
    one, other = (
        json.loads(done("val", trained.best, "--noplots", "--workers", n, "--json").out)["metrics"] for n in (0, 3)
    )
    assert one == other


def test_val_says_for_every_class_what_it_found(trained):
    said = done("val", trained.best)
    rows = {line.split()[0]: line.split() for line in said.lines if len(line.split()) == 7}
    assert set(rows) == {"Class", "all", *NAMES}
    assert rows["all"][1:3] == ["6", "12"]
    assert sum(int(rows[name][2]) for name in NAMES) == 12
    folder = Path(said.lines[-1].removeprefix("results in "))
    assert {path.name for path in folder.iterdir()} >= {"PR_curve.png", "confusion_matrix.png", "metrics.json"}
    document = json.loads((folder / "metrics.json").read_text())
    assert [one["name"] for one in document["classes"]] == list(NAMES)


def test_val_on_another_split_and_size_is_another_number(trained):
    usual = json.loads(done("val", trained.best, "--noplots", "--json").out)
    train = json.loads(done("val", trained.best, "--noplots", "--task", "train", "--imgsz", 96, "--json").out)
    assert train["settings"] | {"split": "val", "imgsz": 64} == usual["settings"]
    assert train["metrics"] != usual["metrics"]


# -- predict


def test_predict_writes_a_picture_and_a_label_file_for_every_image(trained, images):
    said = done(
        "predict",
        "--weights",
        trained.folder,
        "--source",
        images,
        "--conf-thres",
        LOW,
        "--save-txt",
        "--save-conf",
        "--save-json",
    )
    folder = Path(said.lines[-1].removeprefix("results in "))
    names = sorted(path.name for path in images.iterdir())
    assert sorted(path.name for path in folder.glob("*.png")) == names
    assert sum(len((folder / "labels" / name).with_suffix(".txt").read_text()) for name in names) > 0
    records = json.loads((folder / "predictions.json").read_text())
    for record, name in zip(records, names, strict=True):
        assert Path(record["path"]).name == name
        with Image.open(folder / name) as drawn, Image.open(images / name) as plain:
            assert list(drawn.size) == record["size_wh"] == list(plain.size)
            assert (np.asarray(drawn) != np.asarray(plain)).any() == bool(record["detections"])
        rows = np.loadtxt((folder / "labels" / name).with_suffix(".txt"), ndmin=2).reshape(-1, 6)
        width, height = record["size_wh"]
        corners = np.concatenate((rows[:, 1:3] - rows[:, 3:5] / 2, rows[:, 1:3] + rows[:, 3:5] / 2), axis=1) * (
            width,
            height,
            width,
            height,
        )
        assert rows[:, 0].tolist() == [one["class"] for one in record["detections"]]
        np.testing.assert_allclose(rows[:, 5], [one["score"] for one in record["detections"]], atol=1e-6)
        np.testing.assert_allclose(
            corners, np.reshape([one["box_xyxy_px"] for one in record["detections"]], (-1, 4)), atol=1e-3
        )


def test_predict_takes_files_folders_and_lists_alike(trained, images):
    names = sorted(images.iterdir())
    Path("list.txt").write_text("".join(f"{name}\n" for name in names))
    by_folder = predicted(trained, "--source", images, "--nosave")
    assert [record["path"] for record in by_folder] == [str(name) for name in names]
    assert predicted(trained, "--source", *names, "--nosave") == by_folder
    assert predicted(trained, "--source", "list.txt", "--nosave") == by_folder
    assert not Path("runs").exists(), "--nosave leaves nothing"


def test_predict_keeps_only_what_was_asked_for(trained, images):
    every = [
        one
        for record in predicted(trained, "--source", images, "--nosave", "--conf-thres", LOW)
        for one in record["detections"]
    ]
    some = [
        one
        for record in predicted(trained, "--source", images, "--nosave", "--conf-thres", LOW, "--classes", "red")
        for one in record["detections"]
    ]
    assert {one["name"] for one in some} == {"red"} < {one["name"] for one in every}
    bar = float(np.median([one["score"] for one in every]))
    sure = [
        one
        for record in predicted(trained, "--source", images, "--nosave", "--conf-thres", bar)
        for one in record["detections"]
    ]
    assert 0 < len(sure) < len(every)
    assert min(one["score"] for one in sure) >= bar


def test_predict_leaves_out_what_it_cannot_read_names_it_and_goes_on(trained, images, tmp_path):
    shutil.copytree(images, tmp_path / "mixed")
    (tmp_path / "mixed" / "001.png").write_bytes(b"no picture")
    before = contents(tmp_path / "mixed")
    said = command("predict", "--weights", trained.best, "--source", tmp_path / "mixed")
    assert said.code == 0
    assert said.err == f"warning: {tmp_path / 'mixed' / '001.png'}: not an image of a known format; left out\n"
    assert "5 images, " in said.out
    assert contents(tmp_path / "mixed") == before


# -- Python


def test_the_face_gives_the_detections_of_the_command(trained, images):
    model = boxwright.load(trained.best)
    assert model.names == NAMES
    paths = sorted(images.iterdir())
    found = [model(path, min_score=LOW) for path in paths]
    assert [one.records() for one in found] == [
        record["detections"] for record in predicted(trained, "--source", images, "--nosave", "--conf-thres", LOW)
    ]
    assert sum(map(len, found)) > 0


def test_a_path_an_array_and_a_tensor_of_one_image_are_the_same_image(trained, images):
    model = boxwright.load(trained.best)
    path = images / "000.png"
    array = np.array(Image.open(path))
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    wanted = model(path, min_score=LOW).numpy()
    assert len(wanted)
    for image in (str(path), array, tensor, tensor.float() / 255):
        np.testing.assert_array_equal(model(image, min_score=LOW).numpy(), wanted)


def test_a_list_of_images_gives_a_list_of_detections(trained):
    model = boxwright.load(trained.folder / "weights" / "best.pt", imgsz=64)
    several = [picture(number, SIZES_WH[number % 4])[0] for number in range(3)]
    found = model(several, min_score=LOW)
    assert [one.size_hw for one in found] == [image.shape[:2] for image in several]
    for image, one in zip(several, found, strict=True):
        assert np.array_equal(one.numpy(), model(image, min_score=LOW).numpy())


def test_detections_are_filtered_counted_turned_into_arrays_and_drawn(trained, images):
    found = boxwright.load(trained.best)(images / "000.png", min_score=LOW)
    assert len(found) > 1
    assert (np.diff(found.scores) <= 0).all(), "the best come first"
    red = found.filter(classes=["red"], min_score=float(np.median(found.scores)))
    assert set(red.classes.tolist()) <= {0}
    assert sum(found.counts().values()) == len(found) == len(list(found))
    rows = found.numpy()
    assert rows.shape == (len(found), 6)
    assert rows.dtype == np.float32
    height, width = found.size_hw
    assert (rows[:, :4] >= 0).all()
    assert (rows[:, [0, 2]] <= width).all()
    assert (rows[:, [1, 3]] <= height).all()
    plain = np.array(Image.open(images / "000.png"))
    drawn = draw_boxes(plain, found.boxes_xyxy_px, ["box"] * len(found), [colour(int(c)) for c in found.classes])
    assert drawn.shape == plain.shape
    assert (drawn != plain).any()


def test_training_and_validating_from_python_are_the_verbs(trained, tmp_path):
    ground = trained.ground
    result = boxwright.train(
        data=str(ground.data),
        cfg=str(ground.cfg),
        hyp="small-data",
        imgsz=64,
        batch_size=4,
        epochs=2,
        workers=2,
        device="cpu",
        noplots=True,
        project=str(tmp_path / "runs"),
    )
    assert result.folder == tmp_path / "runs" / "exp"
    assert (result.epochs_done, result.reason) == (2, "done")
    document = boxwright.validate(result.best)
    assert {key: document["metrics"][key] for key in SCORES} == {key: result.results[key] for key in SCORES}
    assert [document.precision, document.recall, document.map50, document.map50_95] == [
        result.results[key] for key in SCORES
    ]
    assert document.fitness == pytest.approx(0.1 * document.map50 + 0.9 * document.map50_95)
    assert [one.name for one in document.classes] == list(NAMES)
    assert np.mean([one.map50_95 for one in document.classes]) == pytest.approx(document.map50_95)
    assert document.coco["AP"] == document["metrics"]["coco/AP"]
    assert set(document.speed_ms) >= {"inference", "NMS"}
    assert document.settings["imgsz"] == 64
    assert dict(document) == document.document
    assert document._repr_html_().count("<tr>") == 2 + len(NAMES)
    assert "map50_95=" in repr(document)
    command_line = json.loads(done("val", result.best, "--noplots", "--json").out)
    assert document["metrics"] == command_line["metrics"]


def test_the_verb_stays_a_function_when_the_room_of_its_name_is_imported():
    importlib.import_module("boxwright.engine.loop")
    first = boxwright.train
    assert first is boxwright.train
    assert first.__module__ == "boxwright.api"


def test_predicting_from_python_gives_the_detections_of_the_verb_and_writes_what_is_asked(trained, images, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    words = {"conf_thres": LOW, "project": tmp_path / "found", "batch": 4}
    found = boxwright.predict(trained.best, [images, tmp_path / "broken.png"], **words)
    records = predicted(trained, "--source", images, "--nosave", "--conf-thres", LOW)
    assert [one.records() for one in found] == [record["detections"] for record in records]
    assert [one["path"] for one in found.left_out] == [str(tmp_path / "broken.png")]
    assert any("broken.png" in note for note in found.notes)
    assert found.folder is None
    assert not (tmp_path / "found").exists()
    assert found[0].plot().shape[:2] == found[0].size_hw
    again = boxwright.predict(trained.best, images, save_txt=True, name="texts", **words)
    assert again.folder == tmp_path / "found" / "texts"
    assert len(list((again.folder / "labels").iterdir())) == len(again)
    with pytest.raises(UserError, match=r"argument save_conf: .*Add save_txt=True"):
        boxwright.predict(trained.best, images, save_conf=True)


def test_exporting_from_python_says_where_the_files_are(trained, tmp_path):
    done = boxwright.export(trained.best, format="safetensors", out=tmp_path)
    assert [one.path for one in done.files] == [tmp_path / "best.safetensors"]
    assert boxwright.load(done.files[0].path).names == NAMES


def test_mistakes_in_python_are_errors_of_the_same_kind(trained, tmp_path):
    with pytest.raises(UserError, match=r"^boxwright.train: there is no argument 'epohcs'. Did you mean 'epochs'\?$"):
        boxwright.train(epohcs=3)
    with pytest.raises(UserError, match=r"argument data nope.yaml: there is no such file"):
        boxwright.train(data="nope.yaml")
    with pytest.raises(UserError, match="there is no such file"):
        boxwright.load(tmp_path / "nope.pt")
    model = boxwright.load(trained.best)
    with pytest.raises(DataError, match="can be opened"):
        model(tmp_path / "nope.jpg")
    with pytest.raises(DataError, match="is no picture"):
        model(np.zeros((4, 4, 7), np.uint8))


def test_a_data_set_opens_as_sequences_of_records(trained):
    splits = boxwright.open_data(trained.ground.data)
    assert set(splits) == {"train", "val"}
    assert len(splits["train"]) == 12
    for number, record in enumerate(splits["val"]):
        image, rows = picture(1000 + number, SIZES_WH[number % 4])
        assert record.size_wh == SIZES_WH[number % 4]
        np.testing.assert_array_equal(record.image_rgb(), image)
        np.testing.assert_array_equal(record.classes, rows[:, 0])
        np.testing.assert_allclose(record.boxes_cxcywh_norm, rows[:, 1:], atol=1e-6)
        assert all(len(outline) == 0 for outline in record.polygons)

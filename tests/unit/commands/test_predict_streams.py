# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict` as users of the family call it: streams, films, tables, windows, rectangles, names from data."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import boxwright
from boxwright.data.pixels.video import frames
from boxwright.errors import SettingError
from boxwright.system.files import WriteError
from boxwright.system.tensors import read_tensors, write_tensors
from boxwright.system.video_file import CODECS, NO_H264, VideoFile
from boxwright.system.window import NoWindowError, Window
from tests.support import datasets, exports
from tests.support.commands import command, done
from tests.support.mjpeg import Camera, serving

pytestmark = pytest.mark.slow

LEAST = ("--conf-thres", "0.0001", "--max-det", "5", "--threads", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint that answers to what it sees."""
    return exports.checkpoint(tmp_path_factory.mktemp("weights") / "tiny.pt", exports.live())


@pytest.fixture
def picture(tmp_path):
    """A file to look at, 96 wide and 64 high."""
    path = tmp_path / "a.png"
    Image.fromarray(exports.texture(1, (96, 64))).save(path)
    return path


def found(weights, *words):
    return json.loads(done("predict", weights, *LEAST, *words, "--json").out)


def film(path, count=6, size_hw=(48, 64)):
    made = VideoFile(path, 10.0)
    for number in range(count):
        made.add(exports.texture(number, size_hw[::-1]))
    made.close()
    return made.path


# -- streams


@pytest.mark.loopback
def test_a_stream_is_told_picture_by_picture_and_written_as_a_film(weights, tmp_path):
    with serving(Camera(pictures=4)) as address:
        said = done(
            "predict", weights, *LEAST, "--source", address, "--every-frame", "--reconnect", 0, "--project", tmp_path,
            "--save-json", "--save-csv",
        )  # fmt: skip
    assert [line.split(": ")[0] for line in said.lines[:4]] == [f"{address} frame {number}" for number in range(4)]
    assert said.lines[4] == f"{address}: broke off after 4 pictures (no more came)"
    assert said.lines[5].startswith(f"{address}: 4 pictures, ")
    assert said.lines[6].startswith("4 images, ")
    records = [json.loads(line) for line in (tmp_path / "exp" / "predictions.jsonl").read_text().splitlines()]
    assert [one["frame"] for one in records] == [0, 1, 2, 3]
    (made,) = (tmp_path / "exp").glob("*.mp4")
    assert made.stem.startswith("http_127_0_0_1_")
    assert len(list(frames(str(made), 1))) == 4
    assert len((tmp_path / "exp" / "predictions.csv").read_text().splitlines()) == 1 + sum(
        len(one["detections"]) for one in records
    )


@pytest.mark.loopback
def test_json_of_streams_stands_alone_on_stdout_and_files_come_first(weights, picture, tmp_path):
    with serving(Camera(pictures=4)) as one, serving(Camera(pictures=5)) as other:
        (tmp_path / "all.streams").write_text(f"{one}\n{other}\n")
        said = done(
            "predict", weights, *LEAST, "--source", tmp_path / "all.streams", picture, "--every-frame",
            "--reconnect", 0, "--nosave", "--json",
        )  # fmt: skip
    document = json.loads(said.out)
    assert [one["path"] for one in document["images"]] == [str(picture)]
    assert {one["path"]: one["pictures"] for one in document["streams"]} == {one: 4, other: 5}
    assert f"{one} frame 1: " in said.err


@pytest.mark.loopback
def test_a_stream_that_cannot_be_opened_is_one_line_and_leaves_no_folder(weights, tmp_path):
    with serving(Camera()) as address:
        said = command(
            "predict", weights, *LEAST, "--source", address.replace("video", "page"), "--project", tmp_path / "out"
        )
    assert said.code == 2
    assert said.err.startswith("error: --source: none of the 1 streams could be read (http://")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.loopback
def test_an_interrupt_finishes_the_film_and_says_how_far_it_came(weights, tmp_path):
    with serving(Camera(pictures=1_000_000)) as address:
        words = ["predict", weights, *LEAST, "--source", address, "--every-frame", "--project", tmp_path]
        work = subprocess.Popen(
            [sys.executable, "-u", "-m", "boxwright", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for line in work.stdout:
            if " frame 3: " in line:
                break
        work.send_signal(signal.SIGINT)
        _, err = work.communicate(timeout=60)
    assert work.returncode == 130
    assert err.startswith(f"stopped; {address}: ")
    assert err.strip().endswith(f"results in {tmp_path / 'exp'}")
    (made,) = (tmp_path / "exp").glob("*.mp4")
    assert len(list(frames(str(made), 1))) >= 4


@pytest.mark.loopback
def test_in_python_a_stream_is_gone_through_and_never_waited_for(weights):
    model = boxwright.load(weights, device="cpu", threads=1)
    with serving(Camera(pictures=3)) as address:
        one_by_one = list(model.stream(address, min_score=0.0001, max_det=3, every_frame=True, reconnect=0))
        with pytest.raises(SettingError, match="is a stream, and may have no end"):
            boxwright.predict(weights, address)
    assert [one.frame for one in one_by_one] == [0, 1, 2]
    assert one_by_one[2].plot().shape == (48, 64, 3)
    with pytest.raises(SettingError, match="names no stream"):
        model.stream("a.jpg")
    with pytest.raises(SettingError, match="argument vid_stride: is 0"):
        model.stream(0, vid_stride=0)


# -- films


@pytest.mark.parametrize("ending", [".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg"])
def test_a_film_keeps_its_name_and_its_container(weights, tmp_path, ending):
    source = tmp_path / f"street{ending}"
    for number in range(3):
        if number == 0:
            made = VideoFile(source, 25.0)
        made.add(exports.texture(number, (64, 48)))
    made.close()
    assert made.path == source
    found(weights, "--source", source, "--project", tmp_path)
    assert [path.name for path in (tmp_path / "exp").iterdir()] == [source.name]
    assert len(list(frames(str(tmp_path / "exp" / source.name), 1))) == 3


def test_two_films_of_one_name_have_a_file_each(weights, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        film(tmp_path / name / "street.mp4", 2)
    found(weights, "--source", *(tmp_path / name / "street.mp4" for name in ("one", "two")), "--project", tmp_path)
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == ["street.mp4", "street_2.mp4"]


def test_the_codec_that_had_to_do_is_said_once(weights, tmp_path):
    film(tmp_path / "a.mp4", 2)
    film(tmp_path / "b.mov", 2)
    said = done("predict", weights, *LEAST, "--source", tmp_path / "a.mp4", tmp_path / "b.mov", "--project", tmp_path)
    probe = VideoFile(tmp_path / "probe.mp4", 10)
    probe.add(np.zeros((32, 32, 3), np.uint8))
    probe.close()
    assert said.err.count(NO_H264) == (1 if probe.notes else 0)
    assert all(line.startswith("warning: ") for line in said.err.splitlines())


def test_a_container_that_cannot_be_written_becomes_mp4_and_says_so(tmp_path):
    made = VideoFile(tmp_path / "moving.gif", 10)
    made.add(np.zeros((32, 32, 3), np.uint8))
    made.close()
    assert made.path.name == "moving.mp4"
    assert made.notes[0] == "moving.gif is written as moving.mp4: its container cannot be written here"
    assert ".gif" not in CODECS
    with pytest.raises(WriteError, match="cannot be written as a film"):
        VideoFile(tmp_path / "nowhere" / "a.mp4", 10).add(np.zeros((32, 32, 3), np.uint8))


# -- what is written and shown


def test_a_table_holds_every_detection_and_no_formula(tmp_path, picture):
    path = exports.checkpoint(tmp_path / "tiny.pt", exports.live())
    stored = read_tensors(path)
    write_tensors(path, stored | {"names": ["=cmd()", "b,c", "green"]})
    seen = found(path, "--source", picture, "--save-csv", "--nosave", "--project", tmp_path)
    records = seen["images"][0]["detections"]
    assert records
    with (tmp_path / "exp" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:3] == ["Image Name", "Prediction", "Confidence"]
    assert [(row["Image Name"], int(row["Class"])) for row in rows] == [("a.png", one["class"]) for one in records]
    assert {row["Prediction"] for row in rows} <= {"'=cmd()", "b,c", "green"}
    assert [float(row["Confidence"]) for row in rows] == pytest.approx([one["score"] for one in records], abs=1e-6)


def test_label_files_hold_corners_where_that_is_asked_for(weights, picture, tmp_path):
    one = found(weights, "--source", picture, "--save-txt", "--save-format", 1, "--nosave", "--project", tmp_path)
    rows = [line.split() for line in (tmp_path / "exp" / "labels" / "a.txt").read_text().splitlines()]
    wanted = [[one["class"], *one["box_xyxy_px"]] for one in one["images"][0]["detections"]]
    assert np.array(rows, float) == pytest.approx(np.array(wanted), abs=0.006)
    said = command("predict", weights, "--source", picture, "--save-format", 1)
    assert "--save-format: it says what stands in label files, and none are written. Add --save-txt" in said.err


def test_a_window_that_cannot_be_opened_is_one_line_and_the_work_goes_on(weights, picture, tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoWindowError, match=r"no Tk|display"):
        Window("test")
    said = done("predict", weights, *LEAST, "--source", picture, "--view-img", "--project", tmp_path)
    assert said.err.count("--view-img: no window can be opened here (") == 1
    assert (tmp_path / "exp" / "a.png").is_file()


def test_names_of_data_serve_where_weights_have_numbers(tmp_path, picture, weights):
    (tmp_path / "birds.yaml").write_text("train: x\nval: x\nnames: [robin, wren, owl]\n")
    path = exports.checkpoint(tmp_path / "numbers.pt", exports.live())
    write_tensors(path, read_tensors(path) | {"names": ["0", "1", "2"]})
    words = ("--source", picture, "--nosave", "--data", tmp_path / "birds.yaml")
    assert {one["name"] for one in found(path, *words)["images"][0]["detections"]} <= {"robin", "wren", "owl"}
    said = done("predict", weights, *LEAST, *words)
    assert "has no effect: the weights name their classes (it says robin for " in said.err
    (tmp_path / "birds.yaml").write_text("train: x\nval: x\nnames: [robin, wren]\n")
    assert "names 2 classes, and the network tells 3 apart" in command("predict", path, *words).err


# -- sizes


def test_height_and_width_are_the_largest_canvas(weights, picture):
    low = found(weights, "--source", picture, "--nosave", "--imgsz", 128, 64)
    model = boxwright.load(weights, device="cpu", imgsz=(128, 64), threads=1)
    shapes = []
    model.predictor.network.members[0].register_forward_pre_hook(lambda _, given: shapes.append((*given[0].shape[2:],)))
    again = model(picture, min_score=0.0001, max_det=5)
    assert shapes == [(64, 64)]  # 96 wide and 64 high, made 64 wide and 43 high
    assert [one["score"] for one in again] == [one["score"] for one in low["images"][0]["detections"]]


def test_a_file_of_height_and_width_takes_these_alone(weights, picture, tmp_path):
    words = ("--format", "torchscript", "--imgsz", 64, 96, "--out", tmp_path, "--threads", 1)
    done("export", weights, *words)
    exported = tmp_path / "tiny.torchscript"
    seen = found(exported, "--source", picture, "--nosave")["images"][0]["detections"]
    own = boxwright.load(weights, device="cpu", imgsz=(64, 96), threads=1)(picture, min_score=0.0001, max_det=5)
    assert [one["score"] for one in seen] == pytest.approx([one["score"] for one in own], abs=1e-5)
    said = command("predict", exported, "--source", picture, "--nosave", "--imgsz", 96, 64)
    assert "takes images of 64 x 96 pixels alone. Leave --imgsz out" in said.err
    assert "a validation needs squares" in command("val", exported, "--data", "sample").err


def test_old_operators_are_written_where_they_are_asked_for(weights, tmp_path):
    onnx = pytest.importorskip("onnx")
    said = done("export", weights, "--format", "onnx", "--opset", 13, "--nms", "--imgsz", 64, "--out", tmp_path,
                "--threads", 1, "--simplify", "--device", 0)  # fmt: skip
    assert onnx.load(tmp_path / "tiny.onnx").opset_import[0].version == 13
    assert said.err.count("has no effect here") == 2
    said = command("export", weights, "--format", "torchscript", "--opset", 13, "--out", tmp_path)
    assert "--opset: it is for onnx files, and none is written" in said.err
    assert "Give a whole number from 13 to 17" in command("export", weights, "--format", "onnx", "--opset", 12).err


# -- run folders


def test_a_run_folder_stands_for_its_best_weights_wherever_weights_are_named(weights, tmp_path):
    run = tmp_path / "exp"
    (run / "weights").mkdir(parents=True)
    (run / "weights" / "best.pt").write_bytes(weights.read_bytes())
    told = done("weights", "inspect", run, "--json")
    assert json.loads(told.out)["tensors"] == json.loads(done("weights", "inspect", weights, "--json").out)["tensors"]
    data = datasets.write(tmp_path / "data", train=2, val=2)
    words = (
        "train",
        "--data",
        data,
        "--dry-run",
        "--imgsz",
        64,
        "--batch",
        2,
        "--workers",
        0,
        "--threads",
        1,
        "--weights",
    )
    assert f"from {run / 'weights' / 'best.pt'}" in done(*words, run).out
    said = command(*words, tmp_path)
    what = "is a folder, and no run: there is no weights/best.pt in it. Give a run folder or a weights file"
    assert said.err == f"error: --weights {tmp_path}: {what}\n"

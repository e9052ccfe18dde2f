# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict`: every kind of source, every kind of result."""

from __future__ import annotations

import io
import json
import weakref

import cv2
import numpy as np
import pytest
from PIL import Image

from boxwright import cli
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.video import frames
from boxwright.infer.sources import frames_of
from boxwright.system.video_file import VideoFile
from tests.support import datasets

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has learned a little, and images to look at."""
    folder = tmp_path_factory.mktemp("predict")
    data, model = datasets.write(folder / "data", train=16, val=6), datasets.write_model(folder)
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
        "2",
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
    assert cli.main([*map(str, words)]) == 0
    return folder


def predict(capsys, trained, out, *words) -> dict:
    capsys.readouterr()
    fixed = [
        "predict",
        "--weights",
        trained / "runs" / "exp",
        "--project",
        out,
        "--threads",
        "1",
        "--conf-thres",
        "0.0001",
    ]
    assert cli.main([*map(str, [*fixed, *words]), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_files_folders_patterns_and_list_files_lead_to_the_same_images(capsys, trained, tmp_path):
    folder = trained / "data" / "images" / "val"
    files = sorted(folder.glob("*.png"))
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in files))
    wanted = [str(path) for path in files]
    for source in ([folder], [folder / "*.png"], [tmp_path / "list.txt"], files):
        assert [
            one["path"] for one in predict(capsys, trained, tmp_path, "--nosave", "--source", *source)["images"]
        ] == wanted


def test_paths_may_come_on_standard_input(capsys, trained, tmp_path, monkeypatch):
    path = trained / "data" / "images" / "val" / "000.png"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{path}\n\n"))
    assert [one["path"] for one in predict(capsys, trained, tmp_path, "--nosave", "--source", "-")["images"]] == [
        str(path)
    ]


def test_a_picture_is_let_go_before_the_next_one_is_opened(capsys, trained, tmp_path, monkeypatch):
    """Of the largest pictures two at a time do not fit into memory."""
    seen: list[weakref.ref[np.ndarray]] = []

    def one_by_one(*arguments):
        opened = iter(frames_of(*arguments))
        while True:
            assert all(pixels() is None for pixels in seen)
            found = list(next(opened, ()))
            if not found:
                return
            seen.append(weakref.ref(found[1]))
            yield found.pop(0), found.pop()

    monkeypatch.setattr("boxwright.runs.prediction.predict.frames_of", one_by_one)
    predict(capsys, trained, tmp_path, "--nosave", "--source", trained / "data" / "images" / "val")
    assert len(seen) > 2


def test_many_images_at_once_are_detected_as_one_by_one(capsys, trained, tmp_path):
    folder = trained / "data" / "images" / "val"
    alone = [
        predict(capsys, trained, tmp_path, "--nosave", "--source", path)["images"][0]
        for path in (folder / "000.png", folder / "004.png")
    ]
    together = predict(
        capsys, trained, tmp_path, "--nosave", "--batch", 2, "--source", folder / "000.png", folder / "004.png"
    )["images"]
    for one, other in zip(alone, together, strict=True):
        assert len(one["detections"]) == len(other["detections"])
        assert [d["score"] for d in one["detections"]] == pytest.approx(
            [d["score"] for d in other["detections"]], abs=1e-4
        )


def test_labels_crops_and_json_are_written(capsys, trained, tmp_path):
    path = trained / "data" / "images" / "val" / "000.png"
    found = predict(
        capsys,
        trained,
        tmp_path,
        "--save-txt",
        "--save-conf",
        "--save-crop",
        "--save-json",
        "--max-det",
        5,
        "--source",
        path,
    )
    out = tmp_path / "exp"
    detections = found["images"][0]["detections"]
    assert detections
    lines = (out / "labels" / "000.txt").read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == [one["class"] for one in detections]
    assert all(len(line.split()) == 6 for line in lines)
    assert {path.parent.name for path in (out / "crops").rglob("*.jpg")} <= {one["name"] for one in detections}
    assert json.loads((out / "predictions.json").read_text()) == found["images"]
    with Image.open(out / "000.png") as drawn:
        assert drawn.size == tuple(found["images"][0]["size_wh"])


def test_what_each_row_of_the_network_says_is_drawn_for_every_picture_of_a_batch(capsys, trained, tmp_path):
    folder = trained / "data" / "images" / "val"
    plain = predict(
        capsys, trained, tmp_path, "--nosave", "--batch", 2, "--source", folder / "000.png", folder / "001.png"
    )
    shown = predict(
        capsys,
        trained,
        tmp_path,
        "--nosave",
        "--batch",
        2,
        "--visualize",
        "--source",
        folder / "000.png",
        folder / "001.png",
    )
    assert shown["images"] == plain["images"]
    rows = [sorted(path.name for path in (tmp_path / "exp" / "features" / name).iterdir()) for name in ("000", "001")]
    assert rows[0] == rows[1]
    assert [name[:6] for name in rows[0]] == [f"row_{number:02}" for number in range(len(rows[0]))]
    first, second = ((tmp_path / "exp" / "features" / name / rows[0][0]).read_bytes() for name in ("000", "001"))
    assert first != second
    with Image.open(tmp_path / "exp" / "features" / "000" / rows[0][0]) as sheet:
        assert sheet.width > sheet.height > 100


def test_half_precision_is_used_where_there_is_one_and_said_where_there_is_none(capsys, trained, tmp_path, monkeypatch):
    path = trained / "data" / "images" / "val" / "000.png"
    full = predict(capsys, trained, tmp_path, "--nosave", "--source", path)["images"][0]["detections"]
    monkeypatch.setattr("boxwright.system.precision.cpu_has_bf16", lambda: True)
    half = predict(capsys, trained, tmp_path, "--nosave", "--half", "--source", path)["images"][0]["detections"]
    assert half != full
    assert half[0]["score"] == pytest.approx(full[0]["score"], abs=0.05)
    monkeypatch.setattr("boxwright.system.precision.cpu_has_bf16", lambda: False)
    assert predict(capsys, trained, tmp_path, "--nosave", "--half", "--source", path)["images"][0]["detections"] == full
    assert (
        cli.main(["predict", "--weights", str(trained / "runs" / "exp"), "--nosave", "--half", "--source", str(path)])
        == 0
    )
    assert "no half precision; float32 is used" in "".join(capsys.readouterr())


def film(path, count=7):
    made = VideoFile(path, 10.0)
    for number in range(count):
        made.add(np.full((48, 64, 3), number * 30, np.uint8))
    made.close()
    return path


def test_a_video_is_a_film_again_with_every_so_manyth_frame(capsys, trained, tmp_path):
    source = film(tmp_path / "street.mp4")
    found = predict(capsys, trained, tmp_path, "--vid-stride", 3, "--save-txt", "--source", source)
    assert [one["frame"] for one in found["images"]] == [0, 3, 6]
    assert sorted(path.name for path in (tmp_path / "exp" / "labels").iterdir()) == [
        "street_0.txt",
        "street_3.txt",
        "street_6.txt",
    ]
    made = list(frames(str(tmp_path / "exp" / "street.mp4"), 1))
    assert len(made) == 3
    assert made[0][2].shape == (48, 64, 3)
    assert made[0][1] == pytest.approx(10 / 3, rel=0.01)


def test_a_file_that_is_no_video_is_named_and_left_out(capsys, trained, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(BrokenImageError):
        list(frames(str(tmp_path / "broken.mp4"), 1))
    path = trained / "data" / "images" / "val" / "000.png"
    predict(capsys, trained, tmp_path, "--nosave", "--source", tmp_path / "broken.mp4", path)
    assert (
        cli.main(
            [
                "predict",
                "--weights",
                str(trained / "runs" / "exp"),
                "--nosave",
                "--source",
                str(tmp_path / "broken.mp4"),
            ]
        )
        == 2
    )
    assert "none of the 1 images could be read" in capsys.readouterr().err


@pytest.mark.parametrize(("source", "says"), [("nowhere.jpg", "no such file"), ("nothing/*.jpg", "no file matches")])
def test_a_source_that_is_not_there_is_one_line(capsys, trained, source, says):
    assert cli.main(["predict", "--weights", str(trained / "runs" / "exp"), "--source", source]) == 2
    assert says in capsys.readouterr().err


def test_pictures_are_the_same_every_time(capsys, trained, tmp_path):
    path = trained / "data" / "images" / "val" / "000.png"
    for name in ("one", "two"):
        predict(capsys, trained, tmp_path, "--name", name, "--source", path)
    first, second = (cv2.imread(str(tmp_path / name / "000.png")) for name in ("one", "two"))
    assert (first == second).all()
    assert (tmp_path / "one" / "000.png").read_bytes() == (tmp_path / "two" / "000.png").read_bytes()


def test_a_source_that_is_not_there_among_others_is_named_and_the_others_go_on(capsys, trained, tmp_path):
    path = trained / "data" / "images" / "val" / "000.png"
    (tmp_path / "empty").mkdir()
    gone = [tmp_path / "nowhere.jpg", tmp_path / "empty", tmp_path / "nothing*.jpg"]
    found = predict(capsys, trained, tmp_path, "--nosave", "--source", gone[0], path, *gone[1:])
    assert [one["path"] for one in found["images"]] == [str(path)]
    reasons = ["there is no such file or folder", "the folder holds no images", "no file matches this pattern"]
    assert found["left_out"] == [
        {"path": str(where), "reason": reason} for where, reason in zip(gone, reasons, strict=True)
    ]
    assert (
        cli.main(
            ["predict", "--weights", str(trained / "runs" / "exp"), "--nosave", "--source", str(gone[0]), str(path)]
        )
        == 0
    )
    shown = capsys.readouterr()
    assert f"warning: {gone[0]}: there is no such file or folder; left out" in shown.err
    assert "1 image, " in shown.out
    assert shown.out.splitlines()[-1].endswith(", 1 left out")

# SPDX-License-Identifier: Apache-2.0
"""Prediction with networks for other pictures than colour in 8 bits.

Read as in validation, drawn for eyes, refused in one line.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from boxwright import load
from boxwright.data.pixels.channels import Kind, for_eyes, of_picture, read_channels, read_pixels
from boxwright.data.pixels.image_files import BrokenImageError, resized
from boxwright.data.sampling.samples import Address, PlainSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import DataError
from boxwright.geometry.letterbox import fit
from boxwright.infer.predictor import placed
from boxwright.system.tensors import read_tensors
from boxwright.system.video_file import VideoFile
from tests.support import datasets
from tests.support.commands import Said, command, done
from tests.support.many_channels import write_many_channels

pytestmark = pytest.mark.slow

KINDS = {
    "four": (4, ".npy", "uint16"),
    "ten": (10, ".tif", "uint8"),
    "deep": (3, ".npy", "uint16"),
    "grey": (1, ".tif", "uint16"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder and its data for each kind, trained on first use."""
    made: dict[str, Path] = {}

    def run_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            data, model = write_many_channels(made[name] / "data", *KINDS[name]), datasets.write_model(made[name])
            words = [
                "train",
                "--data",
                data,
                "--cfg",
                model,
                "--epochs",
                1,
                "--imgsz",
                96,
                "--batch",
                4,
                "--device",
                "cpu",
                "--threads",
                1,
            ]
            done(*map(str, words), "--workers", "0", "--quiet", "--project", str(made[name] / "runs"))
        return made[name]

    return run_of


def predict(folder: Path, out: Path, *words: object) -> Said:
    usual = [
        "predict",
        "--weights",
        folder / "runs" / "exp",
        "--project",
        out,
        "--threads",
        1,
        "--conf-thres",
        0.0001,
        "--max-det",
        3,
    ]
    return command(*map(str, (*usual, *words)))


@pytest.mark.parametrize("name", KINDS)
def test_files_of_the_kind_of_the_training_are_found_read_and_drawn(trained, tmp_path, name):
    folder = trained(name)
    channels, suffix, depth = KINDS[name]
    said = predict(folder, tmp_path, "--source", folder / "data/images/val", "--save-txt", "--save-crop", "--batch", 2)
    assert said.code == 0, said.err
    assert said.lines[-2].startswith("4 images, ")
    assert f"{channels} channels of {depth}; pictures show the first " in said.err
    for number in range(4):
        drawn = np.asarray(Image.open(tmp_path / "exp" / f"{number:03}{suffix}.png"))
        width, height = datasets.SIZES_WH[number % 4]
        assert drawn.shape == (height, width, 3)
        assert (tmp_path / "exp/labels" / f"{number:03}.txt").read_text()
    assert list((tmp_path / "exp/crops").rglob("*.jpg"))
    assert read_tensors(folder / "runs/exp/weights/best.pt")["evaluation"]["dtype"] == depth


@pytest.mark.parametrize("name", KINDS)
def test_the_network_is_given_what_validation_gives_it(trained, name):
    folder = trained(name)
    dataset = read_dataset(folder / "data/data.yaml")
    index, kind = open_split(dataset, "val"), dataset.kind
    samples = PlainSamples(index, ImageStore(index, 96, smooth=True, kind=kind))
    out = np.zeros((kind.channels, 64, 96), kind.dtype)
    samples(Address(0, 0, 0, (64, 96)), out)
    assert index.sizes_wh[0].tolist() == [96, 64]
    mine = placed(
        read_pixels(index.paths[0], load(folder / "runs/exp").predictor.kind), fit((64, 96), (96, 96), stride=32), kind
    )
    assert np.array_equal(mine.transpose(2, 0, 1), out)
    assert mine.dtype == kind.dtype


def test_a_run_validates_and_reports_with_pictures(trained):
    folder = trained("ten")
    done("val", str(folder / "runs/exp"), "--errors", "--project", str(folder / "val"))
    done("report", str(folder / "runs/exp"))
    assert "data:image/jpeg" in (folder / "runs/exp/report.html").read_text()


def test_a_file_of_other_channels_is_one_line_and_counted_and_the_others_go_on(trained, tmp_path):
    folder = trained("four")
    good = folder / "data/images/val/000.npy"
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "colour.png")
    np.save(tmp_path / "seven.npy", np.zeros((7, 20, 20), np.uint16))
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}, None]), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.zeros(5, np.uint16))
    np.save(tmp_path / "floats.npy", np.full((4, 20, 20), 7.5))
    (tmp_path / "torn.npy").write_bytes(good.read_bytes()[:300])
    film = VideoFile(tmp_path / "film.mp4", 10)
    film.add(np.zeros((64, 64, 3), np.uint8))
    film.close()
    reasons = {
        "colour.png": "has 3 channels where 4 are wanted",
        "film.mp4": "has 3 channels where 4 are wanted",
        "flat.npy": "is an array of shape (5,)",
        "floats.npy": "holds values of type float64",
        "objects.npy": "is no array that can be read",
        "seven.npy": "channels where 4 are wanted",
        "torn.npy": "is no array that can be read",
    }
    said = predict(folder, tmp_path / "out", "--source", tmp_path, good, "--nosave", "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert [one["path"] for one in document["images"]] == [str(good)]
    assert [Path(one["path"]).name for one in document["left_out"]] == list(reasons)
    for one, reason in zip(document["left_out"], reasons.values(), strict=True):
        assert reason in one["reason"]
        assert f"{one['path']}: {one['reason']}; left out" in said.err
    assert "Traceback" not in said.err
    plain = predict(folder, tmp_path / "out", "--source", tmp_path / "seven.npy", good, "--nosave")
    assert plain.lines[-1].endswith(" ms each, 1 left out")


def test_nothing_but_files_of_other_channels_is_an_error_in_one_line(trained, tmp_path):
    np.save(tmp_path / "seven.npy", np.zeros((7, 20, 20), np.uint16))
    said = predict(trained("four"), tmp_path / "out", "--source", tmp_path)
    assert said.code == 2
    (line,) = (line for line in said.err.splitlines() if line.startswith("error"))
    assert "none of the 1 images could be read" in line
    assert not (tmp_path / "out").exists()


def test_a_colour_network_does_not_look_for_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 20, 3), np.uint8))
    data, model = datasets.write(tmp_path / "data"), datasets.write_model(tmp_path)
    words = [
        "--data",
        data,
        "--cfg",
        model,
        "--epochs",
        1,
        "--imgsz",
        64,
        "--batch",
        4,
        "--device",
        "cpu",
        "--workers",
        0,
        "--noplots",
        "--quiet",
    ]
    done("train", *map(str, words), "--project", str(tmp_path / "runs"))
    said = predict(tmp_path, tmp_path / "out", "--source", tmp_path / "a.npy")
    assert said.code == 2
    assert "is an array of NumPy, not a picture this program reads" in said.err


def test_films_and_colour_pictures_go_into_a_grey_network_by_their_brightness(trained, tmp_path):
    colours = np.zeros((64, 64, 3), np.uint8)
    colours[:, :] = (200, 100, 50)
    Image.fromarray(colours).save(tmp_path / "a.png")
    film = VideoFile(tmp_path / "film.mp4", 10)
    for _ in range(3):
        film.add(colours)
    film.close()
    said = predict(trained("grey"), tmp_path / "out", "--source", tmp_path)
    assert said.code == 0, said.err
    assert said.lines[-2].startswith("4 images, ")
    brightness = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50) * 257
    assert (of_picture(colours, Kind(1, "uint16")) == brightness).all()
    assert (read_channels(str(tmp_path / "a.png"), Kind(1, "uint16")) == brightness).all()


def test_the_python_face_takes_paths_arrays_and_tensors_of_all_channels(trained):
    folder = trained("four")
    model = load(folder / "runs/exp", device="cpu")
    path = folder / "data/images/val/000.npy"
    array = np.load(path)  # channels first, as it was written
    given = [path, array.transpose(1, 2, 0), torch.from_numpy(array)]
    found = [one.numpy() for one in model(given, min_score=0.0001)]
    assert len(found[0])
    assert all(np.array_equal(found[0], one) for one in found[1:])
    shares = model(array.transpose(1, 2, 0) / 65535, min_score=0.0001).numpy()
    np.testing.assert_allclose(shares, model(path, min_score=0.0001).numpy(), atol=1e-4)
    for wrong in (array[:3].transpose(1, 2, 0), array[0], np.zeros((20, 20, 3), np.uint8), np.zeros(4, np.uint16)):
        with pytest.raises(DataError, match=r"channels where 4 are wanted|no picture"):
            model(wrong)
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "colour.png")
    with pytest.raises(DataError, match=r"colour\.png: has 3 channels where 4 are wanted"):
        model(folder / "colour.png")


def test_one_grey_array_is_enough_for_a_network_of_one_channel(trained):
    model = load(trained("grey") / "runs/exp", device="cpu")
    plane = np.random.default_rng(3).integers(0, 65535, (64, 96), dtype=np.uint16)
    assert np.array_equal(model(plane, min_score=0.0001).numpy(), model(plane[..., None], min_score=0.0001).numpy())


# -- pixels


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 10, 128, 200])
@pytest.mark.parametrize("smooth", [True, False])
def test_any_number_of_channels_changes_size_as_single_ones_do(channels, smooth):
    image = np.random.default_rng(channels).integers(0, 256, (40, 50, channels), dtype=np.uint8)
    for size in ((20, 31), (60, 70)):
        alone = np.stack(
            [resized(np.ascontiguousarray(image[..., one]), size, smooth=smooth) for one in range(channels)], axis=2
        )
        apart = np.abs(resized(image, size, smooth=smooth).reshape(*size, -1).astype(int) - alone)
        assert apart.max() <= 1


def test_eyes_see_three_channels_of_eight_bits():
    channels = np.arange(5, dtype=np.uint16)[None, None] * 256 + 255 + np.zeros((2, 3, 1), np.uint16)
    assert np.array_equal(for_eyes(channels), np.broadcast_to(np.arange(3, dtype=np.uint8), (2, 3, 3)))
    assert np.array_equal(for_eyes(channels[..., 3:]), np.full((2, 3, 3), 3, np.uint8))
    assert for_eyes(channels).flags.c_contiguous
    with pytest.raises(BrokenImageError, match="has 5 channels where 4 are wanted"):
        of_picture(channels, Kind(4, "uint16"))


def test_a_picture_with_alpha_is_four_channels_or_colour(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    assert np.array_equal(read_channels(str(tmp_path / "a.png"), Kind(4, "uint8")), pixels)
    assert np.array_equal(
        read_channels(str(tmp_path / "a.png"), Kind(3, "uint16")), pixels[..., :3].astype(np.uint16) * 257
    )
    cv2.imwrite(str(tmp_path / "b.png"), pixels[..., 0])
    assert np.array_equal(read_channels(str(tmp_path / "b.png"), Kind(1, "uint8"))[..., 0], pixels[..., 0])

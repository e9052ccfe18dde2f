# SPDX-License-Identifier: Apache-2.0
"""What can be given to a model: every form of one image is the same, and what could mean two things is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from boxwright.data.pixels.channels import USUAL, Kind
from boxwright.errors import DataError, SettingError
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.given_images import pixels_of
from boxwright.infer.loaded_model import Model
from boxwright.infer.predictor import Predictor
from boxwright.system.precision import Precision
from tests.support.datasets import NAMES, picture
from tests.support.networks import tiny

CPU = torch.device("cpu")
ORIENTATION = 274  # the tag of EXIF
LOW = 0.0001


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(Predictor(Ensemble([tiny().eval()], CPU), NAMES, CPU, 64, 32, Precision("fp32", CPU)))


def rgb(number: int = 1, size_wh: tuple[int, int] = (50, 40)) -> np.ndarray:
    return picture(number, size_wh)[0]


def usual(image: object) -> np.ndarray:
    return pixels_of(image, USUAL, "argument images")


def test_every_form_of_an_image_gives_its_pixels(tmp_path):
    array = rgb()
    Image.fromarray(array).save(tmp_path / "a.png")
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    forms = [
        array,
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(array),
        Image.fromarray(array).convert("RGBA"),
        np.dstack([array, np.full(array.shape[:2], 9, np.uint8)]),
        array / 255,
        (array / 255).astype(np.float16),
        array.astype(np.uint16) * 257,
        tensor,
        tensor.float() / 255,
        (tensor.double() / 255).requires_grad_(),
        torch.from_numpy(array),
    ]
    for number, form in enumerate(forms):
        assert np.array_equal(usual(form), array), f"form {number}"


def test_grey_images_are_grey_in_all_three_colours():
    grey = rgb()[..., 1]
    thrice = np.repeat(grey[..., None], 3, axis=2)
    for form in (
        grey,
        grey[..., None],
        torch.from_numpy(grey)[None],
        Image.fromarray(grey),
        Image.fromarray(grey).convert("LA"),
    ):
        assert np.array_equal(usual(form), thrice)


def test_pil_images_stand_upright_as_files_of_them_do(tmp_path):
    for name in ("a.png", "a.jpg"):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        Image.fromarray(rgb()).save(tmp_path / name, exif=exif, quality=100)
        with Image.open(tmp_path / name) as opened:
            assert np.array_equal(usual(opened), usual(tmp_path / name))
        assert usual(tmp_path / name).shape == (50, 40, 3)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "I;16"])
def test_pil_images_of_other_modes_are_brought_to_colour(mode):
    image = Image.new(mode, (4, 4), 65535 if mode == "I;16" else (0, 0, 0, 0) if mode == "CMYK" else 1)
    assert usual(image).shape == (4, 4, 3)


def test_pil_images_in_16_bits_keep_them_for_networks_that_take_them():
    deep = np.arange(16, dtype=np.uint16).reshape(4, 4) * 4000
    assert np.array_equal(pixels_of(Image.fromarray(deep), Kind(1, "uint16"), "x")[..., 0], deep)


def test_a_pil_image_whose_file_is_cut_short_is_one_line(tmp_path):
    Image.fromarray(rgb(1, (300, 300))).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    with Image.open(tmp_path / "a.png") as opened:
        refused(opened, "argument images: cannot be read")


ARRAY = rgb()
ARRAY[:2, :2] = [[[0], [255]], [[0], [255]]]


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (ARRAY.astype(np.float32), "holds numbers from 0 to 255"),
        (ARRAY.astype(np.float64) / 100, "fractions are taken from 0 to 1"),
        (ARRAY / 255 - 0.1, "holds numbers from -0.1"),
        (torch.from_numpy(ARRAY).permute(2, 0, 1).float(), "fractions are taken from 0 to 1"),
        (torch.from_numpy(ARRAY).permute(2, 0, 1).bfloat16(), "fractions are taken from 0 to 1"),
        (np.full((4, 4, 3), np.nan, np.float32), "not finite"),
        (ARRAY.astype(np.uint16), "none of them over 255"),
        (ARRAY.astype(np.int64), "holds values of type int64"),
        (ARRAY > 100, "holds values of type bool"),
        (ARRAY.astype(np.complex64), "holds values of type complex64"),
        (ARRAY.astype(object), "holds values of type object"),
        (np.zeros((4, 4, 7), np.uint8), r"shape \(4, 4, 7\) is no picture"),
        (np.zeros((4, 4, 2), np.uint8), "is no picture"),
        (np.zeros((2, 4, 4, 3), np.uint8), "is no picture"),
        (np.zeros(12, np.uint8), "is no picture"),
        (np.uint8(3) * np.ones((), np.uint8), "is no picture"),
        (np.zeros((0, 4, 3), np.uint8), "is no picture"),
        (np.zeros((1, 4, 3), np.uint8), "4 x 1 pixels hold nothing"),
        (torch.zeros(1, 3, 4, 4), "is no picture"),
        (Image.new("F", (4, 4)), "mode F"),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_refused_in_one_line_that_names_the_argument(image, says):
    refused(image, f"argument images: .*{says}")


def refused(image: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as error:
        usual(image)
    assert "\n" not in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("image", [None, 3, 2.5, True, {}, set(), b"a.jpg", object(), len, (x for x in "ab")])
def test_what_is_no_image_is_refused_alone_and_in_a_list(model, image):
    with pytest.raises(DataError, match=r"argument images: is .*no image"):
        model(image)
    with pytest.raises(DataError, match=r"argument images\[1\]: is .*no image"):
        model([rgb(), image])
    with pytest.raises(DataError, match=r"argument images\[0\]: is of type list, which is no image"):
        model([[image]])


def test_an_empty_list_is_refused(model):
    for nothing in ([], ()):
        with pytest.raises(DataError, match="argument images: the list is empty"):
            model(nothing)


def test_a_wrong_image_in_a_list_is_named_by_its_place(model):
    with pytest.raises(DataError, match=r"argument images\[2\]: an array of shape"):
        model([rgb(), rgb(), np.zeros(3, np.uint8)], batch=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_score", -0.1),
        ("min_score", 1),
        ("min_score", "0.5"),
        ("min_score", float("nan")),
        ("max_iou", 0),
        ("max_iou", None),
        ("max_det", 0),
        ("max_det", 2.5),
        ("max_det", True),
        ("batch", 0),
        ("batch", 1.5),
    ],
)
def test_thresholds_that_cannot_be_meant_are_refused(model, name, value):
    with pytest.raises(SettingError, match=f"argument {name}: is "):
        model(rgb(), **{name: value})


@pytest.mark.parametrize("batch", [1, 2, 8])
def test_a_list_gives_for_each_image_what_the_single_call_gives_to_the_bit(model, batch):
    sizes = [(50, 40), (40, 50), (64, 64), (50, 40), (100, 31), (50, 40)]
    images = [rgb(number, size) for number, size in enumerate(sizes)]
    together = model(images, min_score=LOW, batch=batch)
    assert len(together) == len(images)
    for image, found in zip(images, together, strict=True):
        alone = model(image, min_score=LOW)
        assert len(alone)
        assert np.array_equal(found.numpy(), alone.numpy())
        assert found.size_hw == image.shape[:2]

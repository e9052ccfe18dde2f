# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from boxwright.data.pixels import image_files as images
from boxwright.data.pixels.image_files import BrokenImageError, inspect, read_bgr, read_rgb, resized

HEIGHT, WIDTH = 24, 40
TURNS = {  # what has to be done to upright pixels so that the tag brings them back
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def blocks() -> np.ndarray:
    """Four plain quarters, so that every orientation is told apart even after JPEG."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:12, :20], image[:12, 20:], image[12:, :20], image[12:, 20:] = (
        (200, 40, 40),
        (40, 200, 40),
        (40, 40, 200),
        (180, 180, 180),
    )
    return image


def stored(image: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def written(folder, content: bytes, name: str = "a.bin") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_tag_is_applied_to_size_and_pixels(tmp_path, orientation, kind):
    options = {"quality": 95} if kind in {"JPEG", "WEBP"} else {}
    path = written(
        tmp_path, stored(np.ascontiguousarray(TURNS[orientation](blocks())), kind, exif=exif(orientation), **options)
    )
    assert inspect(path).size_wh == (WIDTH, HEIGHT)
    pixels = read_rgb(path)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    inner = np.abs(pixels.astype(int) - blocks())[np.ix_([4, 20], [6, 30])]  # away from the seams, which JPEG blurs
    assert inner.max() < 30


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_means_nothing_turns_nothing(tmp_path, orientation):
    path = written(tmp_path, stored(blocks(), "PNG", exif=exif(orientation)))
    assert inspect(path).size_wh == (WIDTH, HEIGHT)
    assert np.array_equal(read_rgb(path), blocks())


GREY = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (stored(blocks(), "PNG"), blocks()),
        (stored(blocks(), "BMP"), blocks()),
        (stored(blocks(), "WEBP", lossless=True), blocks()),
        (stored(blocks(), "TIFF"), blocks()),
        (stored(Image.fromarray(blocks()).quantize(8), "PNG"), blocks()),
        (
            stored(Image.fromarray(blocks()).convert("L"), "PNG"),
            np.repeat(np.asarray(Image.fromarray(blocks()).convert("L"))[..., None], 3, axis=2),
        ),
        (stored(np.dstack((blocks(), np.full((HEIGHT, WIDTH), 7, np.uint8))), "PNG"), blocks()),
        (
            stored(Image.fromarray(blocks()[..., 0] > 100), "PNG"),
            np.repeat((blocks()[..., :1] > 100) * np.uint8(255), 3, axis=2),
        ),
        (stored(Image.fromarray(GREY * 60), "PNG"), np.repeat((GREY * 60 / 257)[..., None], 3, axis=2)),
        (cv2.imencode(".pfm", blocks()[..., ::-1].astype(np.float32) / 255)[1].tobytes(), blocks()),
    ],
    ids=["png", "bmp", "webp", "tiff", "palette", "grey", "alpha", "bilevel", "16 bit", "pfm"],
)
def test_every_kind_of_pixel_becomes_three_channels_of_eight_bits(tmp_path, content, expected):
    path = written(tmp_path, content)
    assert inspect(path).size_wh == (WIDTH, HEIGHT)
    pixels = read_rgb(path)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (HEIGHT, WIDTH, 3))
    assert np.abs(pixels - expected.astype(float)).max() <= 1
    assert np.array_equal(read_bgr(path)[..., ::-1], pixels)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_what_only_the_second_decoder_can_read_is_turned_once_as_well(tmp_path, monkeypatch, orientation, kind):
    monkeypatch.setattr(images, "_opencv", lambda _content: None)
    path = written(tmp_path, stored(np.ascontiguousarray(TURNS[orientation](blocks())), kind, exif=exif(orientation)))
    assert np.array_equal(read_rgb(path), blocks())


def test_cmyk_is_read_in_its_colours(tmp_path):
    pixels = read_rgb(written(tmp_path, stored(Image.fromarray(blocks()).convert("CMYK"), "JPEG", quality=95)))
    assert np.abs(pixels.astype(int) - blocks())[np.ix_([4, 20], [6, 30])].max() < 40


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "not an image of a known format"),
        (stored(np.zeros((9, 30, 3), np.uint8), "PNG"), "30 x 9 pixels, under the 10"),
        (stored(blocks(), "PNG")[:-40], r"\w"),
        (stored(blocks(), "JPEG")[:300], r"\w"),
        (stored(blocks(), "PNG")[:40] + b"\0\1\2\3" + stored(blocks(), "PNG")[44:], r"\w"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\2\0\0\0", r"\w"),
    ],
    ids=["empty", "text", "small", "cut png", "cut jpeg", "changed png", "bomb"],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason(tmp_path, content, says):
    with pytest.raises(BrokenImageError, match=says) as caught:
        inspect(written(tmp_path, content))
    assert str(caught.value)


def test_a_header_that_claims_too_many_pixels_is_refused_before_memory_is_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", HEIGHT * WIDTH - 1)
    monkeypatch.setattr(images, "_decode_fully", lambda _content: pytest.fail("decoded"))
    with pytest.raises(BrokenImageError, match="its header claims 40 x 24 pixels, over the limit"):
        inspect(written(tmp_path, stored(blocks(), "PNG")))


def test_a_file_that_is_not_there_or_a_folder_has_a_reason(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        for read in (inspect, read_bgr):
            with pytest.raises(BrokenImageError, match=r"no such file|is a directory"):
                read(str(path))


def test_a_jpeg_that_lacks_only_its_end_marker_is_used_with_every_pixel(tmp_path):
    whole = stored(blocks(), "JPEG", quality=90)
    path = written(tmp_path, whole[:-2])
    assert inspect(path).size_wh == (WIDTH, HEIGHT)
    assert np.array_equal(read_rgb(path), read_rgb(written(tmp_path, whole, "b.bin")))


def test_reading_changes_no_file(tmp_path):
    for content in (stored(blocks(), "JPEG")[:-2], stored(blocks(), "PNG", exif=exif(6))):
        path = written(tmp_path, content)
        inspect(path)
        read_rgb(path)
        assert (tmp_path / "a.bin").read_bytes() == content


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
def test_random_damage_gives_pixels_or_a_reason_and_nothing_else(tmp_path, kind):
    draw = np.random.default_rng(3)
    noisy = (blocks().astype(int) + draw.integers(-30, 30, (HEIGHT, WIDTH, 3))).clip(0, 255).astype(np.uint8)
    whole = stored(noisy, kind, exif=exif(6))
    refused = 0
    for _ in range(60):
        content = bytearray(whole)
        for place in draw.integers(0, len(whole), draw.integers(1, 6)):
            content[place] = draw.integers(256)
        path = written(
            tmp_path,
            bytes(content[: draw.integers(len(whole) // 2, len(whole) + 1)] if draw.random() < 0.3 else content),
        )
        for read in (inspect, read_bgr):
            try:
                answer = read(path)
            except BrokenImageError:
                refused += 1
            else:
                assert min(answer.size_wh if read is inspect else answer.shape) > 0
    assert refused > 0


def test_shrinking_for_validation_averages_areas_and_everything_else_is_linear():
    image = np.zeros((40, 40, 3), np.uint8)
    image[::4] = 255
    assert np.ptp(resized(image, (10, 10), smooth=True)) == 0  # a row in four
    assert resized(image, (10, 10), smooth=True)[0, 0, 0] == 64
    assert resized(image, (10, 10), smooth=False)[0, 0, 0] != 64
    small = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(resized(small, (18, 14), smooth=True), resized(small, (18, 14), smooth=False))
    assert resized(small, (9, 7), smooth=True) is small

# SPDX-License-Identifier: Apache-2.0
"""Odd and broken data sets, each with what is expected of it, drawn when they are needed.

BOXWRIGHT_CORPUS may name a folder with other cases: `cases/NAME/` and `expectations.json`, a mapping from names to the
fields below. kind: dataset or images. entry: the data file. expected, accept: ok, warn_skip (exit code 0, the culprit
named) or error. must_not: traceback, modify, silent, execute, hang, memory, outside, network. say, say_not: patterns.
counts: allowed numbers of training images (used, skipped, background). truth: what loaded images must be. source: what
prediction is tried on.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.support.datasets import COLOURS

if TYPE_CHECKING:
    from collections.abc import Callable

RULES = ["traceback", "modify", "execute", "hang", "memory", "outside", "network"]
DATA = "path: .\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n"
PROBE = [(0, 0.2, 0.25, 0.25, 0.25), (1, 0.7, 0.7, 0.375, 0.375)]
WIDTH, HEIGHT = 128, 96
ROWS = "".join(f"{c} {x} {y} {w} {h}\n" for c, x, y, w, h in PROBE)

Case = tuple[dict[str, Any], "Callable[[Path], None]"]


def scene(boxes: list[tuple[float, ...]] = PROBE) -> Image.Image:
    pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    for c, x, y, w, h in boxes:
        pixels[
            round((y - h / 2) * HEIGHT) : round((y + h / 2) * HEIGHT),
            round((x - w / 2) * WIDTH) : round((x + w / 2) * WIDTH),
        ] = COLOURS[int(c)]
    return Image.fromarray(pixels)


def encoded(picture: Image.Image, kind: str = "JPEG", **how: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({"quality": 92, "subsampling": 0} if kind == "JPEG" else {}), **how)
    return buffer.getvalue()


def write_sound(folder: Path) -> None:
    """Four images for training, two for validation."""
    for split, count in (("train", 4), ("val", 2)):
        for number in range(count):
            put(folder, f"images/{split}/good{number}.jpg", encoded(scene()))
            put(folder, f"labels/{split}/good{number}.txt", ROWS)
    put(folder, "data.yaml", DATA)


def put(folder: Path, name: str, content: bytes | str) -> None:
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)


def expectation(kind: str, expected: str, **more: Any) -> dict[str, Any]:
    must_not = [*RULES, *(["silent"] if expected != "ok" else [])]
    return {
        "kind": kind,
        "entry": "data.yaml",
        "expected": expected,
        "accept": [expected],
        "must_not": must_not,
        **more,
    }


def image_case(name: str, content: bytes, expected: str = "ok", **more: Any) -> Case:
    counts = {"used": [5], "skipped": [0]} if expected == "ok" else {"used": [4], "skipped": [1]}
    truth = [
        {
            "image": f"images/train/{name}",
            "size": [WIDTH, HEIGHT],
            "boxes": [list(row) for row in PROBE],
            "pixels": probe_pixels(),
        }
    ]
    usual = {
        "counts": counts,
        "source": f"images/train/{name}",
        "source_expected": "ok" if expected == "ok" else "error",
    }
    usual |= {"truth": truth} if expected == "ok" else {"say": [name.replace(".", r"\.")]}

    def fill(folder: Path) -> None:
        put(folder, f"images/train/{name}", content)
        put(folder, f"labels/train/{Path(name).stem}.txt", ROWS)

    return expectation("images", expected, **(usual | more)), fill


def probe_pixels() -> list[dict[str, Any]]:
    spots = [((x, y), COLOURS[c]) for c, x, y, _, _ in PROBE] + [((0.9, 0.1), (120, 120, 120))]
    return [{"xy": [int(x * WIDTH), int(y * HEIGHT)], "rgb": list(ink), "tol": 45} for (x, y), ink in spots]


def label_case(text: str | bytes, expected: str = "warn_skip", *, line: int | None = None, **more: Any) -> Case:
    say = [r"odd\.txt", *([rf":{line}\b"] if line else [])] if expected != "ok" else []

    def fill(folder: Path) -> None:
        put(folder, "images/train/odd.jpg", encoded(scene()))
        put(folder, "labels/train/odd.txt", text)

    return expectation("dataset", expected, **({"say": say, "counts": {"used": [5], "skipped": [0]}} | more)), fill


def yaml_case(text: str, expected: str = "error", **more: Any) -> Case:
    return expectation("dataset", expected, **more), lambda folder: put(folder, "data.yaml", text)


def turned(number: int) -> bytes:
    """The scene stored as EXIF orientation `number` says."""
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    picture = scene() if number == 1 else scene().transpose(Image.Transpose(back[number]))
    exif = Image.Exif()
    exif[0x112] = number
    return encoded(picture, exif=exif)


def sixteen_bits() -> bytes:
    grey = np.full((HEIGHT, WIDTH), 30000, np.uint16)
    return encoded(Image.fromarray(grey), "PNG")


def _link(folder: Path) -> None:
    (folder / "images/train/gone.jpg").symlink_to("../nowhere/gone.jpg")


SMALL = np.full((9, 9, 3), 99, np.uint8)
BOMB = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0"
GREYS = {
    "truth": [
        {
            "image": "images/train/deep.png",
            "size": [WIDTH, HEIGHT],
            "pixels": [{"xy": [100, 80], "rgb": [117] * 3, "tol": 6}],
        }
    ]
}
GONE = "path: gone\ntrain: images/train\nval: images/val\nnames: [red, blue, green]\n"

CASES: dict[str, Case] = {
    "control": (
        expectation("dataset", "ok", counts={"used": [4], "skipped": [0], "background": [0]}),
        lambda _folder: None,
    ),
    "image empty": image_case("empty.jpg", b"", "warn_skip"),
    "image cut in half": image_case("cut.jpg", encoded(scene())[:1500], "warn_skip"),
    "image without its end marker": image_case("noend.jpg", encoded(scene())[:-2]),
    "image is a page": image_case("page.jpg", b"<!DOCTYPE html><html></html>", "warn_skip"),
    "image of another format than its name": image_case("png.jpg", encoded(scene(), "PNG")),
    "image too small": image_case(
        "tiny.png", encoded(Image.fromarray(SMALL), "PNG"), "warn_skip", source_expected_also=["ok"]
    ),
    "image of sixteen bits": image_case("deep.png", sixteen_bits(), **GREYS),
    "image with a palette": image_case("palette.png", encoded(scene().quantize(16), "PNG")),
    "image with alpha": image_case("alpha.png", encoded(scene().convert("RGBA"), "PNG")),
    "image for print": image_case("print.jpg", encoded(scene().convert("CMYK"))),
    "image as tiff": image_case("p.tif", encoded(scene(), "TIFF")),
    "image as webp": image_case("p.webp", encoded(scene(), "WEBP", lossless=True)),
    "image as mpo": image_case("p.mpo", encoded(scene(), "MPO", save_all=True, append_images=[scene([])])),
    "image with a tail": image_case("tail.jpg", encoded(scene()) + bytes(range(256)) * 16),
    "image that claims too much": image_case("bomb.png", BOMB, "warn_skip"),
    "image that moves": image_case("moving.gif", encoded(scene(), "GIF"), "warn_skip", source_expected_also=["ok"]),
    **{f"image turned as {number}": image_case(f"turn{number}.jpg", turned(number)) for number in range(1, 9)},
    "image of another name": image_case("図面 1 #é.jpg", encoded(scene())),
    "image is a broken link": (
        expectation("images", "warn_skip", say=["gone.jpg"], counts={"used": [4], "skipped": [1]}),
        _link,
    ),
    "label empty": label_case("", "ok", counts={"used": [5], "background": [1]}),
    "label not finite": label_case(f"{ROWS}1 nan 0.5 0.1 0.1\n", line=3),
    "label outside": label_case(f"{ROWS}1 1.4 0.5 0.1 0.1\n", line=3),
    "label without width": label_case(f"{ROWS}1 0.5 0.5 0 0.1\n", line=3),
    "label of four columns": label_case(f"0 0.2 0.25 0.25\n{ROWS}", line=1),
    "label of six columns": label_case(
        "0 0.2 0.25 0.25 0.25 0.9\n", line=1, counts={"used": [4], "skipped": [1], "background": [0]}
    ),
    "label of mixed kinds": label_case("0 0.1 0.1 0.3 0.1 0.3 0.3\n1 0.7 0.7 0.3 0.3\n", "ok"),
    "label no text": label_case(b"0 0.2 0.25 0.25 0.25\n\xff\xfe\x80\n", line=2),
    "label as notepad writes": label_case(b"\xef\xbb\xbf" + ROWS.replace("\n", "\r\n").encode(), "ok"),
    "label of a negative class": label_case(f"-1 0.2 0.2 0.2 0.2\n{ROWS}", line=1),
    "label beyond the classes": label_case(
        f"{ROWS}7 0.5 0.5 0.1 0.1\n", "error", line=3, say=[r"odd\.txt:3", r"\b7\b", "0 to 2"], counts={}
    ),
    "yaml without train": yaml_case("val: images/val\nnames: [red, blue, green]\n", say=["train", r"data\.yaml"]),
    "yaml with a gap": yaml_case(DATA.replace("[red, blue, green]", "{0: red, 2: blue}"), say=["names", r"\b1\b"]),
    "yaml with another nc": yaml_case(f"{DATA}nc: 5\n", say=[r"\b5\b", r"\b3\b"]),
    "yaml with code": yaml_case(
        f"{DATA}extra: !!python/object/apply:os.system ['touch PWNED_tag']\n", say=[r"data\.yaml"]
    ),
    "yaml with a tab": yaml_case("train: images/train\nnames:\n\t0: red\n", say=[r"data\.yaml:3", "tab"]),
    "yaml empty": yaml_case("", say=[r"data\.yaml"]),
    "yaml of a folder that is not there": yaml_case(GONE, say=["gone"]),
    "yaml with a command": yaml_case(f"{GONE}download: touch PWNED_download\n", say=["download", "never"]),
    "yaml with a script": yaml_case(f"{GONE}download: |\n  import os\n  open('PWNED_script', 'w')\n", say=["download"]),
    "yaml with a command that is not needed": yaml_case(f"{DATA}download: touch PWNED_unneeded\n", "ok"),
}


def others() -> Path | None:
    """The folder of other cases, if one is named."""
    named = os.environ.get("BOXWRIGHT_CORPUS")
    return Path(named) if named else None


def expectations() -> dict[str, dict[str, Any]]:
    """What is expected of each case about data."""
    folder = others()
    if folder is None:
        return {name: case[0] for name, case in CASES.items()}
    found: dict[str, dict[str, Any]] = json.loads((folder / "expectations.json").read_text(encoding="utf-8"))
    return {name: case for name, case in found.items() if case["kind"] in {"dataset", "images"}}


def place(name: str, folder: Path) -> None:
    """The files of a case, in a new folder."""
    corpus = others()
    if corpus is not None:
        shutil.copytree(corpus / "cases" / name, folder, symlinks=True)
        return
    write_sound(folder)
    CASES[name][1](folder)

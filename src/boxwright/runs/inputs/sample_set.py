# SPDX-License-Identifier: Apache-2.0
"""The drawn sample set on disk: written where one wants it or, on first use, to the cache."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from boxwright.data.drawn.sample_set import NAMES, SPLITS, draw
from boxwright.system.device import loader_threads
from boxwright.system.files import make_folder, write_image, write_text
from boxwright.system.places import cache_folder
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = "sample"  # the name that it goes by where a data set is named
YAML_NAME = "sample.yaml"
DRAWING_THREADS = 4


def sample_yaml(folder: Path | None = None, *, seed: int = 0) -> Path:
    """The YAML of the drawn set; it is drawn first if it is not whole there.

    The YAML is written last, so its presence says so.
    """
    home = folder or _home(seed)
    yaml = home / YAML_NAME
    if not yaml.is_file():
        _draw_all(home, seed)
        listed = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
        write_text(
            yaml,
            f"# The drawn sample set, seed {seed}. `boxwright data sample` makes it anew.\npath: .\ntrain: "
            f"images/train\nval: images/val\nnames:\n{listed}",
        )
    return yaml


def is_drawn(seed: int = 0) -> bool:
    """Whether the set lies in the cache."""
    return (_home(seed) / YAML_NAME).is_file()


def _home(seed: int) -> Path:
    return cache_folder() / "sample" / f"seed{seed}"


def _draw_all(home: Path, seed: int) -> None:
    for split in SPLITS:
        make_folder(home / "images" / split)
        make_folder(home / "labels" / split)
    places = [(split, index) for split, count in SPLITS.items() for index in range(count)]
    progress = Progress(f"drawing the sample set into {home}")
    with ThreadPoolExecutor(loader_threads(DRAWING_THREADS)) as pool:
        for done, _ in enumerate(pool.map(lambda place: _write(home, seed, *place), places), 1):
            progress(done, len(places))


def _write(home: Path, seed: int, split: str, index: int) -> None:
    drawn = draw(seed, split, index)
    write_image(home / "images" / split / f"{index:05d}.jpg", drawn.image_rgb, quality=drawn.jpeg_quality)
    text = io.StringIO()
    for row in drawn.rows:
        text.write(f"{int(row[0])} " + " ".join(f"{value:.6f}" for value in row[1:]) + "\n")
    write_text(home / "labels" / split / f"{index:05d}.txt", text.getvalue(), durable=False)

# SPDX-License-Identifier: Apache-2.0
"""The colour set of the albumentations package.

What it really does is tested where it is installed: pip install 'albumentations>=2,<3'.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment import albumentations_set as plug
from boxwright.data.augment.albumentations_set import KINDS, Plug, require_package
from boxwright.data.augment.planner import Planner
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import Address, TrainingSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import SettingError
from boxwright.keyed import Purpose, generator
from boxwright.system.places import keep_packages_offline
from tests.support import datasets
from tests.support.processes import environment
from tests.support.runs import Ground, differences, train, training_state

if TYPE_CHECKING:
    from pathlib import Path

SIZE, OFFLINE = 64, "NO_ALBUMENTATIONS_UPDATE"
real = pytest.mark.skipif(importlib.util.find_spec("albumentations") is None, reason="albumentations is not installed")


def install(folder: Path, name: str, version: str) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def samples_of(yaml: Path, *, plugged: bool) -> TrainingSamples:
    index = open_split(read_dataset(yaml), "train")
    samples = TrainingSamples(
        Planner(AugmentSettings(), index.sizes_wh, SIZE), index, ImageStore(index, SIZE, smooth=False), seed=0
    )
    samples.plug = Plug() if plugged else None
    return samples


def drawn(samples: TrainingSamples, number: int, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    out = np.zeros((3, SIZE, SIZE), np.uint8)
    return out, samples(Address(epoch, number, number, (SIZE, SIZE)), out).objects


# -- which package it is


@pytest.mark.parametrize(
    ("packages", "match"),
    [
        ([], "is not installed"),
        ([("albumentations", "1.4.0")], "albumentations 1.4.0 is installed"),
        ([("albumentationsx", "2.1.0")], "albumentationsx is installed, which is under the AGPL"),
        (
            [("albumentations", "2.0.8"), ("albumentationsx", "2.1.0")],
            "albumentationsx is installed, which is under the AGPL",
        ),
        (
            [("albumentations", "2.0.8"), ("AlbumentationsX", "2.1.0")],
            "albumentationsx is installed, which is under the AGPL",
        ),
    ],
)
def test_the_plug_refuses_what_is_not_the_package_it_knows(tmp_path, monkeypatch, packages, match):
    for name, version in packages:
        install(tmp_path / "site", name, version)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    with pytest.raises(SettingError, match=match):
        require_package()
    with pytest.raises(SettingError, match=match):
        Plug()


class Asked:
    """Looks for no module, but notes what the environment was when albumentations was asked for."""

    def __init__(self) -> None:
        self.found: list[str | None] = []

    def find_spec(self, name: str, *_: object) -> None:
        if name == "albumentations":
            self.found.append(os.environ.get(OFFLINE))
            raise ModuleNotFoundError("no module of a name that it needs")


@pytest.mark.parametrize("before", [None, "0", "1"])
def test_the_package_is_told_to_leave_the_network_before_it_is_imported(tmp_path, monkeypatch, before):
    monkeypatch.setenv(OFFLINE, before or "")
    if before is None:
        monkeypatch.delenv(OFFLINE)
    install(tmp_path / "site", "albumentations", "2.0.8")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.delitem(sys.modules, "albumentations", raising=False)
    asked = Asked()
    monkeypatch.setattr(sys, "meta_path", [asked, *sys.meta_path])
    with pytest.raises(SettingError, match=r"cannot be imported \(no module of a name that it needs\)"):
        Plug()
    assert asked.found == ["1"]


# -- what is drawn, with transforms that leave a mark each

STAND_IN = """
class Transform:
    def __init__(self, p): assert p == 1
    def set_random_seed(self, seed): self.seed = seed
    def __call__(self, image): return {"image": image // 16 * 16 + image % 16 + self.mark}
class Blur(Transform): mark = 1
class MedianBlur(Transform): mark = 2
class ToGray(Transform): mark = 4
class CLAHE(Transform): mark = 8
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    install(tmp_path / "site", "albumentations", "2.0.8")
    (tmp_path / "site/albumentations.py").write_text(STAND_IN)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.setenv(OFFLINE, "")
    monkeypatch.delitem(sys.modules, "albumentations", raising=False)
    yield
    sys.modules.pop("albumentations", None)


@pytest.mark.usefixtures("stand_in")
def test_each_of_the_four_happens_by_itself_and_as_often_as_it_should(monkeypatch):
    monkeypatch.setattr(plug, "PROBABILITY", 0.3)
    changes, marks = Plug(), []
    for number in range(400):
        image = np.zeros((3, 2, 2), np.uint8)
        changes(image, generator(0, Purpose.SAMPLE, 0, number, 1))
        marks.append(int(image[0, 0, 0]))
    assert set(marks) == set(range(16)), "every combination is met"
    shares = [float(np.mean([mark >> place & 1 for mark in marks])) for place in range(4)]
    assert shares == pytest.approx([0.3] * 4, abs=0.08)  # 3.5 standard deviations


@pytest.mark.usefixtures("stand_in")
def test_the_plug_changes_finished_pictures_by_key_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(plug, "PROBABILITY", 0.5)
    yaml = datasets.write(tmp_path / "set")
    plain, changed = samples_of(yaml, plugged=False), samples_of(yaml, plugged=True)

    def marks(order) -> dict[int, int]:
        return {
            number: int((drawn(changed, number)[0].astype(int) - drawn(plain, number)[0]).max()) for number in order
        }

    first = marks(range(8))
    assert len(set(first.values())) > 3
    assert marks(reversed(range(8))) == first


@pytest.mark.usefixtures("stand_in")
def test_most_pictures_are_left_as_they_are():
    changes, changed = Plug(), 0
    for number in range(1000):
        image = np.zeros((3, 2, 2), np.uint8)
        changes(image, generator(0, Purpose.SAMPLE, 0, number, 1))
        changed += bool(image.any())
    assert 20 <= changed <= 60  # 1000 * (1 - 0.99 ** 4) = 39.4


# -- the real one


@real
@pytest.mark.slow
def test_the_real_package_leaves_the_network_alone():
    program = (
        "from boxwright.data.augment.albumentations_set import Plug; Plug(); from albumentations "
        "import "
        "check_version; print(check_version.opener)"
    )
    environ = environment()
    environ["PYTHONPATH"] = os.pathsep.join([environ["PYTHONPATH"], *sys.path])  # wherever it is
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environ, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "None\n", "")


@real
@pytest.mark.parametrize("kind", KINDS)
def test_each_real_transform_changes_a_picture_by_its_seed_alone_and_keeps_its_size(monkeypatch, kind):
    monkeypatch.setattr(plug, "KINDS", (kind,))
    monkeypatch.setattr(plug, "PROBABILITY", 1.0)
    noise = np.random.default_rng(0).integers(64, size=(3, 192, 256))  # CLAHE draws no strength for small ones
    plain = (noise + np.arange(256) // 3 + np.array([0, 40, 80])[:, None, None]).astype(np.uint8)
    pictures = []
    for seed in (0, 1, 2, 3, 4, 5, 6, 7, 0):
        pictures.append(plain.copy())
        Plug()(pictures[-1], generator(seed, Purpose.SAMPLE, 0, 0, 1))
    assert np.array_equal(pictures[0], pictures[-1])
    assert all((picture != plain).mean() > 0.5 for picture in pictures)
    if kind != "ToGray":  # the others draw their strength
        assert len({picture.tobytes() for picture in pictures}) > 1


@real
def test_the_real_package_gives_the_same_samples_for_any_threads_and_moves_no_box(tmp_path, monkeypatch):
    monkeypatch.setattr(plug, "PROBABILITY", 0.3)
    yaml = datasets.write(tmp_path / "set")
    addresses = [[Address(epoch, number, number, (SIZE, SIZE)) for number in range(12)] for epoch in range(3)]

    def batches(*, plugged: bool, threads: int) -> list[tuple[bytes, bytes]]:
        return [
            (batch.images.numpy().tobytes(), batch.targets.numpy().tobytes())
            for batch in Loader(samples_of(yaml, plugged=plugged), threads=threads)(addresses)
        ]

    found = [batches(plugged=True, threads=threads) for threads in (0, 3, 3)]
    assert found[0] == found[1] == found[2]
    plain = batches(plugged=False, threads=0)
    assert [rows for _, rows in plain] == [rows for _, rows in found[0]]
    assert all(one != other for (one, _), (other, _) in zip(plain, found[0], strict=True))


@real
@pytest.mark.slow
def test_two_trainings_with_the_real_package_are_the_same_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(plug, "PROBABILITY", 0.3)
    ground = Ground.laid(tmp_path)
    states = [
        training_state(train(ground, tmp_path / name, *more, epochs=2).last)
        for name, *more in (("plain",), ("a", "--albumentations"), ("b", "--albumentations"))
    ]
    assert not differences(states[1]["model"], states[2]["model"])
    assert differences(states[0]["model"], states[1]["model"])


def test_the_environment_says_it(monkeypatch):
    monkeypatch.setenv(OFFLINE, "")
    keep_packages_offline()
    assert os.environ[OFFLINE] == "1"

# SPDX-License-Identifier: Apache-2.0
"""TorchScript files are programs: only those of networks are loaded."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.errors import WeightsError
from boxwright.export.deployed import Deployed
from boxwright.model.detector import build
from boxwright.model.spec import read_spec
from boxwright.system.torchscript_file import load_torchscript, read_extra, torchscript_bytes
from tests.support.networks import FOCUS, TINY, tiny

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

EXAMPLE = torch.zeros(1, 3, 64, 64)
ROW = "[-1, 1, C3, [24]]"
OTHER_ROWS = (
    "[-1, 1, C3TR, [24]]",
    "[-1, 1, C3Ghost, [24]]",
    "[-1, 2, BottleneckCSP, [24]]",
    "[-1, 1, C3SPP, [24, [3, 5]]]",
    "[-1, 1, CrossConv, [24, 3]]",
    "[-1, 1, MixConv2d, [24, [1, 3], 1]]",
    "[-1, 1, nn.BatchNorm2d, []]",
    "[-1, 1, nn.MaxPool2d, [3, 1, 1]]",
)
OTHER_NETWORKS = (
    *(TINY.replace(ROW, row, 1) for row in OTHER_ROWS),
    *(TINY + f"activation: nn.{name}()\n" for name in ("Hardswish", "Mish", "ReLU", "ReLU6", "LeakyReLU", "FReLU", "AconC", "MetaAconC")),
    FOCUS.replace("nn.Upsample, [None, 2, nearest]", "nn.ConvTranspose2d, [32, 2, 2]"),
    TINY.replace("[-1, 1, Conv, [16, 3, 2]]", "[-1, 1, Contract, [2]]").replace("nn.Upsample, [None, 2, nearest]", "Expand, [2]"),
    TINY.replace("nn.Upsample, [None, 2, nearest]", "DWConvTranspose2d, [32, 2, 2]"),
)


def written(path: Path, module: torch.nn.Module, example: torch.Tensor = EXAMPLE) -> Path:
    path.write_bytes(torchscript_bytes(module, example, {"boxwright": "about"}))
    return path


def scripted(path: Path, module: torch.nn.Module) -> Path:
    """As anybody writes it, operators of every kind and all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), buffer)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("yaml", OTHER_NETWORKS, ids=range(len(OTHER_NETWORKS)))
def test_every_block_and_activation_is_made_of_known_operators(tmp_path, yaml):
    assert yaml != TINY
    detector = build(read_spec(parse_yaml(yaml, "tiny.yaml"))).eval()
    module = load_torchscript(written(tmp_path / "a.torchscript", Deployed(detector)))
    image = torch.linspace(0, 1, 3 * 64 * 96).view(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(module(image), Deployed(detector)(image), atol=1e-4)


def test_the_words_beside_a_program_are_read_without_loading_it(tmp_path):
    path = written(tmp_path / "a.torchscript", Deployed(tiny()))
    assert read_extra(path, "boxwright") == "about"
    assert read_extra(path, "others") is None


class Saves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "PWNED")
        return x


class Maps(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file("PWNED", True, 8)


class Prints(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("PWNED")  # noqa: T201
        return x


class Loops(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while bool(x.sum() == x.sum()):
            x = x + 1
        return x


class Wakes(torch.nn.Module):
    """Its second method would run while the file is loaded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return 3, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        torch.save(state[0], "PWNED")
        self.training = state[1]


@pytest.mark.parametrize(
    ("module", "says"),
    [(Saves, "save"), (Maps, "from_file"), (Prints, "print"), (Loops, "a construct"), (Wakes, "a function __")],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_program_that_does_more_than_a_network_is_not_loaded(tmp_path, monkeypatch, module, says):
    path = scripted(tmp_path / "evil.torchscript", module())
    monkeypatch.setattr(torch.jit, "load", lambda *_args, **_words: pytest.fail("it was loaded"))
    with pytest.raises(WeightsError, match=f"is not loaded: its program has .*{says}") as caught:
        load_torchscript(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "work" / "PWNED").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"words\n" * 100])
def test_files_of_another_kind_are_one_line(tmp_path, content):
    path = tmp_path / "a.torchscript"
    path.write_bytes(content)
    for read in (load_torchscript, lambda path: read_extra(path, "boxwright")):
        with pytest.raises(WeightsError, match="is no sound TorchScript file"):
            read(path)


def test_archives_without_a_program_or_with_two_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.torchscript"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(WeightsError, match="holds no program"):
        load_torchscript(path)
    written(path, Deployed(tiny()))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(next(name for name in archive.namelist() if name.endswith("data.pkl")), b"")
    with pytest.raises(WeightsError, match="packed in a way"):
        load_torchscript(path)


def test_damage_is_one_line(tmp_path):
    path = written(tmp_path / "a.torchscript", Deployed(tiny()))
    whole = path.read_bytes()
    for place in range(200, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes(byte ^ 255 for byte in whole[place : place + 8]) + whole[place + 8 :])
        try:
            load_torchscript(path)
        except WeightsError as error:
            assert "\n" not in str(error)  # noqa: PT017 -- some damage lies between the records, where nothing is read

# SPDX-License-Identifier: Apache-2.0
"""TorchScript files are read as data and run by operators of our own choice.

The framework's loader never sees a file that was given.
"""

from __future__ import annotations

import functools
import io
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from boxwright.documents import parse_yaml
from boxwright.errors import WeightsError
from boxwright.export_formats.deployed import Deployed
from boxwright.infer.exported import open_exported
from boxwright.infer.traced.network import TracedNetwork, open_archive, read_extra, read_traced
from boxwright.model.detector import build
from boxwright.model.spec import read_spec
from boxwright.structures.passport import Passport
from boxwright.system.graphs.costs import OverBudgetError
from boxwright.system.torchscript_file import own_module, torchscript_bytes
from tests.support.networks import FOCUS, TINY, tiny

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
    *(
        TINY + f"activation: nn.{name}()\n"
        for name in ("Hardswish", "Mish", "ReLU", "ReLU6", "LeakyReLU", "FReLU", "AconC", "MetaAconC")
    ),
    FOCUS.replace("nn.Upsample, [None, 2, nearest]", "nn.ConvTranspose2d, [32, 2, 2]"),
    TINY.replace("[-1, 1, Conv, [16, 3, 2]]", "[-1, 1, Contract, [2]]").replace(
        "nn.Upsample, [None, 2, nearest]", "Expand, [2]"
    ),
    TINY.replace("nn.Upsample, [None, 2, nearest]", "DWConvTranspose2d, [32, 2, 2]"),
)
PASSPORT = Passport(("a", "b", "c"), (8, 16), (((1.0, 1.0),), ((2.0, 2.0),)), 3, 64, 1, dynamic=True)
TOP = "the source of the network's own class"  # the framework puts it where no other program of this process lies
FIRST = "    network = self.network\n"


def written(path: Path, module: torch.nn.Module, example: torch.Tensor = EXAMPLE) -> Path:
    path.write_bytes(torchscript_bytes(module, example, PASSPORT.words()))
    return path


def load(path: Path) -> TracedNetwork:
    return read_traced(open_archive(path), path)[0]


@functools.cache
def records() -> dict[str, bytes]:
    """A file as it is exported, record by record, without the name of its folder."""
    with zipfile.ZipFile(io.BytesIO(torchscript_bytes(Deployed(tiny()), EXAMPLE, PASSPORT.words()))) as archive:
        found = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    place = next(name for name, content in found.items() if content.startswith(b"class Deployed("))
    return {name.replace(place, TOP): content for name, content in found.items()} | {"place": place.encode()}


def packed(path: Path, **changed: bytes | None) -> Path:
    """The same file with other records; None leaves one out."""
    with zipfile.ZipFile(path, "w") as archive:
        write(archive, changed)
    return path


def write(archive: zipfile.ZipFile, changed: dict[str, bytes | None]) -> None:
    content = records() | changed
    place = content.pop("place").decode()
    for name, data in content.items():
        if data is not None:
            archive.writestr(f"archive/{name.replace(TOP, place)}", data)


def with_code(path: Path, replaced: str, by: str, record: str = TOP) -> Path:
    text = records()[record].decode()
    assert replaced in text
    return packed(path, **{record: text.replace(replaced, by, 1).encode("utf-8")})


def scripted(path: Path, module: torch.nn.Module) -> Path:
    """As anybody writes it, operators of every kind and all."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), buffer, _extra_files=PASSPORT.words())
    path.write_bytes(buffer.getvalue())
    return path


def require_refused(path: Path, says: str = "") -> None:
    """One line, and nothing was run."""
    with pytest.raises(WeightsError, match=says or None) as caught:
        open_exported(path)
    assert str(caught.value).startswith(f"{path}: is no TorchScript file that this program wrote: ")
    assert "\n" not in str(caught.value)
    assert not list(path.parent.glob("PWNED*"))


# -- files of ours


@pytest.mark.parametrize("yaml", OTHER_NETWORKS, ids=range(len(OTHER_NETWORKS)))
def test_every_block_and_activation_is_made_of_known_operators_and_says_what_the_framework_says(yaml):
    assert yaml != TINY
    content = torchscript_bytes(
        Deployed(build(read_spec(parse_yaml(yaml, "tiny.yaml"))).eval(), half="Mish" in yaml), EXAMPLE, PASSPORT.words()
    )
    Path("a.torchscript").write_bytes(content)
    network, theirs = load(Path("a.torchscript")), own_module(content)
    image = torch.linspace(0, 1, 3 * 64 * 96).view(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.allclose(network(image), theirs(image), atol=1e-6)


def test_the_words_beside_a_program_are_read_without_loading_it(tmp_path):
    archive = open_archive(written(tmp_path / "a.torchscript", Deployed(tiny())))
    assert read_extra(archive, tmp_path, "imgsz") == "64"
    assert read_extra(archive, tmp_path, "others") is None


def test_the_framework_loads_no_file_that_was_given(tmp_path, monkeypatch):
    path = written(tmp_path / "a.torchscript", Deployed(tiny()))
    monkeypatch.setattr(torch.jit, "load", lambda *_args, **_words: pytest.fail("it was loaded"))
    monkeypatch.setattr(torch, "load", lambda *_args, **_words: pytest.fail("it was loaded"))
    assert open_exported(path)(EXAMPLE).decoded.shape == (1, 240, 8)


# -- programs of others


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


@pytest.mark.parametrize("module", [Saves, Maps, Prints, Loops, Wakes], ids=lambda value: value.__name__)
def test_a_program_that_does_more_than_a_network_is_refused(tmp_path, module):
    require_refused(scripted(tmp_path / "evil.torchscript", module()))


WRITES = 'torch.from_file("PWNED", True, 8, dtype=0)'
SHAPES = {  # what is put at the start of the network's method
    "operator": f"_0 = {WRITES}",
    "alias of int": 'int = torch.from_file\n    _0 = int("PWNED", True, 8)',
    "alias of annotate": 'annotate = torch.save\n    _0 = annotate(images, "PWNED")',
    "alias of getattr": 'getattr = torch.save\n    _0 = getattr(images, "PWNED")',
    "alias through another namespace": 'int = ops.aten.save\n    _0 = int(images, "PWNED")',
    "alias under a new name": 'f = torch.from_file\n    _0 = f("PWNED", True, 8)',
    "operator as a value": "f = torch.from_file\n    _0 = torch.add(images, images)",
    "alias of a namespace": 'ops = torch\n    _0 = ops.from_file("PWNED", True, 8)',
    "alias of the framework": 'torch = ops.aten\n    _0 = torch.from_file("PWNED", True, 8)',
    "other namespace": '_0 = ops.aten.from_file("PWNED", True, 8)',
    "prim": '_0 = ops.prim.Print("PWNED")',
    "prim through the framework": '_0 = torch.ops.prim.PythonOp("PWNED")',
    "import": "import os",
    "from import": "from os import system",
    "annotation with a call": f"_0 : {WRITES} = images",
    "annotate with another type": f"_0 = annotate({WRITES}, images)",
    "formatted text": f'_0 = f"{{{WRITES}}}"',
    "lambda": f"_0 = (lambda: {WRITES})()",
    "comprehension": f"_0 = [{WRITES} for i in [1]]",
    "condition": f"_0 = images if True else {WRITES}",
    "binary operator": f"_0 = images + {WRITES}",
    "comparison": f"_0 = images == {WRITES}",
    "subscript": f"_0 = [{WRITES}][0]",
    "slice": "_0 = images[0:1]",
    "star": "_0 = torch.cat(*[images])",
    "semicolon": f"_0 = images; _1 = {WRITES}",
    "walrus": f"_0 = (_1 := {WRITES})",
    "expression without a name": WRITES,
    "with": f"with {WRITES}:\n      pass",
    "loop": f"for i in range(3):\n      _0 = {WRITES}",
    "assert": f"assert {WRITES}",
    "raise": "ops.prim.RaiseException(images)",
    "method of a tensor": '_0 = (images).numpy("PWNED")',
    "method without brackets": "_0 = images.numpy()",
    "forward of a tensor": "_0 = (images).forward(images, )",
    "attribute of a tensor": "_0 = images.data",
    "attribute of self that is not there": "_0 = self.__class__",
    "unknown constant": "_0 = CONSTANTS.c99",
    "constants as a name": "_0 = CONSTANTS",
    "name bound twice": "_0 = images\n    _0 = images",
    "name of the argument bound again": "images = torch.relu(images)",
    "name that is not there": "_0 = os",
    "keyword that is no word of it": "_0 = torch.relu(images, out=images)",
    "word of another value": 'y, x, = torch.meshgrid([images, images], indexing="xy")',
    "fewer arguments": "_0 = torch.bmm(images)",
    "in place": "_0 = torch.add_(images, images)",
    "random": "_0 = torch.rand([1])",
    "comment": "_0 = torch.relu(images) # a comment",
    "line joined": "_0 = \\\n    images",
    "tab": "_0 =\timages",
    "carriage return": "_0 = torch.relu(images)\r",
    "form feed": "\f_0 = torch.relu(images)",
    "letters that look alike": "_0 = tоrch.relu(images)",  # noqa: RUF001 -- that is the attack
    "bytes text": 'b"PWNED"',
    "long number": f"_0 = torch.pow(images, {'9' * 5000})",
    "infinite number": "_0 = torch.hardtanh(images, 1.0e999, 2.)",
    "hexadecimal": "_0 = torch.pow(images, 0x10)",
    "deep brackets": f"_0 = {'[' * 5000}{']' * 5000}",
    "deep calls": f"_0 = {'torch.relu(' * 3000}images{')' * 3000}",
    "deep minus": f"_0 = {'-' * 100_000}1",
    "calls itself": "_0 = (self).forward(images, )",
    "no "
    "groups": "_0 = torch._convolution(images, images, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 0, False, False, "
    "True, True)",
    "no stride": "_0 = torch.max_pool2d(images, [2, 2], [0, 0], [0, 0], [1, 1])",
}


@pytest.mark.parametrize("what", SHAPES)
def test_nothing_but_what_the_exporter_writes_is_understood(tmp_path, what):
    require_refused(with_code(tmp_path / "evil.torchscript", FIRST, f"{FIRST}    {SHAPES[what]}\n"))


@pytest.mark.parametrize(
    "by",
    [
        f"    images: Tensor={WRITES}) -> Tensor:\n{FIRST}",
        f"    images: Tensor) -> {WRITES}:\n{FIRST}",
        f"    images: {WRITES}) -> Tensor:\n{FIRST}",
        f"    images: Tensor, other: Tensor) -> Tensor:\n{FIRST}",
        f"    torch: Tensor) -> Tensor:\n{FIRST}",
        f"    images: Tensor) -> Tensor:\n    return images\n{FIRST}",
    ],
)
def test_a_method_with_another_head_is_refused(tmp_path, by):
    require_refused(with_code(tmp_path / "evil.torchscript", f"    images: Tensor) -> Tensor:\n{FIRST}", by))


@pytest.mark.parametrize(
    "by",
    [
        "# -*- coding: utf-7 -*-\nclass Deployed(Module):",
        "\n# coding: utf-16\nclass Deployed(Module):",
        "\ufeffclass Deployed(Module):",
        "import os\nclass Deployed(Module):",
        "class Deployed(Interface):",
        "class Deployed(NamedTuple):",
        "class Deployed(Enum):",
        "class Deployed(Module, metaclass=torch.save):",
        "def save(x):\n  return x\nclass Deployed(Module):",
        "op_version_set = 1\nclass Deployed(Module):",
        "class Deployed(Module):\n  def __setstate__(self, state: int) -> NoneType:\n    return None",
        "class Deployed(Module):\n  def helper(self: int) -> int:\n    return 1",
        "class Deployed(Module):\n  x = torch.save(1)",
        "class Deployed(Module):\n  torch : Tensor",
        "@torch.save\nclass Deployed(Module):",
    ],
)
def test_a_source_file_with_anything_beside_classes_of_modules_is_refused(tmp_path, by):
    require_refused(with_code(tmp_path / "evil.torchscript", "class Deployed(Module):", by))


def test_text_in_another_encoding_is_refused(tmp_path):
    for encoding in ("utf-16", "utf-32", "utf-7", "utf-8-sig"):
        text = records()[TOP].decode() + "+"
        require_refused(packed(tmp_path / "evil.torchscript", **{TOP: text.encode(encoding)}))


def test_calls_that_double_are_refused_before_they_fill_memory(tmp_path):
    methods = "".join(
        f"  def forward{n}(self: X,\n    x: Tensor) -> Tensor:\n    a = (self).forward{n + 1}(x, )\n    return "
        f"(self).forward{n + 1}(a, )\n"
        for n in range(1, 36)
    )
    methods += "  def forward36(self: X,\n    x: Tensor) -> Tensor:\n    return x\n"
    path = with_code(tmp_path / "evil.torchscript", "  def forward(", f"{methods}  def forward(")
    require_refused(with_last(path, "(self).forward1(images, )", methods), "longer than that of a network")


def with_last(path: Path, answer: str, methods: str = "", before: str = "") -> Path:
    """The network's method answers with something else."""
    text = records()[TOP].decode().replace("  def forward(", f"{methods}  def forward(", 1)
    text = text.replace(FIRST, FIRST + before, 1)
    assert "return (network).forward(images, )" in text
    return packed(path, **{TOP: text.replace("return (network).forward(images, )", f"return {answer}").encode()})


@pytest.mark.parametrize(
    "answer",
    [
        'torch.pad(images, [4000000, 4000000, 4000000, 4000000], "constant", 0.)',
        "torch.upsample_nearest2d(images, None, [100000., 100000.])",
        "torch.add(torch.view(images, [-1, 1]), torch.view(torch.cat([images, images, images, images], 1), [1, -1]))",
        'torch.stack(torch.meshgrid([torch.view(images, [-1]), torch.view(images, [-1])], indexing="ij"), 0)',
        (
            'torch.type_as(torch.arange(99999999999, dtype=None, layout=None, device=torch.device("cpu"), '
            "pin_memory=False), images)"
        ),
        "torch.bmm(torch.view(images, [1, -1, 1]), torch.view(images, [1, 1, -1]))",
        "torch.mul(" * 1 + "torch.view(images, [-1, 1, 1, 1]), torch.view(images, [1, 1, 1, -1]))",
        "torch.max_pool2d(" * 4 + "images" + ", [4096, 4096], [1, 1], [2048, 2048], [1, 1])" * 4,
    ],
)
def test_a_step_that_takes_more_than_a_network_needs_is_refused_before_it_is_done(tmp_path, answer):
    network = load(with_last(tmp_path / "evil.torchscript", answer))
    with pytest.raises(OverBudgetError, match="more memory or time than a network needs"):
        network(torch.zeros(1, 3, 64, 64))
    with pytest.raises(WeightsError, match="fails on images") as caught:
        open_exported(tmp_path / "evil.torchscript")(torch.zeros(1, 3, 64, 64))
    assert "\n" not in str(caught.value)


def test_views_of_what_was_made_count_as_much_as_what_they_keep(tmp_path):
    """Each step makes 3 MB and keeps one number of it."""
    rows = "".join(
        f"    a{n} = torch.upsample_nearest2d(images, None, [8., 8.])\n    b{n} = torch.select(a{n}, 0, 0)\n"
        for n in range(200)
    )
    kept = ", ".join(f"b{n}" for n in range(200))
    text = records()[TOP].decode().replace(FIRST, f"{FIRST}{rows}", 1)
    path = packed(
        tmp_path / "evil.torchscript",
        **{TOP: text.replace("(network).forward(images, )", f"torch.stack([{kept}], 0)").encode()},
    )
    with pytest.raises(OverBudgetError, match="more memory"):
        load(path)(torch.zeros(1, 3, 64, 64))


# -- the archive around a program


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"data.pkl": None}, "is missing"),
        ({"constants.pkl": None}, "is missing"),
        ({"data/0": b"\0" * 8}, "cut short"),
        ({"data/0": b"\0" * 99999}, "too large"),
        ({"byteorder": b"big"}, "big-endian"),
        ({"data.pkl": b"cos\nsystem\nX\x05\0\0\0PWNED\x85R."}, "os.system"),
        (
            {"data.pkl": b"c__torch__.boxwright.export_formats.deployed\nDeployed\nX\x05\0\0\0PWNED\x85R."},
            "pickle|calls|no checkpoint needs|damaged",
        ),
        ({"data.pkl": b"c__torch__.a\nB\nX\x05\0\0\0PWNED\x85\x81."}, "makes an object"),
        ({"data.pkl": b"ctorch.jit._pickle\nbuild_tensor_from_id\n]R."}, "torch.jit._pickle"),
        ({"data.pkl": b"}."}, "none of a traced network"),
        ({"constants.pkl": b"K\x01\x85."}, "none of a traced network"),
        ({"data.pkl": b"("}, ""),
        ({"data.pkl": b""}, ""),
        ({"code/../../evil.py": b""}, "names that the exporter does not give"),
        ({"code/other/evil.txt": b""}, "holds a record"),
        ({"code/__torch__/a-b.py": b""}, "holds a record"),
        ({"code/__torch__/more.py": b"import os\n"}, ""),
        ({TOP: b""}, "does not have"),
        ({TOP: b"class Deployed(Module):\n" + b"  a : Tensor\n" * 400_000}, "too long"),
    ],
)
def test_an_archive_with_other_records_is_refused(tmp_path, changed, says):
    require_refused(packed(tmp_path / "evil.torchscript", **changed), says)


def test_records_that_nobody_reads_change_nothing(tmp_path):
    """The framework itself would run, or fail on, some of these."""
    evil = b"cos\nsystem\nX\x05\0\0\0PWNED\x85R."
    path = packed(
        tmp_path / "a.torchscript",
        **{"traced_inputs.pkl": evil, f"{TOP}.debug_pkl": evil, "mobile/bytecode.pkl": evil, "bytecode.pkl": evil},
    )
    assert open_exported(path)(EXAMPLE).decoded.shape == (1, 240, 8)
    assert not list(tmp_path.glob("PWNED*"))


def test_two_records_of_one_name_and_two_folders_are_refused(tmp_path):
    path = packed(tmp_path / "a.torchscript")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("archive/data.pkl", b"")
    require_refused(path, "two records of one name")
    packed(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", b"")
    require_refused(path, "names that the exporter does not give")


def test_a_short_record_that_unpacks_to_much_is_refused(tmp_path):
    path = tmp_path / "a.torchscript"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive, {"data.pkl": b"\0" * (64 << 20)})
    assert path.stat().st_size < 1 << 20
    require_refused(path, "too large")


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"words\n" * 100, b"\x80\x02}.", b"\x18\0\0\0PTMF" + b"\0" * 64]
)
def test_files_of_another_kind_are_one_line(tmp_path, content):
    path = tmp_path / "a.torchscript"
    path.write_bytes(content)
    require_refused(path, "no archive")


def test_damage_is_one_line(tmp_path):
    path = written(tmp_path / "a.torchscript", Deployed(tiny()))
    whole = path.read_bytes()
    for place in range(200, len(whole), len(whole) // 40):
        path.write_bytes(whole[:place] + bytes(byte ^ 255 for byte in whole[place : place + 8]) + whole[place + 8 :])
        try:
            open_exported(path)
        except WeightsError as error:
            assert "\n" not in str(error)  # noqa: PT017 -- some damage lies between the records, where nothing is read


def test_weights_that_are_no_numbers_are_named(tmp_path):
    detector = tiny()
    with torch.no_grad():
        detector.head.m[0].bias[3] = torch.nan
    with pytest.raises(WeightsError, match=r"'network.model.10.m.0.bias' that are no finite numbers"):
        open_exported(written(tmp_path / "a.torchscript", Deployed(detector)))

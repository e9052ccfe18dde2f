# SPDX-License-Identifier: Apache-2.0
"""An exported file that asks for more memory or time than a network needs is refused before its runtime sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from boxwright.config.schema.val import ValSettings
from boxwright.errors import WeightsError
from boxwright.export_formats.deployed import Deployed
from boxwright.export_formats.onnx_graph import onnx_bytes
from boxwright.geometry.nms import NmsRules
from boxwright.infer.exported import open_exported
from boxwright.runs.evaluation.open_evaluation import open_evaluation
from boxwright.runs.prediction.open_predictor import predictor_of
from boxwright.structures.passport import GraphSuppression, Passport
from boxwright.system.graphs.costs import Budget, OverBudgetError
from boxwright.system.graphs.graph import UnknownSizeError, require_within_budget
from boxwright.system.graphs.onnx_operations import RULES
from boxwright.system.onnx_contents import contents_of
from boxwright.system.openvino_contents import net_contents, require_net_within_budget
from boxwright.system.torchscript_file import torchscript_bytes
from tests.support import datasets
from tests.support.budget import within_budget
from tests.support.networks import tiny
from tests.unit.infer.test_torchscript_file import with_last

pytestmark = pytest.mark.slow

ANCHORS = (((1.0, 1.0),), ((2.0, 2.0),))
MORE = "more memory or time than a network needs"
INSIDE = GraphSuppression(0.1, 0.5, 20, 100)


def passport(size: int = 64, batch: int = 1, **more: object) -> Passport:
    return Passport(("a", "b", "c"), (8, 16), ANCHORS, 3, size, batch, **more)


def whole(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def number(name: str, value: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, np.int64), name)


def floats(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def factors(larger: int) -> onnx.TensorProto:
    """Of images, for Resize."""
    return numpy_helper.from_array(np.array([1, 1, larger, larger], np.float32), "factors")


def node(operator: str, *inputs: str, to: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [to], **attributes)


def model(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = (), words: Passport | None = None) -> bytes:
    """A graph from x to y, whose last answer is made small."""
    parts = (*nodes, node("ReduceMax", "y", to="z", keepdims=0))
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xz"]
    graph = helper.make_graph(list(parts), "g", described[:1], described[1:], list(tensors))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(made, (words or passport()).words())
    return made.SerializeToString()


COLUMN, LINE = (node("Reshape", "x", name, to=f"{name}0") for name in ("column", "line"))
SIDES = (whole("column", -1, 1), whole("line", 1, -1))
BOMBS = {
    "a column and a line": model(COLUMN, LINE, node("Add", "column0", "line0"), tensors=SIDES),
    "a product of matrices": model(COLUMN, LINE, node("MatMul", "column0", "line0"), tensors=SIDES),
    "a long product": model(
        *(node("MatMul", f"m{n}", "w", to=f"m{n + 1}") for n in range(40)),
        node("Identity", "m40"),
        tensors=(floats("m0", 2048, 2048), floats("w", 2048, 2048)),
    ),
    "a stored number repeated": model(node("Expand", "w", "to"), tensors=(floats("w", 1), whole("to", 1 << 31))),
    "a constant shape": model(
        node("ConstantOfShape", "to"),
        tensors=(whole("to", 1 << 20, 1 << 20),),
    ),
    "a long range": model(
        node("Range", "from", "till", "by"), tensors=(number("from", 0), number("till", 1 << 40), number("by", 1))
    ),
    "large images": model(
        node("Resize", "x", "", "factors"),
        tensors=(numpy_helper.from_array(np.array([1, 1, 1e4, 1e4], np.float32), "factors"),),
    ),
    "much around": model(node("Pad", "x", "ends"), tensors=(whole("ends", 0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20),)),
    "a wide window": model(
        node("Resize", "x", "", "factors", to="large"),
        node("MaxPool", "large", kernel_shape=[999, 999], pads=[499] * 4),
        tensors=(numpy_helper.from_array(np.array([1, 1, 16, 16], np.float32), "factors"),),
    ),
    "a convolution with far ends": model(
        node("Conv", "x", "w", pads=[1 << 20] * 4), tensors=(floats("w", 1, 3, 1, 1),)
    ),
    "a turned convolution": model(
        node("ConvTranspose", "x", "w", strides=[4096, 4096]), tensors=(floats("w", 3, 8, 2, 2),)
    ),
    "many boxes": model(
        node("Resize", "b", "", "factors", to="boxes"),
        node("NonMaxSuppression", "boxes", "boxes", "most", to="s"),
        node("Identity", "s"),
        tensors=(
            floats("b", 1, 4, 4),
            whole("most", 1 << 40),
            numpy_helper.from_array(np.array([1, 1e4, 1e4], np.float32), "factors"),
        ),
    ),
    "products of many small matrices": model(
        node("Resize", "x", "", "factors", to="large"),
        node("Reshape", "large", "each", to="m"),
        *(node("MatMul", "m", "m", to=f"p{n}") for n in range(3)),
        node("Identity", "p2"),
        tensors=(factors(16), whole("each", -1, 1, 1)),
    ),
    "products of whole numbers": model(
        node("Resize", "x", "", "factors", to="large"),
        helper.make_node("Cast", ["large"], ["whole"], to=TensorProto.INT64),
        node("MatMul", "whole", "whole"),
        tensors=(factors(16),),
    ),
    "many places written over": model(
        node("Expand", "place", "rows", to="places"),
        node("Expand", "part", "many", to="parts"),
        *(node("ScatterND", "x", "places", "parts", to=f"s{n}") for n in range(40)),
        node("Identity", "s39"),
        tensors=(whole("place", 0, 0, 0, 0), whole("rows", 1 << 20, 4), floats("part", 1), whole("many", 1 << 20)),
    ),
    "turned convolutions with wide windows": model(
        node("Resize", "x", "", "factors", to="large"),
        *(node("ConvTranspose", "large", "w", to=f"c{n}") for n in range(16)),
        node("Identity", "c15"),
        tensors=(factors(4), floats("w", 3, 8, 9, 9)),
    ),
    "many boxes compared": model(
        *(node("NonMaxSuppression", "boxes", "scores", "most", to=f"n{n}") for n in range(12)),
        node("Identity", "n11"),
        tensors=(floats("boxes", 1, 5000, 4), floats("scores", 1, 4, 5000), whole("most", 5000)),
    ),
    "more operations than a network has": model(
        node("Relu", "x", to="r0"),
        *(node("Relu", f"r{n}", to=f"r{n + 1}") for n in range(9000)),
        node("Identity", "r9000"),
    ),
    "many at one time": model(
        *(node("Expand", "x", "to", to=f"e{n}") for n in range(64)),
        node("Max", *(f"e{n}" for n in range(64))),
        tensors=(whole("to", 100, 3, 64, 64),),
    ),
}


@pytest.mark.parametrize("what", BOMBS)
def test_what_no_network_needs_is_refused_before_the_runtime_sees_it(what, monkeypatch):
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    Path("bomb.onnx").write_bytes(BOMBS[what])
    with pytest.raises(
        WeightsError, match=rf"bomb\.onnx: is no ONNX network that this program wrote: .*{MORE}"
    ) as caught:
        open_exported(Path("bomb.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "nodes",
    [
        (node("Cast", "x", to="n"), node("Expand", "x", "n")),
        (node("ArgMax", "x", to="n", axis=0), node("Expand", "x", "n")),
        (node("Reshape", "x", "missing"),),
        (node("Conv", "x", "w", auto_pad="SAME_UPPER"),),
        (node("Concat", "x", "x"),),
        (node("Resize", "x", "", "factors", mode="cubic"),),
        (node("Transpose", "x", perm=[0, 0, 0, 0]),),
        (node("Unsqueeze", "x"),),
        (node("Identity", "x", to="x"), node("Relu", "x")),
    ],
    ids=range(9),
)
def test_sizes_that_only_a_run_can_know_and_parts_that_do_not_fit_are_refused(nodes):
    content = model(*nodes, tensors=(floats("w", 1, 3, 3, 3), factors(2)))
    Path("odd.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match="is no ONNX network that this program wrote: it") as caught:
        open_exported(Path("odd.onnx"))
    assert "\n" not in str(caught.value)


def test_a_graph_that_fits_small_images_is_refused_on_large_ones():
    """The product of all places with all places, as a network's attention over far fewer."""
    Path("a.onnx").write_bytes(
        model(COLUMN, LINE, node("Add", "column0", "line0"), tensors=SIDES, words=passport(32, dynamic=True))
    )
    exported = open_exported(Path("a.onnx"))
    with pytest.raises(WeightsError, match=r"answers in the shape \(\)"):
        exported(torch.zeros(1, 3, 32, 32))
    with pytest.raises(WeightsError, match=rf"fails on images of \(1, 3, 320, 320\) \(.*{MORE}"):
        exported(torch.zeros(1, 3, 320, 320))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("suppression", [None, INSIDE])
def test_the_answer_of_a_network_has_the_shape_that_was_worked_out(dynamic, suppression):
    content = onnx_bytes(Deployed(tiny()), passport(dynamic=dynamic, suppression=suppression))
    Path("a.onnx").write_bytes(content)
    exported = open_exported(Path("a.onnx"))
    for shape in [(1, 3, 64, 64), *([(3, 3, 96, 64)] if dynamic else [])]:
        (expected,) = require_within_budget(contents_of(content).graph, RULES, shape)
        assert tuple(exported.answers(torch.rand(shape)).shape) == expected


@pytest.mark.parametrize(("size", "batch"), [(8192, 1), (64, 4096), (1280, 4)])
@pytest.mark.parametrize("suffix", [".onnx", ".torchscript"])
def test_a_file_cannot_ask_for_images_that_fill_memory(size, batch, suffix):
    words = passport(size, batch)
    content = (
        model(node("Relu", "x"), words=words)
        if suffix == ".onnx"
        else torchscript_bytes(Deployed(tiny()), torch.zeros(1, 3, 64, 64), words.words())
    )
    path = Path(f"a{suffix}")
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"takes {batch} images of {size} pixels"):
        open_exported(path)


@pytest.mark.parametrize("suffix", [".onnx", ".torchscript"])
def test_a_file_of_many_large_images_runs_for_a_user_who_asks_for_as_many(suffix):
    words, detector = passport(928, 2), tiny()
    path = Path(f"a{suffix}")
    path.write_bytes(
        onnx_bytes(Deployed(detector), words)
        if suffix == ".onnx"
        else torchscript_bytes(Deployed(detector), torch.zeros(2, 3, 928, 928), words.words())
    )
    ask = "Give --batch 2 --imgsz 928 to run it"
    for size, batch in ((None, 1), (928, 1), (None, 2), (640, 2)):
        with pytest.raises(WeightsError, match=ask):
            predictor_of((str(path),), "cpu", size, batch=batch)
    predict, _ = predictor_of((str(path),), "cpu", 928, batch=2)
    assert len(predict([np.zeros((32, 32, 3), np.uint8)], NmsRules())) == 1
    data = datasets.write(Path("data"), train=1, val=3)
    with pytest.raises(WeightsError, match=ask):
        open_evaluation(
            ValSettings(weights=(str(path),), data=str(data), device="cpu", batch_size=2, names_by_position=True)
        )
    asked = ValSettings(
        weights=(str(path),), data=str(data), device="cpu", batch_size=2, imgsz=928, workers=0, names_by_position=True
    )
    assert open_evaluation(asked).run().metrics.num_images == 3


NET = """<?xml version="1.0"?><net name="g" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,3,64,64" element_type="f32"/>
<output><port id="0"/></output></layer>
<layer id="1" name="c" type="Const" version="opset1"><data element_type="i64" shape="4" offset="0" size="32"/>
<output><port id="0"/></output></layer>
<layer id="2" name="b" type="Broadcast" version="opset3"><data mode="bidirectional"/>
<input><port id="0"/><port id="1"/></input><output><port id="2"/></output></layer>
<layer id="3" name="r" type="Result" version="opset1"><input><port id="0"/></input></layer>
</layers><edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/></edges><rt_info/></net>"""


def test_an_openvino_network_that_asks_for_too_much_is_refused_without_its_runtime():
    fits = net_contents(NET.encode(), np.array([2, 3, 64, 64], np.int64).tobytes())
    require_net_within_budget(fits, (1, 3, 64, 64))
    with pytest.raises(UnknownSizeError, match="other sides than it says"):
        require_net_within_budget(fits, (1, 3, 32, 64))
    bomb = net_contents(NET.encode(), np.array([1 << 20, 3, 64, 64], np.int64).tobytes())
    with pytest.raises(OverBudgetError, match=MORE):
        require_net_within_budget(bomb, (1, 3, 64, 64))
    with pytest.raises(UnknownSizeError, match="only a run can know"):
        require_net_within_budget(
            net_contents(NET.replace('from-layer="1"', 'from-layer="0"').encode(), bytes(32)), (1, 3, 64, 64)
        )


def predicted(path: Path) -> str:
    """What a prediction says that keeps the budget of 2 GB and 60 s."""
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save("a.png")
    spent = within_budget(["predict", "--weights", path, "--source", "a.png", "--nosave", "--threads", "1"])
    assert spent.code
    assert "our fault" not in spent.err
    return spent.err


def test_a_hostile_onnx_file_keeps_the_budget():
    Path("bomb.onnx").write_bytes(BOMBS["a column and a line"])
    assert MORE in predicted(Path("bomb.onnx"))


def test_a_hostile_torchscript_file_keeps_the_budget():
    answer = "torch.mul(torch.reshape(images, [-1, 1]), torch.reshape(images, [1, -1]))"
    assert MORE in predicted(with_last(Path("bomb.torchscript"), answer))


def test_products_of_matrices_behind_each_other_are_ended_by_the_bound():
    rows = "".join(f"    p{n + 1} = torch.bmm(p{n}, p0)\n" for n in range(100))
    text = f"    p0 = torch.select(torch.upsample_nearest2d(images, None, [16., 16.]), 0, 0)\n{rows}"
    open_ = open_exported(with_last(Path("long.torchscript"), "p100", before=text))
    with pytest.raises(WeightsError, match=MORE):
        open_(torch.zeros(1, 3, 64, 64))


def test_an_onnx_file_that_uses_all_that_a_network_may_keeps_the_budget():
    """As many and as large images as a file may ask for, and values beside each other up to the bound."""
    words = passport(1280, dynamic=True)
    room = Budget.of_images((1, 3, 1280, 1280)).room
    copies = room // (4 * 3 * 1280 * 1280) - 2
    content = model(
        *(node("Sigmoid", "x", to=f"e{n}") for n in range(copies)),
        node("Max", *(f"e{n}" for n in range(copies))),
        words=words,
    )
    Path("full.onnx").write_bytes(content)
    assert "answers in the shape ()" in predicted(Path("full.onnx"))

# SPDX-License-Identifier: Apache-2.0
"""ONNX and OpenVINO files are read by us before their runtimes see them.

Only what `boxwright export` writes goes on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from boxwright.errors import WeightsError
from boxwright.export_formats.deployed import Deployed
from boxwright.export_formats.onnx_graph import onnx_bytes
from boxwright.infer.exported import open_exported
from boxwright.structures.passport import GraphSuppression, Passport
from boxwright.system.onnx_contents import ForeignGraphError, contents_of
from boxwright.system.openvino_contents import ForeignNetError, net_contents
from tests.support.networks import tiny

pytestmark = pytest.mark.slow

INSIDE = GraphSuppression(0.1, 0.5, 20, 100)
ANCHORS_PX = (((1.0, 1.0),), ((2.0, 2.0),))
PASSPORT = Passport(("a", "b", "c"), (8, 16), ANCHORS_PX, 3, 64, 1)
X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 64, 64])
RELU = helper.make_node("Relu", ["x"], ["y"])


def model(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = (), **more: object) -> onnx.ModelProto:
    """A graph from x to y."""
    graph = helper.make_graph(list(nodes or (RELU,)), "g", [X], [Y], list(tensors))
    made = helper.make_model(
        graph, opset_imports=more.pop("opsets", [helper.make_opsetid("", 17)]), ir_version=8, **more
    )
    helper.set_model_props(made, PASSPORT.words())
    return made


def refused(made: onnx.ModelProto | bytes, says: str) -> None:
    """By our reader, and in one line by the door, before the runtime sees it."""
    content = made if isinstance(made, bytes) else made.SerializeToString()
    with pytest.raises(ForeignGraphError, match=says):
        contents_of(content)
    Path("evil.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"evil\.onnx: is no ONNX network that this program wrote: ") as caught:
        open_exported(Path("evil.onnx"))
    assert "\n" not in str(caught.value)


def external(name: str) -> onnx.TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=name)
    return tensor


@pytest.mark.parametrize("suppression", [None, INSIDE])
@pytest.mark.parametrize("dynamic", [False, True])
def test_what_the_exporter_writes_is_read_with_its_words_and_numbers(suppression, dynamic):
    passport = Passport(("a", "b", "c"), (8, 16), ANCHORS_PX, 3, 64, 1, dynamic=dynamic, suppression=suppression)
    detector = tiny()
    content = onnx_bytes(Deployed(detector), passport)
    found, known = contents_of(content), onnx.load_from_string(content)
    assert found.words == {one.key: one.value for one in known.metadata_props}
    assert len(found.graph.nodes) == len(known.graph.node)
    for tensor in known.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            assert np.array_equal(found.tensors[tensor.name].numpy(), numpy_helper.to_array(tensor).ravel())


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "beside.bin", "link"])
def test_numbers_outside_of_the_file_are_refused(name):
    made = model(helper.make_node("Add", ["x", "w"], ["y"]), tensors=(external(name),))
    refused(made, "part .number 1[34] of tensor")
    refused(model(helper.make_node("Constant", [], ["c"], value=external(name)), RELU), "part .number 1[34] of tensor")


def inner() -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", 1, None)]
    )


def test_graphs_inside_of_graphs_functions_and_operators_of_others_are_refused():
    condition = numpy_helper.from_array(np.array(True), "c")
    refused(
        model(helper.make_node("If", ["c"], ["y"], then_branch=inner(), else_branch=inner()), tensors=(condition,)),
        "operator 'If'|part",
    )
    refused(
        model(helper.make_node("Loop", ["", "c", "x"], ["y"], body=inner()), tensors=(condition,)),
        "operator 'Loop'|part",
    )
    refused(model(helper.make_node("Relu", ["x"], ["y"], body=inner())), "number 6 of attribute")
    refused(model(helper.make_node("Relu", ["x"], ["y"], domain="com.microsoft")), "com.microsoft")
    refused(model(opsets=[helper.make_opsetid("", 17), helper.make_opsetid("my.operators", 1)]), "my.operators")
    refused(model(helper.make_node("PythonOp", ["x"], ["y"])), "PythonOp")
    function = helper.make_function("", "Relu", ["x"], ["y"], [RELU], [helper.make_opsetid("", 17)])
    refused(model(functions=[function]), "number 25 of model")


def test_the_last_of_two_operators_in_one_node_is_not_the_only_one_that_counts():
    """The format lets a later part take the place of an earlier one, and adds up two graphs."""
    node, bad = RELU.SerializeToString(), helper.make_node("PythonOp", ["x"], ["y"]).SerializeToString()
    merged = onnx.NodeProto.FromString(bad + node)
    assert merged.op_type == "Relu"
    graph = b"\x0a" + len(bad + node).to_bytes(1, "little") + bad + node
    refused(b"\x3a" + len(graph).to_bytes(1, "little") + graph, "PythonOp")
    refused(
        model().SerializeToString()
        + b"\x3a"
        + (len(bad) + 2).to_bytes(1, "little")
        + b"\x0a"
        + len(bad).to_bytes(1, "little")
        + bad,
        "PythonOp",
    )


def test_tensors_of_other_sides_than_their_numbers_and_of_text_are_refused():
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    tensor.dims[:] = [1 << 20, 1 << 20]
    refused(model(helper.make_node("Add", ["x", "w"], ["y"]), tensors=(tensor,)), "other sides than its numbers")
    refused(model(tensors=(helper.make_tensor("t", TensorProto.STRING, [1], ["text"]),)), "text|another kind|part")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no graph"),
        (b"words", "part|cut short|damaged"),
        (b"\x3a\xff\xff\xff\xff\x0f", "cut short"),
        (b"\xff" * 64, "damaged"),
        (b"\x3a\x04\x0a\x02\x0b\x0c", "number 1 of node"),
        (b"\x42\x02\x10\x11" * 500_001, "more parts"),
        (b"\x3a\x00", "holds no graph"),
        (b"\x08\x01" * 2, "says something twice"),
        (b"\x3a\x00" * 2, "says something twice"),
    ],
)
def test_damaged_and_endless_files_are_one_line(content, says):
    refused(content, says)


def test_weights_that_are_no_numbers_are_named():
    detector = tiny()
    with torch.no_grad():
        detector.head.m[1].weight[2, 0] = torch.inf
    Path("a.onnx").write_bytes(onnx_bytes(Deployed(detector), PASSPORT))
    with pytest.raises(
        WeightsError, match=r"a\.onnx: has values in 'network.model.10.m.1.weight' that are no finite numbers"
    ):
        open_exported(Path("a.onnx"))


NET = """<?xml version="1.0"?><net name="g" version="11"><layers>
<layer id="0" name="w" type="Const" version="opset1"><data element_type="f32" shape="2" offset="4" size="8"/></layer>
<layer id="1" name="r" type="ReLU" version="opset1"/>
</layers><edges/><rt_info><boxwright value="words"/></rt_info></net>"""


def test_an_openvino_graph_is_read_with_its_words_and_constants():
    found = net_contents(NET.encode(), bytes(12))
    assert found.words == "words"
    assert found.constants == {"w": (torch.float32, 4, 8)}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<net", '<!DOCTYPE n [<!ENTITY a "b">]><net', "document type"),
        ("<net", '<!DOCTYPE n SYSTEM "file:///etc/passwd"><net', "document type"),
        ("<net", "<?other program?><net", "instructions"),
        ("ReLU", "Loop", "layer 'Loop'"),
        ("ReLU", "TensorIterator", "layer 'TensorIterator'"),
        ("ReLU", "ReadValue", "layer 'ReadValue'"),
        ('ReLU" version="opset1', 'ReLU" version="extension', "'extension'"),
        ('ReLU" version="opset1"/>', 'ReLU" version="opset1"><body/></layer>', "graph inside"),
        ('size="8"', 'size="9"', "outside"),
        ('offset="4"', 'offset="-4"', "outside"),
        ('offset="4"', f'offset="{"9" * 5000}"', "outside"),
        ("f32", "string", "another kind"),
        ("<edges/>", "<edges>" + "<a>" * 100 + "</a>" * 100 + "</edges>", "not built like a network"),
        ("<edges/>", "<pre-process/>", "part 'pre-process'"),
        ("<edges/>", "<edges/><edges/>", "part 'edges'"),
        ('shape="2"', 'shape="3"', "other sides than its numbers"),
        ('version="11"', 'version="10"', "format 11"),
        ("<net name", "<other name", "no sound XML|not built"),
        ("</net>", "", "no sound XML"),
        ('"words"', '"&a;"', "no sound XML"),
        ('"words"', '"\x00"', "no sound XML"),
        ('"1.0"?', '"1.0" encoding="UTF-16"?', "another encoding"),
        ('"1.0"?', '"1.0" encoding="ISO-8859-1"?', "another encoding"),
    ],
)
def test_an_openvino_graph_with_anything_else_is_refused(old, new, says):
    content = NET.replace(old, new, 1)
    assert content != NET
    with pytest.raises(ForeignNetError, match=says):
        net_contents(content.encode(), bytes(12))

# SPDX-License-Identifier: Apache-2.0
"""Suppression as nodes of an ONNX graph: the best candidates, the standard's operator, a fixed number of rows.

Classes are kept apart by giving the operator one row of scores per class, so nothing is moved and nothing rounded: the
result is exact per class. A candidate has a score in the row of its best class alone.
B images, P predictions, C classes, K candidates, M rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from boxwright.structures.passport import GraphSuppression

OUTPUT = "detections"
_TO_THE_END = np.iinfo(np.int64).max


class _Nodes:
    """A graph that grows. Every call adds a node and gives the name of its output."""

    def __init__(self, graph: Any) -> None:
        import onnx  # noqa: PLC0415 -- an extra, only for those who use it

        self.onnx, self.graph, self.count = onnx, graph, 0

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """The name of the output, or a list of names."""
        self.count += 1
        names = [f"suppression_{self.count}_{number}" for number in range(outputs)]
        self.graph.node.append(self.onnx.helper.make_node(operator, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, kind: type) -> str:
        """A stored array."""
        self.count += 1
        name = f"suppression_{self.count}"
        self.graph.initializer.append(self.onnx.numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Whole numbers. (N,) int64"""
        return self.constant(values, np.int64)

    def columns(self, name: str, first: int, behind: int) -> str:
        """Part of the last axis of three."""
        return str(self.add("Slice", name, self.whole(first), self.whole(behind), self.whole(2)))

    def rows(self, name: str, places: str) -> str:
        """Rows of every image by their places. (B, N, F), (B, K) -> (B, K, F)"""
        return str(self.add("GatherND", name, self.add("Unsqueeze", places, self.whole(2)), batch_dims=1))


def append_suppression(graph: Any, rules: GraphSuppression, num_classes: int, batch: int | None) -> None:
    """Suppression takes the place of the output.

    (B, P, 5 + C) -> x1, y1, x2, y2, score, class, (B, M, 6), zeros where there are fewer.
    """
    nodes = _Nodes(graph)
    predictions = graph.output[0].name
    corners, scores, labels = _candidates(nodes, predictions, rules.candidates)
    kept = _kept_scores(nodes, corners, scores, labels, rules, num_classes)
    columns = (
        corners,
        nodes.add("Unsqueeze", kept, nodes.whole(2)),
        nodes.add("Unsqueeze", nodes.add("Cast", labels, to=1), nodes.whole(2)),
    )
    stays = nodes.add("Cast", nodes.add("Greater", kept, nodes.constant(0, np.float32)), to=1)
    rows = nodes.add("Mul", nodes.add("Concat", *columns, axis=2), nodes.add("Unsqueeze", stays, nodes.whole(2)))
    rows = nodes.add(
        "Pad", rows, nodes.whole(0, 0, 0, 0, rules.max_det, 0)
    )  # there may be fewer candidates than rows asked for
    kept = nodes.add("Pad", kept, nodes.whole(0, 0, 0, rules.max_det))
    _, places = nodes.add("TopK", kept, nodes.whole(rules.max_det), outputs=2, axis=1)
    graph.node.append(nodes.onnx.helper.make_node("Identity", [nodes.rows(rows, places)], [OUTPUT]))
    del graph.output[:]
    graph.output.append(
        nodes.onnx.helper.make_tensor_value_info(
            OUTPUT, nodes.onnx.TensorProto.FLOAT, [batch or "batch", rules.max_det, 6]
        )
    )


def _candidates(nodes: _Nodes, predictions: str, limit: int) -> tuple[str, str, str]:
    """Corners (B, K, 4), scores and best classes (B, K) of the best scored predictions, best first."""
    all_scores = nodes.add("Mul", nodes.columns(predictions, 5, _TO_THE_END), nodes.columns(predictions, 4, 5))
    best = nodes.add("ReduceMax", all_scores, axes=[2], keepdims=0)
    labels = nodes.add("ArgMax", all_scores, axis=2, keepdims=0)
    present = nodes.add("Gather", nodes.add("Shape", best), nodes.whole(1))
    scores, places = nodes.add("TopK", best, nodes.add("Min", present, nodes.whole(limit)), outputs=2, axis=1)
    boxes = nodes.rows(nodes.columns(predictions, 0, 4), places)
    centres, halves = (
        nodes.columns(boxes, 0, 2),
        nodes.add("Mul", nodes.columns(boxes, 2, 4), nodes.constant(0.5, np.float32)),
    )
    corners = nodes.add("Concat", nodes.add("Sub", centres, halves), nodes.add("Add", centres, halves), axis=2)
    return corners, scores, nodes.add("GatherElements", labels, places, axis=1)


def _kept_scores(
    nodes: _Nodes, corners: str, scores: str, labels: str, rules: GraphSuppression, num_classes: int
) -> str:
    """Scores of those who stay, 0 for the others. (B, K)"""
    zero = nodes.constant(0, np.float32)
    by_class = nodes.add("Unsqueeze", scores, nodes.whole(1))
    if not rules.agnostic:
        classes = nodes.constant(np.arange(num_classes).reshape(1, -1, 1), np.int64)
        by_class = nodes.add(
            "Where", nodes.add("Equal", nodes.add("Unsqueeze", labels, nodes.whole(1)), classes), by_class, zero
        )
    limits = (
        nodes.whole(rules.max_det),
        nodes.constant([rules.iou_thres], np.float32),
        nodes.constant([rules.conf_thres], np.float32),
    )
    chosen = nodes.add("NonMaxSuppression", corners, by_class, *limits)  # (S, 3) image, class, candidate
    places = nodes.add("Gather", chosen, nodes.whole(0, 2), axis=1)
    return str(nodes.add("ScatterND", nodes.add("Mul", scores, zero), places, nodes.add("GatherND", scores, places)))

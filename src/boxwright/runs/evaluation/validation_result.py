# SPDX-License-Identifier: Apache-2.0
"""What a validation from Python hands back: its numbers as attributes, and the whole document as a mapping."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from boxwright.metrics.scores import fitness
from boxwright.track.events import ClassResult

SCORES = ("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95")


@dataclass(frozen=True, repr=False)
class ValidationResult(Mapping[str, Any]):
    """The numbers of one validation, all between 0 and 1.

    As a mapping it is what `boxwright val --json` prints: `result["metrics"]`, `result["settings"]` and so on. Of
    `task="study"` that is all there is, a row for each image size in `result["study"]`.
    """

    document: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        return self.document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.document)

    def __len__(self) -> int:
        return len(self.document)

    @property
    def metrics(self) -> dict[str, float]:
        """All numbers by the names that logs use, COCO's own among them."""
        return dict(self.document["metrics"])

    @property
    def precision(self) -> float:
        """Mean over the classes, at the confidence of the best F1."""
        return self.metrics[SCORES[0]]

    @property
    def recall(self) -> float:
        """Mean over the classes, at the confidence of the best F1."""
        return self.metrics[SCORES[1]]

    @property
    def map50(self) -> float:
        """Mean average precision at an overlap of 0.5."""
        return self.metrics[SCORES[2]]

    @property
    def map50_95(self) -> float:
        """Mean average precision over overlaps from 0.5 to 0.95."""
        return self.metrics[SCORES[3]]

    @property
    def fitness(self) -> float:
        """What best.pt is chosen by, unless a run says otherwise."""
        return fitness(tuple(self.metrics[name] for name in SCORES))

    @property
    def coco(self) -> dict[str, float]:
        """The numbers of the COCO protocol by their names there, -1 where nothing could be measured."""
        return {name.removeprefix("coco/"): value for name, value in self.metrics.items() if name.startswith("coco/")}

    @property
    def confidence(self) -> float:
        """The confidence that precision and recall are read at."""
        return float(self.document["at"]["confidence"])

    @property
    def classes(self) -> tuple[ClassResult, ...]:
        """One result for each class that has labels."""
        names = [one.name for one in fields(ClassResult)]
        return tuple(ClassResult(**{name: row[name] for name in names}) for row in self.document["classes"])

    @property
    def speed_ms(self) -> dict[str, float]:
        """Milliseconds per image by stage."""
        return dict(self.document["speed_ms"])

    @property
    def settings(self) -> dict[str, Any]:
        """What the numbers depend on, beside weights and data: image size, thresholds, split."""
        return dict(self.document["settings"])

    def __repr__(self) -> str:
        if "metrics" not in self.document:
            return f"ValidationResult({', '.join(self.document)})"
        words = ", ".join(f"{name}={getattr(self, name):.4g}" for name in ("map50_95", "map50", "precision", "recall"))
        return f"ValidationResult({words}, {len(self.document['classes'])} classes)"

    def _repr_html_(self) -> str:
        """A table for notebooks: all classes together, and each."""
        if "metrics" not in self.document:
            return f"<p>{html.escape(repr(self))}</p>"
        head = ("class", "images", "labels", "precision", "recall", "mAP50", "mAP50-95")
        rows: list[tuple[str, object, object, float, float, float, float]] = [
            ("all", "", "", self.precision, self.recall, self.map50, self.map50_95)
        ]
        rows += [
            (one.name, one.images, one.labels, one.precision, one.recall, one.map50, one.map50_95)
            for one in self.classes
        ]
        body = "".join(
            "<tr>"
            + "".join(
                f"<td>{cell:.3f}</td>" if isinstance(cell, float) else f"<td>{html.escape(str(cell))}</td>"
                for cell in row
            )
            + "</tr>"
            for row in rows
        )
        titles = "".join(f"<th>{word}</th>" for word in head)
        return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"

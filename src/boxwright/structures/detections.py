# SPDX-License-Identifier: Apache-2.0
"""What a detector says about one image."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from boxwright.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_ROWS_SHOWN = 20  # of the table in a notebook


@dataclass(frozen=True)
class Detections:
    """Boxes of one image, best first; a pure value. M detections.

    `boxes_xyxy_px` (M, 4) float32 in pixels of the upright image of `size_hw`; `scores` (M,) float32; `classes` (M,)
    int64.
    """

    boxes_xyxy_px: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]
    size_hw: tuple[int, int]
    path: str = ""

    def __post_init__(self) -> None:
        count = len(self.boxes_xyxy_px)
        assert self.boxes_xyxy_px.shape == (count, 4)
        assert self.scores.shape == self.classes.shape == (count,)
        assert not count or 0 <= self.classes.min() <= self.classes.max() < len(self.names)

    @classmethod
    def from_rows(cls, rows: np.ndarray, names: tuple[str, ...], size_hw: tuple[int, int], path: str = "") -> Self:
        """From rows x1, y1, x2, y2, score, class. (M, 6)"""
        return cls(
            rows[:, :4].astype(np.float32),
            rows[:, 4].astype(np.float32),
            rows[:, 5].astype(np.int64),
            names,
            size_hw,
            path,
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records())

    def __getitem__(self, chosen: int | np.ndarray | slice | list[int]) -> Self:
        if isinstance(chosen, int | np.integer):  # one of them, still with everything that they can do
            if not -len(self) <= chosen < len(self):
                raise IndexError(f"there are {len(self)} detections")
            chosen = [int(chosen)]
        return replace(
            self, boxes_xyxy_px=self.boxes_xyxy_px[chosen], scores=self.scores[chosen], classes=self.classes[chosen]
        )

    def filter(
        self, *, min_score: float = 0.0, classes: Iterable[int | str] | None = None, min_side_px: float = 0.0
    ) -> Self:
        """Those that score enough, are of these classes (numbers or names) and are large enough.

        Raises SettingError for a class that the network does not know.
        """
        wanted = self.scores >= min_score
        if classes is not None:
            chosen = [classes] if isinstance(classes, str) else classes
            wanted &= np.isin(self.classes, [class_number(word, self.names) for word in chosen])
        sides = self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2]
        return self[wanted & (sides.min(axis=1, initial=np.inf) >= min_side_px)]

    def numpy(self) -> np.ndarray:
        """Rows x1, y1, x2, y2, score, class. (M, 6) float32"""
        return np.concatenate(
            (self.boxes_xyxy_px, self.scores[:, None], self.classes[:, None].astype(np.float32)), axis=1
        )

    def records(self) -> list[dict[str, Any]]:
        """One dictionary per detection, of plain values."""
        rows = zip(self.boxes_xyxy_px.tolist(), self.scores.tolist(), self.classes.tolist(), strict=True)
        return [
            {"box_xyxy_px": box, "score": score, "class": number, "name": self.names[number]}
            for box, score, number in rows
        ]

    def counts(self) -> dict[str, int]:
        """How many of each class, by name, in the order of the classes."""
        numbers, counts = np.unique(self.classes, return_counts=True)
        return {self.names[number]: int(count) for number, count in zip(numbers, counts, strict=True)}

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, ready for JSON."""
        return {"path": self.path, "size_wh": list(self.size_hw[::-1]), "detections": self.records()}

    def columns(self) -> dict[str, list[Any]]:
        """x1, y1, x2, y2 (pixels), score, class and name of all detections, a list each."""
        found: dict[str, list[Any]] = {
            name: self.boxes_xyxy_px[:, at].tolist() for at, name in enumerate(("x1", "y1", "x2", "y2"))
        }
        numbers = self.classes.tolist()
        return found | {"score": self.scores.tolist(), "class": numbers, "name": [self.names[c] for c in numbers]}

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with the columns x1, y1, x2, y2 (pixels), score, class, name.

        Raises SettingError when pandas is not installed.
        """
        return data_frame(self.columns())

    pandas = to_pandas

    def __str__(self) -> str:
        height, width = self.size_hw
        found = ", ".join(f"{count} {name}" for name, count in self.counts().items()) or "nothing found"
        return f"{self.path or 'image'} {width}x{height}: {found}"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        head = "".join(f"<th>{word}</th>" for word in ("", "class", "score", "x1", "y1", "x2", "y2"))
        rows = "".join(
            f"<tr><td>{number}</td><td>{html.escape(record['name'])}</td><td>{record['score']:.3f}</td>"
            + "".join(f"<td>{value:.1f}</td>" for value in record["box_xyxy_px"])
            + "</tr>"
            for number, record in enumerate(self[:MOST_ROWS_SHOWN].records())
        )
        more = f"<p>and {len(self) - MOST_ROWS_SHOWN} more</p>" if len(self) > MOST_ROWS_SHOWN else ""
        title = html.escape(str(self))
        return f"<p>{title}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def data_frame(columns: dict[str, Any]) -> Any:
    """A pandas.DataFrame. Raises SettingError when pandas is not installed."""
    try:
        import pandas as pd  # noqa: PLC0415 -- not a dependency: whoever asks for its tables has it
    except ImportError as error:
        raise SettingError(
            "pandas", f"the package pandas cannot be imported ({error})", "Install it: pip install pandas"
        ) from None
    return pd.DataFrame(columns)


def class_number(word: int | str, names: tuple[str, ...]) -> int:
    """The number of a class that is given by number or name. Raises SettingError."""
    if isinstance(word, str) and word in names:
        return names.index(word)
    if isinstance(word, int | np.integer) and not isinstance(word, bool) and 0 <= word < len(names):
        return int(word)
    raise SettingError("classes", f"there is no class {word!r}", f"Classes: {', '.join(names)}")

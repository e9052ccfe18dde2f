# SPDX-License-Identifier: Apache-2.0
"""Pictures that lie in two splits, told by the digest of their content."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from boxwright.data.index.index import DIGEST_BYTES, Index, short_name
from boxwright.data.labels.findings import Finding
from boxwright.data.splits.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

FIX = "Keep each picture in one split; `boxwright data split` divides a set"


def overlaps(dataset: Dataset, splits: Mapping[str, Index]) -> list[tuple[str, Finding]]:
    """A finding, with the later split, for every two that share pictures, byte for byte, under whatever names."""
    contents = {split: _contents(index) for split, index in splits.items()}
    found = []
    for first, second in itertools.combinations(splits, 2):
        places = {content: number for number, content in enumerate(contents[first])}
        pairs = [(places[content], number) for number, content in enumerate(contents[second]) if content in places]
        if pairs:
            found.append((second, _finding(dataset, (first, splits[first]), (second, splits[second]), pairs)))
    return found


def _contents(index: Index) -> list[bytes]:
    """The digest of every image; none where they are not known."""
    whole = index.digests.tobytes()
    return [whole[first : first + DIGEST_BYTES] for first in range(0, len(whole), DIGEST_BYTES)]


def _finding(
    dataset: Dataset, one: tuple[str, Index], other: tuple[str, Index], pairs: list[tuple[int, int]]
) -> Finding:
    """`pairs` are numbers of the same picture in the one and in the other."""
    (first, there), (second, here) = one, other
    if len(pairs) == len(here) == len(there):
        what = f"split '{second}' is the same {len(here)} images as split '{first}'"
    else:
        names = short_name(here.paths[pairs[0][1]]), short_name(there.paths[pairs[0][0]])
        what = (
            f"{len(pairs)} of the {len(here)} images of split '{second}' are in split '{first}' as well "
            f"({names[0]} is {names[1]}, for example)"
        )
    told = "what was trained on is measured again, so numbers come out better than on new images"
    text = f"{what}: {told}" if "train" in {first, second} else what
    return Finding(str(dataset.file), None, "overlap", "warning", text, "kept", FIX)

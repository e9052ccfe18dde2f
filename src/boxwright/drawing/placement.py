# SPDX-License-Identifier: Apache-2.0
"""Where captions go: near their box, inside the image, off small boxes and off each other.

N captions, K boxes, P places.
"""

from __future__ import annotations

import numpy as np

# What a place costs. The order of the places is a taste; covering is a fault.
RANK = 0.06  # per place down the list
MOVED = 0.3  # per caption height that a place was pushed to lie inside the image
ON_CAPTION = 4.0  # times the share of the caption that lies on captions placed before
ON_BOX = 2.0  # times the share of a box that it hides, summed over all boxes
MAX_COVERED = 0.03  # a caption that would lie on others with more than this share is left out: one is read, two are not
MAX_HIDDEN = 0.3  # and so is one that would hide more of boxes than this: a small thing without its name is still seen
MAX_TEXT = 0.3  # of the image may be captions, except that the first one always has a place: the picture is the point


def places(
    owners: np.ndarray, sizes_wh: np.ndarray, boxes_xyxy: np.ndarray, image_hw: tuple[int, int]
) -> list[tuple[int, int] | None]:
    """Upper left corner of each caption, in the given order of importance; None where there is no room.

    owners (N,) index into the boxes, sizes_wh (N, 2), boxes (K, 4); whole pixels.
    """
    height, width = image_hw
    taken = np.empty((len(owners), 4))
    count, room = 0, MAX_TEXT * height * width
    found: list[tuple[int, int] | None] = []
    for owner, size_wh in zip(owners, sizes_wh, strict=True):
        area = size_wh.prod()
        place = None
        if size_wh[0] <= width and size_wh[1] <= height and (not count or area <= room):
            place = _best_place(owner, size_wh, boxes_xyxy, taken[:count], image_hw)
        if place is not None:
            taken[count] = (*place, *(place + size_wh))
            count, room = count + 1, room - area
        found.append(None if place is None else (int(place[0]), int(place[1])))
    return found


def _best_place(
    owner: int, size_wh: np.ndarray, boxes_xyxy: np.ndarray, taken_xyxy: np.ndarray, image_hw: tuple[int, int]
) -> np.ndarray | None:
    """The cheapest place for a caption, (2,); None where even that lies on others. taken (N, 4)"""
    wished = _around(boxes_xyxy[owner], size_wh)
    corners = wished.clip(0, np.array(image_hw[::-1]) - size_wh)
    plates = np.concatenate((corners, corners + size_wh), axis=1).astype(np.float64)
    on_captions = _shared_area(plates, taken_xyxy).sum(axis=1) / size_wh.prod()
    cost = RANK * np.arange(len(plates)) + MOVED * np.abs(corners - wished).sum(axis=1) / size_wh[1]
    hidden = _hidden(plates, boxes_xyxy)
    cost += ON_CAPTION * on_captions + ON_BOX * hidden
    best = int(cost.argmin())
    has_room = on_captions[best] <= MAX_COVERED and hidden[best] <= MAX_HIDDEN
    return corners[best] if has_room or not len(taken_xyxy) else None


def _around(box_xyxy: np.ndarray, size_wh: np.ndarray) -> np.ndarray:
    """The places for a caption, the usual ones first. (P, 2)"""
    (x1, y1, x2, y2), (width, height) = box_xyxy, size_wh
    above, below, left, right = y1 - height, y2, x1, x2 - width
    outside = [
        (left, above),
        (left, below),
        (right, above),
        (right, below),
        (x2, y1),
        (x1 - width, y1),
        (x2, y2 - height),
        (x1 - width, y2 - height),
    ]
    inside = [(left, y1), (right, y1), (left, y2 - height)]
    return np.array(outside + inside)


def _shared_area(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """Area that each shares with each. (P, 4), (N, 4) -> (P, N)"""
    low = np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    area: np.ndarray = (high - low).clip(0).prod(axis=2)
    return area


def _hidden(plates_xyxy: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray:
    """How many boxes each plate hides, in shares of a box. (P,)"""
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).clip(1).prod(axis=1)
    shares: np.ndarray = (_shared_area(plates_xyxy, boxes_xyxy) / areas).clip(0, 1).sum(axis=1)
    return shares

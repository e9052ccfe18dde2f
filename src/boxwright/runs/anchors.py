# SPDX-License-Identifier: Apache-2.0
"""Autoanchor: do the anchors fit the boxes, and if not, which would."""

from __future__ import annotations

import numpy as np
import torch

from boxwright.data.index.index import Index
from boxwright.geometry.anchors import AnchorFit, fit, fitted
from boxwright.keyed import Purpose, generator
from boxwright.model.detector import Detector

JITTER = (0.9, 1.1)  # one factor per image on its boxes before measuring


def jittered_sizes(index: Index, image_size: int, seed: int) -> np.ndarray:
    """Box sizes in training pixels, those of an image scaled by one keyed factor. (M, 2)"""
    factors = np.array([generator(seed, Purpose.ANCHORS, image).uniform(*JITTER) for image in range(len(index))])
    sizes: np.ndarray = index.boxes_wh_px(image_size) * factors[index.image_of_object][:, None]
    return sizes


def anchors_px(detector: Detector) -> np.ndarray:
    """The network's anchors in pixels. (L * A, 2)"""
    strides = torch.tensor(detector.strides, device=detector.head.anchors.device).view(-1, 1, 1)
    pixels: np.ndarray = (detector.head.anchors * strides).reshape(-1, 2).cpu().numpy().astype(np.float64)
    return pixels


def check_anchors(
    detector: Detector, index: Index, *, image_size: int, anchor_t: float, threshold: float, seed: int
) -> str:
    """Replace anchors that fit badly by better ones. One line about what was found and done."""
    sizes = jittered_sizes(index, image_size, seed)
    before = anchors_px(detector)
    found = fit(sizes, before, anchor_t)
    line = f"AutoAnchor: {_words(found)}"
    if found.recall > threshold:
        return f"{line}. The anchors are a good fit"
    better = fitted(sizes, len(before), anchor_t, generator(seed, Purpose.ANCHORS, -1))
    now = fit(sizes, better, anchor_t)
    if now.recall <= found.recall:
        return f"{line}. The anchors are a poor fit, and no better ones were found; they stay"
    place_anchors(detector, better)
    return f"{line}. The anchors are a poor fit and were replaced: {_words(now)}"


def place_anchors(detector: Detector, pixels: np.ndarray) -> None:
    """Deal anchors from small to large to the levels from fine to coarse."""
    head = detector.head
    strides = torch.tensor(detector.strides, dtype=torch.float32).view(-1, 1, 1)
    dealt = torch.tensor(pixels, dtype=torch.float32).view(head.num_levels, head.num_anchors, 2)
    with torch.no_grad():
        head.anchors.copy_((dealt / strides).to(head.anchors.device))


def _words(found: AnchorFit) -> str:
    return f"{found.per_box:.2f} anchors/target, {found.recall:.3f} Best Possible Recall (BPR)"

# SPDX-License-Identifier: Apache-2.0
"""Ground floor: boxes, letterbox, affine maps, suppression, anchors. Arrays and numbers only."""

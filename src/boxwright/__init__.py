# SPDX-License-Identifier: Apache-2.0
"""Boxwright: train, check and use anchor-based YOLOv5-family detectors."""

__version__ = "0.1.0"
__all__ = ["__version__"]

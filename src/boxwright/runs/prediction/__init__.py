# SPDX-License-Identifier: Apache-2.0
"""Detections on images: opening the network, going through the sources, writing what was found."""

# SPDX-License-Identifier: Apache-2.0
"""Pixels: colours, text, boxes and contact sheets on RGB arrays. Nothing here knows a model, a file or a figure."""

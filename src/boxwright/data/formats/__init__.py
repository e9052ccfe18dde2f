# SPDX-License-Identifier: Apache-2.0
"""Annotation formats, each read directly into the same values: label files, COCO instances JSON, Pascal VOC XML."""

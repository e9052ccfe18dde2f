# SPDX-License-Identifier: Apache-2.0
"""The layers a model YAML may name, one family a file.

Attribute names are weight names and are fixed by the files of the field.

Shapes: B images, C channels, H rows, W columns; every block maps (B, C1, H, W) to (B, C2, H', W') unless it says
otherwise.
"""

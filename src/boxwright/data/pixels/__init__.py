# SPDX-License-Identifier: Apache-2.0
"""Picture and video files to pixels: which formats, how large, decoded how."""

# SPDX-License-Identifier: Apache-2.0
"""Decoded pixels of a split, kept in memory, in a file or not at all."""

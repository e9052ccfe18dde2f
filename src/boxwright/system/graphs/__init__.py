# SPDX-License-Identifier: Apache-2.0
"""Graphs of exported networks, before they run: how large every answer is, and how much work."""

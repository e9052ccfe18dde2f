# SPDX-License-Identifier: Apache-2.0
"""Validation of a network on a split: for `val`, inside a training, at its end, and for reports."""

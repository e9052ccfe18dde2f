# SPDX-License-Identifier: Apache-2.0
"""Hyperparameter search: what is tried next, where it is written down, and whether the winner is better."""

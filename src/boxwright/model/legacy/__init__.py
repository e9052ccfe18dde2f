# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the original program, read and written as data: nothing they name is ever imported or called."""

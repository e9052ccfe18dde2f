# SPDX-License-Identifier: Apache-2.0
"""The trainer: loop, schedule, optimizer, average, checkpoints. Start with loop.py."""

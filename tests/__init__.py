# SPDX-License-Identifier: Apache-2.0
"""Tests. Each answers one question; its name is the sentence it proves."""

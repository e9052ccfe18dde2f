# SPDX-License-Identifier: Apache-2.0
"""Weights files: what they hold, what differs between them, and new ones made of them."""

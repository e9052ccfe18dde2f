# SPDX-License-Identifier: Apache-2.0
"""The index of a split: images with their objects in flat arrays, what is in them, and its fingerprint."""

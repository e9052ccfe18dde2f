# SPDX-License-Identifier: Apache-2.0
"""Tracking: what happens goes out as events; nothing reaches in."""

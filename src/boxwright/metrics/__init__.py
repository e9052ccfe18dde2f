# SPDX-License-Identifier: Apache-2.0
"""Metrics: from detections and truth to numbers. Flat numpy arrays; nothing here knows a model or a file."""

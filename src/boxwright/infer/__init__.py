# SPDX-License-Identifier: Apache-2.0
"""Inference: validation and prediction with a finished network."""

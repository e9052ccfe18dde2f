# SPDX-License-Identifier: Apache-2.0
"""Augmentation: decide first (a plan is a value, made from sizes alone), then apply it to labels and to pixels."""

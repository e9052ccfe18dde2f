# SPDX-License-Identifier: Apache-2.0
"""A study of hyperparameters from its settings to its verdict: each trial is a training without a folder."""

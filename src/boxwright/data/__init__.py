# SPDX-License-Identifier: Apache-2.0
"""Data: from folders and label files to batches."""

# SPDX-License-Identifier: Apache-2.0
"""Buckets: objects behind a network, or a folder that is used like one. Mirrors of runs, and caches of data."""

# SPDX-License-Identifier: Apache-2.0
"""Data sets looked through, converted, divided and described. User files are never changed."""

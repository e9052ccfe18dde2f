# SPDX-License-Identifier: Apache-2.0
"""`boxwright data ...`: look at data sets, convert, divide, preview, describe and fetch them.

User files are never changed.
"""

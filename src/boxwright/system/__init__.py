# SPDX-License-Identifier: Apache-2.0
"""The doors: devices, files, places. Everything outside the program is touched here and nowhere else."""

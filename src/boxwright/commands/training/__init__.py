# SPDX-License-Identifier: Apache-2.0
"""The wiring of a training: a plan is checked, machines are assembled, the trainer runs, the end is tidied."""

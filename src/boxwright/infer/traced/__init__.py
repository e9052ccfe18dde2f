# SPDX-License-Identifier: Apache-2.0
"""TorchScript files that `boxwright export` wrote, read as data and run by operators of our own choice."""

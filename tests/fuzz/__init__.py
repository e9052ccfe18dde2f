# SPDX-License-Identifier: Apache-2.0
"""Readers against damaged input, as many rounds as there is time for."""

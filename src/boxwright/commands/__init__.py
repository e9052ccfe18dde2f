# SPDX-License-Identifier: Apache-2.0
"""Wiring: one verb, one file, one function. Settings in, a typed result out; nothing here prints."""

# SPDX-License-Identifier: Apache-2.0
"""Textbook versions: the plain way to do what the package does fast. Oracles in tests, the other side in benchmarks.

Each is written for clarity from the definition, one thing at a time, and shares no code with the package.
"""

# SPDX-License-Identifier: Apache-2.0
"""A training from plan to last line, and everything that goes on from one. Start with session.py."""

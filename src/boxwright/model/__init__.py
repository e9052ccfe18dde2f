# SPDX-License-Identifier: Apache-2.0
"""Models: from a description in YAML to a network, and weights in and out."""

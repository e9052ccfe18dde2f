# SPDX-License-Identifier: Apache-2.0
"""Networks for other programs: what goes into a graph, and whether what comes out is still the same."""

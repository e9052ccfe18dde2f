# SPDX-License-Identifier: Apache-2.0
"""Speed, as ratios: ours and the textbook alternate in one run on one thread; medians.

A gate that both say the same.
"""

# SPDX-License-Identifier: Apache-2.0
"""Whether training learns: real data sets and several seeds, beside the curve of the original program."""

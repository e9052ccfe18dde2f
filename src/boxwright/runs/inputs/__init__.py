# SPDX-License-Identifier: Apache-2.0
"""What a run or a verb opens first: data sets, weights of every kind, the sample set."""

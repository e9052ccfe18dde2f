# SPDX-License-Identifier: Apache-2.0
"""Pictures of runs: values in, RGB arrays out. The same values give the same pixels; writing them is done elsewhere."""

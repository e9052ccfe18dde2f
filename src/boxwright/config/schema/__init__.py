# SPDX-License-Identifier: Apache-2.0
"""Every setting of every verb. A slice is what one room needs; a verb's settings are its slices together."""

# SPDX-License-Identifier: Apache-2.0
"""From the YAML of a data set to the images of a split."""

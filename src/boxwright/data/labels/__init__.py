# SPDX-License-Identifier: Apache-2.0
"""What is read from annotations: label files, class names, faults and what is done about them."""

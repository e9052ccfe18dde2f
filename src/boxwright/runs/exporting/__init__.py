# SPDX-License-Identifier: Apache-2.0
"""A network written for other programs, read back, run beside itself and compared."""

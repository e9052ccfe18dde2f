# SPDX-License-Identifier: Apache-2.0
"""Training: the loop and the machines around it. Start reading at `loop`."""

# SPDX-License-Identifier: Apache-2.0
"""Where events go: console, tables, event log, TensorBoard, callbacks. One file each."""

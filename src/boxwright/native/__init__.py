# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels: a small C++ library beside this file, reached through plain pointers.

Everything has a portable way too.
"""

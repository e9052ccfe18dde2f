# SPDX-License-Identifier: Apache-2.0
"""Whether there are compiled kernels to test."""

from __future__ import annotations

import shutil

import pytest

from boxwright.native import binary


def require_kernels() -> None:
    """Where there is a compiler there are kernels: `make` builds them. Elsewhere their tests have nothing to say."""
    if binary.kernels() is None:
        compiler = shutil.which("c++") or shutil.which("g++")
        assert compiler is None, "the compiled kernels were not built, or from other sources: run make"
        pytest.skip("no compiler here")

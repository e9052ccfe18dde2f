# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import gc
from pathlib import Path

import pytest

from tests.support import syntax

HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem):
    """Syntax trees are let go with the last test that looks at them: millions of objects to go through for others."""
    if nextitem is None or HERE not in nextitem.path.parents:
        for one in gc.get_objects():
            if isinstance(one, functools._lru_cache_wrapper):
                place = Path(one.__wrapped__.__code__.co_filename)
                if HERE in place.parents or place == Path(syntax.__file__):
                    one.cache_clear()
